// One client of any kind: remembers every event, so that a scenario can ask for them in its own time.
import { fromWire, toWire } from "./values.js";

export class Client {
  /** What is being waited for, to be told when the time is over. */
  pending = new Set();
  /** How many signs of life came that mean nothing. */
  heartbeats = 0;
  /** Set by a scenario: how to answer `question`. */
  answer;
  /** The cursor of the newest thing that came, as a client keeps it for later. */
  cursor;
  isClosed = false;

  #queue = [];
  #waiting = [];

  /** `query` is for the application; `token`, `sid`, `since` and `events` are the wire's. */
  constructor({ url, nsp = "/", query = {}, sid, since, token, bearer, events, returns = false }) {
    Object.assign(this, { url, nsp, query, sid, since, token, bearer, events, returns });
  }

  /** Waits until it is let in; from then on `id` is what the server calls it. */
  async opened() {
    this.open();
    const [name, [news]] = await this.#take((name) => name === "connect" || name === "refused");
    if (name === "refused") throw new Error(`refused: ${JSON.stringify(news)}`);
    await this.next("welcome");
    return this;
  }

  /** Who it is from here on. */
  adopt(news) {
    this.news = news;
    this.id = news.id;
    this.sid = news.sid ?? this.sid;
    this.cursor = news.cursor ?? this.cursor;
  }

  address(params = {}) {
    const { query, sid, since, token, events } = this;
    const all = { ...query, sid, since, token, events, ...params };
    const given = Object.entries(all).filter(([, value]) => value !== undefined);
    return `${this.url}/live${this.nsp}?${new URLSearchParams(given)}`;
  }

  get headers() {
    return this.bearer ? { authorization: `Bearer ${this.bearer}` } : {};
  }

  /** Emits with a request of its own; resolves with what the handler answered. */
  async ask(event, ...args) {
    const url = this.address({ event, args: 1, since: undefined, events: undefined });
    const headers = { "content-type": "application/json", ...this.headers };
    const response = await this.#pend(`answer to ${event}`, fetch(url, { method: "POST", headers, body: JSON.stringify(toWire(args)) }));
    if (response.status === 204) return undefined;
    const said = await response.json();
    if (!response.ok) throw Object.assign(new Error(`${event}: ${JSON.stringify(said)}`), { status: response.status });
    return fromWire(said);
  }

  emit(event, ...args) {
    return this.ask(event, ...args);
  }

  /** Answers the event that came with this number. */
  async reply(ack, ...args) {
    const url = this.address({ ack, args: 1, since: undefined, events: undefined });
    const body = JSON.stringify(toWire(args));
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json", ...this.headers }, body });
    if (response.status !== 204) throw new Error(`answering: ${response.status} ${await response.text()}`);
  }

  /** The arguments of the next event of that name, waited for if need be. Consumes it. */
  async next(name) {
    return (await this.#take((other) => other === name, name))[1];
  }

  async take(name, count) {
    const all = [];
    while (all.length < count) all.push(await this.next(name));
    return all;
  }

  /** All events of that name so far. A round trip of an event first: what the server said before has then arrived. */
  async arrived(name) {
    await this.emit("echo", "arrived?");
    await this.next("echo");
    const taken = this.seen(name);
    this.#queue = this.#queue.filter((event) => event.name !== name);
    return taken;
  }

  /** Events of that name that nobody asked for yet. Leaves them. */
  seen(name) {
    return this.#queue.filter((event) => event.name === name).map(({ args }) => args);
  }

  record(name, args, { ack, id } = {}) {
    if (this.isClosed) return;
    if (id !== undefined) this.cursor = id;
    if (ack !== undefined && this.answer) this.reply(ack, ...this.answer(...args)).catch((error) => this.record("failed", [error.message]));
    const i = this.#waiting.findIndex(({ accepts }) => accepts(name));
    const event = [name, args];
    if (i === -1) this.#queue.push({ name, args });
    else this.#waiting.splice(i, 1)[0].resolve(event);
  }

  #take(accepts, what = "connect") {
    const i = this.#queue.findIndex(({ name }) => accepts(name));
    if (i !== -1) {
      const [{ name, args }] = this.#queue.splice(i, 1);
      return Promise.resolve([name, args]);
    }
    return this.#pend(`event ${what}`, new Promise((resolve) => this.#waiting.push({ accepts, resolve })));
  }

  async #pend(what, promise) {
    this.pending.add(what);
    try {
      return await promise;
    } finally {
      this.pending.delete(what);
    }
  }
}

