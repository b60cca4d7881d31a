// The documents of the plain wire, and what the model of capacity.md says. See README.md.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkCapacity } from "./lib/capacity.js";
import { checkDocuments, checkLinks } from "./lib/documents.js";
import { checkSyntax, extract } from "./lib/examples.js";
import { checkLive, fuzz } from "./lib/live.js";
import { report } from "./lib/report.js";
import { startServer } from "./lib/server.js";

const { values: options } = parseArgs({
  options: {
    server: { type: "string" }, // an address, or a command with {port}
    mount: { type: "string", default: "/live" },
    only: { type: "string" }, // part of an example's name
    fuzz: { type: "boolean" }, // schemathesis, too
  },
});

const folder = mkdtempSync(join(tmpdir(), "sori-docs-"));
let server;
try {
  const examples = extract(folder, options.only);
  if (!options.only) {
    await checkDocuments();
    await checkCapacity(report, checkLinks);
  }
  checkSyntax(examples);
  if (options.server) {
    server = await startServer(options.server);
    await checkLive(examples, server.url + options.mount);
    if (options.fuzz) fuzz(server.url + options.mount, folder);
  } else {
    report.skip("examples at work", "no --server");
  }
} catch (error) {
  report.fail("the check itself", error.stack);
} finally {
  server?.stop();
  rmSync(folder, { recursive: true });
}
process.exit(report.close());
