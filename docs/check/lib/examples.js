// The programs of plain-clients.md: taken out, and read by their languages.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { docs } from "./documents.js";
import { python } from "./python.js";
import { report } from "./report.js";

const MARKED = /^<!-- check: (\S+) -->\n```\w+\n([^]*?)^```$/gm;

/** Writes each into `folder`. */
export function extract(folder, only = "") {
  const found = [...readFileSync(join(docs, "plain-clients.md"), "utf8").matchAll(MARKED)];
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  return found.filter(([, name]) => name.includes(only)).map(([, name, text]) => {
    const path = join(folder, name.replace(/\W/g, "-"), name);
    mkdirSync(join(path, ".."));
    writeFileSync(path, text);
    return { name, path, text };
  });
}

const READERS = {
  ".js": () => ["node", "--check"],
  ".sh": () => ["bash", "-n"],
  ".py": () => python() && [python(), "-m", "py_compile"],
  ".go": () => has("gofmt") && ["gofmt", "-l", "-e"], // names what it would write otherwise
};

export function checkSyntax(examples) {
  for (const { name, path } of examples) {
    const reader = READERS[extname(name)]();
    if (!reader) {
      report.skip(`${name} reads`, "its language is not installed");
      continue;
    }
    const { status, stdout, stderr } = spawnSync(reader[0], [...reader.slice(1), path], { encoding: "utf8" });
    if (status === 0 && stdout === "") report.pass(`${name} reads`);
    else report.fail(`${name} reads`, stderr || stdout);
  }
}

export function has(command) {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}
