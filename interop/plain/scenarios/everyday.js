// What every kind of client can do, whatever carries it.
const VALUES = [null, true, 0, -1.5, 2 ** 53 - 1, "", "é 소리 😀 \u2028 </script> \u0000\n\r", [], {}, { a: [1, { b: null }] }, { $binary: "AP8=" }];

const hasLibrary = (t) => t.kind === "socket.io" && "Socket.IO has news of its own";

export default [
  {
    name: "connect: news of the session",
    skip: hasLibrary,
    async run(t) {
      const one = await t.open(inPublic(t));
      const { id, sid, cursor, ...rest } = one.news;
      t.equal(rest, { transport: t.Kind.transport, heartbeat: 1, wait: 30, recovered: false });
      t.equal([typeof id, typeof sid, typeof cursor, id !== sid], ["string", "string", "string", true]);
      t.equal((await one.ask("who")).transport, t.Kind.transport);
    },
  },
  {
    name: "connect: what the query says, and a token",
    skip: (t) => t.Kind.calls && "/guarded does not answer with scripts",
    async run(t) {
      const one = await t.open({ nsp: "/guarded", token: "secret", query: { colour: "g&n" } });
      const who = await one.ask("who");
      t.equal([who.query.colour, who.query.token, who.query.sid, who.auth], ["g&n", undefined, undefined, { token: "secret" }]);
      const bearer = await t.open({ nsp: "/guarded", bearer: "secret" });
      t.equal((await bearer.ask("who")).auth, { token: "secret" });
    },
  },
  {
    name: "connect: a middleware refuses",
    skip: (t) => t.Kind.calls && "/guarded does not answer with scripts",
    async run(t) {
      for (const token of [undefined, "wrong"]) {
        const one = t.make({ nsp: "/guarded", token });
        one.open();
        const [news] = await one.next("refused");
        t.equal(news.status, 403);
        if (news.detail) t.equal([news.detail, news.data], ["not authorized", { code: 401 }]);
      }
    },
  },
  {
    name: "connect: scripts only where they are allowed",
    skip: (t) => !t.Kind.calls && "it answers with data",
    async run(t) {
      const one = t.make({ nsp: "/guarded", token: "secret" });
      one.open();
      t.equal((await one.next("refused"))[0].status, 403);
      // Nor by a session that another way has opened.
      const { sid } = await t.session({ nsp: "/guarded", auth: { token: "secret" } });
      const two = t.make({ nsp: "/guarded", sid });
      two.open();
      t.equal((await two.next("refused"))[0].status, 403);
    },
  },
  {
    name: "emit: values both ways",
    async run(t) {
      const one = await t.open(inPublic(t));
      for (const args of [[], VALUES, ["text"], [["a", "list"]], [null], [{ event: "echo", data: 1 }], ["x".repeat(200_000)]]) {
        await one.emit("echo", ...args);
        t.equal(await one.next("echo"), args);
      }
      await one.emit("message", "plain");
      t.equal(await one.next("message"), ["plain"]);
    },
  },
  {
    name: "emit: bytes both ways",
    async run(t) {
      const one = await t.open(inPublic(t));
      for (const args of [[Buffer.from([0, 255])], [{ deep: [Buffer.alloc(0), Buffer.alloc(50_000, 7)] }, "text"]]) {
        await one.emit("echo", ...args);
        t.equal(await one.next("echo"), args);
        t.equal(await one.ask("ack", ...args), args.length > 1 ? args : args[0], "ack");
      }
    },
  },
  {
    name: "ack: both ways",
    async run(t) {
      const one = await t.open(inPublic(t));
      t.equal(await one.ask("ack", 1, "two", [3]), [1, "two", [3]]);
      t.equal(await one.ask("ack", { a: 1 }), { a: 1 });
      t.equal(await one.ask("ack"), undefined);
      t.equal(await one.ask("add", 2, 3), 5);
      one.answer = (...args) => [...args, "more", Buffer.from([9])];
      const asked = one.emit("ask", 1, "two");
      t.equal(await one.next("question"), [1, "two"]);
      t.equal(await one.next("answered"), [1, "two", "more", Buffer.from([9])]);
      await asked;
    },
  },
  {
    name: "emit: a thousand in order, and none twice",
    async run(t) {
      const one = await t.open(inPublic(t));
      await one.emit("count", 0, 1_000);
      t.equal(await one.take("number", 1_000), Array.from({ length: 1_000 }, (_, n) => [n]));
      t.equal(await one.arrived("number"), []);
    },
  },
  {
    name: "rooms: who is in hears it once, who has left does not",
    async run(t) {
      const [a, b, other] = [t.room(), t.room(), t.room()];
      const [one, two] = [await t.open({ ...inPublic(t), query: { rooms: a } }), await t.open(inPublic(t))];
      const speaker = await t.speaker(inPublic(t));
      t.equal(await two.ask("join", a), [a, two.id].sort());
      await two.ask("join", b);
      t.equal(await speaker.ask("say", a, "hello", 1), 2);
      t.equal([await one.next("said"), await two.next("said")], [["hello", 1], ["hello", 1]]);
      await two.ask("leave", a);
      await speaker.ask("say", a, "not you");
      await speaker.ask("say", other, "nor you");
      await speaker.ask("say", b, "you");
      t.equal([await one.arrived("said"), await two.arrived("said")], [[["not you"]], [["you"]]]);
    },
  },
  {
    name: "events=: only what was asked for",
    skip: hasLibrary,
    async run(t) {
      const room = t.room();
      const one = await t.open({ ...inPublic(t), query: { rooms: room }, events: "welcome,number,echo" });
      await (await t.speaker(inPublic(t))).ask("say", room, "unheard");
      await one.emit("count", 1, 3);
      t.equal(await one.take("number", 2), [[1], [2]]);
      t.equal(await one.arrived("said"), []);
    },
  },
  {
    name: "heartbeat: a stream shows that it lives",
    skip: (t) => !t.Kind.beats && t.kind !== "ws" && "nothing to see",
    async run(t) {
      const one = await t.open(inPublic(t));
      const other = await t.open({ kind: "lines" });
      while (one.heartbeats < 2 || other.heartbeats < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      t.equal(await one.ask("add", 1, 1), 2);
    },
  },
];

/** Where scripts are answered, too. */
function inPublic(t) {
  return t.Kind.calls ? { nsp: "/chat" } : {};
}
