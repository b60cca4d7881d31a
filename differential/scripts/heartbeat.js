"use strict";
// Heartbeats and their absence, on the listener with pingInterval 300 and pingTimeout 200.

const both = (id, run) => [4, 3].map((eio) => ({ id: `heartbeat EIO=${eio} ${id}`, listener: "heartbeat", run: (act) => run(act, eio) }));

/** Whether what took `ms` was due after `due`: early, on time or late (by more than half). */
const bucket = (ms, due) => (ms < due * 0.9 ? "early" : ms > due * 1.6 ? "late" : `after about ${due} ms`);

/** Starts a clock, always before the server can start its own; the function it returns writes down how long it took. */
function clock(act) {
  const start = Date.now();
  return (label, due) => act.step(label, [bucket(Date.now() - start, due)]);
}

module.exports = [
  {
    id: "heartbeat EIO=4 websocket: the server pings, the client answers",
    listener: "heartbeat",
    async run(act) {
      let passed = clock(act);
      const talk = await act.talk({ namespace: "/" });
      for (let i = 0; i < 3; i++) {
        await talk.until("2");
        passed("ping", 300);
        passed = clock(act);
        talk.send("3");
      }
      await talk.fence();
      await act.journal(1);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: no answer",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const talk = await act.talk({ namespace: "/" });
      await talk.toEnd();
      passed("end", 500);
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: messages instead of a pong give more time, once",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const talk = await act.talk({ namespace: "/" });
      await talk.until("2");
      const chatter = setInterval(() => talk.send('42["nobody"]'), 60);
      const end = setTimeout(() => clearInterval(chatter), 800);
      await talk.toEnd();
      clearInterval(chatter);
      clearTimeout(end);
      passed("end", 580);
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: a pong nobody asked for",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      const passed = clock(act);
      await talk.send("3", "3").until("2");
      passed("ping", 300);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: a ping from the client",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await talk.send("2").toEnd();
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: a ping from the client with data",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await talk.send("2probe").toEnd();
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 polling: ping, pong, ping",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const session = await act.polling().join();
      await session.until(/^2$/);
      passed("ping", 300);
      await session.post("3");
      await session.until(/^2$/, "second ping");
      await session.post("3");
      await session.fence();
      await act.journal(1);
    },
  },
  {
    id: "heartbeat EIO=4 polling: no answer, a poll hangs",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const session = await act.polling().join();
      await session.until(/^2$/);
      await session.poll("hanging poll");
      passed("end", 500);
      await session.poll("poll after the end");
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 polling: no poll at all",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const session = await act.polling().join();
      await act.journal(2);
      passed("end", 500);
      await session.poll("poll after the end");
    },
  },
  {
    id: "heartbeat EIO=3 websocket: the client pings",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ eio: 3 });
      for (const ping of ["2", "2", "2with data", "2probe"]) {
        await act.sleep(200);
        await talk.send(ping).until("3");
      }
      await talk.fence();
      await act.journal(1);
    },
  },
  {
    id: "heartbeat EIO=3 websocket: no ping",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const talk = await act.talk({ eio: 3 });
      await talk.toEnd();
      passed("end", 500);
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=3 websocket: messages are no pings",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const talk = await act.talk({ eio: 3 });
      await act.sleep(300);
      await talk.send('42["message","still here"]').toEnd();
      passed("end", 500);
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=3 websocket: a pong from the client",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ eio: 3 });
      await talk.send("3").toEnd();
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=3 polling: the client pings",
    listener: "heartbeat",
    async run(act) {
      const session = await act.polling({ eio: 3 }).join();
      for (let i = 0; i < 3; i++) {
        await act.sleep(200);
        await session.post("2");
        await session.until(/^3/, "pong");
      }
      await act.journal(1);
    },
  },
  {
    id: "heartbeat EIO=3 polling: no ping, a poll hangs",
    listener: "heartbeat",
    async run(act) {
      const passed = clock(act);
      const session = await act.polling({ eio: 3 }).join();
      await session.poll("hanging poll");
      passed("end", 500);
      await session.poll("poll after the end");
      await act.journal(2);
    },
  },
  ...both("websocket: control frames are no heartbeat", async (act, eio) => {
    const passed = clock(act);
    const talk = await act.talk({ eio, namespace: "/" });
    await act.sleep(100);
    await talk.frame("ping", "hello").toEnd();
    passed("end", 500);
  }),
  ...both("before a namespace is joined", async (act, eio) => {
    const passed = clock(act);
    const talk = await act.websocket({ eio, terse: true });
    await talk.toEnd();
    passed("end", 500);
  }),
];
