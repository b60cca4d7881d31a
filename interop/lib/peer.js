// One socket of one client under test: remembers every event, so that a scenario can ask for them in its own time.
import { deepStrictEqual } from "node:assert/strict";
import { plain } from "./plain.js";

const EVENTS = ["welcome", "echo", "answered", "said", "blink", "blinked", "number", "left"];
const NEWS = ["connect", "disconnect", "connect_error", "error"];

export class Peer {
  /** Set by a scenario: what to answer to `question`; undefined leaves it unanswered. */
  answer;

  /** What is being waited for, to be told when the time is over. */
  pending = new Set();

  #queue = [];
  #waiting = [];

  constructor(socket) {
    this.socket = socket;
    for (const name of [...EVENTS, ...NEWS]) socket.on(name, (...args) => this.#record(name, args));
    socket.on("question", (...args) => {
      const reply = args.pop();
      this.#record("question", args);
      if (this.answer) reply(...this.answer(...args));
    });
  }

  /** Waits for `welcome`; from then on `id` is what the server calls this socket. */
  async welcomed() {
    const [first] = await this.next((name) => ["welcome", "connect_error", "error"].includes(name));
    if (!first?.id) throw new Error(`refused: ${first?.message ?? JSON.stringify(first)}`);
    this.id = first.id;
    this.recovered = first.recovered;
    return this;
  }

  /** The same after a loss: failed attempts on the way are no refusal. */
  async returned() {
    const [{ id, recovered }] = await this.next("welcome");
    return Object.assign(this, { id, recovered });
  }

  /** Waits until the engine speaks WebSocket. */
  async upgraded() {
    const { engine } = this;
    if (engine.transport.name !== "websocket") await this.#pend("upgrade", (resolve) => engine.once("upgrade", resolve));
    return this;
  }

  get engine() {
    return this.socket.io.engine;
  }

  emit(name, ...args) {
    this.socket.emit(name, ...args);
  }

  /** Emits, and resolves with the arguments of the acknowledgement. */
  ack(name, ...args) {
    return this.#pend(`ack of ${name}`, (resolve) => this.socket.emit(name, ...args, (...answer) => resolve(answer)));
  }

  /** The next event of that name (or accepted by that function), waited for if need be. Consumes it. */
  next(which) {
    const accepts = typeof which === "function" ? which : (name) => name === which;
    const i = this.#queue.findIndex(({ name, args }) => accepts(name, args));
    if (i !== -1) return Promise.resolve(this.#queue.splice(i, 1)[0].args);
    return this.#pend(`event ${which}`, (resolve) => this.#waiting.push({ accepts, resolve }));
  }

  async take(name, count) {
    const all = [];
    while (all.length < count) all.push(await this.next(name));
    return all;
  }

  /** All events of that name so far. A round trip first: what the server sent before it has then arrived. */
  async arrived(name) {
    await this.ack("ack");
    const taken = this.seen(name);
    this.#queue = this.#queue.filter((event) => event.name !== name);
    return taken;
  }

  /** Events of that name that nobody asked for yet. Leaves them. */
  seen(name) {
    return this.#queue.filter((event) => event.name === name).map(({ args }) => args);
  }

  close() {
    this.socket.io.reconnection?.(false);
    this.socket.close();
    this.socket.io.engine?.close();
  }

  async #pend(what, executor) {
    this.pending.add(what);
    const result = await new Promise(executor);
    this.pending.delete(what);
    return result;
  }

  #record(name, args) {
    const i = this.#waiting.findIndex(({ accepts }) => accepts(name, args));
    if (i === -1) this.#queue.push({ name, args });
    else this.#waiting.splice(i, 1)[0].resolve(args);
  }
}

export function equal(actual, expected, what) {
  const told = `${what ? `${what}: ` : ""}got ${brief(actual)}, want ${brief(expected)}`;
  deepStrictEqual(plain(actual), plain(expected), told);
}

export function brief(value) {
  const text = JSON.stringify(plain(value)) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text;
}
