// The matrix: a row per scenario, a column per kind of client.

/** Prints it and the closing line, and returns how many failed. */
export function printReport(results, elapsedMs) {
  const unique = (key) => [...new Set(results.map((result) => result[key]))];
  const [names, kinds] = [unique("name"), unique("kind")];
  const width = Math.max(...names.map((name) => name.length));
  console.log(`\n${" ".repeat(width)}  ${kinds.join("  ")}`);
  for (const name of names) {
    const cells = kinds.map((kind) => {
      const result = results.find((result) => result.kind === kind && result.name === name);
      return ({ pass: "ok", fail: "FAIL", skip: "-" }[result?.outcome] ?? "").padEnd(kind.length);
    });
    console.log(`${name.padEnd(width)}  ${cells.join("  ")}`.trimEnd());
  }
  const skipped = new Map(results.filter(({ outcome }) => outcome === "skip").map(({ name, reason }) => [`${name}: ${reason}`]));
  if (skipped.size) console.log("\nleft out");
  for (const [line] of skipped) console.log(`  ${line}`);
  console.log();
  for (const { kind, name, reason } of results.filter(({ outcome }) => outcome === "fail")) {
    console.log(`FAIL ${kind}  ${name}\n     ${reason}`);
  }
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  console.log(`\n${(elapsedMs / 1000).toFixed(1)} s`);
  console.log(`${count("pass")} passed, ${count("fail")} failed, ${count("skip")} skipped`);
  return count("fail");
}
