// The "forever frame" (htmlfile): a page that never ends loading, and calls us with a script for each event.
import { frame } from "./frame.js";
import { PlainLane } from "./plain.js";

const CALLBACK = "soriLabFrame";

export class Iframe extends PlainLane {
  carry(signal) {
    this.watcher.request();
    return new Promise((resolve, reject) => {
      const around = frame(this.url({ framing: "iframe", callback: CALLBACK, ...this.resume }));
      let silence = null;
      const end = (settle, error) => {
        clearTimeout(silence);
        around.remove();
        settle(error);
      };
      signal.addEventListener("abort", () => end(resolve), { once: true });
      // A frame whose connection breaks says nothing of it, neither by `load` nor by `error`: only its silence does.
      const isAlive = () => {
        clearTimeout(silence);
        silence = setTimeout(() => end(reject, new Error("the frame is silent")), this.heartbeatMs * 1.5);
      };
      const heartbeats = new MutationObserver(isAlive);
      window[CALLBACK] = (envelope) => {
        if (signal.aborted) return;
        // Otherwise the page would grow with every event.
        around.contentDocument?.currentScript?.remove();
        this.hear(envelope, `<script>parent.${CALLBACK}(${JSON.stringify(envelope)})</script>`);
        if (envelope.event === "connect") heartbeats.observe(around.contentDocument, { subtree: true, childList: true, characterData: true });
      };
      // One that ends well, or never begins, has loaded.
      around.addEventListener("load", () => {
        // Neither does it say why: perhaps the session is gone, and the cursor alone will do.
        if (this.state !== "open") this.forget();
        end(reject, new Error("the frame ended"));
      });
    });
  }
}
