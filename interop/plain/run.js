// Clients without a library, and one with it, against `conformance plain`. See README.md.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { preparePython } from "../lib/clients.js";
import { startServer } from "../lib/server.js";
import { KINDS } from "./lib/kinds.js";
import { printReport } from "./lib/report.js";
import { Trial } from "./lib/trial.js";
import { scenarios } from "./scenarios/index.js";

const TRIALS_AT_ONCE = 8;
const TIMEOUT_MS = 8_000;
const PYTHON = "python";

const { values: options } = parseArgs({
  options: {
    server: { type: "string" },
    only: { type: "string", default: "" }, // a kind of client
    scenario: { type: "string", default: "" }, // part of a name
    seed: { type: "string" },
    patience: { type: "string", default: "1" }, // multiplies the time limits, for a busy machine
  },
});
if (!options.server) {
  console.error(
    "usage: node run.js --server 'COMMAND {port}' [--scenario PART-OF-NAME] [--seed N] [--patience N]\n" +
      `                   [--only ${[...Object.keys(KINDS), "http", PYTHON].join("|")}]`,
  );
  process.exit(2);
}

const startedAt = Date.now();
const seed = Number(options.seed ?? startedAt % 1_000_000);
const patience = Number(options.patience);
const servers = [await startServer(options.server), await startServer(options.server, "recovery")];
const urls = { main: servers[0].url, recovery: servers[1].url };
process.on("exit", () => servers.forEach((server) => server.stop())); // whatever ends us
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));
console.log(`seed ${seed}`);
const results = [...(await runNode()), ...(await runPython())];
process.exit(printReport(results, Date.now() - startedAt) || results.length === 0 ? 1 : 0);

async function runNode() {
  const chosen = scenarios.filter(({ name }) => name.includes(options.scenario));
  const jobs = chosen.flatMap((scenario) => (scenario.kinds ?? Object.keys(KINDS)).map((kind) => ({ scenario, kind })));
  const queue = jobs.filter(({ kind }) => !options.only || kind === options.only);
  const results = new Map(queue.map((job) => [job, undefined])); // told in this order
  // The slow ones first: they wait while the others run.
  queue.sort((a, b) => (b.scenario.timeoutMs ?? 0) - (a.scenario.timeoutMs ?? 0));
  await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, async () => {
    for (let job; (job = queue.shift()); ) {
      const result = { kind: job.kind, name: job.scenario.name, ...(await run(job)) };
      results.set(job, result);
      if (result.outcome === "fail") console.log(`FAIL ${result.kind}  ${result.name}\n     ${result.reason}`);
    }
  }));
  return [...results.values()];
}

async function run({ scenario, kind }) {
  const trial = new Trial({ kind, urls, seed });
  const reason = scenario.skip?.(trial);
  if (reason) return { outcome: "skip", reason };
  let timer;
  const late = new Promise((_, reject) => {
    const ms = (scenario.timeoutMs ?? TIMEOUT_MS) * patience;
    timer = setTimeout(() => reject(new Error(`${ms} ms over, waiting for ${trial.pending()}`)), ms);
  });
  try {
    await Promise.race([scenario.run(trial), late]);
    const [complaint] = trial.complaints();
    return complaint ? { outcome: "fail", reason: complaint } : { outcome: "pass" };
  } catch (error) {
    const reasons = [error.message.split("\n")[0].slice(0, 500), ...trial.complaints()];
    return { outcome: "fail", reason: reasons.join("\n     ") };
  } finally {
    clearTimeout(timer);
    trial.end();
  }
}

async function runPython() {
  if (options.only && options.only !== PYTHON) return [];
  const python = preparePython();
  if (!python) return [{ kind: PYTHON, name: "python", outcome: "skip", reason: "no python3 with venv" }];
  const check = fileURLToPath(new URL("python/check.py", import.meta.url));
  const args = [check, urls.main, urls.recovery, String(TIMEOUT_MS * patience / 1000), String(seed), options.scenario];
  const child = spawn(python, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" } });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const [code, signal] = await once(child, "close");
  const results = output.split("\n").filter(Boolean).map((line) => ({ kind: PYTHON, ...JSON.parse(line) }));
  if (code !== 0) results.push({ kind: PYTHON, name: "the whole process", outcome: "fail", reason: `ended with ${signal ?? code}` });
  return results;
}
