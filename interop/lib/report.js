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
    "; the letter: passed, F: FAILED, ~: failed as known, -: not applicable");

  printReasons("not applicable", results.filter(({ outcome }) => outcome === "skip"));
  printReasons("failed as known (a failure with --strict)", results.filter(({ outcome }) => outcome === "known"));
  console.log();
  for (const { version, mode, name, reason } of results.filter(({ outcome }) => outcome === "fail")) {
    console.log(`FAIL ${version}/${mode}  ${name}\n     ${reason}`);
  }

  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  console.log(`\n${(elapsedMs / 1000).toFixed(1)} s`);
  console.log(`${count("pass")} passed, ${count("fail")} failed, ${count("skip") + count("known")} skipped`);
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
    case "known":
      return "~";
    case "skip":
      return "-";
    default:
      return " ";
  }
}

function printReasons(title, results) {
  const reasons = new Map(); // reason -> scenario -> version -> letters
  for (const { name, reason, version, mode } of results) {
    const names = at(reasons, reason, () => new Map());
    const versions = at(names, name, () => new Map());
    versions.set(version, (versions.get(version) ?? "") + LETTERS[mode]);
  }
  if (reasons.size) console.log(`\n${title}`);
  for (const [reason, names] of reasons) {
    console.log(`  ${reason}`);
    for (const [name, versions] of names) {
      console.log(`      ${name} (${[...versions].sort().map(([version, letters]) => `${version} ${letters}`).join(", ")})`);
    }
  }
}

function at(map, key, make) {
  if (!map.has(key)) map.set(key, make());
  return map.get(key);
}
