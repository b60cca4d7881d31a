// Clients without a library in a real browser, with what browsers have; and pages that try what they must not.
// The application is `conformance plain`; npm packages are those of browser/.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startProxy } from "../../interop/lib/proxy.js";
import { startServer } from "../../interop/lib/server.js";
import { attacks } from "./attacks.js";
import { ways } from "./ways.js";

const USAGE = `node plain/run.js [options]
  --server FILE       conformance [default: $CONFORMANCE, else target/release/conformance, else target/debug/conformance]
  --chromium FILE     the browser [default: $CHROMIUM, else the first of the usual places]
  --results DIR       where screenshots go [default: test-results/browser-plain]
  --only TEXT         only scenarios whose name contains it`;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    server: { type: "string" },
    chromium: { type: "string" },
    results: { type: "string", default: here("../../test-results/browser-plain") },
    only: { type: "string", default: "" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

const WAIT_MS = 20_000;
const CHROMIUM_FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

async function prerequisites() {
  const missing = [];
  const playwright = await import("playwright-core").catch(() => null);
  if (!playwright) missing.push("playwright-core: npm ci --prefix browser");
  const found = (paths) => paths.find((path) => path && existsSync(path));
  const usual = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`);
  const chromium = found([options.chromium ?? process.env.CHROMIUM, ...(options.chromium ? [] : usual)]);
  if (!chromium) missing.push("Chromium: apt-get install -y chromium, or --chromium FILE");
  const built = [here("../../target/release/conformance"), here("../../target/debug/conformance")];
  const server = found([options.server ?? process.env.CONFORMANCE, ...(options.server ? [] : built)]);
  if (!server) missing.push("the application: cargo build --release -p sori-conformance, or --server FILE");
  return { missing, playwright, chromium, server };
}

/** What a scenario is given: the server, a browser of its own, and helpers that clean up after themselves. */
class Trial {
  static rooms = 0;
  #closers = [];

  constructor(launch, url) {
    Object.assign(this, { launch, url });
  }

  /** A profile as people have it: those that Playwright makes are private windows, which keep cookies from other sites' pages. */
  async context() {
    if (this.shared) return this.shared;
    const profile = mkdtempSync(join(tmpdir(), "sori-"));
    this.#closers.push(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));
    mkdirSync(join(profile, "Default"));
    writeFileSync(join(profile, "Default/Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }));
    this.shared = await this.launch(profile);
    this.shared.setDefaultTimeout(WAIT_MS);
    return this.shared;
  }

  /** A page of the server's own, or of another origin, with the helpers of `page.js`. */
  async page(url = `${this.url}/page`) {
    const page = await (await this.context()).newPage();
    await page.addInitScript({ path: here("page.js") });
    await page.goto(url);
    return page;
  }

  room() {
    return `room-${process.pid}-${++Trial.rooms}`;
  }

  /** Says something in a room, as anybody may who is no page. Resolves with how many were told. */
  async say(room, ...args) {
    const answer = await fetch(`${this.url}/live/chat?event=say&args=1`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify([room, ...args]),
    });
    return answer.json();
  }

  /** What reached the server since it was last asked to forget. */
  async witness() {
    return (await fetch(`${this.url}/witness`)).json();
  }

  async forget() {
    await fetch(`${this.url}/witness`, { method: "DELETE" });
  }

  /** Waits until the server has seen such a request. */
  async sees(what, accepts) {
    const late = Date.now() + WAIT_MS;
    for (;;) {
      const { requests } = await this.witness();
      const found = requests.filter(accepts);
      if (found.length) return found;
      if (Date.now() > late) throw new Error(`the server has not seen ${what} but ${JSON.stringify(requests).slice(0, 600)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async wire() {
    const proxy = await startProxy(this.url);
    this.#closers.push(() => proxy.close());
    return proxy;
  }

  defer(close) {
    this.#closers.push(close);
  }

  shoot(page, name) {
    return page.screenshot({ path: join(options.results, `${name}.png`) });
  }

  equal(actual, expected, what = "") {
    const [is, should] = [actual, expected].map((value) => JSON.stringify(value) ?? "undefined");
    if (is !== should) throw new Error(`${what && `${what}: `}got ${is.slice(0, 700)}, want ${should.slice(0, 700)}`);
  }

  async end() {
    await this.shared?.close();
    for (const close of this.#closers.reverse()) await close();
  }
}

const scenarios = { ...ways, ...attacks };
const counts = { passed: 0, failed: 0, skipped: 0 };
const { missing, playwright, chromium, server } = await prerequisites();
if (missing.length > 0) {
  console.log(`The browser test of plain clients needs:\n${missing.map((line) => `  ${line}`).join("\n")}`);
  counts.skipped = Object.keys(scenarios).length;
} else {
  mkdirSync(options.results, { recursive: true });
  const main = await startServer(`${server} plain {port} watched`);
  process.on("exit", () => main.stop());
  const settings = { executablePath: chromium, args: CHROMIUM_FLAGS, viewport: { width: 1100, height: 720 }, locale: "en-GB" };
  const launch = (profile) => playwright.chromium.launchPersistentContext(profile, settings);
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (!name.includes(options.only)) {
      counts.skipped++;
      continue;
    }
    const start = performance.now();
    const trial = new Trial(launch, main.url);
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it takes too long")), 3 * WAIT_MS)));
    try {
      await Promise.race([scenario(trial), late]);
      counts.passed++;
      console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (error) {
      counts.failed++;
      console.log(`FAIL  ${name}\n      ${error.message.replaceAll("\n", "\n      ")}`);
    }
    clearTimeout(timer);
    await trial.end();
  }
  console.log(`Screenshots are in ${options.results}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(counts.failed > 0 ? 1 : 0);
