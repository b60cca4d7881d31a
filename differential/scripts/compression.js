"use strict";
// Compression: of polling answers by Accept-Encoding, of WebSocket messages by permessage-deflate.

const ACCEPTS = {
  none: undefined,
  gzip: "gzip",
  deflate: "deflate",
  "gzip, deflate, br": "gzip, deflate, br",
  "deflate, gzip": "deflate, gzip",
  "br only": "br",
  "gzip;q=0.5, deflate": "gzip;q=0.5, deflate",
  "gzip;q=0": "gzip;q=0",
  identity: "identity",
  "*": "*",
  "*;q=0": "*;q=0",
  "identity;q=0": "identity;q=0",
  "GZIP in capitals": "GZIP",
};

/** Asks for a text of `n` characters in a session and polls for it. */
const poll = (id, { eio = 4, accept, event = "big", n, listener, query }) => ({
  id: `compression ${id}`,
  listener,
  async run(act) {
    const session = await act.polling({ eio, query }).join();
    await session.post(`42["${event}",${n}]`);
    await act.settle();
    await session.poll("poll", { headers: accept === undefined ? {} : { "Accept-Encoding": accept } });
    await session.fence();
  },
});

const OVERHEAD = '42["big",""]'.length;

module.exports = [
  ...Object.entries(ACCEPTS).map(([name, accept]) => poll(`of a large answer, ${name}`, { accept, n: 3000 })),
  ...Object.entries({ below: 1023, at: 1024, above: 1025 }).map(([name, bytes]) => (
    poll(`${name} the threshold`, { accept: "gzip", n: bytes - OVERHEAD }))),
  poll("of EIO=3", { eio: 3, accept: "gzip", n: 3000 }),
  poll("of JSONP", { accept: "gzip", n: 3000, query: "&j=0" }),
  poll("declined by the application", { accept: "gzip", event: "uncompressed", n: 3000 }),
  poll("switched off", { accept: "gzip", n: 3000, listener: "strict" }),
  {
    id: "compression of a binary payload, EIO=3",
    async run(act) {
      const session = await act.polling({ eio: 3 }).join();
      await session.post('42["big",3000]', '42["binary"]');
      await act.settle();
      await session.poll("poll", { headers: { "Accept-Encoding": "gzip" } });
    },
  },
  {
    id: "compression of a compressed request",
    async run(act) {
      const session = await act.polling().join();
      await session.postRaw(require("zlib").gzipSync('42["message","x"]'), "gzip", { headers: { "Content-Encoding": "gzip" } });
      await session.poll();
    },
  },
  ...["permessage-deflate", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10", "permessage-deflate; unknown=1", "x-other", "permessage-deflate; client_max_window_bits=7"].map((offer) => ({
    id: `compression over websocket, offered ${offer}`,
    listener: "recovery",
    async run(act) {
      const talk = await act.websocket({ headers: { "Sec-WebSocket-Extensions": offer } });
      await talk.read("open");
    },
  })),
  {
    id: "compression over websocket",
    listener: "recovery",
    async run(act) {
      const talk = await act.talk({ headers: { "Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover" } });
      await talk.send("40").read("connect reply");
      await talk.read("first event");
      await talk.send('42["big",2000]').read("large event");
      await talk.send('420["who"]').read("small answer");
    },
  },
];
