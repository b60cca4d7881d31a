"use strict";
// Long polling: turnover, payloads in both directions, what is refused.

const { encode } = require("../lib/payloads");

const both = (id, run) => [4, 3].map((eio) => ({ id: `polling EIO=${eio} ${id}`, run: (act) => run(act, eio) }));
const BINARY = { headers: { "Content-Type": "application/octet-stream" } };

/** One body that a joined session posts, and what becomes of the session. */
const posted = (eio, id, body, more = {}) => ({
  id: `polling EIO=${eio} post ${id}`,
  async run(act) {
    const session = await act.polling({ eio, query: more.query }).join();
    await session.postRaw(body, id, { headers: more.headers });
    await session.fence();
    await act.journal(more.journal ?? 1);
  },
});

/** A binary payload of EIO=3: <0 text|1 binary><digits><255><data> for each packet. */
const binaryPayload = (...packets) => Buffer.concat(packets.flatMap((packet) => {
  const bytes = Buffer.from(packet);
  return [Buffer.from([typeof packet === "string" ? 0 : 1, ...String(bytes.length).split("").map(Number), 255]), bytes];
}));

module.exports = [
  ...both("opens, joins and turns over", async (act, eio) => {
    const session = await act.polling({ eio }).start();
    if (eio === 4) await session.post("40");
    await act.settle();
    await session.poll("poll after opening");
    await session.post('42["message","one"]');
    await act.settle();
    await session.poll();
    await session.post('42["message","two"]', '42["message","three"]');
    await act.settle();
    await session.poll();
    await session.post("1");
    await session.poll("poll after closing");
    await act.journal(2);
  }),
  ...both("a hanging poll is answered by what comes", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const poll = session.hang();
    await act.settle();
    await session.post('42["message","wake"]');
    await act.answered("hanging poll", poll, session.options);
    await session.fence();
  }),
  ...both("many packets at once", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post('42["many",40]');
    await act.settle();
    await session.poll();
    await session.fence();
  }),
  ...both("two polls at once", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const first = session.hang();
    await act.settle();
    await session.poll("second poll");
    await act.answered("first poll", first, session.options);
    await session.poll("third poll");
    await act.journal(2);
  }),
  ...both("two posts at once", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const body = encode(eio, ['42["message","slow"]']);
    const first = act.send({ ...session.options, method: "POST", body: body.slice(0, 5), declaredLength: body.length });
    await act.settle();
    await session.postRaw(body, "second");
    first.connection.write(body.slice(5));
    await act.answered("first post", first);
    await session.poll();
    await act.journal(2);
  }),
  ...both("a hanging poll given up by the client", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const poll = session.hang();
    await act.settle();
    poll.connection.destroy();
    await act.journal(2);
    await session.poll("next poll");
  }),
  ...both("a post cut off", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const post = act.send({ ...session.options, method: "POST", body: "4", declaredLength: 10 });
    await act.settle();
    post.connection.destroy();
    await act.journal(2);
    await session.poll("next poll");
  }),
  ...both("close while a poll hangs", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const poll = session.hang();
    await act.settle();
    await session.post("1");
    await act.answered("hanging poll", poll, session.options);
    await session.poll("next poll");
    await act.journal(2);
  }),
  ...both("packets after a close packet", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post('42["message","before"]', "1", '42["message","after"]');
    await session.poll();
    await act.journal(2);
  }),
  ...both("wrong transport for the session", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await act.request("GET as websocket", { query: session.options.query.replace("polling", "websocket") });
    await act.request("POST as websocket", { method: "POST", body: "40", query: session.options.query.replace("polling", "websocket") });
    await session.fence();
  }),
  ...both("the other revision on the session", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const query = session.options.query.replace(`EIO=${eio}`, `EIO=${7 - eio}`);
    await act.request("GET", { query });
    await act.request("POST", { query, method: "POST", body: "40" });
    await act.request("POST without EIO", { query: query.replace(/EIO=\d&/, ""), method: "POST", body: encode(eio, ['42["message","x"]']) });
    await session.fence();
  }),
  ...both("polling requests on a websocket session", async (act, eio) => {
    const talk = await act.websocket({ eio });
    const [open] = await talk.read("open");
    const query = `EIO=${eio}&transport=polling&sid=${/"sid":"([^"]+)"/.exec(open)[1]}`;
    await act.request("GET", { query });
    await act.request("POST", { query, method: "POST", body: "40" });
  }),
  ...both("pipelined requests on one connection", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const connection = act.raw();
    await act.answered("post", act.send({ ...session.options, connection, method: "POST", body: encode(eio, ['42["message","x"]']) }), { connection });
    await act.settle();
    await act.answered("poll", act.send({ ...session.options, connection }), { ...session.options, connection });
  }),
  ...both("413", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.postRaw(encode(eio, [`42["message","${"x".repeat(99970)}"]`]), "just below the limit");
    await session.postRaw(encode(eio, [`42["message","${"x".repeat(100000)}"]`]), "too large");
    await session.fence();
    await act.journal(1);
  }),
  ...both("413 counts bytes", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.postRaw(encode(eio, [`42["message","${"é".repeat(50001)}"]`]), "50001 times é");
    await session.fence();
  }),
  ...both("emoji", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post('42["message","é😀中\u2028"]', '42["message","next"]');
    await act.settle();
    await session.poll();
  }),
  ...both("wrong heartbeat direction", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post(eio === 4 ? "2" : "3");
    await session.poll();
    await act.journal(2);
  }),
  ...both("heartbeat with data", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post(eio === 4 ? "3extra" : "2extra");
    await session.fence();
  }),
  ...both("packets without meaning", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post("0", "5", "6", "6noop", "0{}");
    await session.fence();
    await act.journal(1);
  }),
  ...both("post with a form's content type", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.postRaw(encode(eio, ['42["message","form"]']), "form", { headers: { "Content-Type": "application/x-www-form-urlencoded" } });
    await session.fence();
  }),
  ...both("post without a content type", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await act.request("post", { ...session.options, method: "POST", body: encode(eio, ['42["message","bare"]']) });
    await session.fence();
  }),
  ...both("post without a body", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await act.request("post", { ...session.options, method: "POST", headers: { "Content-Length": "0" } });
    await session.poll();
    await act.journal(2);
  }),
  ...both("post in chunks", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const body = encode(eio, ['42["message","in chunks"]']);
    const sent = act.send({ ...session.options, method: "POST", headers: { "Transfer-Encoding": "chunked" } });
    for (const part of [body.slice(0, 7), body.slice(7)]) sent.connection.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    sent.connection.write("0\r\n\r\n");
    await act.answered("post", sent);
    await session.fence();
  }),
  ...both("get with a body", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post('42["message","x"]');
    await act.settle();
    await session.poll("poll with a body", { body: "ignored" });
    await session.fence();
  }),

  posted(4, "an unknown packet type", "9", { journal: 2 }),
  posted(4, "a letter", "x", { journal: 2 }),
  posted(4, "an unknown type after a good packet", '42["message","a"]\x1e9\x1e42["message","b"]', { journal: 2 }),
  posted(4, "only a separator", "\x1e", { journal: 2 }),
  posted(4, "a separator at the end", '42["message","a"]\x1e', { journal: 2 }),
  posted(4, "a separator in a string", '42["message","a\x1eb"]', { journal: 2 }),
  posted(4, "an escaped separator in a string", '42["message","a\\u001eb"]'),
  posted(4, "binary content type", '42["message","a"]', { ...BINARY, journal: 2 }),
  posted(4, "invalid UTF-8", Buffer.from([...Buffer.from('42["message","'), 0xff, 0xc3, ...Buffer.from('"]')])),
  posted(4, "a byte order mark", '\ufeff42["message","a"]', { journal: 2 }),
  posted(4, "base64 attachment", '451-["message",{"_placeholder":true,"num":0}]\x1ebAQIDBA=='),
  posted(4, "base64 without padding", '451-["message",{"_placeholder":true,"num":0}]\x1ebAQIDBA'),
  posted(4, "base64 for URLs", '451-["message",{"_placeholder":true,"num":0}]\x1eb-_-_'),
  posted(4, "base64 with garbage", '451-["message",{"_placeholder":true,"num":0}]\x1ebA!Q#ID=BA'),
  posted(4, "empty base64", '451-["message",{"_placeholder":true,"num":0}]\x1eb'),
  posted(4, "base64 in the manner of EIO=3", '451-["message",{"_placeholder":true,"num":0}]\x1eb4AQIDBA=='),
  posted(4, "lengths in the manner of EIO=3", '19:42["message","one"]', { journal: 2 }),
  posted(4, "attachment with b64=1", '451-["message",{"_placeholder":true,"num":0}]\x1ebAQIDBA==', { query: "&b64=1" }),
  posted(4, "an attachment nobody asked for", "bAQIDBA==", { journal: 2 }),
  {
    id: "polling EIO=4 binary events",
    async run(act) {
      const session = await act.polling().join();
      await session.post('42["binary"]', '421["binary-ack"]');
      await act.settle();
      await session.poll();
    },
  },

  posted(3, "a wrong length", '5:42["message","one"]', { journal: 2 }),
  posted(3, "a length too long", '100:42["message","one"]', { journal: 2 }),
  posted(3, "a length in bytes", '17:42["message","é"]', { journal: 2 }),
  posted(3, "no length", '42["message","one"]', { journal: 2 }),
  posted(3, "a negative length", '-1:42["message","one"]', { journal: 2 }),
  posted(3, "a fractional length", '1.5:42["message","one"]', { journal: 2 }),
  posted(3, "a hexadecimal length", '0x13:42["message","one"]'),
  posted(3, "a length with spaces", ' 19 :42["message","one"]'),
  posted(3, "a length with zeros", '019:42["message","one"]'),
  posted(3, "an empty packet", '0:19:42["message","one"]'),
  posted(3, "an unknown packet type", "1:9", { journal: 2 }),
  posted(3, "an unknown type after a good packet", '17:42["message","a"]1:917:42["message","b"]', { journal: 2 }),
  posted(3, "a trailing length", '17:42["message","a"]12', { journal: 2 }),
  posted(3, "emoji counted in UTF-16 units", '18:42["message","😀"]'),
  posted(3, "emoji counted in code points", '17:42["message","😀"]', { journal: 2 }),
  posted(3, "UTF-8 twice", encode(3, [`42["message","${Buffer.from("é😀").toString("latin1")}"]`])),
  posted(3, "base64 attachment", encode(3, ['451-["message",{"_placeholder":true,"num":0}]', "b4AQIDBA=="])),
  posted(3, "base64 attachment, b64=1", encode(3, ['451-["message",{"_placeholder":true,"num":0}]', "b4AQIDBA=="]), { query: "&b64=1" }),
  posted(3, "base64 of an unknown type", encode(3, ['451-["message",{"_placeholder":true,"num":0}]', "b9AQIDBA=="])),
  posted(3, "binary attachment", binaryPayload('451-["message",{"_placeholder":true,"num":0}]', [4, 1, 2, 3, 4]), BINARY),
  posted(3, "binary, only text", binaryPayload('42["message","é😀"]', '42["message","b"]'), BINARY),
  posted(3, "binary with broken UTF-8", binaryPayload(`42["message","`).fill(0xc3, 12), { ...BINARY, journal: 2 }),
  posted(3, "binary, cut off", binaryPayload('42["message","one"]').subarray(0, 10), { ...BINARY, journal: 2 }),
  posted(3, "binary, empty", "", BINARY),
  posted(3, "binary of an unknown type", binaryPayload('451-["message",{"_placeholder":true,"num":0}]', [9, 1]), BINARY),
  ...["", "&b64=1", "&b64=true", "&b64=0", "&b64="].map((query) => ({
    id: `polling EIO=3 binary events ${query}`,
    async run(act) {
      const session = await act.polling({ eio: 3, query }).join();
      await session.post('42["binary"]', '42["message","é😀"]', '421["binary-ack"]');
      await act.settle();
      await session.poll();
    },
  })),
];
