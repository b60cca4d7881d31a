"use strict";
// Socket.IO: joining namespaces, being refused, not joining at all.

/** An EIO=4 WebSocket sends packets right after the open packet; what comes back is written down. */
const first = (id, packets, { count = 2, journal, end = false, eio = 4, query } = {}) => ({
  id: `connect EIO=${eio} ${id}`,
  async run(act) {
    const talk = await act.websocket({ eio, terse: true, query: query && `${query}&tag=${act.tag}` });
    await talk.read("open");
    if (eio === 3 && !query?.includes("refuse")) await talk.until("42", "joins /");
    talk.send(...packets);
    if (end) await talk.toEnd();
    else await talk.read("answers", count);
    if (journal !== undefined) await act.journal(journal);
  },
});

const closes = { end: true, journal: 0 };
const closesJoined = { end: true, journal: 2 };

/** A joined session sends packets, one by one, and a last event. */
const joined = (id, packets, { eio = 4, namespace = "/", journal = 1 } = {}) => ({
  id: `connect EIO=${eio} joined ${id}`,
  async run(act) {
    const talk = await act.talk({ eio, namespace });
    await talk.sendSlowly(...packets);
    await talk.fence();
    await act.journal(journal);
  },
});

module.exports = [
  first("to /", ["40"], { journal: 1 }),
  first("to / with a comma", ["40/,"], { journal: 1 }),
  first("to / by its name", ["40/"], { journal: 1 }),
  first("with auth", ['40{"token":"abc","deep":{"a":[1,2.5,null]}}']),
  first("with empty auth", ["40{}"]),
  first("with auth of many bytes", ['40{"é":"😀"}']),
  first("with auth __proto__", ['40{"__proto__":{"x":1},"constructor":1}']),
  first("to /custom", ["40/custom,"], { journal: 1 }),
  first("to /custom without a comma", ["40/custom"], { journal: 1 }),
  first("to /custom with auth", ['40/custom,{"k":"v"}']),
  first("to /custom with an id", ["40/custom,7"]),
  first("to /custom with an id and auth", ['40/custom,7{"k":1}']),
  first("to /custom with auth but no comma", ['40/custom{"k":1}'], { count: 1 }),
  first("to a dynamic namespace", ["40/dynamic-101,"], { journal: 1 }),
  first("to two namespaces", ["40", "40/custom,"], { count: 4, journal: 2 }),
  first("to a slow namespace and a fast one", ["40/slow,", "40/custom,"], { count: 4, journal: 2 }),
  first("to an unknown namespace", ["40/nowhere,"], { count: 1 }),
  first("to an unknown namespace with a query", ["40/nowhere?x=1,"], { count: 1 }),
  first("to /custom with a query", ["40/custom?x=1,"], { count: 1 }),
  first("to a dynamic namespace that does not match", ["40/dynamic-x,"], { count: 1 }),
  first("to a namespace named __proto__", ["40/__proto__,"], { count: 1 }),
  first("to a namespace with non-ASCII", ["40/né,"], { count: 1 }),
  first("to a namespace with a trailing slash", ["40/custom/,"], { count: 1 }),
  first("to a namespace in capitals", ["40/Custom,"], { count: 1 }),
  first("refused", ["40/private,"], { count: 1 }),
  first("refused with data", ['40/private,{"data":{"a":[1]}}'], { count: 1 }),
  first("refused with data that is a string", ['40/private,{"data":"why"}'], { count: 1 }),
  first("refused with null as data", ['40/private,{"data":null}'], { count: 1 }),
  first("not refused", ['40/private,{"token":"open"}']),
  first("refused, then allowed", ["40/private,", '40/private,{"token":"open"}'], { count: 3, journal: 1 }),
  first("refused in /", ["40"], { query: "EIO=4&transport=websocket&refuse=because", count: 1 }),
  first("refused in / without data", ["40"], { query: "EIO=4&transport=websocket&refuse=plain", count: 1 }),
  first("refused in / but not elsewhere", ["40", "40/custom,"], { query: "EIO=4&transport=websocket&refuse=because", count: 3 }),

  first("with auth that is a string", ['40"token"'], closes),
  first("with auth that is an array", ["40[1]"], closes),
  first("with auth that is a number", ["405"]),
  first("with auth that is null", ["40null"], closes),
  first("with auth that is true", ["40true"], closes),
  first("with broken JSON", ['40{"token":'], closes),
  first("with JSON and more", ['40{"token":1}x'], closes),
  first("with spaces around JSON", ['40 {"token":1} ']),
  first("with auth nested deeply", [`40{"a":${"[".repeat(500)}${"]".repeat(500)}}`]),
  first("event before it", ['42["message","x"]'], closes),
  first("event before it in another namespace", ["40", '42/custom,["message","x"]'], { end: true }),
  first("ack before it", ["430[]"], closes),
  first("disconnect before it", ["41"], closes),
  first("connect error from the client", ['44{"message":"x"}'], closes),
  first("an unknown type before it", ["47"], closes),
  first("an empty message", ["4"], closes),
  first("event while the namespace is slow", ["40/slow,", '42/slow,["message","x"]'], closes),
  first("twice while the namespace is slow", ["40/slow,", "40/slow,"], { count: 4 }),
  first("closed while the namespace is slow", ["40/slow,", "9"], closes),

  joined("twice", ["40"], { journal: 2 }),
  joined("twice with auth", ['40{"token":1}'], { journal: 2 }),
  joined("twice in another namespace", ["40/custom,", "40/custom,"], { journal: 4 }),
  joined("error from the client", ['44{"message":"x"}'], { journal: 2 }),
  joined("event for a namespace not joined", ['42/custom,["message","x"]'], { journal: 2 }),
  joined("event for an unknown namespace", ['42/nowhere,["message","x"]'], { journal: 2 }),
  joined("disconnect for a namespace not joined", ["41/custom,"], { journal: 2 }),
  joined("event after being refused", ["40/private,", '42/private,["message","x"]'], { journal: 2 }),

  ...[4, 3].map((eio) => ({
    id: `connect EIO=${eio} leave and join again`,
    async run(act) {
      const talk = await act.talk({ eio, namespace: "/custom" });
      await talk.sendSlowly("41/custom,", "40/custom,");
      await talk.until("42", "joins again");
      talk.send('42/custom,0["who"]');
      await talk.until("43");
      await act.journal(eio === 3 ? 4 : 3);
    },
  })),
  {
    id: "connect EIO=4 nothing joined in time",
    async run(act) {
      const talk = await act.websocket({ terse: true });
      await talk.toEnd();
    },
  },
  {
    id: "connect EIO=4 refused and nothing else in time",
    async run(act) {
      const talk = await act.websocket({ terse: true });
      talk.send("40/private,");
      await talk.toEnd();
    },
  },
  {
    id: "connect EIO=4 nothing joined in time over polling",
    async run(act) {
      const session = await act.polling().start();
      await session.poll("hanging poll");
      await session.poll("next poll");
    },
  },
  {
    id: "connect EIO=4 left everything and nothing joined in time",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await act.sleep(1100);
      talk.send("41");
      await talk.read("after leaving", 1, 1200);
      await talk.send("40").until("42", "joins again");
      await act.journal(3);
    },
  },
  ...["polling", "websocket"].map((transport) => ({
    id: `connect EIO=4 ids over ${transport}`,
    async run(act) {
      if (transport === "polling") {
        const session = await act.polling().start();
        await session.post("40", "40/custom,");
        await session.until(/^42\/custom/);
        await session.post('420["who"]', '42/custom,0["who"]');
        await session.until(/^43\/custom/);
      } else {
        const talk = await act.talk({ namespace: "/" });
        await talk.join("/custom");
        talk.send('42/custom,0["who"]', '420["who"]');
        await talk.until("430");
      }
    },
  })),

  first("to /custom", ["40/custom"], { eio: 3, count: 2, journal: 2 }),
  first("to /custom with a comma", ["40/custom,"], { eio: 3, count: 2 }),
  first("to /custom with a query", ["40/custom?a=1&a=2&b=%C3%A9+x,"], { eio: 3, count: 2 }),
  first("to /custom with a query and no comma", ["40/custom?token=abc"], { eio: 3, count: 2 }),
  first("to /custom with auth", ['40/custom,{"k":1}'], { eio: 3, count: 2 }),
  first("to a dynamic namespace", ["40/dynamic-103"], { eio: 3, count: 2 }),
  first("to an unknown namespace", ["40/nowhere"], { eio: 3, count: 1 }),
  first("to an unknown namespace with a query", ["40/nowhere?x=1"], { eio: 3, count: 1 }),
  first("refused", ["40/private"], { eio: 3, count: 1 }),
  first("refused with data", ["40/private?data=why"], { eio: 3, count: 1 }),
  first("not refused", ["40/private?token=open,"], { eio: 3, count: 2 }),
  first("refused in /", [], { eio: 3, query: "EIO=3&transport=websocket&refuse=because", count: 1, journal: 0 }),
  first("refused in / without data", [], { eio: 3, query: "EIO=3&transport=websocket&refuse=plain", count: 1, journal: 0 }),
  first("refused in /, joins elsewhere", ["40/custom"], { eio: 3, query: "EIO=3&transport=websocket&refuse=plain", count: 3, journal: 1 }),
  first("refused in /, in the end", [], { eio: 3, query: "EIO=3&transport=websocket&refuse=plain", end: true }),
  joined("to / again", ["40"], { eio: 3, journal: 2 }),
  joined("to / again with a query", ["40/?token=x"], { eio: 3, journal: 2 }),
  joined("events name a namespace with its query", ["40/custom?x=1,", '42/custom?x=1,["message","with"]', '42/custom,["message","without"]'], { eio: 3, journal: 2 }),
  joined("event for a namespace not joined", ['42/custom,["message","x"]'], { eio: 3, journal: 2 }),
  joined("two slashes", ["40//custom"], { eio: 3, journal: 2 }),
  joined("dots in a namespace", ["40/other/../custom"], { eio: 3, journal: 2 }),
  joined("a fragment in a namespace", ["40/custom#part"], { eio: 3, journal: 2 }),
  joined("a namespace with a space and non-ASCII", ["40/a né"], { eio: 3, journal: 1 }),
];
