// One process per client: its results, as a list of { version, mode, name, outcome, reason }.
import { execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

export async function runNode(job) {
  // Old clients use what node deprecates, and would say so for each of them.
  const child = fork(here("lib/worker.js"), { execArgv: ["--no-deprecation"], env: withoutProxy() });
  const results = [];
  child.on("message", (result) => results.push(result));
  child.send(job);
  const [code, signal] = await once(child, "exit");
  if (code !== 0) results.push(crash(job.version, signal ?? code));
  return results;
}

export async function runPython({ urls, patience, only }) {
  const python = preparePython();
  if (!python) return [{ version: "python", mode: "sync", name: "all", outcome: "skip", reason: "no python3 with venv" }];
  const child = spawn(python, [here("python/check.py"), urls.main, String(patience), only ?? ""], {
    stdio: ["ignore", "pipe", "inherit"],
    env: withoutProxy(),
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  const [code, signal] = await once(child, "close");
  const results = output.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if (code !== 0) results.push(crash("python", signal ?? code));
  return results;
}

/** The virtual environment, made again when what it needs has changed. */
export function preparePython() {
  const python = here(".venv/bin/python");
  const [wanted, installed] = [here("requirements.txt"), here(".venv/requirements.txt")];
  if (existsSync(installed) && readFileSync(installed, "utf8") === readFileSync(wanted, "utf8")) return python;
  try {
    execFileSync("python3", ["-m", "venv", here(".venv")]);
    execFileSync(python, ["-m", "pip", "install", "--quiet", "-r", wanted], { stdio: "inherit" });
    copyFileSync(wanted, installed); // last: half an environment must not look like a whole one
    return python;
  } catch (error) {
    console.error(`python is left out: ${error.message}`);
  }
}

function crash(version, why) {
  return { version, mode: "process", name: "the whole process", outcome: "fail", reason: `ended with ${why}` };
}

/** Everything here is on the loopback. */
function withoutProxy() {
  return { ...process.env, NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" };
}
