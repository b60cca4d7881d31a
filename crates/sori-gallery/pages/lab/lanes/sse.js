// Server-sent events: the browser's own stream, which comes back by itself and says the last id it saw.
import { PlainLane } from "./plain.js";

const EVENTS = ["connect", "disconnect", "hello", "said", "refused", "message"];

export class Sse extends PlainLane {
  carry(signal) {
    return new Promise((resolve, reject) => {
      this.watcher.request();
      const source = new EventSource(this.url({ framing: "sse", format: "envelope", ...this.resume }));
      const end = (settle, error) => {
        source.close();
        settle(error);
      };
      signal.addEventListener("abort", () => end(resolve), { once: true });
      for (const event of EVENTS) {
        source.addEventListener(event, ({ data, lastEventId }) => {
          if (signal.aborted) return;
          const id = lastEventId && `id: ${lastEventId}\n`;
          this.hear(JSON.parse(data), `${id}event: ${event}\ndata: ${data}`);
        });
      }
      source.onerror = () => {
        if (!this.isRunning) return end(resolve);
        if (source.readyState === EventSource.CLOSED) {
          // Refused, without a reason: perhaps the session is gone, and the cursor alone will do.
          this.forget();
          return end(reject, new Error("the stream was refused"));
        }
        // The browser tries again by itself.
        this.become("waiting");
        this.watcher.request();
      };
    });
  }
}
