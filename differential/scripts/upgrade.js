"use strict";
// Probe and upgrade from polling to websocket.

const both = (id, run) => [4, 3].map((eio) => ({ id: `upgrade EIO=${eio} ${id}`, run: (act) => run(act, eio) }));

const probeOf = (act, session, more = {}) => act.websocket({ eio: session.eio, query: session.options.query.replace("polling", "websocket"), label: "probe", ...more });

/** A session that has joined and upgraded. */
async function upgraded(act, eio) {
  const session = await act.polling({ eio }).join();
  const probe = await probeOf(act, session, { terse: true });
  await probe.send("2probe").read("answer");
  await probe.send("5").fence("after the upgrade");
  return { session, probe };
}

module.exports = [
  ...both("headers of the upgrade", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await probeOf(act, session);
  }),
  ...both("with nothing pending", async (act, eio) => {
    const { session, probe } = await upgraded(act, eio);
    probe.send('420["who"]');
    await probe.until("43");
    await act.request("poll of an upgraded session", session.options);
    await act.request("post to an upgraded session", { ...session.options, method: "POST", body: "40" });
    await probe.fence();
    probe.socket.close(1000);
    await probe.toEnd();
    await act.journal(2);
  }),
  ...both("while a poll hangs", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const poll = session.hang();
    await act.settle();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await act.answered("hanging poll", poll, session.options);
    await probe.send("5").fence("after the upgrade");
    await act.journal(1);
  }),
  ...both("while a poll hangs, upgraded without waiting", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const poll = session.hang();
    await act.settle();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await probe.send("5").fence("after the upgrade");
    await act.answered("hanging poll", poll, session.options);
    await act.journal(1);
  }),
  ...both("polls between probe and upgrade get a noop", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.poll("first poll");
    await session.poll("second poll");
    await probe.send("5").fence("after the upgrade");
  }),
  ...both("with events pending", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.post('42["many",3]', '42["binary"]');
    await act.settle();
    await probe.send("5").fence("after the upgrade");
  }),
  ...both("events between probe and upgrade go to the poll", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.post('42["many",2]');
    await session.until(/"item",1/);
    await probe.send("5").fence("after the upgrade");
  }),
  ...both("a post between probe and upgrade", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.post('42["message","late"]');
    await probe.send("5").fence("after the upgrade");
  }),
  ...both("before a namespace is joined", async (act, eio) => {
    const session = await act.polling({ eio }).start();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    probe.send("5");
    if (eio === 4) probe.send("40");
    await probe.until("42", "after the upgrade");
  }),
  ...["2", "2wrong", "3probe", "4", '42["message","x"]', "5", "6", "1", "9", ""].flatMap((packet) => both(`probe with "${packet}"`, async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send(packet);
    if (packet === "5") await probe.fence();
    else {
      await probe.toEnd();
      await session.fence();
    }
    await act.journal(1);
  })),
  ...both("probe with binary", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send(Buffer.from("2probe")).toEnd();
    await session.fence();
  }),
  ...both("probe, then a message instead of the upgrade", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await probe.send('42["message","too early"]').toEnd();
    await session.fence();
    await act.journal(1);
  }),
  ...both("probe twice", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await probe.send("2probe").read("second answer");
    await probe.send("5").fence("after the upgrade");
  }),
  ...both("probe given up by the client", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    probe.socket.destroy();
    await act.settle();
    await session.fence();
    const second = await probeOf(act, session, { label: "second probe", terse: true });
    await second.send("2probe").read("answer");
    await second.send("5").fence("after the upgrade");
  }),
  ...both("probe never completed", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await probe.toEnd();
    await session.fence();
    await act.journal(1);
  }),
  ...both("two probes at once", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const first = await probeOf(act, session, { terse: true });
    const second = await probeOf(act, session, { label: "second probe" });
    await second.toEnd();
    await first.send("2probe").read("answer");
    await first.send("5").fence("after the upgrade");
  }),
  ...both("of an upgraded session", async (act, eio) => {
    const { session, probe } = await upgraded(act, eio);
    const second = await probeOf(act, session, { label: "second probe" });
    await second.toEnd();
    await probe.fence();
  }),
  ...both("of a session that began as a websocket", async (act, eio) => {
    const talk = await act.websocket({ eio, terse: true });
    const [open] = await talk.read("open");
    const sid = /"sid":"([^"]+)"/.exec(open)[1];
    const second = await act.websocket({ label: "second", query: `EIO=${eio}&transport=websocket&sid=${sid}` });
    second.send("2probe");
    await second.read("answer");
    await second.send("5").read("after the upgrade", 1, 500);
    await talk.read("first socket");
  }),
  ...both("with the other revision", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await probeOf(act, session, { query: session.options.query.replace("polling", "websocket").replace(`EIO=${eio}`, `EIO=${7 - eio}`) });
    await session.fence();
  }),
  ...both("without a revision", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await probeOf(act, session, { query: session.options.query.replace("polling", "websocket").replace(/EIO=\d&/, "") });
    await session.fence();
  }),
  ...both("with transport polling", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { query: session.options.query });
    await probe.toEnd();
    await session.fence();
  }),
  ...both("of a closed session", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await session.post("1");
    await probeOf(act, session);
  }),
  ...both("session closed by the client while probing", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.post("1");
    await probe.toEnd();
    await act.journal(2);
  }),
  ...both("session closed by the server while probing", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    const probe = await probeOf(act, session, { terse: true });
    await probe.send("2probe").read("answer");
    await session.post('42["bye",true]');
    await act.settle();
    await probe.send("5").toEnd("after the upgrade");
    await act.journal(2);
  }),
  ...both("denied requests are only denied at the handshake", async (act, eio) => {
    const session = await act.polling({ eio }).join();
    await probeOf(act, session, { terse: true, query: `${session.options.query.replace("polling", "websocket")}&deny` });
    await session.poll("poll with deny", { query: `${session.options.query}&deny`, method: "HEAD" });
  }),
  {
    id: "upgrade although upgrades are not allowed",
    listener: "strict",
    async run(act) {
      const session = await act.polling().join();
      const probe = await probeOf(act, session, { terse: true });
      await probe.send("2probe").read("answer");
      await probe.send("5").fence("after the upgrade");
    },
  },
  {
    id: "upgrade of a session that waits for its pong",
    listener: "heartbeat",
    async run(act) {
      const session = await act.polling().join();
      await session.until(/^2$/);
      const probe = await probeOf(act, session, { terse: true });
      await probe.send("2probe").read("answer");
      await probe.send("5", "3").until("2");
      await probe.send("3").fence();
    },
  },
];
