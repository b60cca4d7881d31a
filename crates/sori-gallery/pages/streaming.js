// The same events, three times: each form opens its stream with `open`, hands over envelopes, and stops with `close`.
"use strict";

const address = (form) => `live?framing=${form}`;
const forms = {
  lines: {
    open() {
      const request = (this.request = new XMLHttpRequest());
      let read = 0;
      request.open("GET", address("lines"));
      request.onprogress = () => {
        const end = request.responseText.lastIndexOf("\n") + 1;
        // An empty line is a heartbeat.
        for (const line of request.responseText.slice(read, end).split("\n")) if (line) hear("lines", JSON.parse(line));
        read = end;
        if (read > 100_000) begin("lines");
      };
      request.onloadend = () => request === this.request && lost("lines");
      request.send();
    },
    close() {
      this.request.onloadend = null;
      this.request.abort();
    },
  },

  multipart: {
    async open() {
      const control = (this.control = new AbortController());
      try {
        const response = await fetch(address("multipart"), { signal: control.signal });
        const boundary = `--${/boundary="?([^";]+)/.exec(response.headers.get("content-type"))[1]}`;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let text = "";
        for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
          const parts = (text + piece.value).split(boundary);
          // What follows the last boundary is a part that is still to come.
          text = parts.pop();
          for (const part of parts) {
            const body = part.slice(part.indexOf("\r\n\r\n") + 4).trim();
            if (part.includes("\r\n\r\n") && body) hear("multipart", JSON.parse(body));
          }
        }
      } catch (error) {
        if (control.signal.aborted) return;
        console.warn(error.message);
      }
      if (control === this.control) lost("multipart");
    },
    close() {
      this.control.abort();
    },
  },

  iframe: {
    open() {
      this.frame = Object.assign(document.createElement("iframe"), { hidden: true, title: "stream", src: `${address("iframe")}&callback=heard` });
      wire.add("out", `GET ${new URL(this.frame.src).pathname}?framing=iframe&callback=heard`, "", "<iframe hidden>");
      this.frame.onload = () => lost("iframe");
      document.body.append(this.frame);
    },
    close() {
      this.frame.remove();
    },
  },
};

/// What the scripts in the frame call.
window.heard = (envelope) => {
  wire.add("in", "<script>heard(…)</script>", envelope);
  hear("iframe", envelope);
};

function hear(form, { event, data }) {
  const text = event === "connect" ? t(`이어짐: ${data.transport}`, `connected: ${data.transport}`) : event === "said" ? data : `${event} ${JSON.stringify(data)}`;
  const log = document.querySelector(`#${form} .log`);
  log.append(Object.assign(document.createElement("li"), { className: event === "said" ? "" : "note", textContent: text }));
  if (log.children.length > 60) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
  if (event === "connect") status(form, "on");
}

function status(form, state) {
  document.querySelector(`#${form} .status`).dataset.state = state;
}

const open = new Set();
function begin(form) {
  end(form);
  open.add(form);
  status(form, "wait");
  forms[form].open();
}
function end(form) {
  if (open.delete(form)) forms[form].close();
  status(form, "off");
}
function lost(form) {
  status(form, "wait");
  setTimeout(() => open.has(form) && begin(form), 3_000);
}
function all(change) {
  for (const form of Object.keys(forms)) change(form);
}

$("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { text } = event.target;
  const response = await fetch("live?event=say", { method: "POST", body: text.value });
  if (response.ok) text.value = "";
  text.focus();
});
$("stop").addEventListener("click", ({ target }) => {
  const stopped = target.getAttribute("aria-pressed") !== "true";
  target.setAttribute("aria-pressed", String(stopped));
  all(stopped ? end : begin);
});
document.addEventListener("visibilitychange", () => {
  if ($("stop").getAttribute("aria-pressed") === "false") all(document.hidden ? end : begin);
});

// A frame that never ends keeps the page from ever being loaded, if it is there before.
addEventListener("load", () => setTimeout(() => all(begin)));
