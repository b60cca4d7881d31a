// Somebody at the lab.
import { Person, equal, expect } from "../gallery/harness.js";

export const LANES = [
  "short-polling", "long-polling", "jsonp", "iframe", "multipart", "lines", "sse", "raw-websocket", "socketio-polling", "socketio-websocket",
];
/** What a browser says of a network that is cut: that is what some scenarios are about. */
const OF_THE_CUT = /WebSocket is closed before the connection is established|WebSocket connection to|net::ERR/;
/** A run's longest waits: to open its lanes, and for the rest at the end. */
const RUN_MS_MAX = 60_000;

export class Visitor {
  static async open(origin, { name = "Ada", query = "lang=en", ...settings } = {}) {
    const visitor = new Visitor();
    visitor.person = await Person.open(origin, `../lab?${query}`, { name, hush: OF_THE_CUT, ...settings });
    visitor.page = visitor.person.page;
    await visitor.page.locator("#voice[data-state=open]").waitFor();
    return visitor;
  }

  close() {
    return this.person.close();
  }

  $(selector) {
    return this.page.locator(selector);
  }

  lane(name) {
    return this.$(`[data-lane="${name}"]`);
  }

  /** Waits until all these lanes are in this state. */
  async are(state, lanes = LANES) {
    for (const name of lanes) {
      await this.$(`[data-lane="${name}"][data-state="${state}"]`).waitFor().catch(async (error) => {
        throw new Error(`${name} should be ${state}, and is ${await this.lane(name).getAttribute("data-state")}`, { cause: error });
      });
    }
  }

  async startAll() {
    await this.$("#client").waitFor({ state: "hidden" });
    await this.page.waitForFunction(() => typeof window.io === "function");
    await this.$("#start-all").click();
    await this.are("open");
  }

  async says(text) {
    await this.$("#text").fill(text);
    await this.$("#text").press("Enter");
  }

  /** A number of a lane, as it is shown: `heard`, `lost`, `requests`, … */
  shown(lane, number) {
    return this.lane(lane).locator(`[data-number="${number}"] dd`).innerText();
  }

  /** Waits until every lane shows this number. */
  async show(number, value, lanes = LANES) {
    for (const lane of lanes) {
      const matching = this.lane(lane).locator(`[data-number="${number}"] dd`).filter({ hasText: new RegExp(`^${value}$`) });
      await matching.waitFor().catch(async (error) => {
        throw new Error(`${lane} should show ${value} for ${number}, not ${await this.shown(lane, number)}`, { cause: error });
      });
    }
  }

  async choose(settings) {
    await this.$("#more").evaluate((more) => (more.open = true));
    for (const [name, value] of Object.entries(settings)) await this.$(`[name="${name}"][value="${value}"]`).check({ force: true });
  }

  /** Runs an experiment, and reads its table. */
  async run(settings) {
    await this.choose(settings);
    await this.$("#results").evaluate((results) => (results.hidden = true));
    await this.$("#run").click();
    await this.$("#results").waitFor({ timeout: RUN_MS_MAX });
    return this.csv();
  }

  /** The file that the page offers, as lanes with numbers. */
  async csv() {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.$("#csv").click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    expect(text.startsWith("\ufeff"), "the file says that it is UTF-8");
    const [head, ...lines] = text.slice(1).trimEnd().split("\r\n").map((line) => line.split(","));
    const lanes = lines.map((line) => Object.fromEntries(head.map((name, at) => [name, /^-?[\d.]+$/.test(line[at]) ? Number(line[at]) : line[at]])));
    return { file: download.suggestedFilename(), head, lanes };
  }
}

/** Every lane took part, and heard each message once. */
export function promised({ lanes }, names = LANES) {
  equal(lanes.map(({ lane }) => lane), names, "the lanes of the file");
  for (const { lane, messages, heard, lost, doubled, out_of_order: disordered } of lanes) {
    expect(messages > 0, "something was said");
    equal({ lane, heard, lost, doubled, disordered }, { lane, heard: messages, lost: 0, doubled: 0, disordered: 0 }, "the promise");
  }
}

/** The numbers are ones that this transport can have. */
export function plausible({ lanes }) {
  for (const lane of lanes) {
    const payload = lane.heard * lane.payload_bytes;
    expect(lane.bytes_down > payload, `${lane.lane} received at least the payload: ${lane.bytes_down} of ${payload} bytes`);
    expect(lane.bytes_down < payload + lane.heard * 700 + lane.requests * 1_500 + 4_000, `${lane.lane} received not much more: ${lane.bytes_down} bytes`);
    expect(lane.bytes_up > 150 * lane.requests, `${lane.lane} sent headers with each request: ${lane.bytes_up} bytes in ${lane.requests}`);
    expect(0 <= lane.latency_p50_ms && lane.latency_p50_ms <= lane.latency_p99_ms && lane.latency_p99_ms <= lane.latency_max_ms, `${lane.lane}'s latencies are in order`);
  }
}
