// What a scenario is given: a kind of client, and helpers that clean up after themselves.
import { equal } from "../../lib/peer.js";
import { startProxy } from "../../lib/proxy.js";
import { KINDS } from "./kinds.js";
import { random } from "./random.js";

let rooms = 0;

export class Trial {
  #closers = [];
  #clients = [];

  constructor({ kind, urls, seed }) {
    Object.assign(this, { kind, urls, equal, random: random(seed) });
    this.Kind = KINDS[kind];
  }

  /** A name that no other trial uses. */
  room(name = "room") {
    return `${name}-${process.pid}-${++rooms}`;
  }

  /** A client of this trial's kind, or of another. It may still be refused. */
  make({ kind = this.kind, url = this.urls.main, ...options } = {}) {
    const client = new KINDS[kind]({ url, ...options });
    this.#clients.push(client);
    this.#closers.push(() => ((client.isClosed = true), client.close()));
    return client;
  }

  async open(options) {
    return this.make(options).opened();
  }

  /** Who speaks while others listen. */
  speaker(options) {
    return this.open({ kind: "ws", ...options });
  }

  /** Opens a session with a request of its own: it outlives the streams that come and go. */
  async session({ url = this.urls.main, nsp = "/", query = {}, auth } = {}) {
    const response = await this.fetch(`${url}/live${nsp}?${new URLSearchParams(query)}`, {
      method: "POST",
      headers: auth && { "content-type": "application/json" },
      body: auth && JSON.stringify(auth),
    });
    this.equal(response.status, 201);
    const { data } = await response.json();
    this.equal(response.headers.get("location"), `/live${nsp}?sid=${data.sid}`);
    return data;
  }

  fetch(url, init) {
    return fetch(url, init);
  }

  /** A request to `/live`: its status and what it says. */
  async request(method, path, { headers, body, url = this.urls.main } = {}) {
    const response = await fetch(`${url}/live${path}`, { method, headers, body });
    const text = await response.text();
    const isJson = /\bjson$/.test(response.headers.get("content-type"));
    return { status: response.status, headers: response.headers, said: isJson ? JSON.parse(text) : text };
  }

  async proxy(url = this.urls.main) {
    const proxy = await startProxy(url);
    this.#closers.push(() => proxy.close());
    return proxy;
  }

  defer(close) {
    this.#closers.push(close);
  }

  pending() {
    return this.#clients.flatMap((client, i) => [...client.pending].map((what) => `${what} (client ${i + 1})`)).join(", ");
  }

  /** What a client could not read, or the server would not take: it fails the scenario whatever else happened. */
  complaints() {
    const refused = this.#clients.flatMap((client) => client.seen("refused")).map(([why]) => `refused: ${JSON.stringify(why)}`);
    return [...this.#clients.flatMap((client) => client.seen("failed")).map(([why]) => why), ...refused];
  }

  end() {
    for (const close of this.#closers.reverse()) close();
  }
}
