// The lines that runs left, summed up as `cargo xtask bench` does (xtask/src/bench/statistics.rs).
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** More than this, and the run says more about the neighbours. */
const STEAL_MAX_PCT = 5;
/** Fewer quiet runs than this are no better than all of them. */
const QUIET_MIN = 3;

export function runs(docs) {
  const files = ["runs.jsonl", "one-side.jsonl"].map((name) => join(docs, "benchmarks", name)).filter(existsSync);
  const lines = files.flatMap((file) => readFileSync(file, "utf8").trim().split("\n")).map((line) => JSON.parse(line));
  return {
    /** A figure's median and spread; undefined where nothing was measured. */
    summary(workload, server, figure) {
      const of = lines.filter((line) => line.workload === workload && line.server === server);
      const samples = of.map((run) => ({ value: value(run, figure), steal: run.steal_pct ?? 0 })).filter((sample) => Number.isFinite(sample.value));
      if (samples.length === 0) return undefined;
      const quiet = samples.filter(({ steal }) => steal <= STEAL_MAX_PCT);
      const every = samples.map((sample) => sample.value);
      const used = quiet.length >= QUIET_MIN ? quiet.map((sample) => sample.value) : every;
      return { median: median(used), low: Math.min(...every), high: Math.max(...every) };
    },
  };
}

function value(run, figure) {
  // What the process has without connections: all of it less theirs.
  if (figure === "process_bytes" && run.resident_kb) return run.resident_kb * 1024 - run.n * run.resident_bytes;
  if (figure === "generator_us") return (run.generator_util / run.per_s) * 1e6;
  return run[figure];
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}
