"use strict";
// Socket.IO: rooms, and one broadcast to clients of both revisions and both transports.

/** Two WebSocket clients in a room of their own, in one namespace. */
const pair = (id, run, { eios = [4, 4], namespace = "/" } = {}) => ({
  id: `room ${id}, EIO=${eios.join(" and ")}`,
  async run(act) {
    const room = act.newRoom();
    const clients = [];
    for (const [i, eio] of eios.entries()) {
      const client = await act.talk({ eio, namespace, label: `client ${i + 1}` });
      client.at = namespace === "/" ? "" : `${namespace},`;
      client.say = (...event) => client.send(`42${client.at}${JSON.stringify(event)}`);
      client.ask = (ackId, ...event) => client.send(`42${client.at}${ackId}${JSON.stringify(event)}`).until(`43${client.at}${ackId}`, event[0]);
      await client.ask(0, "join", room);
      clients.push(client);
    }
    await run(clients, room, act);
  },
});

const mixed = (id, run, more) => [[4, 4], [3, 4], [3, 3]].map((eios) => pair(id, run, { ...more, eios }));

module.exports = [
  ...mixed("everybody hears", async ([a, b], room) => {
    a.say("say", room, "hello", { n: 1 });
    await a.fence("a", a.at);
    await b.fence("b", b.at);
  }),
  ...mixed("everybody hears in a namespace", async ([a, b], room) => {
    a.say("say", room, "hello");
    await a.fence("a", a.at);
    await b.fence("b", b.at);
  }, { namespace: "/custom" }),
  ...mixed("binary for everybody", async ([a, b], room) => {
    const payload = Buffer.from([1, 2]);
    a.send(`451-["say","${room}",{"_placeholder":true,"num":0}]`, a.eio === 3 ? Buffer.concat([Buffer.from([4]), payload]) : payload);
    await a.fence("a");
    await b.fence("b");
  }),
  ...mixed("everybody but the speaker", async ([a, b], room) => {
    a.say("say-others", room, "hello");
    await a.fence("a");
    await b.fence("b");
  }),
  pair("in two rooms, heard once", async ([a, b], room) => {
    await b.ask(1, "join", `${room}-b`);
    a.say("say", [room, `${room}-b`], "hello");
    await a.fence("a");
    await b.fence("b");
  }),
  pair("except a room", async ([a, b], room) => {
    await b.ask(1, "join", `${room}-b`);
    a.say("say-except", room, `${room}-b`, "hello");
    await a.fence("a");
    await b.fence("b");
  }),
  pair("after leaving", async ([a, b], room) => {
    await b.ask(1, "leave", room);
    a.say("say", room, "hello");
    await a.fence("a");
    await b.fence("b");
  }),
  pair("nobody there", async ([a], room) => {
    a.say("say", `${room}-empty`, "hello");
    await a.fence("a");
  }),
  pair("asked, both answer", async ([a, b], room) => {
    a.send(`427["ask-room","${room}"]`);
    for (const [client, answer] of [[a, "from a"], [b, "from b"]]) {
      const [question] = await client.until("42", "question");
      client.send(`43${/42(\d+)/.exec(question)[1]}["${answer}"]`);
      await client.fence("after answering");
    }
    await a.read("all answers");
  }, { namespace: "/" }),
  pair("asked, one is silent", async ([a, b], room) => {
    a.send(`427["ask-room","${room}"]`);
    const [question] = await a.until("42", "question");
    a.send(`43${/42(\d+)/.exec(question)[1]}["from a"]`);
    await b.until("42", "question");
    await a.read("all answers");
  }),
  ...mixed("sent away together", async ([a, b], room, act) => {
    a.say("disconnect-room", room, true);
    await a.toEnd();
    await b.toEnd();
    await act.journal(4);
  }),
  ...[4, 3].map((eio) => ({
    id: `room websocket and polling, EIO=${eio}`,
    async run(act) {
      const room = act.newRoom();
      const talk = await act.talk({ eio, namespace: "/" });
      const session = await act.polling({ eio }).join();
      await talk.send(`420["join","${room}"]`).until("430");
      await session.post(`420["join","${room}"]`);
      await session.until(/^430/);
      talk.send(`42["say","${room}","one"]`);
      await talk.fence();
      await session.post(`42["say","${room}","two"]`);
      await session.fence();
      await talk.fence("second fence");
    },
  })),
];
