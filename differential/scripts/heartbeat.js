"use strict";
// Heartbeats and their absence, on the listener with pingInterval 300 and pingTimeout 200.

const both = (id, run) => [4, 3].map((eio) => ({ id: `heartbeat EIO=${eio} ${id}`, listener: "heartbeat", run: (act) => run(act, eio) }));

/** Whether what took `ms` was due after `due`: early, on time or late (by more than half). */
const bucket = (ms, due) => (ms < due * 0.9 ? "early" : ms > due * 1.6 ? "late" : `after about ${due} ms`);

async function timed(act, label, due, work) {
  const start = Date.now();
  await work();
  act.step(label, [bucket(Date.now() - start, due)]);
}

module.exports = [
  {
    id: "heartbeat EIO=4 websocket: the server pings, the client answers",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      for (let i = 0; i < 3; i++) await timed(act, "ping", 300, () => talk.until("2")).then(() => talk.send("3"));
      await talk.fence();
      await act.journal(1);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: no answer",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await timed(act, "end", 500, () => talk.toEnd());
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: a message instead of a pong gives more time, once",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await talk.until("2");
      await act.sleep(120);
      await timed(act, "end", 200, async () => {
        talk.send('42["message","still here"]');
        await act.sleep(140);
        talk.send('42["message","and here"]');
        await talk.toEnd();
      });
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 websocket: a pong nobody asked for",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      talk.send("3", "3");
      await timed(act, "ping", 300, () => talk.until("2"));
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
      const session = await act.polling().join();
      await timed(act, "ping", 300, () => session.until(/^2$/));
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
      const session = await act.polling().join();
      await session.until(/^2$/);
      await timed(act, "end", 200, () => session.poll("hanging poll"));
      await session.poll("poll after the end");
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=4 polling: no poll at all",
    listener: "heartbeat",
    async run(act) {
      const session = await act.polling().join();
      await timed(act, "end", 500, () => act.journal(2));
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
      const talk = await act.talk({ eio: 3 });
      await timed(act, "end", 500, () => talk.toEnd());
      await act.journal(2);
    },
  },
  {
    id: "heartbeat EIO=3 websocket: messages are no pings",
    listener: "heartbeat",
    async run(act) {
      const talk = await act.talk({ eio: 3 });
      await timed(act, "end", 500, async () => {
        await act.sleep(300);
        await talk.send('42["message","still here"]').toEnd();
      });
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
      const session = await act.polling({ eio: 3 }).join();
      await timed(act, "end", 500, () => session.poll("hanging poll"));
      await session.poll("poll after the end");
      await act.journal(2);
    },
  },
  ...both("websocket: control frames are no heartbeat", async (act, eio) => {
    const talk = await act.talk({ eio, namespace: "/" });
    await timed(act, "end", 500, async () => {
      await act.sleep(100);
      await talk.frame("ping", "hello").toEnd();
    });
  }),
  ...both("before a namespace is joined", async (act, eio) => {
    const talk = await act.websocket({ eio, terse: true });
    await timed(act, "end", 500, () => talk.toEnd());
  }),
];
