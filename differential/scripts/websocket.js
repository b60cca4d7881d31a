"use strict";
// WebSocket frames: what each does to a session, and how it ends.

const { encodeFrame } = require("../lib/wire");

/** A joined session sends frames; then everything up to a fence or the end is written down. */
const frames = (id, send, { eio = 4, journal = 2 } = {}) => ({
  id: `websocket EIO=${eio} ${id}`,
  async run(act) {
    const talk = await act.talk({ eio, namespace: "/" });
    await send(talk, act);
    await talk.fence();
    await act.journal(journal);
  },
});

const both = (id, send, more) => [frames(id, send, more), frames(id, send, { ...more, eio: 3 })];
const alive = { journal: 1 };

module.exports = [
  ...both("an empty text frame", (talk) => talk.send("")),
  ...both("an empty binary frame", (talk) => talk.send(Buffer.alloc(0))),
  ...both("an unknown packet type", (talk) => talk.send("9")),
  ...both("a letter", (talk) => talk.send("x")),
  ...both("a binary frame nobody asked for", (talk) => talk.send(Buffer.from([1, 2, 3]))),
  ...both("a close packet", (talk) => talk.send("1"), alive),
  ...both("an open packet", (talk) => talk.send("0"), alive),
  ...both("an upgrade packet", (talk) => talk.send("5"), alive),
  ...both("a noop packet", (talk) => talk.send("6"), alive),
  ...both("a record separator between packets", (talk) => talk.send('42["message","a"]\x1e42["message","b"]')),
  ...both("base64 in a text frame", (talk) => talk.send('451-["message",{"_placeholder":true,"num":0}]', "bAQIDBA=="), alive),
  ...both("base64 with a type in a text frame", (talk) => talk.send('451-["message",{"_placeholder":true,"num":0}]', "b4AQIDBA=="), alive),
  frames("base64 of type 2 in a text frame", (talk) => talk.send('451-["message",{"_placeholder":true,"num":0}]', "b2AQIDBA=="), { eio: 3, ...alive }),
  ...both("a ping frame", (talk) => talk.frame("ping", "payload"), alive),
  ...both("a pong frame", (talk) => talk.frame("pong", "payload"), alive),
  ...both("a fragmented message", (talk) => talk.frame("text", '42["mess', { fin: false }).frame("ping", "between").frame("continuation", 'age","x"]'), alive),
  ...both("emoji", (talk) => talk.send('42["message","é😀\u2028"]'), alive),
  ...both("close 1000", (talk) => talk.socket.close(1000)),
  ...both("close 1001 with a reason", (talk) => talk.socket.close(1001, "going")),
  ...both("close 4000", (talk) => talk.socket.close(4000, "own")),
  ...both("close without a code", (talk) => talk.socket.close()),
  frames("close 999", (talk) => talk.socket.close(999)),
  frames("close 1005", (talk) => talk.socket.close(1005)),
  frames("close with one byte", (talk) => talk.frame("close", [3])),
  frames("close with broken UTF-8", (talk) => talk.frame("close", [3, 232, 255])),
  frames("invalid UTF-8", (talk) => talk.frame("text", Buffer.from([0x34, 0xff, 0xfe]))),
  frames("an unmasked frame", (talk) => talk.frame("text", "6", { masked: false })),
  frames("reserved bits", (talk) => talk.frame("text", "6", { rsv: 4 })),
  frames("a reserved opcode", (talk) => talk.frame(3, "6")),
  frames("a reserved control opcode", (talk) => talk.frame(11, "6")),
  frames("a fragmented ping", (talk) => talk.frame("ping", "x", { fin: false })),
  frames("a ping of 126 bytes", (talk) => talk.frame("ping", "x".repeat(126))),
  frames("a continuation of nothing", (talk) => talk.frame("continuation", "x")),
  frames("a new message inside a fragmented one", (talk) => talk.frame("text", "4", { fin: false }).frame("text", "6")),
  frames("too large", (talk) => talk.send(`42["message","${"x".repeat(100000)}"]`)),
  frames("just not too large", (talk) => talk.send(`42["message","${"x".repeat(99984)}"]`), alive),
  frames("too large in fragments", (talk) => talk.frame("text", `4${"x".repeat(60000)}`, { fin: false }).frame("continuation", "x".repeat(60000))),
  frames("an announced length too large", (talk) => talk.frame("text", "4", { declaredLength: 2 ** 40 })),
  frames("binary too large", (talk) => talk.send('451-["message",{"_placeholder":true,"num":0}]', Buffer.alloc(100001))),
  {
    id: "websocket tcp reset after the handshake",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      talk.socket.connection.socket.resetAndDestroy();
      await act.journal(2);
    },
  },
  {
    id: "websocket tcp half closed",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      talk.socket.connection.socket.end();
      await talk.toEnd();
      await act.journal(2);
    },
  },
  ...[4, 3].map((eio) => ({
    id: `websocket EIO=${eio} a frame right behind the handshake`,
    async run(act) {
      const talk = await act.websocket({ eio, terse: true, early: encodeFrame(1, Buffer.from(eio === 4 ? "40" : "2"), {}) });
      await talk.read("open");
      await talk.read("answers", 3, 1500);
    },
  })),
  {
    id: "websocket handshake with other spellings",
    async run(act) {
      const talk = await act.websocket({ headers: { Connection: "keep-alive, Upgrade", Upgrade: "WebSocket" } });
      await talk.read("first packet");
    },
  },
  ...["1", "0", ""].map((b64) => ({
    id: `websocket EIO=3 b64=${b64}`,
    async run(act) {
      const talk = await act.talk({ eio: 3, query: `EIO=3&transport=websocket&b64=${b64}` });
      await talk.send('42["binary"]').fence();
    },
  })),
  {
    id: "websocket EIO=4 b64=1",
    async run(act) {
      const talk = await act.talk({ namespace: "/", query: "EIO=4&transport=websocket&b64=1" });
      await talk.send('42["binary"]').fence();
    },
  },
];
