// What is counted about a lane. Nothing here touches the page, so that node can test it.

/** More would be several runs at the highest rate; beyond it the oldest go. */
const VALUES_MAX = 8192;
/** How far a lane may be behind a gap before the gap is given up. */
const GAP_MAX = 8192;

/** The value below or at which a share `p` of the sorted values lies; the nearest rank, so that it is one that occurred. */
export function percentile(sorted, p) {
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))];
}

/** How long messages took, in milliseconds. */
export class Latencies {
  values = [];

  add(ms) {
    this.values.push(ms);
    if (this.values.length > VALUES_MAX) this.values.shift();
  }

  summary() {
    const sorted = this.values.toSorted?.((a, b) => a - b) ?? [...this.values].sort((a, b) => a - b);
    return { count: sorted.length, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), max: sorted.at(-1) ?? null };
  }
}

/** Which of the room's messages a lane has heard. The server numbers them without a gap: 1, 2, 3, … */
export class Tally {
  heard = 0;
  doubled = 0;
  /** Messages that came after one with a higher number. */
  disordered = 0;
  /** Up to here, everything is either heard or given up. */
  #low;
  #first;
  #highest;
  #above = new Set();

  /** Messages after `first` are meant for this lane. */
  constructor(first) {
    this.#first = this.#low = this.#highest = first;
  }

  /** Counts a message; true when it is one that the lane had not heard. */
  hear(n) {
    // From before this count began: neither meant nor doubled.
    if (n <= this.#first) return false;
    if (n <= this.#low || this.#above.has(n)) {
      this.doubled++;
      return false;
    }
    this.heard++;
    if (n < this.#highest) this.disordered++;
    this.#highest = Math.max(this.#highest, n);
    this.#above.add(n);
    this.#advance();
    return true;
  }

  get highest() {
    return this.#highest;
  }

  /** How many are missing: below the highest that was heard, or below `last` when it is known that there were so many. */
  lost(last = this.#highest) {
    return Math.max(0, Math.max(last, this.#highest) - this.#first - this.heard);
  }

  #advance() {
    if (this.#above.size > GAP_MAX) this.#low = Math.min(...this.#above) - 1;
    while (this.#above.delete(this.#low + 1)) this.#low++;
  }
}

/** What the server measured, between two of its answers. */
export function since(now, before) {
  const zero = { requests: 0, up: 0, down: 0 };
  const [a, b] = [now ?? zero, before ?? zero];
  return { requests: a.requests - b.requests, up: a.up - b.up, down: a.down - b.down };
}
