import { ok } from "node:assert/strict";

const ARGS = [
  null, true, false, 0, -1, 1.5, -1e-7, 2 ** 53 - 1, 1e21, "", "text", [], {}, [[], [[]]], [null],
  { a: { b: { c: [1, { d: null }] } }, "": "empty key", "a.b": 1, __proto: 1 }, "4", "2[]", "0", '"',
];

const TEXTS = {
  accents: "é ü ñ ß", korean: "소리", emoji: "👩‍👩‍👧‍👦 😀", rtl: "שלום", combining: "e\u0301",
  control: "\0\u0001\b\t\n\v\f\r\u001b\u001e\u001f\u007f\u0085", separators: "\u2028 \u2029 \ufeff \uffff",
  json: "\\ \" / ' </script> \\u0041 \\n", boundary: "\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}",
};

const COUNT = 500;

/** Their parser encodes UTF-8 twice, 1.0 always, later ones over polling: the Node.js server garbles it too. */
export const doubleUtf8 = (t) =>
  t.generation === 1 &&
  (!t.since("1.1.0") || ["polling", "jsonp", "xhr2"].includes(t.mode)) &&
  "1.0 encodes UTF-8 twice (it can be told by EIO=2), later 1.x over polling (and do not say so)";

export default [
  {
    name: "emit: many arguments, all JSON types",
    async run(t) {
      const peer = await t.connect();
      for (const args of [[], [null], ARGS, ...ARGS.map((arg) => [arg])]) {
        peer.emit("echo", ...args);
        t.equal(await peer.next("echo"), args);
      }
    },
  },
  {
    name: "emit: unicode and control characters",
    known: doubleUtf8,
    async run(t) {
      const peer = await t.connect();
      for (const [name, text] of Object.entries(TEXTS)) {
        peer.emit("echo", text, { [text]: [text] });
        t.equal(await peer.next("echo"), [text, { [text]: [text] }], name);
      }
    },
  },
  {
    name: "emit: unicode, to and from the newest client",
    known: doubleUtf8,
    async run(t) {
      // An echo would hide what is garbled on the way there and restored on the way back.
      const peer = await t.connect();
      const other = await t.newest();
      const text = Object.values(TEXTS).join();
      await peer.ack("say", { to: [other.id] }, text);
      t.equal(await other.next("said"), [text]);
      await other.ack("say", { to: [peer.id] }, text);
      t.equal(await peer.next("said"), [text]);
    },
  },
  {
    name: "emit: half a surrogate pair",
    known: doubleUtf8,
    async run(t) {
      // JSON can say it, UTF-8 cannot. Back it comes, or as U+FFFD; the connection lives in any case.
      const peer = await t.connect();
      const [back] = await peer.ack("ack", "a\ud83d-");
      ok(["a\ud83d-", "a\ufffd-", "a\ufffd\ufffd\ufffd-"].includes(back), `got ${JSON.stringify(back)}`);
      t.equal(await peer.ack("ack", "alive"), ["alive"]);
    },
  },
  {
    name: "emit: large text, 200 kB",
    known: (t) =>
      t.generation === 1 && t.mode === "xhr2" && "its browser build reads a text body by one apply: too much for V8's stack",
    async run(t) {
      const peer = await t.connect();
      const large = "0123456789".repeat(20_000);
      peer.emit("echo", large, 1);
      t.equal(await peer.next("echo"), [large, 1]);
    },
  },
  {
    name: "ack: client asks server",
    async run(t) {
      const peer = await t.connect();
      t.equal(await peer.ack("ack"), []);
      t.equal(await peer.ack("ack", ...ARGS), ARGS);
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => peer.ack("ack", i, [i])));
      t.equal(answers, answers.map((_, i) => [i, [i]]), "each its own");
    },
  },
  {
    name: "ack: server asks client",
    async run(t) {
      const peer = await t.connect();
      peer.answer = (...args) => [...args, "and more"];
      for (const args of [[], [1], ARGS]) {
        peer.emit("ask", ...args);
        t.equal(await peer.next("question"), args);
        t.equal(await peer.next("answered"), [...args, "and more"]);
      }
    },
  },
  {
    name: "binary: both ways, wherever it sits",
    async run(t) {
      const peer = await t.connect();
      const b = (source) => t.bytes(source);
      const cases = [
        [b([0, 1, 2, 127, 128, 254, 255])],
        [b(0)],
        ["text", b("bytes"), 1, b([10, 13])],
        [{ image: b([1]), list: [b([2]), { deep: { deeper: b([3]) } }], plain: "x" }],
        Array.from({ length: 10 }, (_, i) => b(i)),
        [{ _placeholder: false, num: 0 }, b([4])],
        [b(100_000)],
      ];
      for (const args of cases) {
        peer.emit("echo", ...args);
        t.equal(await peer.next("echo"), args);
      }
    },
  },
  {
    name: "binary: in acknowledgements, both ways",
    async run(t) {
      const peer = await t.connect();
      const args = [t.bytes([1, 2, 3]), { in: [t.bytes("ack")] }, "text"];
      t.equal(await peer.ack("ack", ...args), args);
      peer.answer = () => args;
      peer.emit("ask", ...args);
      t.equal(await peer.next("question"), args);
      t.equal(await peer.next("answered"), args);
    },
  },
  {
    name: "binary: in order among texts",
    async run(t) {
      const peer = await t.connect();
      const sent = Array.from({ length: 60 }, (_, i) => [i, i % 3 ? "text" : t.bytes(i)]);
      for (const args of sent) peer.emit("echo", ...args);
      t.equal(await peer.take("echo", sent.length), sent);
    },
  },
  {
    name: "order: 500 each way at once",
    async run(t) {
      await flood(t, await t.connect());
    },
  },
  {
    name: "order: 500 each way while upgrading",
    skip: (t) => t.mode !== "upgrade" && "nothing to upgrade",
    async run(t) {
      const peer = await t.open().welcomed();
      await Promise.all([flood(t, peer, { spread: true }), peer.upgraded()]);
    },
  },
  {
    name: "volatile: only ever dropped",
    async run(t) {
      const peer = await t.connect();
      // The first is dropped as well when it meets no open poll, so ask until one comes, after a pause to poll in.
      for (let blinks = []; blinks.length === 0; ) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        peer.emit("blink", 20);
        await peer.next("blinked");
        blinks = (await peer.arrived("blink")).map(([i]) => i);
        t.equal(blinks, [...new Set(blinks)].sort((a, b) => a - b), "in order, none twice");
      }
    },
  },
  {
    name: "catch-all listener",
    skip: (t) => t.generation < 3 && "onAny came with 3.0",
    async run(t) {
      const peer = await t.connect();
      const seen = [];
      peer.socket.onAny((...event) => seen.push(event));
      peer.emit("echo", 1, "two");
      peer.emit("count", 0, 2);
      await peer.take("number", 2);
      t.equal(seen, [["echo", 1, "two"], ["number", 0], ["number", 1]]);
    },
  },
];

/** Numbers both ways: nothing lost, doubled or out of order. `spread` sends them over time, around the upgrade. */
async function flood(t, peer, { spread = false } = {}) {
  const expected = Array.from({ length: COUNT }, (_, i) => i);
  if (!spread) peer.emit("count", 0, COUNT);
  for (const i of expected) {
    if (spread && i % 10 === 0) {
      peer.emit("count", i, i + 10);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    peer.emit("collect", i);
  }
  const received = (await peer.take("number", COUNT)).map(([i]) => i);
  t.equal(received, expected, "server to client");
  t.equal(await peer.ack("collected"), [expected], "client to server");
  t.equal(await peer.arrived("number"), [], "nothing twice");
}
