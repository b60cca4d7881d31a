import { notEqual } from "node:assert/strict";

const unable = (t) =>
  (!t.urls.recovery && "no recovery listener given") ||
  (!t.since("4.6.0") && "connection state recovery came with 4.6");

// Each event carries its offset as a last argument, which these clients leave in place.
const numbers = (events) => events.map(([n]) => n);

export default [
  {
    name: "recovery: missed events come, once and in order",
    skip: unable,
    timeoutMs: 8000,
    async run(t) {
      const { peer, speaker, room, proxy } = await pair(t);
      await say(speaker, room, 1, 2);
      t.equal(numbers(await peer.take("said", 2)), [1, 2]);
      await lose(peer, speaker, proxy);
      await say(speaker, room, 3, 4, 5);
      proxy.restore();
      await returns(t, peer, { recovered: true });
      await say(speaker, room, 6);
      t.equal(numbers(await peer.take("said", 4)), [3, 4, 5, 6]);
      t.equal(await peer.arrived("said"), [], "nothing twice");
      t.equal(await peer.ack("join", "again"), [[peer.id, room, "again"].sort()], "rooms are kept");
    },
  },
  {
    name: "recovery: what was lost on the way comes too",
    skip: unable,
    timeoutMs: 8000,
    async run(t) {
      const { peer, speaker, room, proxy } = await pair(t);
      await say(speaker, room, 1);
      await peer.next("said");
      proxy.hold(); // the server writes the next ones into a dead line
      await say(speaker, room, 2, 3);
      await lose(peer, speaker, proxy);
      await say(speaker, room, 4);
      proxy.restore();
      await returns(t, peer, { recovered: true });
      t.equal(numbers(await peer.arrived("said")), [2, 3, 4]);
    },
  },
  {
    name: "recovery: not what others' rooms got",
    skip: unable,
    timeoutMs: 8000,
    async run(t) {
      const { peer, speaker, room, proxy } = await pair(t);
      await say(speaker, room, 1);
      await peer.next("said");
      await lose(peer, speaker, proxy);
      await say(speaker, t.room("other"), 2);
      await speaker.ack("say", { as: "server", to: [room], except: [room] }, 3);
      await say(speaker, room, 4);
      proxy.restore();
      await returns(t, peer, { recovered: true });
      t.equal(numbers(await peer.arrived("said")), [4]);
    },
  },
  {
    name: "recovery: not after the server has disconnected it",
    skip: unable,
    timeoutMs: 8000,
    async run(t) {
      const { peer, speaker, room } = await pair(t);
      await say(speaker, room, 1);
      await peer.next("said");
      peer.emit("kick", false);
      await peer.next("disconnect");
      await returns(t, peer, { recovered: false });
    },
  },
  {
    name: "recovery: such a listener serves clients that cannot",
    skip: (t) =>
      (!t.urls.recovery && "no recovery listener given") || (t.since("4.6.0") && "this client can recover"),
    async run(t) {
      const peer = await t.connect({ url: t.urls.recovery });
      const args = ["text", t.bytes([1], t.urls.recovery)];
      peer.emit("echo", ...args);
      t.equal((await peer.next("echo")).slice(0, 2), args);
      t.equal(await peer.ack("ack", "no offset here"), ["no offset here"]);
      t.equal(peer.recovered, false);
    },
  },
];

/** One that will be cut off, one that speaks meanwhile. */
async function pair(t) {
  const proxy = await t.proxy(t.urls.recovery);
  const peer = await t.connect({ url: proxy.url });
  const speaker = await t.connect({ url: t.urls.recovery });
  const room = t.room();
  await peer.ack("join", room);
  await speaker.ack("join", `watch:${peer.id}`);
  return { peer, speaker, room, proxy };
}

async function say(speaker, room, ...all) {
  for (const n of all) await speaker.ack("say", { to: [room] }, n);
}

async function lose(peer, speaker, proxy) {
  proxy.cut();
  await peer.next("disconnect");
  await speaker.next("left");
}

async function returns(t, peer, { recovered }) {
  const first = peer.id;
  await peer.next("connect"); // the one of the beginning
  peer.socket.connect();
  await peer.next("connect");
  t.equal(peer.socket.recovered, recovered, "socket.recovered");
  if (!recovered) return notEqual(peer.socket.id, first);
  t.equal(peer.socket.id, first, "same id");
  await peer.returned();
  t.equal(peer.recovered, true, "recovered, as the server says");
}
