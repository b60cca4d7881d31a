// The page's own connection: it speaks to the room without sitting in it, and asks the server what it has measured.
import { LinesLane } from "./lanes/lines.js";
import { RawWebSocket } from "./lanes/raw-websocket.js";

const PATIENCE_MS = 4_000;
const QUIET = { event() {}, frame() {}, request() {}, resumed() {} };

/** Over WebSocket, or where that is blocked, over a stream and POST. */
export class Voice {
  #lane = null;

  constructor(place, { changed, refused }) {
    const watcher = { ...QUIET, state: (state) => changed(state, this.#lane), event: (name, data) => name === "refused" && refused(data) };
    this.#lane = new RawWebSocket("voice", place, watcher);
    this.#lane.start();
    setTimeout(() => {
      if (this.#lane.state === "open") return;
      const blocked = this.#lane;
      this.#lane = new LinesLane("voice", place, watcher);
      blocked.stop();
      this.#lane.start();
    }, PATIENCE_MS);
  }

  get isOpen() {
    return this.#lane.state === "open";
  }

  emit(event, data) {
    return this.#lane.emit(event, data);
  }

  /** Emits, and waits for the answer; null when there is none. */
  request(event, data) {
    return this.#lane.request(event, data);
  }

  leave() {
    this.#lane.leave();
  }
}
