// What the gallery's tests stand on: the program, and somebody at a browser.
import { spawn } from "node:child_process";
import { join } from "node:path";

export const WAIT_MS = 15_000;

/** What run.js has found: browser, server, clientDir, results. */
export const house = {};

/** The program under test. */
export class Sori {
  static all = [];

  static async start(...args) {
    const sori = new Sori();
    const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
    const command = ["serve", ...listen, "--client-dir", house.clientDir, ...args];
    sori.process = spawn(house.server, command, { stdio: ["ignore", "pipe", "pipe"] });
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
    sori.origin = `http://127.0.0.1:${sori.port}`;
    return sori;
  }

  /** Ends it, gracefully unless another signal is named. */
  async stop(signal = "SIGINT") {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill(signal);
    await within(this.ended, "the server stops");
  }
}

/** Somebody at a browser, with a context of their own. */
export class Person {
  static all = new Set();

  /** Opens `path` below /gallery/. `context` is for playwright: colorScheme, viewport, locale, …; `hush` matches errors that are meant. */
  static async open(origin, path, { name = "Ada", lang = "en", context = {}, hush, prepare } = {}) {
    const person = new Person();
    person.name = name;
    person.origin = origin;
    person.hush = hush;
    person.context = await house.browser.newContext({ viewport: { width: 1240, height: 860 }, locale: lang === "ko" ? "ko-KR" : "en-GB", ...context });
    person.context.setDefaultTimeout(WAIT_MS);
    person.page = await person.context.newPage();
    person.errors = [];
    person.page.on("console", (message) => message.type() === "error" && person.complain(message.text()));
    person.page.on("pageerror", (error) => person.complain(String(error)));
    Person.all.add(person);
    await prepare?.(person.page);
    await person.page.goto(`${origin}/gallery/${path}`);
    return person;
  }

  complain(text) {
    if (!this.hush?.test(text)) this.errors.push(text);
  }

  async close() {
    Person.all.delete(this);
    await this.context.close();
    expect(this.errors.length === 0, `${this.name}'s console is quiet, not: ${this.errors.join("; ")}`);
  }

  $(selector) {
    return this.page.locator(selector);
  }

  /** Waits until the page shows a text. */
  async sees(selector, text) {
    await this.$(selector).filter({ hasText: text }).first().waitFor().catch(async (error) => {
      const shown = await this.$(selector).allInnerTexts();
      throw new Error(`${this.name} does not see ${text} in ${selector} but ${JSON.stringify(shown)}`, { cause: error });
    });
  }

  async count(selector, text = "") {
    return this.$(selector).filter({ hasText: text }).count();
  }

  async texts(selector) {
    return this.$(selector).allInnerTexts();
  }

  /** Waits until a frame or request is shown that matches. */
  async seesFrame(text) {
    await this.sees("#frames li", text);
  }

  shoot(name, settings = {}) {
    return this.page.screenshot({ path: join(house.results, `${name}.png`), ...settings });
  }

  /** Whether nothing has to be scrolled sideways. */
  async fits() {
    const isWide = await this.page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    expect(!isWide, `${this.name}'s page does not scroll sideways`);
  }
}

export function expect(condition, what) {
  if (!condition) throw new Error(`expected: ${what}`);
}

export function equal(found, expected, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  expect(a === b, `${what}: ${b}, not ${a}`);
}

export function within(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`it takes too long until ${what}`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Shows a page as most people see it, and as others do: in Korean and in the dark, and on a phone. */
export async function portraits(origin, path, name, settle = async () => {}) {
  const views = {
    light: {},
    "dark-ko": { lang: "ko", context: { colorScheme: "dark" } },
    phone: { context: { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true } },
  };
  for (const [view, settings] of Object.entries(views)) {
    const person = await Person.open(origin, path, settings);
    equal(await person.page.getAttribute("html", "lang"), settings.lang ?? "en", "the page's language");
    await settle(person);
    await person.fits();
    await person.shoot(`${name}-${view}`, { fullPage: true });
    await person.close();
  }
}
