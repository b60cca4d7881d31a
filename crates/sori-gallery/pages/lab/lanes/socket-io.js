// Socket.IO, over one transport at a time. The client is the only code of this page that is not the page's own.
import { Gate, gatedWebSocket, gatedXhr } from "./gate.js";
import { Lane } from "./lane.js";

const PATIENCE_MS = 10_000;
const PACKETS = { open: 0, close: 1, ping: 2, pong: 3, message: 4, upgrade: 5, noop: 6 };

/** Loads the client, once; resolves to whether it is there. */
export async function loadClient(path) {
  if (typeof window.io === "function") return true;
  // The client keeps the WebSocket that it finds when it is loaded, and looks for XMLHttpRequest each time.
  window.XMLHttpRequest = GatedXhr;
  window.WebSocket = GatedWebSocket;
  const script = document.createElement("script");
  script.src = `${path}socket.io.js`;
  const loaded = new Promise((resolve) => {
    script.onload = script.onerror = resolve;
    setTimeout(resolve, PATIENCE_MS);
  });
  document.head.append(script);
  await loaded;
  if (typeof window.io !== "function") script.remove();
  return typeof window.io === "function";
}

const watchers = {};
const gates = {
  polling: new Gate(() => watchers.polling?.request()),
  websocket: new Gate(() => watchers.websocket?.request()),
};
const GatedXhr = gatedXhr(gates.polling);
const GatedWebSocket = gatedWebSocket(gates.websocket);

export class SocketIo extends Lane {
  #socket = null;
  #wasOpen = false;

  constructor(name, place, watcher, transport) {
    super(name, place, watcher);
    this.transport = transport;
    watchers[transport] = watcher;
  }

  start() {
    if (typeof window.io !== "function") return this.become("missing");
    this.#wasOpen = false;
    this.become("connecting");
    const socket = (this.#socket = window.io(this.place.origin, {
      path: this.place.socketIo,
      transports: [this.transport],
      query: { ...this.place.query, lane: this.name },
      forceNew: true,
      // The lab wants to be back soon; a real page would be more patient.
      reconnectionDelay: 300,
      reconnectionDelayMax: 1_000,
    }));
    socket.io.on("open", () => this.#watch(socket.io.engine));
    socket.on("connect", () => this.#connected(socket));
    socket.on("disconnect", (reason) => this.#lost(reason));
    socket.on("connect_error", () => this.#lost("connect error"));
    // The cursor of an event is one more argument, and the client's own affair.
    socket.onAny((event, data) => this.watcher.event(event, data));
  }

  stop() {
    gates[this.transport].mend();
    this.#socket?.disconnect();
    this.#socket = null;
    this.become("off");
  }

  cut() {
    gates[this.transport].cut();
    this.become("cut");
  }

  mend() {
    gates[this.transport].mend();
    if (this.state === "cut") this.become("waiting");
  }

  emit(event, data) {
    // It would keep what is emitted now for later, which is not what is measured here.
    if (this.state !== "open") return false;
    this.#socket.emit(event, data);
    return true;
  }

  #connected(socket) {
    this.become("open");
    if (this.#wasOpen) this.watcher.resumed(socket.recovered);
    this.#wasOpen = true;
  }

  #lost(reason) {
    if (this.state === "off" || this.state === "cut") return;
    this.become(reason === "io server disconnect" ? "ended" : "waiting");
  }

  #watch(engine) {
    const frame = (direction) => ({ type, data = "" }) => this.watcher.frame(direction, `${PACKETS[type] ?? type}${data}`);
    engine.on("packet", frame("down"));
    engine.on("packetCreate", frame("up"));
  }
}
