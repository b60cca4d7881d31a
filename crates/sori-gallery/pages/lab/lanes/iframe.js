// The "forever frame" (htmlfile): a page that never ends loading, and calls us with a script for each event.
import { frame } from "./frame.js";
import { PlainLane } from "./plain.js";

const CALLBACK = "soriLabFrame";

export class Iframe extends PlainLane {
  carry(signal) {
    this.watcher.request();
    return new Promise((resolve, reject) => {
      const around = frame(this.url({ framing: "iframe", callback: CALLBACK, ...this.resume }));
      const end = (settle, error) => {
        around.remove();
        settle(error);
      };
      signal.addEventListener("abort", () => end(resolve), { once: true });
      window[CALLBACK] = (envelope) => {
        if (signal.aborted) return;
        // Otherwise the page would grow with every event.
        around.contentDocument?.currentScript?.remove();
        this.hear(envelope, `<script>parent.${CALLBACK}(${JSON.stringify(envelope)})</script>`);
      };
      // A frame says that it has loaded when it has ended, well or not.
      around.addEventListener("load", () => {
        // Neither does it say why.
        if (this.state !== "open") this.forget();
        end(reject, new Error("the frame ended"));
      });
    });
  }
}
