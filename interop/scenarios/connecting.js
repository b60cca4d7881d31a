import { ok, notEqual } from "node:assert/strict";
import { doubleUtf8 } from "./events.js";

const sinceV3 = (t) => t.generation < 3 && "auth came with 3.0";

export default [
  {
    name: "connect: ids",
    async run(t) {
      const main = await t.connect();
      const chat = await t.connect({ nsp: "/chat" });
      const [{ transport }] = await main.ack("handshake");
      t.equal(transport, ["polling", "jsonp", "xhr2"].includes(t.mode) ? "polling" : "websocket", "transport");

      const known = (peer) => (t.since("1.4.0") ? peer.socket.id : peer.engine.id); // 1.0 has no socket.id
      if (t.eio === 4) {
        t.equal(known(main), main.id, "id in /");
        t.equal(known(chat), chat.id, "id in /chat");
        notEqual(main.id, main.engine.id, "the id must not be the engine's, which is secret");
        ok(!chat.id.includes(chat.engine.id), "nor contain it");
      } else {
        t.equal(main.id, main.engine.id, "EIO3: id in / is the engine's");
        t.equal(chat.id, `/chat#${chat.engine.id}`, "EIO3: server's id in /chat");
        // 1.x believes in the bare engine id everywhere; 2.x knows the prefix.
        t.equal(known(chat), t.generation === 1 ? chat.engine.id : chat.id, "EIO3: client's id in /chat");
      }
    },
  },
  {
    name: "connect: query and address in the handshake",
    async run(t) {
      const query = { plain: "1", "k&e=y": "a b&c=d/+%20#?;:@'", empty: "" };
      const peer = await t.connect({ query });
      const [handshake] = await peer.ack("handshake");
      for (const [key, value] of Object.entries(query)) t.equal(handshake.query[key], value, `query ${key}`);
      ok(/^(::ffff:)?127\.0\.0\.1$/.test(handshake.address), `address ${handshake.address}`);
      ok(handshake.headers.host, "the Host header");
    },
  },
  {
    name: "connect: query beyond ASCII",
    known: doubleUtf8,
    async run(t) {
      const peer = await t.connect({ query: { "ключ": "é 소리 😀" } });
      t.equal((await peer.ack("handshake"))[0].query["ключ"], "é 소리 😀");
    },
  },
  {
    name: "connect: extra headers",
    skip: (t) =>
      (!t.since("1.4.0") && "extraHeaders came with 1.4") ||
      (t.mode === "jsonp" && "a script element sends no headers") ||
      (t.mode === "xhr2" && !t.since("2.0.0") && "the browser build of 1.x has no extraHeaders"),
    async run(t) {
      const headers = { "X-Interop": "one, two" };
      const byTransport = { polling: { extraHeaders: headers }, websocket: { extraHeaders: headers } };
      const peer = await t.connect({ extraHeaders: headers, transportOptions: byTransport });
      const [handshake] = await peer.ack("handshake");
      t.equal(handshake.headers["x-interop"], "one, two", "header");
    },
  },
  {
    name: "auth: object, also in a namespace",
    skip: sinceV3,
    async run(t) {
      const auth = { token: "é😀", nested: { list: [1, null, true] } };
      for (const nsp of ["/", "/chat"]) {
        const peer = await t.connect({ nsp, auth });
        t.equal((await peer.ack("handshake"))[0].auth, auth, nsp);
      }
    },
  },
  {
    name: "auth: function",
    skip: sinceV3,
    async run(t) {
      const peer = await t.connect({ auth: (send) => setTimeout(send, 1, { token: "later" }) });
      t.equal((await peer.ack("handshake"))[0].auth, { token: "later" });
    },
  },
  {
    name: "auth: absent is an empty object",
    async run(t) {
      const peer = await t.connect();
      t.equal((await peer.ack("handshake"))[0].auth, {});
    },
  },
  {
    name: "middleware: lets the token in",
    async run(t) {
      const peer = await t.connect({ nsp: "/guarded", ...token(t, "secret") });
      t.equal(await peer.ack("ack", "in"), ["in"]);
    },
  },
  {
    name: "middleware: refuses with a message",
    async run(t) {
      const peer = t.open({ nsp: "/guarded", ...token(t, "wrong") });
      t.equal(await refusal(t, peer), { message: "not authorized" });
      t.equal(await connectedOnly(t, peer), [], "no welcome after a refusal");
    },
  },
  {
    name: "middleware: refuses with data",
    async run(t) {
      const data = { code: 401, missing: ["token"] };
      const peer = t.open({ nsp: "/guarded" });
      // For EIO3 the data takes the place of the message.
      t.equal(await refusal(t, peer), t.eio === 3 ? data : { message: "not authorized", data });
    },
  },
  {
    name: "middleware: refuses in the main namespace",
    async run(t) {
      const peer = t.open({ query: { refuse: "1" } });
      t.equal(await refusal(t, peer), { message: "refused by /" });
    },
  },
];

/** The token where this generation can put it. */
function token(t, token) {
  return t.eio === 4 ? { auth: { token } } : { query: { token } };
}

export async function refusal(t, peer) {
  const [error] = await peer.next(t.eio === 4 ? "connect_error" : "error");
  if (typeof error === "string") return { message: error };
  if (t.eio === 3) return error;
  return { message: error.message, ...(error.data && { data: error.data }) };
}

/** A refused socket hears nothing more, while its connection goes on: shown by another namespace of it. */
async function connectedOnly(t, peer) {
  await (await t.open({ on: peer, nsp: "/chat" }).welcomed()).ack("ack");
  return peer.seen("welcome");
}
