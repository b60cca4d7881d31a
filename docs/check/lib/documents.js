// Are the documents what they claim to be, and do they say the same?
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Parser, fromFile } from "@asyncapi/parser";
import { python, root } from "./python.js";
import { report } from "./report.js";

export const docs = join(root, "..");

export async function checkDocuments() {
  await report.check("plain-asyncapi.yaml is AsyncAPI", async () => {
    const { document, diagnostics } = await fromFile(new Parser(), join(docs, "plain-asyncapi.yaml")).parse();
    const wrong = diagnostics.filter(({ severity }) => severity <= 1); // errors and warnings
    if (!document || wrong.length > 0) throw new Error(wrong.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"));
  });
  for (const name of ["plain-protocol.md", "plain-clients.md"]) {
    await report.check(`links of ${name}`, () => checkLinks(join(docs, name)));
  }
  if (!python()) return report.skip("plain-openapi.yaml", "no Python 3 with venv");
  report.adopt("documents.py", spawnSync(python(), [join(root, "lib", "documents.py"), docs], { encoding: "utf8" }));
}

export function checkLinks(path) {
  const text = readFileSync(path, "utf8").replace(/^```[^]*?^```/gm, "");
  const dead = [...text.matchAll(/\]\(([^)#]*)(#[^)]*)?\)/g)].filter(([, file, anchor]) => {
    if (/^https?:/.test(file)) return false;
    const target = file ? join(dirname(path), file) : path;
    return !existsSync(target) || (anchor && !anchors(target).has(anchor));
  });
  if (dead.length > 0) throw new Error(dead.map(([link]) => link).join("\n"));
}

function anchors(path) {
  const headings = readFileSync(path, "utf8").matchAll(/^#+ (.*)$/gm);
  return new Set([...headings].map(([, text]) => "#" + text.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")));
}
