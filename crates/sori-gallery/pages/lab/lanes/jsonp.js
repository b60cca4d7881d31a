// JSONP: long polling by script elements, from the days when scripts could read nothing else of a server.
import { emptyFrame } from "./frame.js";
import { PollingLane } from "./polls.js";

const CALLBACK = "heard";

export class Jsonp extends PollingLane {
  #around = null;

  async carry(signal) {
    // A script that loads cannot be aborted, but the document around it can go.
    const around = (this.#around = await emptyFrame());
    try {
      await super.carry(signal);
    } finally {
      around.remove();
    }
  }

  question(query, signal) {
    this.watcher.request();
    const inside = this.#around.contentWindow;
    const script = inside.document.createElement("script");
    const asked = new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => resolve(null), { once: true });
      inside[CALLBACK] = (answer) => resolve(JSON.stringify(answer));
      // A script says nothing of why it failed: perhaps the session is gone, and the cursor alone will do.
      script.onerror = () => {
        this.forget();
        reject(new Error("the script could not be loaded"));
      };
      script.src = this.url({ ...query, callback: CALLBACK });
      inside.document.head.append(script);
    });
    return asked.finally(() => script.remove());
  }
}
