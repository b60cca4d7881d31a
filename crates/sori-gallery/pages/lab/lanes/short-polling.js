// Short polling: ask, be answered at once, mostly with nothing, and ask again after a while.
import { pause } from "./lane.js";
import { PollingLane } from "./polls.js";

export const EVERY_MS = 1_000;

export class ShortPolling extends PollingLane {
  wait = 0;

  rest(signal) {
    return pause(EVERY_MS, signal);
  }
}
