// What the polling lanes have in common: an answer with what happened, and the next question with where we are.
import { PlainLane } from "./plain.js";

export class PollingLane extends PlainLane {
  /** The seconds that the server may hold a request. */
  wait = 25;

  /** One poll after the other; `question` asks one and returns the answer's text. */
  async carry(signal) {
    while (!signal.aborted) {
      // The first question is not held: its answer says that the session is there.
      const wait = this.state === "open" ? this.wait : 0;
      const text = await this.question({ wait, ...this.resume }, signal);
      if (signal.aborted || !this.isRunning) return;
      this.#take(JSON.parse(text), text);
      await this.rest(signal);
    }
  }

  async question(query, signal) {
    const answer = await this.ask("GET", query, undefined, signal);
    return answer.text();
  }

  /** What happens between two polls: nothing, when the server does the waiting. */
  async rest() {}

  #take({ sid, cursor, events }, text) {
    this.watcher.frame("down", text);
    this.sid = sid;
    for (const envelope of events) this.hear(envelope);
    // Named by the next poll, and so the receipt for this answer.
    this.cursor = cursor;
    if (events.at(-1)?.event === "disconnect") throw new Error("the session is over");
    // A session that goes on has no `connect` of its own again.
    this.opened(true);
  }
}
