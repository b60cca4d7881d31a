import { ok } from "node:assert/strict";

const LOST = ["transport close", "transport error"]; // which of them: depends on who notices first, and how

export default [
  {
    name: "end: server disconnects one namespace",
    async run(t) {
      const main = await t.connect();
      const chat = await t.open({ on: main, nsp: "/chat" }).welcomed();
      chat.emit("kick", false);
      t.equal((await chat.next("disconnect"))[0], "io server disconnect");
      t.equal(await main.ack("ack", "still here"), ["still here"]);
    },
  },
  {
    name: "end: server closes the connection",
    async run(t) {
      const main = await t.connect();
      const chat = await t.open({ on: main, nsp: "/chat" }).welcomed();
      const engine = main.engine;
      const closed = new Promise((resolve) => engine.on("close", resolve));
      chat.emit("kick", true);
      t.equal((await chat.next("disconnect"))[0], "io server disconnect");
      t.equal((await main.next("disconnect"))[0], "io server disconnect");
      await closed;
    },
  },
  {
    name: "end: client disconnects, as the server saw it",
    async run(t) {
      const [leaver, watcher] = await t.connectAll(2);
      await watcher.ack("join", `watch:${leaver.id}`);
      leaver.socket.close();
      const [id, reason] = await watcher.next("left");
      t.equal(id, leaver.id);
      // 1.0 sends the disconnect packet and the end of its transport in two requests at once: either may come first.
      const reasons = ["client namespace disconnect", ...(t.since("1.4.0") ? [] : ["transport close"])];
      ok(reasons.includes(reason), `server: ${reason}`);
      t.equal(await watcher.ack("members", leaver.id), [[]], "its room is gone");
    },
  },
  {
    name: "end: client closes its transport, as the server saw it",
    async run(t) {
      const [leaver, watcher] = await t.connectAll(2);
      await watcher.ack("join", `watch:${leaver.id}`);
      leaver.engine.close();
      t.equal(await watcher.next("left"), [leaver.id, "transport close"]);
    },
  },
  {
    name: "end: the connection is cut, both notice, the client returns",
    timeoutMs: 8000, // the server has to wait for the heartbeat when the cut comes between two polls
    async run(t) {
      const proxy = await t.proxy();
      const watcher = await t.connect();
      const peer = await t.connect({ url: proxy.url, reconnection: true, ...SOON });
      const first = peer.id;
      await watcher.ack("join", `watch:${first}`);
      proxy.cut();
      const [id, reason] = await watcher.next("left");
      t.equal(id, first);
      ok([...LOST, "ping timeout"].includes(reason), `server: ${reason}`);
      const [own] = await peer.next("disconnect");
      ok(LOST.includes(own), `client: ${own}`);
      proxy.restore();
      await peer.returned();
      t.equal(peer.id === first, false, "a new id");
      t.equal(await peer.ack("ack", "back"), ["back"]);
    },
  },
  {
    name: "end: the server closes the transport, the client returns",
    async run(t) {
      const peer = await t.connect({ reconnection: true, ...SOON });
      const first = peer.id;
      peer.emit("cut");
      const [reason] = await peer.next("disconnect");
      ok(LOST.includes(reason), `client: ${reason}`);
      await peer.returned();
      t.equal(peer.id === first, false, "a new id");
      t.equal(await peer.ack("ack", "back"), ["back"]);
    },
  },
  {
    name: "heartbeat: stays over several pings",
    timeoutMs: 8000,
    async run(t) {
      const peer = await t.connect();
      await heartbeats(t, peer, 3);
      t.equal(await peer.ack("ack", "alive"), ["alive"]);
      t.equal(peer.seen("disconnect"), []);
    },
  },
  {
    name: "heartbeat: silence is a ping timeout on both sides",
    timeoutMs: 8000,
    known: (t) =>
      t.eio === 3 && t.mode === "upgrade" && "the Node.js server loses its EIO3 timer at the upgrade and does not time such a socket out",
    async run(t) {
      const proxy = await t.proxy();
      const watcher = await t.connect();
      const peer = await t.connect({ url: proxy.url });
      await watcher.ack("join", `watch:${peer.id}`);
      proxy.hold();
      t.equal(await watcher.next("left"), [peer.id, "ping timeout"]);
      t.equal((await peer.next("disconnect"))[0], "ping timeout", "client");
    },
  },
];

/** Who pings whom changed with EIO4; here it is what the client receives. */
async function heartbeats(t, peer, count) {
  const type = t.eio === 4 ? "ping" : "pong";
  await new Promise((resolve) => peer.engine.on("packet", (packet) => packet.type === type && --count === 0 && resolve()));
}

const SOON = { reconnectionDelay: 20, reconnectionDelayMax: 50 };
