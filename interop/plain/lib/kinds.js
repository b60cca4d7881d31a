// The kinds of clients: how each of them listens. Those without a way back send with requests of their own.
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import vm from "node:vm";
import { EventSource } from "eventsource";
import WebSocket from "ws";
import { Client } from "./client.js";
import { READERS } from "./readers.js";
import { answerOf, argsOf, fromWire, withArgs } from "./values.js";

const require = createRequire(import.meta.url);
const { io } = require("sio-4.8.4");

/** EventSource wants to know the names beforehand. */
const NAMES = ["connect", "disconnect", "welcome", "message", "echo", "question", "answered", "number", "said", "left"];

/** npm's EventSource, as a browser has it: nothing but an address. */
class Sse extends Client {
  static transport = "sse";
  static beats = false; // comments are not told

  open() {
    const asked = (url, init) => fetch(url, { ...init, headers: { ...init.headers, ...this.headers } });
    this.source = new EventSource(this.address(), { fetch: asked });
    for (const name of NAMES) this.source.addEventListener(name, (event) => this.#hear(name, event));
    this.source.addEventListener("error", ({ code }) => {
      const isOver = this.source.readyState === EventSource.CLOSED;
      if (isOver && code >= 400) this.record("refused", [{ status: code }]);
      if (isOver) this.record("end", []);
    });
  }

  /** `data` is the one argument; what it cannot say it says as the whole envelope. */
  #hear(name, { data, lastEventId: id }) {
    const value = data === "" ? undefined : JSON.parse(data);
    const isEnvelope = value?.event === name && ("args" in value || "ack" in value);
    const args = isEnvelope ? argsOf(value) : data === "" ? [] : [fromWire(value)];
    if (name === "connect") this.adopt(value);
    this.record(name, args, { ack: isEnvelope ? value.ack : undefined, id: id || undefined });
  }

  close() {
    this.source?.close();
  }
}

/** A response without an end, read by hand. */
class Stream extends Client {
  static beats = true;

  async open() {
    const framing = this.constructor.transport;
    try {
      do {
        this.abort = new AbortController();
        const params = { framing, format: framing === "sse" ? "envelope" : undefined };
        if (this.news) params.since = this.cursor;
        const response = await fetch(this.address(params), { signal: this.abort.signal, headers: this.headers }).catch(() => undefined);
        if (!response) await pause(10);
        else if (response.status !== 200) return this.record("refused", [await response.json().catch(() => ({ status: response.status }))]);
        else await this.#read(response, READERS[framing](response.headers.get("content-type")));
      } while (this.returns && !this.isClosed && !this.isSentAway);
      this.record("end", []);
    } catch (error) {
      this.record("failed", [error.stack]);
    }
  }

  async #read(response, reader) {
    const chunks = response.body[Symbol.asyncIterator]();
    for (;;) {
      // A cut is the network's; what is read wrongly is not.
      const { value, done } = await chunks.next().catch(() => ({ done: true }));
      if (done) return;
      for (const envelope of reader(value)) this.hear(envelope);
    }
  }

  hear(envelope) {
    if (!envelope) return this.heartbeats++;
    const { event, ack, id } = envelope;
    const args = argsOf(envelope);
    if (event === "connect") this.adopt(args[0]);
    // Its place may have been taken by a request of its own that was long dead, and came late.
    if (event === "disconnect") this.isSentAway = args[0].reason !== "replaced";
    this.record(event, args, { ack, id });
  }

  close() {
    this.abort?.abort();
  }
}

class SseByHand extends Stream {
  static transport = "sse";
}
class Lines extends Stream {
  static transport = "lines";
}
class Multipart extends Stream {
  static transport = "multipart";
}
class Iframe extends Stream {
  static transport = "iframe";
  static calls = true;
}

/** Asks, and asks again with the answer's cursor. */
class Poll extends Client {
  static transport = "long-polling";
  params = { wait: 5 };

  async open() {
    try {
      while (!this.isClosed) {
        const answer = await this.poll();
        if (!answer) return;
        for (const envelope of answer.events) {
          const args = argsOf(envelope);
          if (envelope.event === "connect") this.adopt(args[0]);
          this.record(envelope.event, args, { ack: envelope.ack });
          if (envelope.event === "disconnect") return this.record("end", []);
        }
        this.cursor = answer.cursor;
        if (this.params.wait === 0) await pause(10);
      }
    } catch (error) {
      if (!this.isClosed) this.record("failed", [error.stack]);
    }
  }

  /** One answer; undefined when there will be no more. */
  async poll() {
    for (;;) {
      this.abort = new AbortController();
      const since = this.cursor ?? this.since;
      const asked = fetch(this.address({ ...this.params, since }), { signal: this.abort.signal, headers: this.headers });
      const body = await asked.then(async (response) => ({ status: response.status, text: await response.text() })).catch(() => undefined);
      if (this.isClosed) return;
      if (body?.status === 200) return this.read(body.text);
      if (body || !this.returns) return void this.record("refused", [body ? JSON.parse(body.text) : { status: 0 }]);
      await pause(10);
    }
  }

  read(text) {
    return JSON.parse(text);
  }

  close() {
    this.abort?.abort();
  }
}

class ShortPoll extends Poll {
  static transport = "short-polling";
  params = { wait: 0 };
}

/** Answers are scripts, and are run. */
class Jsonp extends Poll {
  static transport = "jsonp";
  static calls = true;
  params = { callback: "app.take", wait: 5 };

  read(text) {
    let taken;
    vm.runInNewContext(text, { app: { take: (answer) => (taken = JSON.parse(JSON.stringify(answer))) } });
    return taken;
  }
}

/** `sori.json.v1`: envelopes both ways. */
class Ws extends Client {
  static transport = "raw-websocket";
  #asked = new Map();
  #asks = 0;

  open() {
    const since = this.news ? this.cursor : this.since;
    this.ws = new WebSocket(this.address({ since }).replace("http", "ws"), this.protocols(), { headers: this.headers });
    this.ws.on("message", (data, isBinary) => this.hear(data, isBinary));
    this.ws.on("ping", () => this.heartbeats++);
    this.ws.on("unexpected-response", (_, response) => this.record("refused", [{ status: response.statusCode }]));
    this.ws.on("error", () => {});
    this.ws.on("close", (code, reason) => {
      // A request of its own that was long dead may have come late and taken its place.
      const comesBack = code === 1006 || String(reason) === "replaced";
      if (this.returns && !this.isClosed && comesBack) return setTimeout(() => this.isClosed || this.open(), 10);
      this.record("end", [code, String(reason)]);
    });
    this.ws.on("open", () => this.greet());
  }

  protocols() {
    return ["sori.json.v1"];
  }

  greet() {}

  hear(data, isBinary) {
    if (isBinary) return this.record("failed", ["binary frame"]);
    const envelope = JSON.parse(data);
    const args = argsOf(envelope);
    const { event, ack, id } = envelope;
    if (event === undefined) {
      this.#asked.get(ack)?.(answerOf(args));
      return void this.#asked.delete(ack);
    }
    if (event === "connect") this.adopt(args[0]);
    this.record(event, args, { ack, id });
  }

  ask(event, ...args) {
    const ack = ++this.#asks;
    this.ws.send(JSON.stringify(withArgs({ event, ack }, args)));
    return new Promise((resolve) => this.#asked.set(ack, resolve));
  }

  async emit(event, ...args) {
    this.ws.send(JSON.stringify(withArgs({ event }, args)));
  }

  async reply(ack, ...args) {
    this.ws.send(JSON.stringify(withArgs({ ack }, args)));
  }

  close() {
    this.ws?.terminate();
  }
}

/** The newest client with a library, in the same rooms. */
class SocketIo extends Client {
  static transport = "websocket";

  open() {
    const auth = this.token || this.bearer ? { token: this.token ?? this.bearer } : undefined;
    const options = { forceNew: true, reconnection: false, transports: ["websocket"], auth, query: this.query };
    this.socket = io(this.nsp === "/" ? this.url : this.url + this.nsp, options);
    this.socket.on("connect", () => {
      this.adopt({ id: this.socket.id });
      this.record("connect", [this.news]);
    });
    this.socket.on("connect_error", ({ message, data }) => this.record("refused", [{ status: 403, detail: message, data }]));
    this.socket.on("disconnect", (reason) => {
      this.record("disconnect", [{ reason: reason.replace("io server disconnect", "server namespace disconnect") }]);
      this.record("end", []);
    });
    this.socket.onAny((name, ...args) => {
      const reply = typeof args.at(-1) === "function" ? args.pop() : undefined;
      this.record(name, args);
      if (reply && this.answer) reply(...this.answer(...args));
    });
  }

  ask(event, ...args) {
    return new Promise((resolve) => this.socket.emit(event, ...args, (...answer) => resolve(answerOf(answer))));
  }

  async emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  close() {
    this.socket?.disconnect();
  }
}

export const KINDS = {
  sse: Sse,
  "sse-fetch": SseByHand,
  lines: Lines,
  multipart: Multipart,
  iframe: Iframe,
  "long-poll": Poll,
  "short-poll": ShortPoll,
  jsonp: Jsonp,
  ws: Ws,
  "socket.io": SocketIo,
};
