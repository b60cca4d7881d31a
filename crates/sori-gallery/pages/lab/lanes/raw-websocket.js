// WebSocket without a library: an envelope a frame, both ways.
import { PlainLane } from "./plain.js";

/** The browser's own, whatever the gate of the Socket.IO lanes puts in its place. */
const { WebSocket } = globalThis;

export class RawWebSocket extends PlainLane {
  #socket = null;
  #asked = new Map();
  #acks = 0;

  carry(signal) {
    return new Promise((resolve, reject) => {
      this.watcher.request();
      const url = new URL(this.url(this.resume), location.href);
      url.protocol = url.protocol.replace("http", "ws");
      const socket = (this.#socket = new WebSocket(url, "sori.json.v1"));
      signal.addEventListener("abort", () => (socket.close(), resolve()), { once: true });
      socket.onmessage = ({ data }) => {
        if (signal.aborted) return;
        const envelope = JSON.parse(data);
        this.hear(envelope, data);
        if (!envelope.event && envelope.ack !== undefined) this.#answered(envelope);
      };
      socket.onclose = ({ code }) => {
        // Refused, without a reason: perhaps the session is gone, and the cursor alone will do.
        if (this.state === "connecting") this.forget();
        reject(new Error(`closed with ${code}`));
      };
    });
  }

  async goodbye() {
    this.#send({ event: "disconnect" });
  }

  /** Its connection ends with the page. */
  leave() {}

  emit(event, data) {
    if (this.state !== "open") return false;
    return this.#send({ event, data });
  }

  /** Emits, and waits for the answer; null when there is none in time. */
  request(event, data) {
    const ack = ++this.#acks;
    return new Promise((resolve) => {
      if (this.state !== "open" || !this.#send({ event, data, ack })) return resolve(null);
      this.#asked.set(ack, resolve);
      setTimeout(() => this.#answered({ ack, data: null }), 3_000);
    });
  }

  #answered({ ack, data }) {
    this.#asked.get(ack)?.(data);
    this.#asked.delete(ack);
  }

  #send(envelope) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    const text = JSON.stringify(envelope);
    this.watcher.frame("up", text);
    this.#socket.send(text);
    return true;
  }
}
