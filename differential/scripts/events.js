"use strict";
// Socket.IO: events, acknowledgements, attachments, and packets that are broken.

const both = (id, packets, more = {}) => [4, 3].map((eio) => exchange(id, packets, { ...more, eio }));

/** A joined WebSocket sends packets; everything up to the echo of a last event is written down. */
function exchange(id, packets, { eio = 4, namespace = "/", journal } = {}) {
  return {
    id: `event EIO=${eio} ${id}`,
    async run(act) {
      const talk = await act.talk({ eio, namespace });
      talk.send(...(typeof packets === "function" ? packets(eio) : packets));
      await talk.fence("fence", namespace === "/" ? "" : `${namespace},`);
      if (journal !== undefined) await act.journal(journal);
    },
  };
}

const broken = (id, ...packets) => exchange(id, packets, { journal: 2 });
const fine = (id, ...packets) => exchange(id, packets, { journal: 1 });

/** Frames as each revision wants them: EIO=3 begins binary ones with a 4. */
const bytes = (eio, ...values) => Buffer.from(eio === 3 ? [4, ...values] : values);
const placeholder = (num) => `{"_placeholder":true,"num":${num}}`;

module.exports = [
  ...both("echo", ['42["message",1,"2",{"3":[true,null]}]']),
  ...both("echo in a namespace", ['42/custom,["message","x"]'], { namespace: "/custom" }),
  ...both("echo without arguments", ['42["message"]']),
  ...both("many types", ['42["types"]']),
  ...both("numbers", ['42["message",-0,1e3,1e400,12345678901234567890,0.1,1.0,-1e-7,1E21]']),
  ...both("strings", ['42["message","\\u0000\\ud83d\\ude00\\u2028\\/\\"\\\\"]']),
  ...both("a lone surrogate", ['42["message","\\ud83d"]']),
  ...both("objects with odd keys", ['42["message",{"__proto__":1,"":2,"a":1,"a":2,"10":1,"9":2}]']),
  ...both("white space in JSON", ['42 [ "message" , "x" ] ']),
  ...both("an event nobody listens to", ['42["nobody",1]', '423["nobody",1]']),
  ...both("an event named error", ['42["error","x"]']),
  ...both("many answers in order", ['42["many",20]']),
  ...both("volatile", ['42["volatile",1]']),
  ...both("several at once", ['42["message",1]', '42["message",2]', '421["message-with-ack",3]', '42["message",4]']),
  fine("number as a name", "42[5,1]"),
  fine("an empty name", '42["",1]'),
  fine("a name with non-ASCII", '42["né\\u0000",1]'),
  ...["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"].map((name) => broken(`reserved name ${name}`, `42["${name}","x"]`)),
  ...["connection", "error", "new_namespace", "toString", "__proto__", "constructor"].map((name) => fine(`unreserved name ${name}`, `42["${name}","x"]`)),
  broken("an empty array", "42[]"),
  fine("without data", "42"),
  fine("without data, with an id", "427"),
  broken("an object", '42{"0":"message"}'),
  broken("a string", '42"message"'),
  broken("a number", '42/custom,'),
  broken("null", "42null"),
  broken("a name that is null", "42[null]"),
  broken("a name that is an object", '42[{"toString":1}]'),
  broken("a name that is an array", '42[["message"]]'),
  broken("a name that is true", "42[true]"),
  broken("broken JSON", '42["message",'),
  broken("JSON and more", '42["message","x"]x'),
  broken("a trailing comma", '42["message",]'),
  broken("single quotes", "42['message']"),
  broken("NaN", '42["message",NaN]'),
  broken("a control character in a string", '42["message","\u0001"]'),
  fine("deep nesting", `42["message",${"[".repeat(500)}${"]".repeat(500)}]`),
  ...["7", "8", "9", "x", "-1", " 2", ""].map((type) => broken(`packet type "${type}"`, `4${type}["message","x"]`)),
  broken("a namespace without a slash", '42custom,["message","x"]'),
  broken("a namespace without an end", '42/custom["message","x"]'),
  fine("namespace / spelled out", '42/,["message","x"]'),

  ...both("ack", ['427["message-with-ack",1,"2",{"a":null}]']),
  ...both("ack in a namespace", ['42/custom,7["message-with-ack",1]'], { namespace: "/custom" }),
  ...both("ack without arguments", ['427["message-with-ack"]']),
  ...both("ack called twice", ['420["ack-twice"]']),
  ...both("ack asked for but not given", ['420["message","x"]']),
  ...both("ack not asked for", ['42["message-with-ack","x"]']),
  ...["0", "00", "007", "2147483648", "4294967296", "9007199254740991", "9007199254740993", "123456789012345678901234567890", "1".repeat(400)].map((ackId) => (
    fine(`ack id ${ackId.length > 40 ? `of ${ackId.length} digits` : ackId}`, `42${ackId}["message-with-ack",1]`))),
  broken("ack id negative", '42-1["message-with-ack",1]'),
  broken("ack id fractional", '421.5["message-with-ack",1]'),
  broken("ack id in hexadecimal", '420x1["message-with-ack",1]'),
  fine("ack id after spaces", '42 1["message-with-ack",1]'),
  fine("ack id used twice", '421["message-with-ack","a"]', '421["message-with-ack","b"]'),
  ...[4, 3].flatMap((eio) => [
    {
      id: `event EIO=${eio} the server asks`,
      async run(act) {
        const talk = await act.talk({ eio, namespace: "/dynamic-20" + eio });
        const at = `/dynamic-20${eio},`;
        for (const answer of ['["first"]', "[]", '[1,{"a":2},null]']) {
          talk.send(`42${at}["ask","why"]`);
          const [question] = await talk.until(`42${at}`);
          const id = /(\d+)\[/.exec(question)[1];
          talk.send(`43${at}${id}${answer}`);
          await talk.until(`42${at}["answered"`);
        }
      },
    },
    {
      id: `event EIO=${eio} the server asks, the answer is binary`,
      async run(act) {
        const at = `/dynamic-21${eio},`;
        const talk = await act.talk({ eio, namespace: at.slice(0, -1) });
        await talk.send(`42${at}["ask","why"]`).until(`42${at}`);
        // What waits for the answer may go on after what is handled at once: its word comes first.
        await talk.send(`461-${at}0[${placeholder(0)}]`, bytes(eio, 1, 2)).until(`451-${at}`);
        await talk.fence("fence", at);
      },
    },
    {
      id: `event EIO=${eio} the server asks with binary`,
      async run(act) {
        const at = `/dynamic-22${eio},`;
        const talk = await act.talk({ eio, namespace: at.slice(0, -1) });
        await talk.send(`451-${at}["ask",${placeholder(0)}]`, bytes(eio, 9)).fence("fence", at);
      },
    },
  ]),
  ...[["twice", "430[1]", "430[2]"], ["unknown id", "4399[1]", "430[1]"], ["without an id", "43[1]", "430[1]"]].map(([name, ...acks]) => ({
    id: `event EIO=4 the server asks, answered ${name}`,
    async run(act) {
      const at = { twice: "/dynamic-231", "unknown id": "/dynamic-232", "without an id": "/dynamic-233" }[name];
      const talk = await act.talk({ namespace: at });
      await talk.send(`42${at},["ask","why"]`).until(`42${at}`);
      talk.send(...acks.map((ack) => ack.replace("43", `43${at},`)));
      if (name !== "without an id") await talk.until(`42${at},["answered"`);
      await talk.fence("fence", `${at},`);
      await act.journal(1);
    },
  })),
  {
    id: "event EIO=4 the server asks with a time limit",
    async run(act) {
      const talk = await act.talk({ namespace: "/dynamic-240" });
      await talk.send('42/dynamic-240,["ask-briefly",100]').until('42/dynamic-240,["answered"');
      await talk.send("43/dynamic-240,0[1]").fence("after the limit", "/dynamic-240,");
    },
  },
  fine("ack nobody asked for", '435["x"]'),
  broken("ack with an object", '430{"a":1}'),
  fine("ack without data", "430"),
  broken("ack with broken JSON", "430["),

  ...both("binary in both directions", (eio) => [`451-["message",${placeholder(0)}]`, bytes(eio, 0, 30, 255)]),
  ...both("binary answer", ['42["binary"]']),
  ...both("binary ack", ['420["binary-ack"]']),
  ...both("binary event with ack", (eio) => [`451-3["message-with-ack",${placeholder(0)}]`, bytes(eio, 5)]),
  ...both("binary in a namespace", (eio) => [`451-/custom,["message",${placeholder(0)}]`, bytes(eio, 5)], { namespace: "/custom" }),
  ...both("two attachments in reverse", (eio) => [`452-["message",${placeholder(1)},{"a":[${placeholder(0)}]}]`, bytes(eio, 1), bytes(eio, 2)]),
  ...both("one attachment used twice", (eio) => [`451-["message",${placeholder(0)},${placeholder(0)}]`, bytes(eio, 1)]),
  ...both("one attachment not used", (eio) => ['451-["message","x"]', bytes(eio, 1)]),
  ...both("an empty attachment", (eio) => [`451-["message",${placeholder(0)}]`, bytes(eio)]),
  ...both("ten attachments", (eio) => [`4510-["message"${Array.from({ length: 10 }, (_, i) => `,${placeholder(i)}`).join("")}]`, ...Array.from({ length: 10 }, (_, i) => bytes(eio, i))]),
  broken("eleven attachments", '4511-["message"]'),
  broken("no attachments", '450-["message","x"]'),
  broken("minus one attachment", '45-1-["message","x"]'),
  broken("one and a half attachments", '451.5-["message","x"]'),
  broken("1e1 attachments", '451e9-["message","x"]'),
  broken("attachments without a number", '45-["message","x"]'),
  broken("attachments without a dash", '451["message","x"]'),
  broken("attachments as a word", '45x-["message","x"]'),
  ...["01", " 1", "0x1", "1e0", "1.0"].map((count) => exchange(`attachments counted as "${count}"`, [`45${count}-["message",${placeholder(0)}]`, bytes(4, 1)])),
  broken("text between attachments", `452-["message",${placeholder(0)},${placeholder(1)}]`, Buffer.from([1]), '42["message","x"]'),
  broken("one attachment too many", `451-["message",${placeholder(0)}]`, Buffer.from([1]), Buffer.from([2])),
  broken("placeholder out of range", `451-["message",${placeholder(1)}]`, Buffer.from([1])),
  broken("placeholder negative", `451-["message",${placeholder(-1)}]`, Buffer.from([1])),
  fine("placeholder fractional", `451-["message",${placeholder(0.5)}]`, Buffer.from([1])),
  broken("placeholder that is a string", `451-["message",${placeholder('"0"')}]`, Buffer.from([1])),
  broken("placeholder without a number", '451-["message",{"_placeholder":true}]', Buffer.from([1])),
  fine("placeholder that is not true", '451-["message",{"_placeholder":1,"num":0}]', Buffer.from([1])),
  fine("placeholder in a text event", `42["message",${placeholder(0)}]`),
  exchange("placeholder as a name", [`451-[${placeholder(0)},1]`, Buffer.from([1])], { journal: 2 }),
  broken("reserved name in a binary event", '451-["disconnect"]', Buffer.from([1])),
  broken("binary ack that is an object", '461-0{"a":1}', Buffer.from([1])),
  fine("binary ack nobody asked for", `461-0[${placeholder(0)}]`, Buffer.from([1])),
  {
    id: "event EIO=4 attachments of two namespaces do not mix",
    async run(act) {
      const talk = await act.talk({ namespace: "/" });
      await talk.join("/custom");
      talk.send(`451-/custom,["message",${placeholder(0)}]`, Buffer.from([1]), `451-["message",${placeholder(0)}]`, Buffer.from([2]));
      await talk.fence();
    },
  },
  ...[4, 3].map((eio) => ({
    id: `event EIO=${eio} volatile over polling, no poll`,
    async run(act) {
      const session = await act.polling({ eio }).join();
      await session.post('42["volatile",3]');
      await session.fence();
    },
  })),
  ...[4, 3].map((eio) => ({
    id: `event EIO=${eio} volatile over polling, a poll hangs`,
    async run(act) {
      const session = await act.polling({ eio }).join();
      const poll = session.hang();
      await act.settle();
      await session.post('42["volatile",1]');
      await act.answered("hanging poll", poll, { ...session.options, terse: true });
      await session.fence();
    },
  })),
];
