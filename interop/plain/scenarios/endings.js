// Who ends a session, and what the other learns of it.

const hasLibrary = (t) => t.kind === "socket.io" && "interop/ has it";

/** One with a watcher that is told when it has left. */
async function watched(t, options = {}) {
  const nsp = t.Kind?.calls ? "/chat" : "/";
  const one = await t.open({ nsp, ...options });
  const watcher = await t.speaker({ nsp });
  await watcher.ask("join", `watch:${one.id}`);
  return { one, watcher };
}

export default [
  {
    name: "kick: the server sends a client away for good",
    async run(t) {
      const { one, watcher } = await watched(t);
      one.emit("kick").catch(() => {}); // its answer may be lost with its session
      t.equal(await one.next("disconnect"), [{ reason: "server namespace disconnect" }]);
      await one.next("end");
      t.equal(await watcher.next("left"), [one.id, "server namespace disconnect"]);
    },
  },
  {
    name: "kick: what was said before comes before",
    async run(t) {
      const nsp = t.Kind.calls ? "/chat" : "/";
      const room = t.room();
      const one = await t.open({ nsp, query: { rooms: room } });
      const speaker = await t.speaker({ nsp });
      for (let n = 0; n < 50; n++) speaker.emit("say", room, n);
      await speaker.emit("dismiss", room);
      t.equal(await one.take("said", 50), Array.from({ length: 50 }, (_, n) => [n]));
      t.equal(await one.next("disconnect"), [{ reason: "server namespace disconnect" }]);
      await one.next("end");
    },
  },
  {
    name: "kick: EventSource stays away, because it says `Last-Event-ID: end` and is answered 204",
    kinds: ["sse"],
    async run(t) {
      const { one } = await watched(t);
      one.emit("kick").catch(() => {});
      await one.next("disconnect");
      t.equal(one.cursor, "end");
      await one.next("end");
      t.equal(one.source.readyState, 2);
      const answer = await t.request("GET", "/", { headers: { accept: "text/event-stream", "last-event-id": "end" } });
      t.equal([answer.status, answer.said], [204, ""]);
    },
  },
  {
    name: "DELETE, or the event disconnect, ends a session",
    skip: hasLibrary,
    async run(t) {
      for (const [method, query] of [["DELETE", ""], ["POST", "event=disconnect&"]]) {
        const { one, watcher } = await watched(t);
        const path = `${one.nsp}?${query}sid=${one.sid}`;
        // As `navigator.sendBeacon` says it.
        t.equal((await t.request(method, path, { body: method === "POST" ? "" : undefined })).status, 204);
        t.equal(await watcher.next("left"), [one.id, "client namespace disconnect"]);
        t.equal(await one.next("disconnect"), [{ reason: "client namespace disconnect" }]);
        await one.next("end");
        t.equal((await t.request("POST", `${one.nsp}?event=ack&sid=${one.sid}`)).status, 404);
        t.equal((await t.request("DELETE", path.replace("event=disconnect&", ""))).status, 404);
      }
    },
  },
  {
    name: "a stream that opened its session ends it with its connection",
    kinds: ["sse", "sse-fetch", "lines", "multipart", "iframe", "ws", "socket.io"],
    async run(t) {
      const { one, watcher } = await watched(t);
      one.isClosed = true;
      one.close();
      const [id, why] = await watcher.next("left");
      t.equal([id, ["transport close", "transport error", "client namespace disconnect"].includes(why)], [one.id, true], why);
    },
  },
  {
    name: "the last words wait for a poll that was not there",
    kinds: ["http"],
    async run(t) {
      for (const nsp of ["/", "/chat"]) {
        const { id, sid, cursor } = await t.session({ nsp });
        const watcher = await t.speaker({ nsp });
        await watcher.ask("join", `watch:${id}`);
        t.equal((await t.request("POST", `${nsp}?event=kick&sid=${sid}`)).status, 204);
        await watcher.next("left");
        const first = await t.request("GET", `${nsp}?wait=5&sid=${sid}&since=${cursor}`);
        t.equal(first.status, 200);
        t.equal(first.said.events.map(({ event }) => event), ["welcome", "disconnect"]);
        // Not confirmed, so said again; as a script, too, where those are allowed.
        t.equal((await t.request("GET", `${nsp}?wait=5&sid=${sid}&since=${cursor}`)).said, first.said);
        const script = await t.request("GET", `${nsp}?callback=f&sid=${sid}&since=${cursor}`);
        if (nsp === "/") t.equal(script.status, 403);
        else t.equal([script.status, script.said.startsWith("/**/f({")], [200, true]);
        const confirmed = await t.request("GET", `${nsp}?wait=0&sid=${sid}&since=${first.said.cursor}`);
        t.equal(confirmed.status, 404);
      }
    },
  },
  {
    name: "a newer request carries the session, and the older one ends",
    kinds: ["http"],
    async run(t) {
      const { sid, cursor } = await t.session();
      const path = `/?sid=${sid}&since=${cursor}`;
      const [older, newer] = [t.make({ kind: "lines", sid }), t.make({ kind: "multipart", sid })];
      older.open();
      await older.next("welcome");
      newer.open();
      await newer.next("connect");
      t.equal(await older.next("disconnect"), [{ reason: "replaced" }]);
      await older.next("end");
      const poll = t.request("GET", `${path}&wait=5`);
      t.equal(await newer.next("disconnect"), [{ reason: "replaced" }]);
      const again = t.request("GET", `${path}&wait=0`);
      t.equal((await poll).said.events, []);
      t.equal((await again).status, 200);
    },
  },
];
