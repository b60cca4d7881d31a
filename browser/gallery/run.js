// The gallery of `sori serve` in a real browser. Each file in scenarios/ is one application: its default export names what is tried.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Person, Sori, house } from "./harness.js";

const USAGE = `node gallery/run.js [options]
  --server FILE       the program under test [default: $SORI, else target/release/sori, else target/debug/sori]
  --client-dir DIR    npm's socket.io-client/dist, with the older clients beside it [default: what is installed here]
  --chromium FILE     the browser [default: $CHROMIUM, else the first of the usual places]
  --results DIR       where screenshots go [default: test-results/gallery]
  --only TEXT         only scenarios whose application or name contains it`;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    server: { type: "string" },
    "client-dir": { type: "string" },
    chromium: { type: "string" },
    results: { type: "string", default: here("../../test-results/gallery") },
    only: { type: "string", default: "" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

const CHROMIUM_FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

async function prerequisites() {
  const missing = [];
  const playwright = await import("playwright-core").catch(() => null);
  if (!playwright) missing.push("playwright-core: npm ci --prefix browser");
  const found = (paths, within = "") => paths.find((path) => path && existsSync(join(path, within)));
  const usual = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`);
  const chromium = found([options.chromium ?? process.env.CHROMIUM, ...(options.chromium ? [] : usual)]);
  if (!chromium) missing.push("Chromium: apt-get install -y chromium, or --chromium FILE");
  const built = [here("../../target/release/sori"), here("../../target/debug/sori")];
  const server = found([options.server ?? process.env.SORI, ...(options.server ? [] : built)]);
  if (!server) missing.push("the server: cargo build --release -p sori-server, or --server FILE");
  const clientDir = found([options["client-dir"] ?? here("../node_modules/socket.io-client/dist")], "socket.io.js");
  if (!clientDir) missing.push("the Socket.IO client: npm ci --prefix browser, or --client-dir DIR");
  return { missing, playwright, chromium, server, clientDir };
}

async function scenarios() {
  const all = [];
  for (const file of readdirSync(here("scenarios")).filter((name) => name.endsWith(".js")).sort()) {
    const { default: named } = await import(`./scenarios/${file}`);
    for (const [name, run] of Object.entries(named)) all.push({ name: `${file.replace(/\.js$/, "")}: ${name}`, run });
  }
  return all;
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const all = await scenarios();
const { missing, playwright, chromium, server, clientDir } = await prerequisites();
if (missing.length > 0) {
  console.log(`The gallery's test needs:\n${missing.map((line) => `  ${line}`).join("\n")}`);
  counts.skipped = all.length;
} else {
  mkdirSync(options.results, { recursive: true });
  const browser = await playwright.chromium.launch({ executablePath: chromium, args: CHROMIUM_FLAGS });
  Object.assign(house, { browser, server, clientDir, results: options.results });
  const sori = await Sori.start();
  for (const { name, run } of all) {
    if (!name.includes(options.only)) {
      counts.skipped++;
      continue;
    }
    const start = performance.now();
    try {
      await run({ sori, origin: sori.origin });
      counts.passed++;
      console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (error) {
      counts.failed++;
      console.log(`FAIL  ${name}\n      ${error.stack.replaceAll("\n", "\n      ")}`);
      for (const person of Person.all) await person.shoot(`failed-${counts.failed}-${person.name.replace(/\W/g, "")}`).catch(() => {});
    }
    for (const person of [...Person.all]) {
      Person.all.delete(person);
      await person.context.close();
    }
  }
  await browser.close();
  await sori.stop();
  console.log(`Screenshots are in ${options.results}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
// A test that failed may have left its own server running.
Sori.all.forEach((left) => left.process.kill("SIGKILL"));
process.exit(counts.failed > 0 ? 1 : 0);
