// Due times stand in the zone of their plan; where the browser has another, its own time is written beside.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const language = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
  const own = new Intl.DateTimeFormat(language, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  const write = (root) => {
    for (const each of root.querySelectorAll("time[data-zone]:not([data-told])")) {
      each.dataset.told = "yes";
      const moment = new Date(each.dateTime);
      const there = new Intl.DateTimeFormat(language, {
        weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: each.dataset.zone,
      });
      if (own.format(moment) !== there.format(moment)) {
        each.append(` (${own.format(moment).replace(",", "")}, ${zone})`);
      }
    }
  };
  document.addEventListener("DOMContentLoaded", () => write(document));
  document.addEventListener("htmx:load", (event) => write(event.target));
})();
