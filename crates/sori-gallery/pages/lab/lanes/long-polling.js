// Long polling: ask, and the server answers when it has something to say.
import { PollingLane } from "./polls.js";

export class LongPolling extends PollingLane {}
