// One stream of events for all tabs of a browser: it opens six connections to a host, and a stream keeps one.
"use strict";
const ports = new Set();
let source = null;
let isOpen = false;

const tell = (word) => {
  for (const port of ports) port.postMessage(word);
};

const connect = () => {
  source = new EventSource(new URL("../events", self.location));
  source.onopen = () => {
    isOpen = true;
    tell("open");
  };
  source.onerror = () => {
    isOpen = false;
    tell("cut");
    if (source.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => ports.size && !source && connect(), 10000);
    }
  };
  for (const topic of ["records", "operations"]) source.addEventListener(topic, () => tell(topic));
};

self.onconnect = (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = () => {
    ports.delete(port);
    if (!ports.size && source) {
      source.close();
      source = null;
    }
  };
  port.postMessage(isOpen ? "open" : "cut");
  if (!source) connect();
};
