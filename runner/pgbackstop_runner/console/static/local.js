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

// What a page shows is asked for anew when the stream says that it changed, and from time to time without one.
(() => {
  const topics = ["records", "operations"];
  const script = document.currentScript.src;
  let timer = 0;
  let isStale = false;
  const changed = (names) => {
    isStale = document.hidden;
    if (!isStale) for (const each of names) document.body.dispatchEvent(new Event(each));
  };
  const follow = (how, seconds) => {
    document.documentElement.dataset.follows = how;
    clearInterval(timer);
    timer = setInterval(() => changed(topics), seconds * 1000);
  };
  follow("polling", 3);
  document.addEventListener("visibilitychange", () => isStale && changed(topics));
  if (!window.SharedWorker || !document.querySelector("#live")) return;
  const { port } = new SharedWorker(new URL("worker.js", script));
  port.onmessage = ({ data }) => {
    if (data === "cut") follow("polling", 3);
    else if (data === "open") follow("stream", 20); // ages grow, and alerts fire, without an event of ours
    else changed([data]);
  };
  window.addEventListener("pagehide", () => port.postMessage("bye"));
})();
