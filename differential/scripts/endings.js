"use strict";
// Socket.IO: leaving, being sent away, and what the application hears of it.

const transports = (id, run) => [4, 3].flatMap((eio) => ["websocket", "polling"].map((transport) => ({
  id: `ending EIO=${eio} ${transport} ${id}`,
  run: async (act) => run(act, await peer(act, eio, transport), eio),
})));

/** One client in `/` and `/custom`, over either transport: says packets one by one or at once, hears up to the fence or the end. */
async function peer(act, eio, transport) {
  if (transport === "websocket") {
    const talk = await act.talk({ eio, namespace: "/" });
    await talk.join("/custom");
    return {
      say: (...packets) => talk.sendSlowly(...packets),
      sayAtOnce: async (...packets) => { talk.send(...packets); },
      join: (namespace) => talk.join(namespace),
      hear: (namespace) => talk.fence("fence", namespace),
      end: () => talk.toEnd(),
    };
  }
  const session = await act.polling({ eio }).join();
  await session.post("40/custom,");
  await session.until(/^42\/custom/);
  return {
    async say(...packets) {
      for (const packet of packets) {
        await session.post(packet);
        await act.settle();
      }
    },
    sayAtOnce: (...packets) => session.post(...packets),
    async join(namespace) {
      await session.post(`40${namespace},`);
      await session.until(new RegExp(`^42${namespace}`));
    },
    hear: (namespace) => session.fence(namespace),
    end: () => session.until(/never/, "polls to the end"),
  };
}

module.exports = [
  ...transports("the client leaves /custom", async (act, client) => {
    await client.say("41/custom,");
    await client.hear();
    await act.journal(3);
  }),
  ...transports("the client leaves /", async (act, client) => {
    await client.say("41");
    await client.hear("/custom,");
    await act.journal(3);
  }),
  ...transports("the client leaves with data", async (act, client) => {
    await client.say('41/custom,{"a":1}');
    await client.hear();
    await act.journal(4);
  }),
  ...transports("the client leaves everything", async (act, client) => {
    await client.say("41/custom,", "41");
    await client.join("/dynamic-300");
    await client.hear("/dynamic-300,");
    await act.journal(6);
  }),
  ...transports("the client leaves twice", async (act, client) => {
    await client.say("41/custom,", "41/custom,");
    await client.hear();
    await act.journal(4, 500);
  }),
  ...transports("leaves and joins in one breath", async (act, client) => {
    await client.sayAtOnce("41/custom,", "40/custom,");
    await act.settle();
    await client.hear();
    await act.journal(4, 500);
  }),
  ...transports("leaves twice in one breath", async (act, client) => {
    await client.sayAtOnce("41/custom,", "41/custom,");
    await act.settle();
    await client.hear();
    await act.journal(3);
  }),
  ...transports("an event in the same breath as leaving", async (act, client) => {
    await client.sayAtOnce("41/custom,", '42/custom,["message","x"]');
    await act.settle();
    await client.hear();
    await act.journal(3);
  }),
  ...transports("an event in the same breath as being let go", async (act, client) => {
    await client.sayAtOnce('42/custom,["bye"]', '42/custom,["message","x"]');
    await act.settle();
    await client.hear();
    await act.journal(3);
  }),
  ...transports("an event after leaving", async (act, client) => {
    await client.say("41/custom,", '42/custom,["message","x"]');
    await client.hear();
    await act.journal(4, 500);
  }),
  ...transports("the server lets go of /custom", async (act, client) => {
    await client.say('42/custom,["bye",false]');
    await client.hear();
    await act.journal(3);
  }),
  ...transports("the server lets go of /, an event follows", async (act, client) => {
    await client.say('42["bye"]', '42["message","after"]');
    await client.hear("/custom,");
    await act.journal(4, 500);
  }),
  ...transports("the server closes from /", async (act, client) => {
    await client.say('42["bye",true]');
    await client.end();
    await act.journal(4);
  }),
  ...transports("the server closes from /custom", async (act, client) => {
    await client.say('42/custom,["bye",true]');
    await client.end();
    await act.journal(4);
  }),
  ...transports("last words, then let go", async (act, client) => {
    await client.say('42/custom,["last-words",false]');
    await client.hear();
    await act.journal(3);
  }),
  ...transports("last words, then closed", async (act, client) => {
    await client.say('42["last-words",true]');
    await client.end();
    await act.journal(4);
  }),
  ...transports("the server closes the engine", async (act, client) => {
    await client.say('42["close-engine"]');
    await client.end();
    await act.journal(4);
  }),
  ...transports("a broken packet", async (act, client) => {
    await client.say("47");
    await client.end();
    await act.journal(4);
  }),
  ...transports("an event for nobody", async (act, client) => {
    await client.say('42/nowhere,["message"]');
    await client.end();
    await act.journal(4);
  }),
  ...transports("let go and joined again", async (act, client) => {
    await client.say('42/custom,["bye",false]');
    await client.hear();
    await client.join("/custom");
    await client.hear("/custom,");
    await act.journal(4);
  }),
  ...[4, 3].flatMap((eio) => [
    {
      id: `ending EIO=${eio} polling closed while a poll hangs`,
      async run(act) {
        const session = await act.polling({ eio }).join();
        const poll = session.hang();
        await act.settle();
        await session.post('42["bye",true]');
        await act.answered("hanging poll", poll, { ...session.options, terse: true });
        await session.poll("next poll", { terse: true });
        await session.poll("poll after that", { terse: true });
        await act.journal(2);
      },
    },
    {
      id: `ending EIO=${eio} polling closed while no poll hangs`,
      async run(act) {
        const session = await act.polling({ eio }).join();
        await session.post('42["bye",true]');
        await act.journal(2);
        await session.post('42["message","into the void"]');
        await session.poll("next poll", { terse: true });
        await session.poll("poll after that", { terse: true });
      },
    },
    {
      id: `ending EIO=${eio} polling a broken packet while a poll hangs`,
      async run(act) {
        const session = await act.polling({ eio }).join();
        const poll = session.hang();
        await act.settle();
        await session.post("47");
        await act.answered("hanging poll", poll, { ...session.options, terse: true });
        await session.poll("next poll", { terse: true });
        await act.journal(2);
      },
    },
    {
      id: `ending EIO=${eio} polling a broken engine packet while a poll hangs`,
      async run(act) {
        const session = await act.polling({ eio }).join();
        const poll = session.hang();
        await act.settle();
        await session.post("9");
        await act.answered("hanging poll", poll, { ...session.options, terse: true });
        await session.poll("next poll", { terse: true });
        await act.journal(2);
      },
    },
    {
      id: `ending EIO=${eio} websocket what the server says last is not lost`,
      async run(act) {
        const talk = await act.talk({ eio, namespace: "/" });
        talk.send('42["many",50]', '42["bye",true]');
        const lines = await talk.toEnd();
        act.step("items", [String(lines.filter((line) => line.includes('"item"')).length)]);
      },
    },
  ]),
];
