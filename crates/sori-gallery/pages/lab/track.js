// A lane's last twenty seconds, drawn: a dot for each message, higher when it took longer; a tick for each request.

export const WINDOW_MS = 20_000;
const LATENCY_MS_MIN = 0.5;
const LATENCY_MS_MAX = 10_000;
const GRID_MS = [1, 10, 100, 1_000];
const GRID_WORDS = { 1: "1 ms", 10: "10", 100: "100", 1000: "1 s" };
const FOOT = 9;
const BIN_MS = 500;

/** The colours of the page, looked up again when it changes between light and dark. */
function colours(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  return { mark: colour("--mark"), wash: colour("--wash"), line: colour("--line"), soft: colour("--soft"), cut: colour("--cut") };
}

export class Track {
  #colours = null;
  #width = 0;
  #height = 0;

  constructor(canvas, record) {
    this.canvas = canvas;
    this.record = record;
    this.context = canvas.getContext("2d");
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (this.#colours = null));
  }

  draw(now) {
    if (this.#width === 0) return;
    this.#colours ??= colours(this.canvas);
    const { context } = this;
    context.clearRect(0, 0, this.#width, this.#height);
    this.#drawStates(now);
    this.#drawGrid();
    this.#drawRequests(now);
    this.#drawDeliveries(now);
  }

  #fit() {
    const { clientWidth, clientHeight } = this.canvas;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(clientWidth * scale);
    this.canvas.height = Math.round(clientHeight * scale);
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#width = clientWidth;
    this.#height = clientHeight;
    this.draw(performance.now());
  }

  #x(at, now) {
    return this.#width * (1 - (now - at) / WINDOW_MS);
  }

  #y(ms) {
    const share = Math.log(Math.max(ms, LATENCY_MS_MIN) / LATENCY_MS_MIN) / Math.log(LATENCY_MS_MAX / LATENCY_MS_MIN);
    return (this.#height - FOOT - 3) * (1 - Math.min(share, 1)) + 2;
  }

  #drawStates(now) {
    const { states } = this.record;
    const { context } = this;
    states.forEach(({ at, state }, index) => {
      const until = states[index + 1]?.at ?? now;
      if (until < now - WINDOW_MS || state === "off" || state === "ended" || state === "missing") return;
      const [from, to] = [Math.max(0, this.#x(at, now)), this.#x(until, now)];
      if (state === "open") {
        context.fillStyle = this.#colours.wash;
        context.fillRect(from, 0, to - from, this.#height);
      } else {
        this.#hatch(from, to, state === "cut" ? this.#colours.cut : this.#colours.line);
      }
    });
  }

  /** Told from the rest by its pattern, not only by its colour. */
  #hatch(from, to, colour) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.#height);
    context.clip();
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    // Fixed to the window, so that the pattern grows and does not run.
    for (let x = -this.#height; x < this.#width; x += 7) {
      context.moveTo(x, this.#height);
      context.lineTo(x + this.#height, 0);
    }
    context.stroke();
    context.restore();
  }

  #drawGrid() {
    const { context } = this;
    context.font = "10px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const ms of GRID_MS) {
      const y = Math.round(this.#y(ms)) + 0.5;
      context.fillStyle = this.#colours.line;
      context.fillRect(30, y - 0.5, this.#width - 30, 1);
      context.fillStyle = this.#colours.soft;
      context.fillText(GRID_WORDS[ms], 3, y);
    }
  }

  #drawRequests(now) {
    const { context } = this;
    context.fillStyle = this.#colours.soft;
    for (const at of this.record.requests) {
      const x = this.#x(at, now);
      if (x >= 0) context.fillRect(x - 0.75, this.#height - FOOT + 1, 1.5, FOOT - 1);
    }
  }

  #drawDeliveries(now) {
    const { context } = this;
    const { deliveries } = this.record;
    context.fillStyle = this.#colours.mark;
    context.globalAlpha = 0.55;
    for (const { at, ms } of deliveries) {
      const x = this.#x(at, now);
      if (x >= 0) context.fillRect(x - 2, this.#y(ms) - 2, 4, 4);
    }
    context.globalAlpha = 1;
    this.#drawMedians(now, deliveries);
  }

  /** A line through the median of each half second; it breaks where nothing came. */
  #drawMedians(now, deliveries) {
    const { context } = this;
    context.strokeStyle = this.#colours.mark;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.beginPath();
    let before = null;
    for (const { bin, median } of medians(deliveries)) {
      const [x, y] = [this.#x((bin + 0.5) * BIN_MS, now), this.#y(median)];
      if (before !== null && bin - before <= 2) context.lineTo(x, y);
      else context.moveTo(x, y);
      before = bin;
    }
    context.stroke();
  }
}

/** The median of each bin, in order; bins without values are left out. */
export function medians(deliveries) {
  const bins = [];
  for (const { at, ms } of deliveries) {
    const bin = Math.floor(at / BIN_MS);
    if (bins.at(-1)?.bin !== bin) bins.push({ bin, values: [] });
    bins.at(-1).values.push(ms);
  }
  return bins.map(({ bin, values }) => ({ bin, median: values.sort((a, b) => a - b)[(values.length - 1) >> 1] }));
}
