// What is known about one lane: numbers, frames, and the marks of its track. It is the lane's watcher.
import { Latencies, Tally, since } from "./stats.js";

const FRAMES_MAX = 24;
const FRAME_TEXT_MAX = 400;
const MARKS_MAX = 4_000;
/** As long as a track shows, and a little more. */
export const KEPT_MS = 22_000;

export class Record {
  frames = [];
  /** When messages arrived, and how long they took. */
  deliveries = [];
  /** When requests were made. */
  requests = [];
  /** Since when the lane is in which state. */
  states = [{ at: -Infinity, state: "off" }];
  latencies = new Latencies();
  tally = null;
  /** How often it came back, and how often it could not get what it had missed. */
  resumes = 0;
  gaps = 0;
  /** What the server has measured, in total and when the numbers began. */
  traffic = null;
  #trafficAtStart = null;

  /** `firstHeard` says when the first lane heard a message, for messages that no clock of this page has stamped. */
  constructor(firstHeard, changed) {
    this.firstHeard = firstHeard;
    this.changed = changed;
  }

  /** Begins all numbers anew; what the room says after the next `hello` counts. */
  reset() {
    this.latencies = new Latencies();
    this.tally = null;
    this.resumes = this.gaps = 0;
    this.#trafficAtStart = this.traffic;
  }

  /** Requests and bytes since the numbers began. */
  get used() {
    return this.traffic && since(this.traffic, this.#trafficAtStart);
  }

  // ---- What the lane says ----

  state(state) {
    this.states.push({ at: performance.now(), state });
    if (this.states.length > 200) this.states.shift();
    this.changed(state);
  }

  event(name, data) {
    if (name === "hello") this.tally ??= new Tally(data.n);
    if (name === "said") this.#heard(data);
    if (name === "refused") this.changed("refused", data);
  }

  frame(direction, text) {
    this.frames.push({ direction, text: text.length > FRAME_TEXT_MAX ? `${text.slice(0, FRAME_TEXT_MAX)} …` : text, size: text.length });
    if (this.frames.length > FRAMES_MAX) this.frames.shift();
  }

  request() {
    this.requests.push(performance.now());
    trim(this.requests, (at) => at);
  }

  resumed(recovered) {
    this.resumes++;
    if (!recovered) this.gaps++;
  }

  #heard({ n, at }) {
    const now = performance.now();
    this.tally ??= new Tally(n - 1);
    if (!this.tally.hear(n)) return;
    const ms = Math.max(0, now - (at ?? this.firstHeard(n, now)));
    this.latencies.add(ms);
    this.deliveries.push({ at: now, ms });
    trim(this.deliveries, (delivery) => delivery.at);
  }
}

function trim(marks, at) {
  const oldest = performance.now() - KEPT_MS;
  let gone = Math.max(0, marks.length - MARKS_MAX);
  while (gone < marks.length && at(marks[gone]) < oldest) gone++;
  // Not one at a time: that would move the whole list for each mark.
  if (gone > 64) marks.splice(0, gone);
}
