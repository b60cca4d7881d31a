// What is tried at the lab.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Sori, equal, expect, house } from "../gallery/harness.js";
import { LANES, Visitor, plausible, promised } from "./visitor.js";
import { Wire } from "./wire.js";

const PLAIN = LANES.filter((lane) => !lane.startsWith("socketio"));
const STREAMS = ["iframe", "multipart", "lines", "sse", "raw-websocket", "socketio-websocket"];
const SHORT = { rate: 10, size: 64, idle: 3, talk: 5, cut: 0, who: "page" };

export const scenarios = {
  async "every lane starts, hears the room, and shows what it hears on the wire"({ origin }) {
    const ada = await Visitor.open(origin);
    await ada.are("off");
    await ada.startAll();
    await ada.says("sori, 소리");
    await ada.show("heard", 1);
    await ada.show("lost", 0);
    for (const lane of LANES) {
      await ada.lane(lane).locator("summary").click();
      await ada.lane(lane).locator(".frames li.down code").filter({ hasText: "소리" }).first().waitFor();
      expect(/^[\d.]+ m?s$/.test(await ada.shown(lane, "p50")), `${lane} shows its latency`);
      expect(Number(await ada.shown(lane, "requests")) >= 1, `${lane} made a request`);
    }
    await ada.$("#stop-all").click();
    await ada.are("off");
    await ada.startAll();
    await ada.says("again");
    await ada.show("heard", 1);
    await ada.close();
  },

  async "a run measures what the textbooks say"({ origin }) {
    const ada = await Visitor.open(origin);
    const table = await ada.run(SHORT);
    promised(table);
    plausible(table);
    const of = Object.fromEntries(table.lanes.map((lane) => [lane.lane, lane]));
    for (const { lane, messages } of table.lanes) equal({ lane, messages }, { lane, messages: 50 }, "as many as were asked for");
    for (const lane of STREAMS) equal({ lane, requests: of[lane].requests }, { lane, requests: 1 }, "a stream is one request");
    expect(of["short-polling"].requests >= 6, `short polling asks each second, not ${of["short-polling"].requests} times`);
    expect(of["long-polling"].requests > 10, `long polling asks again after each answer, not ${of["long-polling"].requests} times`);
    expect(of["short-polling"].idle_bytes_per_minute > 5_000, "short polling pays for silence");
    for (const lane of STREAMS) equal({ lane, idle: of[lane].idle_requests_per_minute }, { lane, idle: 0 }, "streams are silent in silence");
    expect(of["short-polling"].latency_p50_ms > of["raw-websocket"].latency_p50_ms, "short polling is slower than WebSocket");
    expect(of["long-polling"].bytes_per_message > of["raw-websocket"].bytes_per_message, "a message of long polling is dearer than one of WebSocket");
    await ada.close();
  },

  async "a cut network loses nothing and doubles nothing, whatever the lane"({ origin }) {
    const ada = await Visitor.open(origin);
    const table = await ada.run({ ...SHORT, rate: 20, talk: 10, cut: 5, idle: 0 });
    promised(table);
    for (const { lane, came_back: back, came_back_with_a_gap: gaps } of table.lanes) {
      expect(back >= 1, `${lane} came back`);
      equal({ lane, gaps }, { lane, gaps: 0 }, "without a gap");
    }
    await ada.close();
  },

  async "who is cut by hand says nothing, hears nothing, and catches up"({ origin }) {
    const ada = await Visitor.open(origin);
    await ada.startAll();
    await ada.says("before");
    await ada.show("heard", 1);
    await ada.$("#cut-all").click();
    await ada.are("cut");
    for (let n = 0; n < 5; n++) await ada.says(`meanwhile ${n}`);
    await ada.page.waitForTimeout(1_500);
    await ada.show("heard", 1);
    await ada.$("#cut-all").click();
    await ada.are("open");
    await ada.show("heard", 6);
    await ada.show("lost", 0);
    await ada.show("doubled", 0);
    await ada.lane("sse").locator(".cut").click();
    await ada.are("cut", ["sse"]);
    await ada.are("open", LANES.filter((lane) => lane !== "sse"));
    await ada.says("without one");
    await ada.show("heard", 7, LANES.filter((lane) => lane !== "sse"));
    await ada.lane("sse").locator(".cut").click();
    await ada.show("heard", 7);
    await ada.close();
  },

  async "connections that the server drops are opened again by the lanes themselves"({ origin }) {
    const ada = await Visitor.open(origin);
    await ada.startAll();
    await ada.says("before");
    await ada.show("heard", 1);
    await ada.$("#drop-all").click();
    for (let n = 0; n < 4; n++) await ada.says(`meanwhile ${n}`);
    await ada.show("heard", 5);
    await ada.are("open");
    await ada.show("lost", 0);
    await ada.show("doubled", 0);
    await ada.close();
  },

  async "connections that break without a word lose nothing, though the server has not missed anybody"({ sori }) {
    const wire = await Wire.to(sori.port);
    // Socket.IO's polling asks beside its own request that the server still holds, and is told that this is a mistake: 400.
    const ada = await Visitor.open(wire.origin, { hush: /status of 400|WebSocket|net::ERR/ });
    // A frame notices only by its silence, which takes more than half a minute.
    const lanes = LANES.filter((lane) => lane !== "iframe");
    await ada.startAll();
    await ada.says("before");
    await ada.show("heard", 1);
    wire.break();
    await ada.$("#voice[data-state=connecting], #voice[data-state=waiting]").waitFor();
    await ada.$("#voice[data-state=open]").waitFor();
    for (let n = 0; n < 3; n++) await ada.says(`meanwhile ${n}`);
    await ada.show("heard", 4, lanes);
    await ada.show("lost", 0, lanes);
    await ada.show("doubled", 0, lanes);
    await ada.close();
    wire.close();
  },

  async "lanes speak by their own means, and the server by itself"({ origin }) {
    const ada = await Visitor.open(origin);
    const inTurn = await ada.run({ ...SHORT, idle: 0, who: "lanes" });
    promised(inTurn);
    const of = Object.fromEntries(inTurn.lanes.map((lane) => [lane.lane, lane]));
    expect(of.sse.requests > 1, "SSE needs POST for the way up");
    equal(of["raw-websocket"].requests, 1, "WebSocket does not");
    const ticks = await ada.run({ ...SHORT, idle: 0, who: "server" });
    promised(ticks);
    expect(ticks.lanes[0].messages >= 45, `the server spoke ten times a second, not ${ticks.lanes[0].messages} in five`);
    await ada.close();
  },

  async "the file and the table tell the same"({ origin }) {
    const ada = await Visitor.open(origin);
    const { file, head, lanes } = await ada.run({ ...SHORT, size: 1024, idle: 0, rate: 5 });
    expect(/^sori-lab-\d{4}-\d\d-\d\dT\d{6}\.csv$/.test(file), `the file has a name: ${file}`);
    equal(new Set(head).size, head.length, "each column has a name of its own");
    const rows = await ada.$("#table-body tr").evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    equal(rows.length, lanes.length, "lines");
    lanes.forEach((lane, at) => {
      equal(rows[at][1], lane.requests.toLocaleString("en"), `${lane.lane}: requests`);
      equal(rows[at].slice(-4, -1).map(Number), [lane.heard, lane.lost, lane.doubled], `${lane.lane}: heard, lost, doubled`);
      equal([lane.rate_per_s, lane.payload_bytes, lane.talk_s, lane.speaker], [5, 1024, 5, "page"], "settings");
      equal(lane.idle_bytes_per_minute, "", "no silence, no price");
    });
    await ada.close();
  },

  async "strangers do not hear each other"({ origin }) {
    const [ada, bob] = [await Visitor.open(origin), await Visitor.open(origin, { name: "Bob" })];
    for (const lane of ["sse", "socketio-websocket"]) {
      await ada.lane(lane).locator(".start").click();
      await bob.lane(lane).locator(".start").click();
    }
    await ada.are("open", ["sse", "socketio-websocket"]);
    await bob.are("open", ["sse", "socketio-websocket"]);
    await ada.says("for me alone");
    await ada.show("heard", 1, ["sse", "socketio-websocket"]);
    await bob.says("and for me");
    await bob.show("heard", 1, ["sse", "socketio-websocket"]);
    await ada.show("heard", 1, ["sse", "socketio-websocket"]);
    await ada.close();
    await bob.close();
  },

  async "without the internet and without the client, the plain lanes work and the others say why not"() {
    const empty = mkdtempSync(join(tmpdir(), "sori-"));
    const { clientDir } = house;
    house.clientDir = empty;
    const sori = await Sori.start().finally(() => (house.clientDir = clientDir));
    const blocked = (page) => page.route((url) => url.hostname !== "127.0.0.1", (route) => route.abort());
    const ada = await Visitor.open(sori.origin, { prepare: blocked, hush: /Failed to load resource|WebSocket/ });
    await ada.are("missing", LANES.filter((lane) => lane.startsWith("socketio")));
    await ada.$("#client").filter({ hasText: "npm install socket.io-client" }).waitFor();
    const table = await ada.run({ ...SHORT, idle: 0 });
    promised(table, PLAIN);
    await ada.$("#remarks").filter({ hasText: "Socket.IO · polling" }).waitFor();
    await ada.person.shoot("lab-without-client", { fullPage: true });
    await ada.close();
    await sori.stop();
    rmSync(empty, { recursive: true });
  },

  async "a keyboard is enough"({ origin }) {
    const ada = await Visitor.open(origin);
    const { keyboard } = ada.page;
    const focused = () => ada.page.evaluate(() => document.activeElement.id || document.activeElement.value || document.activeElement.textContent);
    const tabTo = async (wanted) => {
      for (let n = 0; n < 60; n++) {
        await keyboard.press("Tab");
        if ((await focused()) === wanted) return;
      }
      throw new Error(`Tab does not lead to ${wanted}, but to ${await focused()}`);
    };
    await keyboard.press("Tab");
    equal(await focused(), "To the lanes", "the first thing is the way to the lanes");
    await tabTo("chatter");
    for (let n = 0; n < 3; n++) await keyboard.press("ArrowRight");
    equal(await ada.$("[name=cut]:checked").getAttribute("value"), "5", "the tunnel cuts");
    await tabTo("10");
    await keyboard.press("ArrowLeft");
    equal(await ada.$("[name=rate]:checked").getAttribute("value"), "5", "arrows choose");
    await tabTo("run");
    await keyboard.press("Enter");
    await ada.$("#run[data-running=true]").waitFor();
    equal(await focused(), "run", "focus stays where it was");
    await ada.are("open");
    await ada.$("#announcer").filter({ hasText: "silence" }).waitFor();
    await keyboard.press("Enter");
    await ada.$("#run[data-running=false]").waitFor();
    await tabTo("text");
    await keyboard.type("by hand");
    await keyboard.press("Enter");
    await ada.$("[data-lane=sse] [data-number=heard] dd").filter({ hasNotText: /^0$/ }).waitFor();
    const unnamed = await ada.page.evaluate(() =>
      [...document.querySelectorAll("button, a, input, canvas, [role=region]")]
        .filter((node) => !(node.textContent.trim() || node.ariaLabel || node.labels?.length || node.getAttribute("aria-labelledby")))
        .map((node) => node.outerHTML));
    equal(unnamed, [], "everything that is used has a name");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const views = {
      light: { context: { viewport: { width: 1360, height: 900 }, colorScheme: "light" } },
      dark: { context: { viewport: { width: 1360, height: 900 }, colorScheme: "dark" } },
      phone: { context: { ...phone, colorScheme: "light" } },
      "phone-dark": { context: { ...phone, colorScheme: "dark" } },
      korean: { context: { viewport: { width: 1024, height: 900 } }, query: "lang=ko", lang: "ko" },
    };
    for (const [view, settings] of Object.entries(views)) {
      const ada = await Visitor.open(origin, settings);
      if (view === "light" || view === "phone") await ada.person.shoot(`lab-${view}-first`);
      await ada.choose({ ...SHORT, rate: 20, idle: 0, cut: 2 });
      await ada.$("#run").click();
      await ada.$("#progress[data-phase=mended]").waitFor({ timeout: 30_000 });
      await ada.page.waitForTimeout(1_000);
      await ada.$("#lanes-title").evaluate((title) => title.scrollIntoView({ behavior: "instant" }));
      await ada.page.waitForTimeout(300);
      await ada.person.shoot(`lab-${view}-lanes`);
      await ada.$("#results").waitFor({ timeout: 60_000 });
      await ada.$("#to-results").click();
      await ada.page.waitForTimeout(1_000);
      await ada.person.shoot(`lab-${view}-results`);
      await ada.person.shoot(`lab-${view}`, { fullPage: true });
      await ada.person.fits();
      await ada.close();
    }
  },

  async "every page leads to the others"({ origin }) {
    const ada = await Visitor.open(origin);
    await ada.$("nav a[href='/']").click();
    await ada.$("a[href='/gallery/']").first().waitFor();
    await ada.$("a[href='/lab']").first().click();
    await ada.$("h1").filter({ hasText: "Ten ways" }).waitFor();
    await ada.$("nav .language").click();
    await ada.$("h1").filter({ hasText: "열 가지" }).waitFor();
    await ada.page.goto(`${origin}/lab`);
    await ada.$("h1").filter({ hasText: "열 가지" }).waitFor();
    await ada.close();
  },
};
