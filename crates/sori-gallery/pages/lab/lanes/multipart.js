// HTTP streaming in parts: what Netscape called server push.
import { Parts, chunks } from "./framing.js";
import { PlainLane } from "./plain.js";

export class Multipart extends PlainLane {
  async carry(signal) {
    const answer = await this.ask("GET", { framing: "multipart", ...this.resume }, undefined, signal);
    const parts = new Parts(answer.headers.get("Content-Type") ?? "");
    for await (const chunk of chunks(answer.body)) {
      for (const part of parts.take(chunk)) {
        if (signal.aborted) return;
        if (part) this.hear(JSON.parse(part), part);
        else this.watcher.frame("down", "(an empty part: heartbeat)");
      }
    }
  }
}
