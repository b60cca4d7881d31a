// What every lane is, whatever carries it.

/**
 * One way from the server to this page. A lane says what happens to it by calling `watcher`:
 * `state(state)`, `event(name, data)`, `frame(direction, text)`, `request()`, `resumed(recovered)`.
 *
 * States: `off`, `connecting`, `open`, `waiting` (it lost its connection and will try again), `cut` (by the page), `ended` (by
 * the server, for good), `missing` (the client that it needs cannot be had).
 */
export class Lane {
  state = "off";

  constructor(name, place, watcher) {
    this.name = name;
    /** Where the server is: `live`, `socketIo`, and `query`, which says whose lab this is. */
    this.place = place;
    this.watcher = watcher;
  }

  get isRunning() {
    return !["off", "ended", "missing"].includes(this.state);
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.watcher.state(state);
  }

  /** Opens a connection, and again whenever it is lost, until `stop`. */
  start() {
    throw new Error("not written");
  }

  /** Leaves for good. */
  stop() {
    throw new Error("not written");
  }

  /** Drops the connection without a word to the server, as a tunnel does. */
  cut() {
    throw new Error("not written");
  }

  /** The network is back: resumes. */
  mend() {
    throw new Error("not written");
  }

  /** Sends an event the way this transport sends; false when it cannot now. */
  emit(_event, _data) {
    throw new Error("not written");
  }

  /** The page goes away: the last word, if the transport has one. */
  leave() {}
}

/** Waits, unless it is no longer worth it. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
