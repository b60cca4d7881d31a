import { createRequire } from "node:module";

const parser = createRequire(import.meta.url)("socket.io-msgpack-parser");
const skip = (t) =>
  (t.generation < 4 && "only tried with 4.x") || (t.browser && "the parser is loaded in node only");

export default [
  {
    name: "msgpack: events, acks, binary",
    skip,
    async run(t) {
      const peer = await t.connect({ parser });
      const args = [null, -1, 1.5, 2 ** 40, "é😀", [1, { a: [] }], t.bytes([0, 255]), { b: t.bytes("deep") }];
      peer.emit("echo", ...args);
      t.equal(await peer.next("echo"), args);
      t.equal(await peer.ack("ack", ...args), args);
      peer.answer = (...args) => args;
      peer.emit("ask", ...args);
      t.equal(await peer.next("answered"), args);
    },
  },
  {
    name: "msgpack: namespace, auth, refusal",
    skip,
    async run(t) {
      const peer = await t.connect({ parser, nsp: "/guarded", auth: { token: "secret" } });
      t.equal((await peer.ack("handshake"))[0].auth, { token: "secret" });
      const refused = t.open({ parser, nsp: "/guarded" });
      const [{ message, data }] = await refused.next("connect_error");
      t.equal({ message, data }, { message: "not authorized", data: { code: 401, missing: ["token"] } });
    },
  },
  {
    name: "msgpack: beside default clients in one room",
    skip,
    async run(t) {
      const packed = await t.connect({ parser });
      const [plain, speaker] = await t.connectAll(2);
      const room = t.room();
      for (const peer of [packed, plain]) await peer.ack("join", room);
      const args = ["both", { bytes: t.bytes([1, 2, 3]) }];
      await speaker.ack("say", { to: [room] }, ...args);
      for (const peer of [packed, plain]) t.equal(await peer.next("said"), args);
      await packed.ack("say", { to: [room] }, ...args);
      t.equal(await plain.next("said"), args);
      for (const peer of [packed, plain]) peer.answer = () => [peer === packed ? "packed" : "plain"];
      const [{ answers }] = await speaker.ack("survey", room, 3000, "?");
      t.equal(answers.sort(), ["packed", "plain"]);
    },
  },
];
