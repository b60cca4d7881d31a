// Runs all scenarios of one client version, in its own process because old clients change globals.
import { scenarios } from "../scenarios/index.js";
import { Trial } from "./trial.js";

const TRIALS_AT_ONCE = 6;
const TIMEOUT_MS = 5000;

let current = [];
process.on("uncaughtException", (error) => stray(error));
process.on("unhandledRejection", (error) => stray(error));

process.once("message", async ({ version, modes, urls, patience, only }) => {
  const chosen = scenarios.filter(({ name }) => !only || name.includes(only));
  const queue = modes.flatMap((mode) => chosen.map((scenario) => ({ scenario, mode })));
  // The slow ones first: they wait for heartbeats while the others run.
  queue.sort((a, b) => (b.scenario.timeoutMs ?? 0) - (a.scenario.timeoutMs ?? 0));
  await Promise.all(Array.from({ length: TRIALS_AT_ONCE }, async () => {
    for (let next; (next = queue.shift()); ) {
      const { scenario, mode } = next;
      const result = await run(scenario, new Trial({ version, mode, urls }), patience);
      process.send({ version, mode, name: scenario.name, ...result });
    }
  }));
  process.disconnect();
  process.exit();
});

async function run(scenario, trial, patience) {
  const reason = scenario.skip?.(trial);
  if (reason) return { outcome: "skip", reason };

  const known = scenario.known?.(trial);
  trial.mayFail = Boolean(known);
  current.push(trial);
  let timer;
  const late = new Promise((_, reject) => {
    const ms = (scenario.timeoutMs ?? TIMEOUT_MS) * patience;
    timer = setTimeout(() => reject(new Error(`${ms} ms over, waiting for ${trial.pending()}`)), ms);
  });
  try {
    await Promise.race([scenario.run(trial), late]);
    return { outcome: "pass" };
  } catch (error) {
    if (known) return { outcome: "known", reason: known };
    return { outcome: "fail", reason: String(error.message).split("\n")[0].slice(0, 500) };
  } finally {
    clearTimeout(timer);
    current = current.filter((other) => other !== trial);
    trial.end();
  }
}

/** An exception that no scenario caught: old clients throw from timers. Told, and left to the time limit. */
function stray(error) {
  if (current.some(({ mayFail }) => mayFail)) return;
  console.error(`  ${current[0]?.version ?? ""} threw outside of a scenario: ${error?.stack?.split("\n").slice(0, 3).join(" ")}`);
}
