// What a scenario is given: one client version in one mode, and helpers that clean up after themselves.
import { createRequire } from "node:module";
import { openBrowser } from "./browser.js";
import { Peer, equal } from "./peer.js";
import { startProxy } from "./proxy.js";
import { VERSIONS, before, runsInBrowser, transportOptions } from "./versions.js";

const require = createRequire(import.meta.url);
let rooms = 0;

export class Trial {
  #closers = [];
  #peers = [];

  constructor({ version, mode, urls }) {
    Object.assign(this, { version, mode, urls, equal });
    this.generation = Number(version[0]);
    this.eio = this.generation < 3 ? 3 : 4;
    this.browser = runsInBrowser(mode);
  }

  since(version) {
    return !before(this.version, version);
  }

  /** A name that no other trial uses. */
  room(name = "room") {
    return `${name}-${process.pid}-${++rooms}`;
  }

  /** A socket that may still be refused. `on` shares another peer's connection. */
  open({ nsp = "/", on, url = this.urls.main, io = this.#io(url), ...options } = {}) {
    const socket = on
      ? on.socket.io.socket(nsp, options)
      : io(nsp === "/" ? url : url + nsp, {
          forceNew: true,
          reconnection: false,
          timeout: 4000,
          ...transportOptions(this.mode),
          ...options,
        });
    const peer = new Peer(socket);
    this.#peers.push(peer);
    this.#closers.push(() => peer.close());
    return peer;
  }

  /** A socket that is connected, and in the mode `upgrade` has been upgraded. */
  async connect(options) {
    const peer = await this.open(options).welcomed();
    if (this.mode === "upgrade") await peer.upgraded();
    return peer;
  }

  /** The newest client, over WebSocket: what old ones share a room with. */
  newest() {
    return this.open({ io: require(`sio-${VERSIONS.at(-1)}`), transports: ["websocket"], forceJSONP: false }).welcomed();
  }

  connectAll(count, options) {
    return Promise.all(Array.from({ length: count }, () => this.connect(options)));
  }

  async proxy(url = this.urls.main) {
    const proxy = await startProxy(url);
    this.#closers.push(() => proxy.close());
    return proxy;
  }

  /** Binary as this client expects it: from a list of numbers, a text or a length. */
  bytes(source, url = this.urls.main) {
    const content = typeof source === "string" ? Buffer.from(source) : new Uint8Array(source);
    if (this.browser) return this.#window(url).Uint8Array.from(content).buffer; // of the window that will send it
    const own = new Uint8Array(content.length); // not a slice of node's pool, which old clients would send whole
    own.set(content);
    const buffer = Buffer.from(own.buffer);
    // 1.0 asks `data.buffer` before `isBuffer`; in the node of its time a Buffer had none.
    if (!this.since("1.1.0")) Object.defineProperty(buffer, "buffer", { value: undefined });
    return buffer;
  }

  /** What its peers were waiting for. */
  pending() {
    return this.#peers.flatMap((peer, i) => [...peer.pending].map((what) => `${what} (socket ${i + 1})`)).join(", ");
  }

  end() {
    for (const close of this.#closers.reverse()) {
      try {
        close();
      } catch {
        // Old clients throw when they are closed twice.
      }
    }
  }

  #io(url) {
    return this.browser ? this.#window(url).io : require(`sio-${this.version}`);
  }

  #window(url) {
    const key = `${this.version} ${url}`;
    if (!windows.has(key)) windows.set(key, openBrowser(this.version, url));
    return windows.get(key);
  }
}

const windows = new Map(); // a window takes 100 ms to open: shared by all trials of this process
