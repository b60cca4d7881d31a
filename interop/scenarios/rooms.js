export default [
  {
    name: "rooms: join, to, leave",
    async run(t) {
      const [inside, outside, speaker] = await t.connectAll(3);
      const room = t.room();
      t.equal(await inside.ack("join", room), [[inside.id, room].sort()], "rooms after join");
      await speaker.ack("say", { to: [room] }, "hello", { to: "room" });
      t.equal(await inside.next("said"), ["hello", { to: "room" }]);
      t.equal(await outside.arrived("said"), [], "not in the room");
      t.equal(await inside.ack("leave", room), [[inside.id]], "rooms after leave");
      await speaker.ack("say", { to: [room] }, "gone");
      t.equal(await inside.arrived("said"), [], "after leave");
    },
  },
  {
    name: "rooms: a socket is a room by its id",
    async run(t) {
      const [one, two, speaker] = await t.connectAll(3);
      await speaker.ack("say", { to: [one.id] }, "you");
      t.equal(await one.next("said"), ["you"]);
      t.equal(await two.arrived("said"), []);
    },
  },
  {
    name: "rooms: the sender is left out, the server's own is not",
    async run(t) {
      const [sender, other] = await t.connectAll(2);
      const room = t.room();
      for (const peer of [sender, other]) await peer.ack("join", room);
      await sender.ack("say", { to: [room] }, "from socket");
      await sender.ack("say", { as: "server", to: [room] }, "from server");
      t.equal(await other.take("said", 2), [["from socket"], ["from server"]]);
      t.equal(await sender.arrived("said"), [["from server"]]);
    },
  },
  {
    name: "rooms: in two rooms, once",
    async run(t) {
      const [both, one, speaker] = await t.connectAll(3);
      const [a, b] = [t.room("a"), t.room("b")];
      for (const room of [a, b]) await both.ack("join", room);
      await one.ack("join", b);
      await speaker.ack("say", { to: [a, b] }, "once");
      for (const peer of [both, one]) t.equal(await peer.arrived("said"), [["once"]]);
    },
  },
  {
    name: "rooms: except",
    async run(t) {
      const [stays, leaves, speaker] = await t.connectAll(3);
      const [room, muted] = [t.room(), t.room("muted")];
      for (const peer of [stays, leaves]) await peer.ack("join", room);
      await leaves.ack("join", muted);
      await speaker.ack("say", { to: [room], except: [muted] }, "by room");
      await speaker.ack("say", { as: "server", to: [room], except: [leaves.id] }, "by id");
      t.equal(await stays.take("said", 2), [["by room"], ["by id"]]);
      t.equal(await leaves.arrived("said"), []);
    },
  },
  {
    name: "rooms: broadcast to the namespace",
    async run(t) {
      // A namespace of its own, so that no other trial hears it.
      const nsp = `/dynamic-${process.pid}${Math.floor(Math.random() * 1e6)}`;
      const [sender, one, two] = await t.connectAll(3, { nsp });
      await sender.ack("say", {}, "all but me", t.bytes([1, 2]));
      await sender.ack("say", { as: "server" }, "all");
      for (const peer of [one, two]) {
        t.equal(await peer.arrived("said"), [["all but me", t.bytes([1, 2])], ["all"]]);
      }
      t.equal(await sender.arrived("said"), [["all"]]);
    },
  },
  {
    name: "rooms: shared with the newest client, binary included",
    async run(t) {
      const [peer, newest] = [await t.connect(), await t.newest()];
      const room = t.room();
      for (const one of [peer, newest]) await one.ack("join", room);
      const bytes = [0, 1, 254, 255];
      await peer.ack("say", { as: "server", to: [room] }, "old", { deep: [t.bytes(bytes)] });
      await newest.ack("say", { as: "server", to: [room] }, "new", { deep: [Buffer.from(bytes)] });
      for (const one of [peer, newest]) {
        t.equal(await one.take("said", 2), ["old", "new"].map((who) => [who, { deep: [Buffer.from(bytes)] }]));
      }
    },
  },
  {
    name: "rooms: moved and emptied by the server",
    async run(t) {
      const peers = await t.connectAll(3);
      const [from, into] = [t.room("from"), t.room("into")];
      for (const peer of peers) await peer.ack("join", from);
      const ids = peers.map(({ id }) => id).sort();
      t.equal(await peers[0].ack("members", from), [ids], "members");
      await peers[0].ack("gather", from, into);
      t.equal(await peers[0].ack("members", into), [ids], "after gather");
      await peers[0].ack("scatter", into, from);
      t.equal(await peers[0].ack("members", from), [[]], "after scatter");
      await peers[0].ack("leave", into);
      peers[0].emit("dismiss", into, false);
      for (const peer of peers.slice(1)) t.equal((await peer.next("disconnect"))[0], "io server disconnect");
      t.equal(await peers[0].ack("members", into), [[]], "after dismiss");
    },
  },
  {
    name: "survey: everybody answers",
    async run(t) {
      const [asker, one, two] = await t.connectAll(3);
      const room = t.room();
      for (const peer of [one, two]) await peer.ack("join", room);
      one.answer = (question) => [question + 1];
      two.answer = (question) => [question + 2];
      const [{ complete, answers }] = await asker.ack("survey", room, 3000, 40);
      t.equal({ complete, answers: answers.sort() }, { complete: true, answers: [41, 42] });
    },
  },
  {
    name: "survey: partial answers after the timeout",
    async run(t) {
      const [asker, one, silent] = await t.connectAll(3);
      const room = t.room();
      for (const peer of [one, silent]) await peer.ack("join", room);
      one.answer = () => [{ binary: t.bytes([7]) }];
      const [result] = await asker.ack("survey", room, 2500, "?");
      t.equal(result, { complete: false, answers: [{ binary: t.bytes([7]) }] });
      t.equal(await silent.next("question"), ["?"]);
    },
  },
  {
    name: "survey: nobody there",
    async run(t) {
      const asker = await t.connect();
      t.equal(await asker.ack("survey", t.room("empty"), 300, "?"), [{ complete: true, answers: [] }]);
    },
  },
];
