"use strict";
// Engine.IO handshakes: what a first request may say, and what it gets.

const polling = (id, query, more = {}) => ({
  id: `handshake polling ${id}`,
  run: (act) => act.request("GET", { query, payload: /EIO=4(&|$)/.test(query ?? "") ? 4 : 3, ...more }),
});

const websocket = (id, query, more = {}) => ({
  id: `handshake websocket ${id}`,
  async run(act) {
    const talk = await act.websocket({ query, ...more });
    if (!talk.socket.refusal) await talk.read("first packet");
  },
});

module.exports = [
  polling("EIO=4", "EIO=4&transport=polling"),
  polling("EIO=3", "EIO=3&transport=polling"),
  polling("EIO=2", "EIO=2&transport=polling"),
  polling("EIO=5", "EIO=5&transport=polling"),
  polling("EIO empty", "EIO=&transport=polling"),
  polling("EIO 04", "EIO=04&transport=polling"),
  polling("without EIO", "transport=polling"),
  polling("EIO=3 then 4", "EIO=3&EIO=4&transport=polling"),
  polling("EIO=4 then 3", "EIO=4&EIO=3&transport=polling", { payload: 3 }),
  polling("with t and b64", "EIO=4&transport=polling&t=abc&b64=1"),
  polling("without a query", undefined),
  polling("without transport", "EIO=4"),
  polling("transport empty", "EIO=4&transport="),
  polling("transport unknown", "EIO=4&transport=carrier-pigeon"),
  polling("transport webtransport", "EIO=4&transport=webtransport"),
  polling("transport websocket", "EIO=4&transport=websocket"),
  polling("transport twice, last good", "EIO=4&transport=x&transport=polling"),
  polling("transport twice, last bad", "EIO=4&transport=polling&transport=x"),
  polling("transport as an array", "EIO=4&transport[]=polling"),
  polling("transport __proto__", "EIO=4&transport=__proto__"),
  polling("transport constructor", "EIO=4&transport=constructor"),
  polling("transport toString", "EIO=4&transport=toString"),
  polling("transport in capitals", "EIO=4&transport=Polling"),
  polling("key __proto__", "EIO=4&transport=polling&__proto__=x&constructor=y"),
  polling("escaped", "EIO=%34&transport=%70olling", { payload: 4 }),
  polling("bad escape", "EIO=4&transport=polling&x=%zz%"),
  polling("sid empty", "EIO=4&transport=polling&sid="),
  polling("sid unknown", "EIO=4&transport=polling&sid=unknown"),
  polling("sid __proto__", "EIO=4&transport=polling&sid=__proto__"),
  polling("sid constructor", "EIO=4&transport=polling&sid=constructor"),
  polling("sid twice", "EIO=4&transport=polling&sid=a&sid=b"),
  polling("sid unknown and transport unknown", "EIO=4&transport=x&sid=a"),
  polling("denied", "EIO=4&transport=polling&deny"),
  polling("denied with a message", "EIO=4&transport=polling&deny=not%20today%20%C3%A9"),
  polling("denied before revision", "EIO=2&transport=polling&deny"),
  polling("origin not ASCII", "EIO=4&transport=polling", { headers: { Origin: "http://\u00e9.example" } }),
  polling("origin with a control character", "EIO=4&transport=polling", { headers: { Origin: "http://a\u0001b" } }),
  ...["POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"].map((method) => ({
    id: `handshake polling by ${method}`,
    run: (act) => act.request(method, { method, query: "EIO=4&transport=polling", body: method === "POST" ? "40" : undefined }),
  })),
  ...["/socket.io?EIO=4&transport=polling", "/socket.io/more?EIO=4&transport=polling", "/socket.iox/?EIO=4&transport=polling",
    "//socket.io/?EIO=4&transport=polling", "/Socket.io/?EIO=4&transport=polling", "/other"].map((path) => ({
    id: `handshake polling at ${path}`,
    run: (act) => act.request("GET", { path, payload: 4 }),
  })),

  websocket("EIO=4", "EIO=4&transport=websocket"),
  websocket("EIO=3", "EIO=3&transport=websocket"),
  websocket("EIO=2", "EIO=2&transport=websocket"),
  websocket("without EIO", "transport=websocket"),
  websocket("transport polling", "EIO=4&transport=polling"),
  websocket("transport unknown", "EIO=4&transport=x"),
  websocket("without transport", "EIO=4"),
  websocket("sid unknown", "EIO=4&transport=websocket&sid=unknown"),
  websocket("sid __proto__", "EIO=4&transport=websocket&sid=__proto__"),
  websocket("denied", "EIO=4&transport=websocket&deny"),
  websocket("denied with a message", "EIO=4&transport=websocket&deny=not%20today%20%C3%A9"),
  websocket("origin not ASCII", "EIO=4&transport=websocket", { headers: { Origin: "http://\u00e9.example" } }),
  websocket("by POST", "EIO=4&transport=websocket", { method: "POST" }),
  websocket("version 12", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Version": "12" } }),
  websocket("version 8", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Version": "8" } }),
  websocket("key too short", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Key": "abc" } }),
  websocket("upgrade to something else", "EIO=4&transport=websocket", { headers: { Upgrade: "h2c" } }),
  websocket("subprotocol offered", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Protocol": "one, two" } }),
  websocket("subprotocol malformed", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Protocol": "one,,two" } }),
  websocket("compression offered", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" } }),
  websocket("extension malformed", "EIO=4&transport=websocket", { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; =" } }),
  websocket("elsewhere", undefined, { path: "/other" }),

  ...[["EIO=4", "EIO=4&transport=polling"], ["EIO=3", "EIO=3&transport=polling"], ["without EIO", "transport=polling"]].map(([id, query]) => (
    { ...polling(`${id}, strict`, query, { payload: 4 }), listener: "strict" })),
  ...[["EIO=4", "EIO=4&transport=websocket"], ["EIO=3", "EIO=3&transport=websocket"]].map(([id, query]) => (
    { ...websocket(`${id}, strict`, query), listener: "strict" })),
  { ...polling("websocket only", "EIO=4&transport=polling"), listener: "recovery" },
  { ...polling("websocket only, EIO=3", "EIO=3&transport=polling"), listener: "recovery" },
];
