// A TCP proxy between browser and server, which can break.
import { connect, createServer } from "node:net";

export class Wire {
  #pairs = new Set();
  /** Connections that the server still believes in. */
  #kept = [];

  static async to(port) {
    const wire = new Wire();
    wire.listener = createServer((near) => wire.#carry(near, connect(port, "127.0.0.1")));
    await new Promise((resolve) => wire.listener.listen(0, "127.0.0.1", resolve));
    wire.origin = `http://127.0.0.1:${wire.listener.address().port}`;
    return wire;
  }

  #carry(near, far) {
    const pair = { near, far };
    pair.end = () => {
      near.destroy();
      far.destroy();
      this.#pairs.delete(pair);
    };
    this.#pairs.add(pair);
    for (const end of [near, far]) end.on("error", () => {}).on("close", pair.end);
    near.pipe(far).pipe(near);
  }

  /** Breaks what is open. Only the browser's side learns of it: the server has not missed anybody yet. */
  break() {
    for (const { near, far, end } of this.#pairs) {
      far.removeListener("close", end);
      near.removeListener("close", end);
      near.unpipe(far);
      far.unpipe(near);
      far.resume();
      this.#kept.push(far);
      near.destroy();
    }
    this.#pairs.clear();
  }

  close() {
    this.break();
    for (const far of this.#kept) far.destroy();
    this.listener.close();
  }
}
