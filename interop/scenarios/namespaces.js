import { refusal } from "./connecting.js";

export default [
  {
    name: "namespace: two share a connection and nothing else",
    async run(t) {
      const main = await t.connect();
      const chat = await t.open({ on: main, nsp: "/chat" }).welcomed();
      t.equal(main.engine === chat.engine, true, "one engine");
      chat.emit("echo", "for chat");
      t.equal(await chat.next("echo"), ["for chat"]);
      const room = t.room();
      for (const peer of [main, chat]) await peer.ack("join", room);
      await main.ack("say", { as: "server", to: [room] }, "in main");
      t.equal(await main.next("said"), ["in main"]);
      t.equal(await chat.arrived("said"), [], "rooms of the same name are two");
      t.equal(await main.arrived("echo"), [], "events of the other namespace");
    },
  },
  {
    name: "namespace: leave one, stay in the other",
    async run(t) {
      const main = await t.connect();
      const chat = await t.open({ on: main, nsp: "/chat" }).welcomed();
      await chat.ack("ack");
      chat.socket.close();
      t.equal(await main.ack("ack", "still here"), ["still here"]);
      t.equal(await main.ack("handshake").then(() => main.seen("disconnect")), []);
    },
  },
  {
    name: "namespace: leave one and come back",
    async run(t) {
      const main = await t.connect();
      const chat = await t.open({ on: main, nsp: "/chat" }).welcomed();
      const first = chat.id;
      await main.ack("ack");
      chat.socket.close();
      t.equal(await main.ack("ack", "still here"), ["still here"]);
      chat.socket.open();
      await chat.welcomed();
      // EIO3 knows a socket by its engine, so it comes back under the same id.
      t.equal(chat.id === first, t.eio === 3, "same id");
      t.equal(await chat.ack("ack", "again"), ["again"]);
    },
    skip: (t) => !t.since("1.4.0") && "a 1.0 socket that was closed does not come back",
  },
  {
    name: "namespace: with a query",
    skip: (t) =>
      (t.eio === 4 && "since 3.0 a query is not part of the namespace") ||
      (!t.since("1.7.0") && "the client drops the query of a namespace"),
    async run(t) {
      const peer = await t.connect({ nsp: "/chat?token=a%20b%26c&plain=1" });
      const [{ auth }] = await peer.ack("handshake");
      t.equal(auth, { token: "a b&c", plain: "1" });
      peer.emit("echo", "hello");
      t.equal(await peer.next("echo"), ["hello"]);
    },
  },
  {
    name: "namespace: dynamic",
    async run(t) {
      const nsp = `/dynamic-${process.pid}${Math.floor(Math.random() * 1e6)}`;
      const [one, two] = await t.connectAll(2, { nsp });
      const other = await t.connect({ nsp: `${nsp}0` });
      await one.ack("say", { as: "server" }, "to this one only");
      for (const peer of [one, two]) t.equal(await peer.next("said"), ["to this one only"]);
      t.equal(await other.arrived("said"), [], "another name of the same pattern");
    },
  },
  {
    name: "namespace: unknown is refused",
    async run(t) {
      for (const nsp of ["/unknown", "/dynamic-", "/dynamic-1x"]) {
        const peer = t.open({ nsp });
        t.equal(await refusal(t, peer), { message: "Invalid namespace" }, nsp);
      }
    },
  },
];
