// The matrix: a row per scenario, a column per client version, a letter per mode.
import { MODES } from "./versions.js";

const LETTERS = { ...MODES, sync: "s", async: "a", process: "!" };

/** Prints it, its rows in `order`, and returns how many failed. */
export function printReport(results, elapsedMs, order) {
  const versions = [...new Set(results.map(({ version }) => version))].sort();
  const ran = new Set(results.map(({ name }) => name));
  const names = [...new Set([...order, ...ran])].filter((name) => ran.has(name));
  const modes = Object.fromEntries(versions.map((v) => [v, modesOf(results, v)]));
  const width = Math.max(...names.map((name) => name.length), 0);
  const column = (v) => Math.max(v.length, modes[v].length);

  console.log(`\n${" ".repeat(width)}  ${versions.map((v) => v.padEnd(column(v))).join("  ")}`);
  for (const name of names) {
    const cells = versions.map((v) => modes[v].map((mode) => cell(results, v, mode, name)).join("").padEnd(column(v)));
    console.log(`${name.padEnd(width)}  ${cells.join("  ")}`.trimEnd());
  }
  console.log(`\n${Object.entries(LETTERS).slice(0, -1).map(([mode, letter]) => `${letter} ${mode}`).join(", ")}` +
    "; the letter: passed, F: FAILED, -: not applicable");

  printSkipped(results);
  for (const { version, mode, name, reason } of results.filter(({ outcome }) => outcome === "fail")) {
    console.log(`FAIL ${version}/${mode}  ${name}\n     ${reason}`);
  }

  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  console.log(`\n${(elapsedMs / 1000).toFixed(1)} s`);
  console.log(`${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped`);
  return count("fail");
}

function modesOf(results, version) {
  const seen = new Set(results.filter((result) => result.version === version).map(({ mode }) => mode));
  return Object.keys(LETTERS).filter((mode) => seen.has(mode));
}

function cell(results, version, mode, name) {
  const result = results.find((r) => r.version === version && r.mode === mode && r.name === name);
  switch (result?.outcome) {
    case "pass":
      return LETTERS[mode];
    case "fail":
      return "F";
    case "skip":
      return "-";
    default:
      return " ";
  }
}

function printSkipped(results) {
  const groups = new Map();
  for (const { name, reason, version, mode, outcome } of results) {
    if (outcome !== "skip") continue;
    const key = `${name}: ${reason}`;
    groups.set(key, [...(groups.get(key) ?? []), `${version}/${LETTERS[mode]}`]);
  }
  if (groups.size) console.log("\nnot applicable");
  for (const [key, where] of groups) console.log(`  ${key}\n      ${where.sort().join(" ")}`);
  console.log();
}
