// A run: silence, then talk, perhaps with the network away for a while, then what came of it.
import { pause } from "./lanes/lane.js";
import { since } from "./stats.js";

const OPEN_MS_MAX = 8_000;
const SETTLE_MS_MAX = 10_000;
/** For what is still on its way: answers when the lanes have opened, messages when the talk has ended. */
const QUIET_MS = 600;
/** How far into the talk the network is cut. */
const CUT_AT = 0.3;

/** `lab` has `seats` (each with `spec`, `lane`, `record`), `voice`, `askTraffic()`, `startLane(seat)`. */
export class Experiment {
  #stopped = new AbortController();

  constructor(lab, settings, phase) {
    this.lab = lab;
    this.settings = settings;
    /** Called with a phase's name and how long it takes, as far as that is known. */
    this.phase = phase;
  }

  stop() {
    this.#stopped.abort();
  }

  /** Resolves to what was measured, or to null when it was stopped before there was anything to measure. */
  async run() {
    const { lab, settings } = this;
    const { signal } = this.#stopped;
    this.phase("start");
    const { seats, leftOut } = await this.#open(signal);
    const began = await lab.askTraffic();
    if (signal.aborted || seats.length === 0 || !began) return null;
    const used = () => new Map(seats.map(({ spec, record }) => [spec.name, record.used]));
    const opened = used();
    const hidden = watchHidden();

    this.phase("idle", settings.idle * 1_000);
    await pause(settings.idle * 1_000, signal);
    if (settings.idle > 0) await lab.askTraffic();
    const silent = used();

    this.phase("talk", settings.talk * 1_000);
    const start = performance.now();
    const cut = this.#cut(seats, signal);
    await this.#talk(seats, signal);
    const talked = (performance.now() - start) / 1_000;
    await cut;

    this.phase("settle");
    const last = await this.#lastNumber(began.n);
    await settled(seats, last);
    await lab.askTraffic();
    return {
      settings,
      at: new Date(),
      messages: last - began.n,
      talked,
      hidden: hidden(),
      leftOut,
      lanes: seats.map((seat) => measured(seat, last, opened.get(seat.spec.name), silent.get(seat.spec.name))),
    };
  }

  /**
   * Opens the lanes anew, so that what it takes to open them is measured, too. Lanes that somebody started take part; all of
   * them when nobody started any.
   */
  async #open(signal) {
    const { lab } = this;
    const able = lab.seats.filter(({ lane }) => lane.state !== "missing");
    const running = able.filter(({ lane }) => lane.isRunning);
    for (const { lane } of running) lane.stop();
    if (running.length > 0) await pause(QUIET_MS, signal);
    await lab.askTraffic();
    const wanted = running.length > 0 ? running : able;
    for (const seat of wanted) {
      if (signal.aborted) break;
      lab.startLane(seat);
      await pause(30, signal);
    }
    await until(() => wanted.every(({ lane }) => lane.state === "open"), OPEN_MS_MAX, signal);
    await pause(QUIET_MS, signal);
    const seats = wanted.filter(({ lane }) => lane.state === "open");
    return { seats, leftOut: lab.seats.filter((seat) => !seats.includes(seat)).map(({ spec }) => spec.name) };
  }

  async #talk(seats, signal) {
    const { rate, size, talk, who } = this.settings;
    const { voice } = this.lab;
    if (who === "server") {
      voice.emit("tick", { rate, size, seconds: talk });
      await pause(talk * 1_000, signal);
      voice.emit("tick", { rate: 0, size: 0, seconds: 0 });
      return;
    }
    const pad = padding(size);
    const start = performance.now();
    for (let n = 0; n < rate * talk && !signal.aborted; n++) {
      // Counted from the start, so that a late timer does not make all later ones late.
      await pause(start + (n * 1_000) / rate - performance.now(), signal);
      if (signal.aborted) return;
      const message = { at: now(), pad };
      if (who === "page") voice.emit("say", message);
      else nextOpen(seats, n)?.emit("say", message);
    }
  }

  /** The number of the last message; what lanes have sent may still be on its way. */
  async #lastNumber(n) {
    for (let before = -1; before !== n; ) {
      before = n;
      await pause(QUIET_MS);
      n = (await this.lab.askTraffic())?.n ?? n;
    }
    return n;
  }

  async #cut(seats, signal) {
    const { cut, talk } = this.settings;
    if (cut === 0) return;
    await pause(talk * 1_000 * CUT_AT, signal);
    if (signal.aborted) return;
    const running = seats.filter(({ lane }) => lane.isRunning);
    this.phase("cut", cut * 1_000);
    for (const { lane } of running) lane.cut();
    await pause(cut * 1_000, signal);
    // Also when the run was stopped: nobody wants to mend ten lanes by hand.
    for (const { lane } of running) if (lane.state === "cut") lane.mend();
    this.phase("mended");
  }
}

/** The page's clock, as short as browsers keep it: more digits would only be more bytes. */
export function now() {
  return Math.round(performance.now() * 10) / 10;
}

/** A text of so many bytes. Not compressed on its way, so that it may be dull. */
export function padding(size) {
  return "sori ".repeat(Math.ceil(size / 5)).slice(0, size);
}

/** The lanes take turns; who is cut off is passed over. */
function nextOpen(seats, n) {
  const open = seats.filter(({ lane }) => lane.state === "open");
  return open[n % open.length]?.lane;
}

function measured({ spec, record }, last, opened, silent) {
  const { heard, doubled, disordered } = record.tally;
  const used = record.used;
  return {
    name: spec.name,
    /** From the opening to the end, in the silence, and while there was talk. */
    used,
    silence: since(silent, opened),
    talk: since(used, silent),
    heard,
    lost: record.tally.lost(last),
    doubled,
    disordered,
    ...record.latencies.summary(),
    resumes: record.resumes,
    gaps: record.gaps,
  };
}

/** Waits until every lane that is still there has everything. */
function settled(seats, last) {
  return until(() => seats.every(({ lane, record }) => !lane.isRunning || record.tally.lost(last) === 0), SETTLE_MS_MAX);
}

async function until(condition, ms, signal) {
  const end = performance.now() + ms;
  while (!condition() && performance.now() < end && !signal?.aborted) await pause(50, signal);
}

/** Browsers slow down pages that nobody sees; returns how to ask whether that was so. */
function watchHidden() {
  let wasHidden = document.hidden;
  const watch = () => (wasHidden ||= document.hidden);
  document.addEventListener("visibilitychange", watch);
  return () => {
    document.removeEventListener("visibilitychange", watch);
    return wasHidden;
  };
}
