// HTTP streaming (Comet): one answer that does not end, a line for each event.
import { Lines, chunks } from "./framing.js";
import { PlainLane } from "./plain.js";

export class LinesLane extends PlainLane {
  async carry(signal) {
    const answer = await this.ask("GET", { framing: "lines", ...this.resume }, undefined, signal);
    const lines = new Lines();
    for await (const chunk of chunks(answer.body)) {
      for (const line of lines.take(chunk)) {
        if (signal.aborted) return;
        if (line) this.hear(JSON.parse(line), line);
        else this.watcher.frame("down", "(an empty line: heartbeat)");
      }
    }
  }
}
