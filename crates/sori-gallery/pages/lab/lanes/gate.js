// A network with a switch, for the Socket.IO client: how it notices and how it comes back is its own affair, and what its
// lanes show. Plain lanes need none of this: they cut their connection themselves.

/** What passes one kind of connection. Closed, it ends what is open and fails what is tried. */
export class Gate {
  isCut = false;
  #open = new Set();

  /** `request` is called for each connection or request that is made. */
  constructor(request) {
    this.request = request;
  }

  cut() {
    this.isCut = true;
    for (const end of [...this.#open]) end();
  }

  mend() {
    this.isCut = false;
  }

  /** Registers something open, and ends it at once when the network is cut; returns what to call when it has ended. */
  passed(end) {
    this.request();
    if (this.isCut) end();
    else this.#open.add(end);
    return () => this.#open.delete(end);
  }
}

/** The XMLHttpRequest of the page, behind a gate. */
export function gatedXhr(gate) {
  return class extends XMLHttpRequest {
    send(body) {
      super.send(body);
      this.addEventListener("loadend", gate.passed(() => this.abort()));
    }
  };
}

/** The WebSocket of the page, behind a gate. A browser lets no script drop one: it says goodbye. */
export function gatedWebSocket(gate) {
  return class extends WebSocket {
    constructor(...where) {
      super(...where);
      this.addEventListener("close", gate.passed(() => this.close()));
    }
  };
}
