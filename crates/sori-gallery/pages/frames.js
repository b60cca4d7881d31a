// Shows what a page sends and receives: stands between the page and fetch, XMLHttpRequest, WebSocket and EventSource.
// Loaded before everything else, so that no library escapes it.
"use strict";

const $ = (id) => document.getElementById(id);
/// The text in the page's language.
const t = (ko, en) => (document.documentElement.lang === "ko" ? ko : en);

const wire = (() => {
  const ROWS_MAX = 150;
  const BODY_MAX = 2_000;
  const early = [];
  let total = 0;
  let paused = false;

  function make(tag, className, ...children) {
    const made = Object.assign(document.createElement(tag), { className });
    made.append(...children);
    return made;
  }

  function line(direction, what, ...facts) {
    const [arrow, said] = { out: ["→", t("보냄", "sent")], in: ["←", t("받음", "received")] }[direction] ?? ["·", ""];
    return make("div", "line", make("span", `arrow ${direction}`, arrow), make("span", "visually-hidden", said), make("span", "what", what),
      ...facts.map((fact) => fact.nodeType ? fact : make("span", "fact", fact)));
  }

  /// The payload of a polling client 1.x or 2.x, whose packets are text between lengths in bytes.
  function packets(data) {
    if (!(data instanceof ArrayBuffer)) return null;
    const [bytes, found] = [new Uint8Array(data), []];
    // What is text begins with a digit or a word, what is mixed with a byte of 0 or 1.
    if (bytes[0] > 1) return new TextDecoder().decode(data);
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(255, at);
      const length = Number(bytes.slice(at + 1, end).join(""));
      if (bytes[at] !== 0 || end < 0 || !(length > 0) || end + length >= bytes.length) return null;
      found.push(new TextDecoder().decode(bytes.slice(end + 1, (at = end + 1 + length))));
    }
    return found.join("\n");
  }

  function body(text) {
    if (text == null || text === "") return [];
    text = packets(text) ?? text;
    const bytes = text instanceof ArrayBuffer ? text.byteLength : ArrayBuffer.isView(text) ? text.byteLength : text instanceof Blob ? text.size : null;
    if (bytes !== null) return [make("pre", "", t(`바이트 ${bytes}개`, `${bytes} bytes`))];
    const all = text instanceof URLSearchParams ? text.toString() : text instanceof FormData ? [...text].map(([name, value]) => `${name}: ${value.name ?? value}`).join("\n")
      : typeof text === "string" ? text.replace(/^[\r\n]+/, "") : JSON.stringify(text);
    return [make("pre", "", all.length > BODY_MAX ? `${all.slice(0, BODY_MAX)} …` : all)];
  }

  function show(row) {
    const frames = $("frames");
    if (!frames) return early.push(row);
    frames.prepend(row);
    row.classList.add("new");
    while (frames.children.length > ROWS_MAX) frames.lastChild.remove();
    $("frames-count").textContent = ` ${total}`;
  }

  /// One thing that went over the wire: `direction` is "out", "in" or "note".
  function add(direction, what, data, ...facts) {
    total++;
    if (paused) return;
    show(make("li", "", line(direction, what, ...facts), ...body(data)));
  }

  /// A request, which is answered later. What is asked again and again with the same answer is one row that counts.
  let last = null;
  function ask(method, url, data) {
    total++;
    const start = performance.now();
    const address = new URL(url, location.href);
    const shown = `${method} ${address.origin === location.origin ? "" : address.origin}${address.pathname}${address.search}`;
    const waiting = make("span", "fact waiting", "…");
    const row = make("li", "", line("out", shown, waiting), ...body(data));
    if (!paused) show(row);
    const clock = setInterval(() => (waiting.textContent = `${((performance.now() - start) / 1000).toFixed(1)} s …`), 500);
    const key = `${method} ${address.pathname} ${data ?? ""}`;
    return (status, text, failed) => {
      clearInterval(clock);
      waiting.remove();
      const took = performance.now() - start;
      const answer = line("in", make("span", failed ? "bad" : "", status), took < 1_000 ? `${Math.round(took)} ms` : `${(took / 1000).toFixed(1)} s`);
      const again = `${key} ${status} ${typeof text === "string" ? text : ""}`;
      if (last?.again === again && last.row.isConnected && row.previousSibling === null && row.nextSibling === last.row) {
        last.row.remove();
        row.dataset.times = Number(last.row.dataset.times ?? 1) + 1;
        answer.append(make("span", "times", `×${row.dataset.times}`));
        row.classList.remove("new");
      }
      row.append(answer, ...body(text));
      last = { again, row };
    };
  }

  addEventListener("DOMContentLoaded", () => {
    early.splice(0).forEach(show);
    $("frames-pause")?.addEventListener("click", (event) => {
      paused = !paused;
      event.target.setAttribute("aria-pressed", String(paused));
    });
    $("frames-clear")?.addEventListener("click", () => $("frames").replaceChildren());
  });
  return { add, ask, make };
})();

// ---- fetch ----

window.fetch = ((native) => async (input, init = {}) => {
  const done = wire.ask((init.method ?? input.method ?? "GET").toUpperCase(), input.url ?? String(input), init.body);
  try {
    const response = await native(input, init);
    const status = `${response.status} ${response.statusText}`.trim();
    const type = response.headers.get("content-type") ?? "";
    if (isStream(type)) {
      done(`${status}, ${type.split(";")[0]} …`);
      showPieces(response.clone());
    } else {
      response.clone().text().then((text) => done(status, text, !response.ok), () => done(status));
    }
    return response;
  } catch (error) {
    done(error.name === "AbortError" ? t("그만둠", "aborted") : t("실패", "failed"), error.message, true);
    throw error;
  }
})(window.fetch);

const isStream = (type) => /event-stream|ndjson|multipart/.test(type ?? "");

/// An answer that does not end, as it comes.
async function showPieces(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) wire.add("in", t("조각", "piece"), piece.value);
    wire.add("note", t("응답이 끝났습니다", "the answer has ended"));
  } catch {
    wire.add("note", t("응답이 끊겼습니다", "the answer was cut off"));
  }
}

// ---- XMLHttpRequest ----

for (const [name, native] of Object.entries({ open: XMLHttpRequest.prototype.open, send: XMLHttpRequest.prototype.send })) {
  XMLHttpRequest.prototype[name] = function (...args) {
    if (name === "open") this.wireAsked = [args[0].toUpperCase(), args[1]];
    else {
      const done = wire.ask(...this.wireAsked, args[0]);
      // An answer that does not end is shown as it comes.
      let seen = 0;
      this.addEventListener("progress", () => {
        if (!isStream(this.getResponseHeader("content-type")) || !["", "text"].includes(this.responseType)) return;
        wire.add("in", t("조각", "piece"), this.responseText.slice(seen));
        seen = this.responseText.length;
      });
      this.addEventListener("loadend", () => {
        if (seen) return done(t("끊음", "closed"));
        const text = ["", "text"].includes(this.responseType) ? this.responseText : this.response;
        done(this.status ? `${this.status} ${this.statusText}`.trim() : t("응답 없음", "no answer"), text, !this.status || this.status >= 400);
      });
    }
    return native.apply(this, args);
  };
}

// ---- WebSocket and EventSource ----

window.WebSocket = class extends WebSocket {
  constructor(url, ...rest) {
    super(url, ...rest);
    wire.add("out", `WebSocket ${new URL(this.url).pathname}`, rest[0]?.length ? `Sec-WebSocket-Protocol: ${[].concat(rest[0]).join(", ")}` : "");
    this.addEventListener("open", () => wire.add("in", "101 Switching Protocols", this.protocol && `Sec-WebSocket-Protocol: ${this.protocol}`));
    this.addEventListener("message", ({ data }) => wire.add("in", t("프레임", "frame"), data));
    this.addEventListener("close", ({ code, reason }) => wire.add("note", t(`닫힘 ${code}`, `closed ${code}`), reason));
  }

  send(data) {
    wire.add("out", t("프레임", "frame"), data);
    super.send(data);
  }
};

window.EventSource = class extends EventSource {
  constructor(url, ...rest) {
    super(url, ...rest);
    wire.add("out", `GET ${new URL(this.url).pathname}${new URL(this.url).search}`, "Accept: text/event-stream");
    super.addEventListener("open", () => wire.add("in", "200, text/event-stream …"));
    super.addEventListener("error", () => wire.add("note", this.readyState === 2 ? t("끝남", "ended") : t("끊김, 다시 잇는 중", "lost, connecting again")));
    this.listen("message");
  }

  addEventListener(name, ...rest) {
    if (!["open", "error"].includes(name)) this.listen(name);
    super.addEventListener(name, ...rest);
  }

  /// Events are seen by name only.
  listen(name) {
    this.heard ??= new Set();
    if (this.heard.has(name)) return;
    this.heard.add(name);
    super.addEventListener(name, ({ data, lastEventId }) => wire.add("in", `event: ${name}${lastEventId && `, id: ${lastEventId}`}`, data));
  }
};
