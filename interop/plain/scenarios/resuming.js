// Networks that break: nothing is lost, nothing comes twice, the order holds.
import { setImmediate as breathe } from "node:timers/promises";

const STREAMS = ["sse", "sse-fetch", "lines", "multipart", "iframe"];
const POLLS = ["long-poll", "short-poll", "jsonp"];
const COUNT = 400;

/** Says 0 to COUNT in the room while the wire to the client is killed at random; the client must have heard each once. */
async function throughKills(t, client, { proxy, speaker, room }) {
  // EventSource takes three seconds to come back.
  const [kills, waits] = t.kind === "sse" ? [3, 1] : [15, 0.3];
  const killAt = new Set(Array.from({ length: kills }, () => Math.floor(t.random() * COUNT)));
  for (let n = 0; n < COUNT; n++) {
    // Some in one go, some one by one.
    const said = speaker.ask("say", room, n);
    if (t.random() < 0.7) await said;
    if (t.random() < 0.3) await breathe();
    if (!killAt.has(n)) continue;
    proxy.kill();
    if (t.random() < waits && !POLLS.includes(t.kind)) await client.next("connect");
  }
  await speaker.ask("say", room, "the end");
  const heard = [];
  for (;;) {
    const [n] = await client.next("said");
    if (n === "the end") break;
    heard.push(n);
  }
  t.equal([told(heard), client.news?.recovered ?? true], ["each once and in order", true]);
}

function told(heard) {
  const all = Array.from({ length: COUNT }, (_, n) => n);
  if (heard.length === COUNT && heard.every((n, i) => n === i)) return "each once and in order";
  const missing = all.filter((n) => !heard.includes(n));
  const twice = heard.filter((n, i) => heard.indexOf(n) !== i);
  const late = heard.filter((n, i) => i > 0 && n < heard[i - 1]);
  return `missing ${missing.slice(0, 9)}; twice ${twice.slice(0, 9)}; behind a later one ${late.slice(0, 9)}; ${heard.length} of ${COUNT}`;
}

export default [
  {
    name: "resume: a session of its own goes on through kills (log)",
    kinds: [...STREAMS, ...POLLS, "ws"],
    timeoutMs: 40_000,
    async run(t) {
      const room = t.room();
      const proxy = await t.proxy();
      const { id, sid, cursor } = await t.session({ nsp: "/chat", query: { rooms: room } });
      const client = t.make({ url: proxy.url, nsp: "/chat", sid, since: cursor, returns: true });
      client.open();
      const speaker = await t.speaker({ nsp: "/chat" });
      await throughKills(t, client, { proxy, speaker, room });
      t.equal((await t.request("POST", `/chat?event=who&sid=${sid}`)).status, 200);
      await speaker.ask("say", id, "still the same");
      t.equal(await client.next("said"), ["still the same"]);
    },
  },
  {
    name: "resume: polls lose nothing where there is no log, either",
    kinds: ["long-poll", "short-poll"],
    timeoutMs: 40_000,
    async run(t) {
      const room = t.room();
      const proxy = await t.proxy();
      const { sid, cursor } = await t.session({ query: { rooms: room } });
      const client = t.make({ url: proxy.url, sid, since: cursor, returns: true });
      client.open();
      await throughKills(t, client, { proxy, speaker: await t.speaker(), room });
    },
  },
  {
    name: "history: a new socket gets what its rooms heard meanwhile",
    kinds: [...STREAMS, "ws"],
    timeoutMs: 40_000,
    async run(t) {
      const room = t.room();
      const proxy = await t.proxy();
      const client = await t.open({ url: proxy.url, nsp: "/chat", query: { rooms: room }, returns: true });
      await throughKills(t, client, { proxy, speaker: await t.speaker({ nsp: "/chat" }), room });
    },
  },
  {
    name: "recovery: a client comes back as who it was",
    kinds: [...STREAMS.filter((kind) => kind !== "sse"), "ws"], // EventSource cannot say who it was
    timeoutMs: 40_000,
    async run(t) {
      const proxy = await t.proxy(t.urls.recovery);
      const client = await t.open({ url: proxy.url, nsp: "/chat", returns: true });
      const room = t.room();
      await client.ask("join", room);
      const { id, sid } = client;
      const speaker = await t.speaker({ url: t.urls.recovery, nsp: "/chat" });
      await throughKills(t, client, { proxy, speaker, room });
      t.equal([client.id, client.sid, client.news.recovered], [id, sid, true]);
    },
  },
  {
    name: "history: since=-N is the last N, and a cursor what came after",
    kinds: [...STREAMS, ...POLLS, "ws"],
    async run(t) {
      const room = t.room();
      const speaker = await t.speaker({ nsp: "/chat" });
      for (let n = 0; n < 10; n++) await speaker.ask("say", room, n);
      const ask = (since) => t.open({ nsp: "/chat", query: { rooms: `${room},quiet-${room}` }, since });
      const last = await ask("-3");
      t.equal(await last.take("said", 3), [[7], [8], [9]]);
      await speaker.ask("say", `quiet-${room}`, "kept by nobody");
      t.equal(await last.next("said"), ["kept by nobody"]);
      await last.emit("echo", "?");
      await last.next("echo");
      const { cursor } = last;
      await speaker.ask("say", room, 10);
      await last.next("said");
      const after = await ask(cursor);
      t.equal([await after.next("said"), after.news.recovered], [[10], true]);
      t.equal(await after.arrived("said"), []);
      const none = await ask("no-cursor-of-ours");
      t.equal([none.news.recovered], [false]);
    },
  },
  {
    name: "history: clients with a library may be told what was said, too",
    kinds: ["socket.io", "sse", "lines", "ws", "long-poll"],
    async run(t) {
      const room = t.room();
      const speaker = await t.speaker({ nsp: "/chat" });
      for (let n = 0; n < 5; n++) await speaker.ask("say", room, n, Buffer.from([n]));
      const one = await t.open({ nsp: "/chat" });
      t.equal(await one.ask("replay", room, 3), 3);
      t.equal(await one.take("said", 3), [2, 3, 4].map((n) => [n, Buffer.from([n])]));
      t.equal(await one.arrived("said"), []);
    },
  },
  {
    name: "resume: what waited is not lost with a stream that has only said who the client is",
    kinds: ["http"],
    async run(t) {
      const room = t.room();
      const { sid } = await t.session({ nsp: "/chat", query: { rooms: room } });
      const speaker = await t.speaker({ nsp: "/chat" });
      await speaker.ask("say", room, 0);
      await speaker.ask("say", room, 1);
      // No cursor, as an address that is typed in.
      const one = t.make({ kind: "lines", nsp: "/chat", sid });
      one.open();
      await one.next("connect");
      const { cursor } = one.news;
      one.isClosed = true;
      one.close();
      const two = t.make({ kind: "lines", nsp: "/chat", sid, since: cursor });
      two.open();
      t.equal(await two.take("said", 2), [[0], [1]]);
      t.equal(await two.arrived("said"), []);
    },
  },
  {
    name: "resume: a poll that gets nothing stays where a stream has been",
    kinds: ["http"],
    async run(t) {
      const room = t.room();
      const { sid, cursor } = await t.session({ nsp: "/chat", query: { rooms: room } });
      const first = await t.request("GET", `/chat?sid=${sid}&since=${cursor}&wait=0`);
      t.equal(first.said.events.map(({ event }) => event), ["welcome"]);
      const stream = t.make({ kind: "lines", nsp: "/chat", sid, since: first.said.cursor });
      stream.open();
      await stream.next("connect");
      await (await t.speaker({ nsp: "/chat" })).ask("say", room, 1);
      t.equal(await stream.next("said"), [1]);
      for (let n = 0; n < 3; n++) {
        const nothing = await t.request("GET", `/chat?sid=${sid}&since=${stream.cursor}&wait=0`);
        t.equal(nothing.said, { sid, cursor: stream.cursor, events: [] });
      }
      // Whoever says that it did not arrive is told again.
      const again = await t.request("GET", `/chat?sid=${sid}&since=${first.said.cursor}&wait=5`);
      t.equal(again.said.events.map(({ data }) => data), [1]);
    },
  },
  {
    name: "resume: from one kind to another, in the middle",
    kinds: ["http"],
    timeoutMs: 30_000,
    async run(t) {
      const room = t.room();
      const kinds = [...STREAMS, ...POLLS, "ws"];
      const { sid, cursor } = await t.session({ nsp: "/chat", query: { rooms: room } });
      const speaker = await t.speaker({ nsp: "/chat" });
      let since = cursor;
      let n = 0;
      const heard = [];
      for (let turn = 0; turn < 30; turn++) {
        const kind = kinds[Math.floor(t.random() * kinds.length)];
        const client = t.make({ kind, nsp: "/chat", sid, since });
        client.open();
        const count = Math.floor(t.random() * 5);
        for (let i = 0; i < count; i++) await speaker.ask("say", room, n++);
        // It leaves without having heard all, sometimes.
        const takes = Math.floor(t.random() * (count + 1));
        for (const [m] of await client.take("said", Math.min(takes, n - heard.length))) heard.push(m);
        const behind = client.seen("said").length;
        client.isClosed = true;
        client.close();
        // What has come and was not read is the client's to forget: it goes on after the last thing that it took.
        heard.push(...client.seen("said").slice(0, behind).map(([m]) => m));
        since = client.cursor ?? since;
      }
      await speaker.ask("say", room, "the end");
      const last = t.make({ kind: "lines", nsp: "/chat", sid, since });
      last.open();
      for (let m; (m = (await last.next("said"))[0]) !== "the end"; ) heard.push(m);
      t.equal(heard, Array.from({ length: n }, (_, n) => n));
    },
  },
];
