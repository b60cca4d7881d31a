// In every page of the test, before anything else: events in the order in which they came, and waiting for one.
window.heard = [];
window.hear = (name, ...args) => {
  window.heard.push([name, ...args]);
  window.dispatchEvent(new Event("heard"));
};
/** The next event of that name; consumes it. */
window.next = (name) =>
  new Promise((resolve) => {
    const look = () => {
      const i = window.heard.findIndex(([other]) => other === name);
      if (i < 0) return;
      window.removeEventListener("heard", look);
      resolve(window.heard.splice(i, 1)[0].slice(1));
    };
    window.addEventListener("heard", look);
    look();
  });
/** An EventSource whose events are heard. */
window.source = (address, options) => {
  const source = (window.es = new EventSource(address, options));
  for (const name of ["connect", "disconnect", "welcome", "message", "echo", "said", "question", "answered"]) {
    source.addEventListener(name, ({ data, lastEventId }) => {
      if (name === "connect") window.news = JSON.parse(data);
      window.hear(name, data === "" ? undefined : JSON.parse(data), lastEventId);
    });
  }
  source.onopen = () => window.hear("open", source.readyState);
  source.onerror = () => window.hear("error", source.readyState);
  return source;
};
window.post = async (address, body, type = "application/json") => {
  const response = await fetch(address, { method: "POST", headers: { "content-type": type }, body: type === "application/json" ? JSON.stringify(body) : body });
  return response.status === 200 || response.status === 201 ? response.json() : response.status;
};
