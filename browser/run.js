// The chat page of `sori serve` in a real browser: two people, two windows, and everything that may come between them.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = `node run.js [options]
  --server FILE       the program under test [default: $SORI, else target/release/sori, else target/debug/sori]
  --client-dir DIR    npm's socket.io-client/dist [default: what is installed here]
  --chromium FILE     the browser [default: $CHROMIUM, else the first of the usual places]
  --results DIR       where screenshots go [default: test-results/browser]
  --only TEXT         only scenarios whose name contains it`;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    server: { type: "string" },
    "client-dir": { type: "string" },
    chromium: { type: "string" },
    results: { type: "string", default: here("../test-results/browser") },
    only: { type: "string", default: "" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}

const WAIT_MS = 15_000;
const CHROMIUM_FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

// ---- What the tests stand on ----

/** The program under test, and a wire to it that can be cut. */
class Sori {
  static all = [];

  static async start({ clientDir, port = 0 }) {
    const sori = new Sori();
    const args = ["serve", "--listen", `127.0.0.1:${port}`, "--client-dir", clientDir];
    sori.process = spawn(server, args, { stdio: ["ignore", "pipe", "pipe"] });
    Sori.all.push(sori);
    sori.output = "";
    sori.ended = new Promise((resolve) => sori.process.once("exit", resolve));
    const listening = new Promise((resolve, reject) => {
      const read = (data) => {
        sori.output += data;
        const found = /listening on 127\.0\.0\.1:(\d+)/.exec(sori.output);
        if (found) resolve(Number(found[1]));
      };
      sori.process.stdout.on("data", read);
      sori.process.stderr.on("data", read);
      sori.process.once("error", reject);
      sori.process.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${sori.output}`)));
    });
    sori.port = await within(listening, "the server listens");
    return sori;
  }

  async stop() {
    if (this.process.exitCode !== null) return;
    this.process.kill("SIGINT");
    await within(this.ended, "the server stops");
  }
}

/** A TCP proxy between browser and server. */
class Wire {
  static async to(port) {
    const wire = new Wire();
    wire.port = port;
    wire.isCut = false;
    wire.pairs = new Set();
    wire.listener = createServer((near) => wire.carry(near));
    await new Promise((resolve) => wire.listener.listen(0, "127.0.0.1", resolve));
    wire.origin = `http://127.0.0.1:${wire.listener.address().port}`;
    return wire;
  }

  carry(near) {
    if (this.isCut) return near.destroy();
    const far = connect(this.port, "127.0.0.1");
    const pair = [near, far];
    this.pairs.add(pair);
    for (const [one, other] of [[near, far], [far, near]]) {
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        this.pairs.delete(pair);
      });
    }
    near.pipe(far).pipe(near);
  }

  /** Kills what is open. With `silent`, only the browser's side learns of it: the server has not missed anybody yet. */
  kill({ silent = false } = {}) {
    for (const [near, far] of this.pairs) {
      if (silent) {
        near.removeAllListeners("close");
        far.removeAllListeners("close");
        near.unpipe(far);
        far.unpipe(near);
        far.resume();
        kept.push(far);
      }
      near.destroy();
    }
    this.pairs.clear();
  }

  cut() {
    this.isCut = true;
    this.kill();
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.kill();
    this.listener.close();
  }
}

/** Connections that the server still believes in. */
const kept = [];

/** Somebody at a browser. */
class Person {
  static async open(origin, name, { room = "", transport = "", context: settings = {}, prepare } = {}) {
    const person = new Person();
    person.name = name;
    person.isUpgrading = !transport;
    person.context = await browser.newContext({ viewport: { width: 1180, height: 780 }, locale: "en-GB", ...settings });
    person.context.setDefaultTimeout(WAIT_MS);
    await person.context.addInitScript((name) => localStorage.getItem("sori-name") ?? localStorage.setItem("sori-name", name), name);
    person.page = await person.context.newPage();
    person.errors = [];
    person.page.on("console", (message) => message.type() === "error" && person.complain(message.text()));
    person.page.on("pageerror", (error) => person.complain(String(error)));
    await prepare?.(person.page);
    people.add(person);
    await person.page.goto(`${origin}/${transport && `?transport=${transport}`}#${room}`);
    return person;
  }

  complain(text) {
    // A network that is down is what some scenarios are about, and browsers call it an error.
    if (this.mayBeOffline && /net::ERR|WebSocket connection|Failed to load resource/.test(text)) return;
    this.errors.push(text);
  }

  async close() {
    people.delete(this);
    // Who leaves between two transports is missed only when a heartbeat fails, and would be a ghost in the next scenario.
    if (this.isUpgrading) await this.isOver("WebSocket");
    await this.context.close();
    expect(this.errors.length === 0, `${this.name}'s console is quiet, not: ${this.errors.join("; ")}`);
  }

  $(selector) {
    return this.page.locator(selector);
  }

  /** Waits until the page shows a text. */
  async sees(selector, text) {
    const locator = this.$(selector).filter({ hasText: text });
    await locator.first().waitFor().catch(async (error) => {
      const shown = await this.$(selector).allInnerTexts();
      throw new Error(`${this.name} does not see ${text} in ${selector} but ${JSON.stringify(shown)}`, { cause: error });
    });
  }

  async count(selector, text) {
    return this.$(selector).filter({ hasText: text }).count();
  }

  async isHere(...names) {
    await this.page.waitForFunction((names) => {
      const shown = [...document.querySelectorAll("#people bdi")].map((name) => name.textContent).sort();
      return JSON.stringify(shown) === JSON.stringify(names);
    }, [...names].sort()).catch(async (error) => {
      const shown = await this.$("#people bdi").allInnerTexts();
      throw new Error(`${this.name} should see ${names.join(", ")} here, but sees ${shown.join(", ")}`, { cause: error });
    });
  }

  isOver(transport) {
    return this.sees("#link-text", transport);
  }

  async says(text) {
    await this.$("#text").fill(text);
    await this.$("#text").press("Enter");
  }

  async goesTo(room) {
    await this.$("#rooms a").filter({ hasText: room }).click();
    await this.sees("#room", room);
  }

  shoot(name) {
    return this.page.screenshot({ path: join(options.results, `${name}.png`) });
  }
}

const people = new Set();

function expect(condition, what) {
  if (!condition) throw new Error(`expected: ${what}`);
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`it takes too long until ${what}`)), WAIT_MS)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// ---- What is missing, and how to get it ----

async function prerequisites() {
  const missing = [];
  const playwright = await import("playwright-core").catch(() => null);
  if (!playwright) missing.push("playwright-core: npm ci --prefix browser");
  const found = (paths, within = "") => paths.find((path) => path && existsSync(join(path, within)));
  const usual = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`);
  const chromium = found([options.chromium ?? process.env.CHROMIUM, ...(options.chromium ? [] : usual)]);
  if (!chromium) missing.push("Chromium: apt-get install -y chromium, or --chromium FILE");
  const built = [here("../target/release/sori"), here("../target/debug/sori")];
  const server = found([options.server ?? process.env.SORI, ...(options.server ? [] : built)]);
  if (!server) missing.push("the server: cargo build --release -p sori-server, or --server FILE");
  const clientDir = found([options["client-dir"] ?? here("node_modules/socket.io-client/dist")], "socket.io.js");
  if (!clientDir) missing.push("the Socket.IO client: npm ci --prefix browser, or --client-dir DIR");
  return { missing, playwright, chromium, server, clientDir };
}

// ---- The scenarios ----

const scenarios = {
  async "two people see each other, talk, and see that the other types"({ wire }) {
    const ada = await Person.open(wire.origin, "Ada");
    await ada.isHere("Ada");
    await ada.isOver("WebSocket");
    await ada.sees("#company", "nobody but you");
    const bob = await Person.open(wire.origin, "Bob");
    await bob.isHere("Ada", "Bob");
    await ada.isHere("Ada", "Bob");
    await ada.sees(".note", "Bob came in");

    await bob.$("#text").pressSequentially("Hel");
    await ada.sees("#typing", "Bob is typing");
    await bob.$("#text").pressSequentially("lo, Ada!");
    await bob.$("#text").press("Enter");
    await ada.sees(".said .text", "Hello, Ada!");
    await ada.sees(".said .by", "Bob");
    await ada.page.waitForFunction(() => document.getElementById("typing").textContent === "");
    await ada.says("Hello, Bob!");
    await bob.sees(".said:not(.mine) .text", "Hello, Bob!");
    await ada.page.waitForFunction(() => !document.querySelector(".pending"));
    expect((await ada.count(".said .text", "Hello, Bob!")) === 1, "Ada sees her message once");

    await bob.close();
    await ada.sees(".note", "Bob left");
    await ada.isHere("Ada");
    await ada.close();
  },

  async "what others write is text, however it looks"({ wire }) {
    const evil = `<img src=x onerror="window.hacked=1">`;
    const [ada, eve] = [await Person.open(wire.origin, "Ada", { room: "<b>x" }), await Person.open(wire.origin, `<i>Eve</i>`, { room: "<b>x" })];
    await ada.isHere("Ada", "<i>Eve</i>");
    await eve.says(`${evil}<script>window.hacked=1</script>`);
    await ada.sees(".said .text", evil);
    await ada.says("소리 🌿 <&>");
    await eve.sees(".said .text", "소리 🌿 <&>");
    expect(await ada.page.evaluate(() => !window.hacked && !document.querySelector("main :is(.said, .note) :is(img, script, i, b)")), "nothing of it became an element");
    await ada.close();
    await eve.close();
  },

  async "only the room hears, and the page remembers what it heard"({ wire }) {
    const [ada, bob, cyd] = [await Person.open(wire.origin, "Ada"), await Person.open(wire.origin, "Bob"), await Person.open(wire.origin, "Cyd", { room: "greenhouse" })];
    await bob.isHere("Ada", "Bob");
    await cyd.isHere("Cyd");
    await ada.says("heard in the lobby");
    await bob.sees(".said .text", "heard in the lobby");
    await ada.goesTo("greenhouse");
    await ada.isHere("Ada", "Cyd");
    await bob.sees(".note", "Ada left");
    await ada.says("among plants");
    await cyd.sees(".said .text", "among plants");
    await ada.goesTo("lobby");
    await ada.isHere("Ada", "Bob");
    await ada.sees(".said .text", "heard in the lobby");
    await ada.says("after it");
    await bob.sees(".said .text", "after it");
    // What was said before must have arrived before, had it been for Bob.
    expect((await bob.count(".said .text", "among plants")) === 0, "the lobby does not hear the greenhouse");
    expect((await cyd.count(".said .text", "lobby")) === 0, "the greenhouse does not hear the lobby");
    await Promise.all([ada, bob, cyd].map((person) => person.close()));
  },

  async "a name is changed in place, and a room of one's own is made with the keyboard"({ wire }) {
    const [ada, bob] = [await Person.open(wire.origin, "Ada"), await Person.open(wire.origin, "Bob")];
    await bob.isHere("Ada", "Bob");
    await ada.isHere("Ada", "Bob");
    await ada.$("#name").fill("Countess");
    await ada.$("#name").press("Enter");
    await bob.isHere("Bob", "Countess");
    await bob.sees(".note", "Ada is now Countess");

    await ada.$("#text").focus();
    await ada.$("#text").press("Shift+Enter");
    await ada.$("#text").pressSequentially("two");
    await ada.$("#text").press("Shift+Enter");
    await ada.$("#text").pressSequentially("lines");
    await ada.$("#text").press("Enter");
    await bob.sees(".said .text", /two\s+lines/);

    await ada.$("#room-name").focus();
    await ada.page.keyboard.type("salle d’été");
    await ada.page.keyboard.press("Enter");
    await ada.sees("#room", "salle d’été");
    await ada.isHere("Countess");
    await bob.isHere("Bob");
    await ada.page.goBack();
    await bob.isHere("Bob", "Countess");
    await ada.close();
    await bob.close();
  },

  async "who loses the network is back in the room, and what was said meanwhile is delivered once"({ wire }) {
    const [ada, bob] = [await Person.open(wire.origin, "Ada"), await Person.open(wire.origin, "Bob")];
    await bob.isHere("Ada", "Bob");
    await bob.isOver("WebSocket");
    bob.mayBeOffline = true;
    await bob.context.setOffline(true);
    await bob.isOver("Reconnecting");
    await bob.says("first, from the tunnel");
    await bob.says("second, from the tunnel");
    await bob.sees(".said.pending .text", "second, from the tunnel");
    await bob.context.setOffline(false);
    await bob.isOver("WebSocket");
    bob.mayBeOffline = false;
    await bob.sees(".note.gap", "Back after");
    await ada.sees(".said .text", "second, from the tunnel");
    await bob.page.waitForFunction(() => !document.querySelector(".pending"));
    const heard = await ada.$(".said .text").allInnerTexts();
    expect(JSON.stringify(heard) === JSON.stringify(["first, from the tunnel", "second, from the tunnel"]), `each once and in order, not ${heard}`);
    await ada.isHere("Ada", "Bob");
    await ada.says("welcome back");
    await bob.sees(".said .text", "welcome back");
    await ada.close();
    await bob.close();
  },

  async "a killed connection is replaced, though the server has not missed it yet"({ wire, sori }) {
    const own = await Wire.to(sori.port);
    const [ada, bob] = [await Person.open(wire.origin, "Ada"), await Person.open(own.origin, "Bob")];
    await ada.isHere("Ada", "Bob");
    await bob.isOver("WebSocket");
    bob.mayBeOffline = true;
    own.kill({ silent: true });
    await bob.sees(".note.gap", "Back after");
    await bob.isOver("WebSocket");
    await ada.isHere("Ada", "Bob");
    await bob.isHere("Ada", "Bob");
    await bob.says("still me");
    await ada.sees(".said .text", "still me");
    expect((await ada.count(".note", "left")) === 0, "nobody was seen to leave");

    own.cut();
    await bob.isOver("Reconnecting");
    await ada.isHere("Ada");
    own.mend();
    await ada.isHere("Ada", "Bob");
    await ada.close();
    await bob.close();
    own.close();
  },

  async "polling alone will do"({ wire }) {
    const [ada, bob] = [await Person.open(wire.origin, "Ada", { transport: "polling" }), await Person.open(wire.origin, "Bob", { transport: "websocket" })];
    await ada.isHere("Ada", "Bob");
    await ada.isOver("Long polling");
    await bob.isOver("WebSocket");
    for (const text of ["one", "two", "three"]) await ada.says(text);
    await bob.sees(".said .text", "three");
    await bob.says("loud and clear");
    await ada.sees(".said .text", "loud and clear");
    expect(JSON.stringify(await bob.$(".said:not(.mine) .text").allInnerTexts()) === `["one","two","three"]`, "in order");
    await ada.isOver("Long polling");
    await ada.$("#link summary").click();
    await ada.sees("#facts", /Transport\s*polling/);
    await ada.page.keyboard.press("Escape");
    await ada.$("#facts").waitFor({ state: "hidden" });
    await ada.close();
    await bob.close();
  },

  async "a server that restarts finds everybody in their rooms again"({ clientDir }) {
    const first = await Sori.start({ clientDir });
    const wire = await Wire.to(first.port);
    const [ada, bob] = [await Person.open(wire.origin, "Ada", { room: "workshop" }), await Person.open(wire.origin, "Bob", { room: "workshop", transport: "polling" })];
    await ada.isHere("Ada", "Bob");
    ada.mayBeOffline = bob.mayBeOffline = true;
    await first.stop();
    expect(/2 clients told/.test(first.output), `the server says whom it told, not:\n${first.output}`);
    await Promise.all([ada, bob].map((person) => person.isOver("Reconnecting")));
    // The page keeps showing who was there; forgotten here, so that the list below is the new server's.
    await Promise.all([ada, bob].map((person) => person.page.evaluate(() => document.querySelector("#people").replaceChildren())));
    const second = await Sori.start({ clientDir });
    wire.port = second.port;
    await Promise.all([ada, bob].map((person) => person.isHere("Ada", "Bob")));
    await ada.says("here we are");
    await bob.sees(".said .text", "here we are");
    await ada.close();
    await bob.close();
    wire.close();
    await second.stop();
  },

  async "without the client the page says so, and how to mend it"() {
    const empty = mkdtempSync(join(tmpdir(), "sori-"));
    const sori = await Sori.start({ clientDir: empty });
    const origin = `http://127.0.0.1:${sori.port}`;
    expect(/no socket\.io\.js in .*npm install socket\.io-client/s.test(sori.output), `the server says so too, not:\n${sori.output}`);
    const withoutCdn = (page) => page.route("https://cdn.socket.io/**", (route) => route.abort());
    for (const colorScheme of ["light", "dark"]) {
      const ada = await Person.open(origin, "Ada", { context: { colorScheme }, prepare: withoutCdn });
      ada.isUpgrading = false;
      await ada.sees("#trouble", "could not be loaded");
      await ada.sees("#trouble", "npm install socket.io-client");
      await ada.isOver("No client");
      await ada.shoot(`client-missing-${colorScheme}`);
      ada.errors = ada.errors.filter((text) => !/Failed to load resource/.test(text));
      await ada.close();
    }
    const other = await Person.open(origin, "Ada", { prepare: (page) => page.route("**/socket.io.js", (route) => route.fulfill({ contentType: "text/javascript", body: "1" })) });
    other.isUpgrading = false;
    await other.sees("#trouble", "not the client");
    await other.close();
    await sori.stop();
    rmSync(empty, { recursive: true });
  },

  async "it looks as it should"({ wire }) {
    const views = {
      "chat-light": { colorScheme: "light" },
      "chat-dark": { colorScheme: "dark" },
      "chat-phone": { colorScheme: "light", viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
      "chat-phone-dark": { colorScheme: "dark", viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
    };
    const room = "greenhouse";
    const shown = [];
    const quiet = await Person.open(wire.origin, "Ada", { room: "workshop" });
    await quiet.isHere("Ada");
    await quiet.shoot("chat-quiet");
    await quiet.close();
    for (const [index, context] of Object.values(views).entries()) {
      shown.push(await Person.open(wire.origin, ["Ada", "Bob", "Maria", "Jisu"][index], { room, context }));
      await shown[index].page.waitForFunction(() => document.querySelector("#people .me"));
    }
    const [ada, bob, maria, jisu] = shown;
    await Promise.all(shown.map((person) => person.isHere("Ada", "Bob", "Maria", "Jisu")));
    const talk = [
      [bob, "Morning! Did the maidenhair survive the night?"],
      [ada, "It did, and it has spores now: look under the third frond."],
      [ada, "Rust-brown dots, in clusters. Those are the sori."],
      [maria, "So that is where the name comes from."],
      [jisu, "And in Korean, sori is a sound, or a voice."],
      [bob, "One word for a voice and for what spreads from a leaf. I like it."],
      [maria, "My train goes into a tunnel in a minute. If I fall silent, keep talking: I will be back over whatever network there is."],
      [ada, "We will see you come and go."],
    ];
    for (const [person, text] of talk) {
      await person.says(text);
      await Promise.all(shown.map((other) => other.sees(".said .text", text)));
    }
    await bob.$("#text").pressSequentially("Take care");
    await Promise.all([ada, maria, jisu].map((person) => person.sees("#typing", "Bob is typing")));
    for (const [index, name] of Object.keys(views).entries()) {
      await shown[index].page.waitForFunction(() => !document.querySelector(".pending"));
      await shown[index].shoot(name);
    }
    await ada.$("#link summary").click();
    await ada.shoot("chat-link");
    await maria.$("#menu").click();
    await maria.page.waitForFunction(() => document.getElementById("side").getAnimations().length === 0 && document.body.classList.contains("side-open"));
    await maria.shoot("chat-phone-rooms");
    await maria.$("#rooms a").filter({ hasText: "lobby" }).click();
    await maria.$("#side").waitFor({ state: "hidden" });
    await maria.sees("#room", "lobby");
    for (const person of shown) {
      const isWide = await person.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      expect(!isWide, `${person.name}'s page does not scroll sideways`);
      await person.close();
    }
  },
};

// ---- Run ----

const counts = { passed: 0, failed: 0, skipped: 0 };
const { missing, playwright, chromium, server, clientDir } = await prerequisites();
let browser;
if (missing.length > 0) {
  console.log(`The browser test needs:\n${missing.map((line) => `  ${line}`).join("\n")}`);
  counts.skipped = Object.keys(scenarios).length;
} else {
  mkdirSync(options.results, { recursive: true });
  browser = await playwright.chromium.launch({ executablePath: chromium, args: CHROMIUM_FLAGS });
  const sori = await Sori.start({ clientDir });
  const wire = await Wire.to(sori.port);
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (!name.includes(options.only)) {
      counts.skipped++;
      continue;
    }
    const start = performance.now();
    try {
      await scenario({ sori, wire, clientDir });
      counts.passed++;
      console.log(`ok    ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (error) {
      counts.failed++;
      console.log(`FAIL  ${name}\n      ${error.message.replaceAll("\n", "\n      ")}`);
      for (const person of people) await person.shoot(`failed-${counts.failed}-${person.name.replace(/\W/g, "")}`).catch(() => {});
    }
    for (const person of [...people]) {
      people.delete(person);
      await person.context.close();
    }
  }
  await browser.close();
  wire.close();
  kept.forEach((socket) => socket.destroy());
  await sori.stop();
  console.log(`Screenshots are in ${options.results}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
// A test that failed may have left its own server running.
Sori.all.forEach((left) => left.process.kill("SIGKILL"));
process.exit(counts.failed > 0 ? 1 : 0);
