// Real Socket.IO clients of every generation against one server. See README.md.
import { parseArgs } from "node:util";
import { runNode, runPython } from "./lib/clients.js";
import { MODES, VERSIONS, modesOf } from "./lib/versions.js";
import { printReport } from "./lib/report.js";
import { startServer } from "./lib/server.js";
import { scenarios } from "./scenarios/index.js";

const WORKERS_AT_ONCE = 2;

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    "recovery-url": { type: "string" },
    server: { type: "string" },
    only: { type: "string" },
    mode: { type: "string" },
    scenario: { type: "string" },
    strict: { type: "boolean" },
    patience: { type: "string", default: "1" }, // multiplies the time limits, for a busy machine
  },
});
if (!options.url === !options.server) {
  console.error(
    "usage: node run.js (--url URL [--recovery-url URL] | --server 'COMMAND {port}')\n" +
      `                   [--only VERSION|python] [--mode ${Object.keys(MODES).join("|")}] [--scenario PART-OF-NAME] [--strict] [--patience N]`,
  );
  process.exit(2);
}

const startedAt = Date.now();
const servers = [];
let results;
try {
  results = await runAll(await addresses());
} catch (error) {
  console.error(error.message);
} finally {
  for (const server of servers) server.stop();
}
if (!results) process.exit(1);
const failed = printReport(results, Date.now() - startedAt, scenarios.map(({ name }) => name));
process.exit(failed || results.length === 0 ? 1 : 0);

async function addresses() {
  if (options.url) return { main: trim(options.url), recovery: options["recovery-url"] && trim(options["recovery-url"]) };
  servers.push(await startServer(options.server));
  servers.push(await startServer(options.server, "recovery"));
  return { main: servers[0].url, recovery: servers[1].url };
}

async function runAll(urls) {
  const selected = (name) => !options.only || name.startsWith(options.only);
  const patience = Number(options.patience);
  const jobs = VERSIONS.filter(selected).map((version) => {
    const modes = modesOf(version).filter((mode) => !options.mode || mode === options.mode);
    return () => runNode({ version, modes, urls, patience, only: options.scenario });
  });
  if (selected("python") && !options.mode) jobs.push(() => runPython({ urls, patience, only: options.scenario }));

  const results = [];
  await Promise.all(Array.from({ length: WORKERS_AT_ONCE }, async () => {
    for (let job; (job = jobs.shift()); ) results.push(...(await job()));
  }));
  return options.strict ? results.map(strictly) : results;
}

function strictly(result) {
  return result.outcome === "known" ? { ...result, outcome: "fail", reason: `known: ${result.reason}` } : result;
}

function trim(url) {
  return url.replace(/\/+$/, "");
}
