"use strict";
// Connection state recovery: what the offset looks like on the wire, and what comes back after a cut.

/** Joins `/`; resolves to the connect reply as well. A new socket's first event is read too. */
async function open(act, label, auth) {
  const talk = await act.talk({ label });
  talk.send(`40${auth ? JSON.stringify(auth) : ""}`);
  const lines = await talk.until("40", "joins");
  await talk.read("first event");
  return { talk, reply: JSON.parse(lines.at(-1).slice("text 40".length)) };
}

/** Reads one event; resolves to the offset at its end. */
async function offsetOf(talk, label) {
  const [line] = await talk.read(label);
  return /"([^"]+)"\]$/.exec(line)?.[1];
}

/** A client that had one event and was cut off: its pid and offset. */
async function cutOff(act) {
  const { talk, reply } = await open(act, "client");
  const offset = await offsetOf(talk.send('42["message","x"]'), "event");
  talk.socket.destroy();
  await act.journal(2);
  return { pid: reply.pid, offset };
}

/** Comes back with `auth` and says who it is. */
async function comeBack(act, label, auth) {
  const { talk } = await open(act, label, auth);
  await talk.send('420["who"]').until("43", "who");
}

const script = (id, run) => ({ id: `recovery ${id}`, listener: "recovery", run });

module.exports = [
  script("the first answers", async (act) => {
    const { talk } = await open(act, "client");
    await talk.send('42["message","x"]').read("event");
    await talk.send('421["message-with-ack","x"]').read("ack");
    await talk.send('42["ask","x"]').read("event with ack");
    await talk.send('42["volatile",1]').read("volatile event");
    await talk.send('42["binary"]').read("binary event", 3);
  }),
  script("EIO=3", async (act) => {
    const talk = await act.websocket({ eio: 3, terse: true });
    await talk.read("open");
    await talk.read("joins", 2);
    await talk.send('42["message","x"]').read("event");
  }),
  script("missed events come back", async (act) => {
    const room = act.newRoom();
    const { talk: a, reply } = await open(act, "client");
    const { talk: b } = await open(act, "speaker");
    await a.send(`420["join","${room}"]`).until("430", "joins a room");
    const offset = await offsetOf(b.send(`42["say","${room}","heard"]`) && a, "hears");
    a.socket.destroy();
    await act.journal(3);
    b.send(`42["say","${room}","missed 1"]`, `42["say","${room}","missed 2"]`, `42["say","nobody-${room}","not for it"]`, '429["message-with-ack"]');
    await b.until("439", "speaks");
    const again = await act.talk({ label: "client again" });
    await again.send(`40${JSON.stringify({ pid: reply.pid, offset })}`).until("40", "what it missed");
    await again.read("first event");
    await again.send('420["who"]').until("43", "who");
    b.send(`42["say","${room}","live"]`);
    await again.read("hears again");
  }),
  script("unknown pid", (act) => comeBack(act, "client", { pid: "unknown", offset: "unknown" })),
  script("pid without offset", async (act) => {
    const { pid } = await cutOff(act);
    await comeBack(act, "client again", { pid });
  }),
  script("unknown offset", async (act) => {
    const { pid } = await cutOff(act);
    await comeBack(act, "client again", { pid, offset: "unknown" });
  }),
  script("twice with the same offset", async (act) => {
    const auth = await cutOff(act);
    await comeBack(act, "first try", auth);
    await comeBack(act, "second try", auth);
  }),
  script("not after leaving on purpose", async (act) => {
    const { talk, reply } = await open(act, "client");
    const offset = await offsetOf(talk.send('42["message","x"]'), "event");
    talk.send("41");
    await act.journal(2);
    await comeBack(act, "client again", { pid: reply.pid, offset });
  }),
  script("not after the server let go", async (act) => {
    const { talk, reply } = await open(act, "client");
    const offset = await offsetOf(talk.send('42["message","x"]'), "event");
    talk.send('42["bye",false]');
    await act.journal(2);
    await comeBack(act, "client again", { pid: reply.pid, offset });
  }),
];
