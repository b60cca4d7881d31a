"use strict";
// CORS, methods and headers on requests of a session.

const HANDSHAKE = "EIO=4&transport=polling";

const origins = {
  allowed: "http://app.example",
  foreign: "http://evil.example",
  null: "null",
  "in capitals": "HTTP://APP.EXAMPLE",
  none: undefined,
};

const withOrigin = (origin, headers = {}) => (origin === undefined ? headers : { Origin: origin, ...headers });

const perOrigin = Object.entries(origins).flatMap(([name, origin]) => [
  {
    id: `cors handshake, origin ${name}`,
    run: (act) => act.request("GET", { query: HANDSHAKE, headers: withOrigin(origin), payload: 4 }),
  },
  {
    id: `cors preflight, origin ${name}`,
    run: (act) => act.request("OPTIONS", {
      method: "OPTIONS", query: HANDSHAKE,
      headers: withOrigin(origin, { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type, x-mine" }),
    }),
  },
  {
    id: `cors error, origin ${name}`,
    run: (act) => act.request("GET", { query: `${HANDSHAKE}&sid=unknown`, headers: withOrigin(origin) }),
  },
  {
    id: `cors websocket, origin ${name}`,
    async run(act) {
      const talk = await act.websocket({ headers: withOrigin(origin) });
      await talk.read("first packet");
    },
  },
]);

const listOfOrigins = ["http://one.example", "http://two.example", "http://three.example", undefined].flatMap((origin) => [
  {
    id: `cors list preflight, origin ${origin}`,
    listener: "recovery",
    run: (act) => act.request("OPTIONS", {
      method: "OPTIONS", query: HANDSHAKE, headers: withOrigin(origin, { "Access-Control-Request-Method": "POST" }),
    }),
  },
  {
    id: `cors list error, origin ${origin}`,
    listener: "recovery",
    run: (act) => act.request("GET", { query: HANDSHAKE, headers: withOrigin(origin) }),
  },
  {
    id: `cors list websocket, origin ${origin}`,
    listener: "recovery",
    async run(act) {
      const talk = await act.websocket({ headers: withOrigin(origin) });
      await talk.read("first packet");
    },
  },
]);

module.exports = [
  ...perOrigin,
  ...listOfOrigins,
  {
    id: "no cors preflight",
    listener: "strict",
    run: (act) => act.request("OPTIONS", { method: "OPTIONS", query: HANDSHAKE, headers: { Origin: "http://app.example" } }),
  },
  {
    id: "no cors options of a session",
    listener: "strict",
    async run(act) {
      const session = await act.polling().start();
      await act.request("OPTIONS", { ...session.options, method: "OPTIONS", headers: { Origin: "http://app.example" } });
      await session.post("40");
      await session.until(/^42/);
    },
  },
  ...["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"].map((method) => ({
    id: `${method} of a session`,
    async run(act) {
      const session = await act.polling().join();
      await act.request(method, { ...session.options, method, body: method === "PUT" ? "40" : undefined });
      await session.fence();
    },
  })),
  {
    id: "headers of each answer of a session",
    async run(act) {
      const session = await act.polling({ headers: { Origin: "http://app.example", Cookie: "io=stale; other=1" } }).start();
      await session.post("40");
      await act.settle();
      await session.poll();
      await session.post('42["message","hi"]');
      await act.settle();
      await session.poll();
      await session.post("1");
      await session.poll("poll of a closed session");
    },
  },
  ...["Mozilla/4.0 (compatible;MSIE 8.0; Windows NT 6.0)", "Mozilla/5.0 (Trident/7.0; rv:11.0)", "Mozilla/5.0 (compatible; MSIE 9.0)"].map((agent) => ({
    id: `user agent ${agent}`,
    async run(act) {
      const session = await act.polling({ headers: { "User-Agent": agent } }).start();
      await session.post("40");
    },
  })),
  {
    id: "handshake as the application sees it",
    async run(act) {
      const session = await act.polling({ query: "&a=1&a=2&b=%C3%A9+x&c&__proto__=p", headers: { "User-Agent": "agent", "X-App": "yes", Origin: "http://app.example" } }).join("/", '{"k":1}');
      await session.post('420["who"]');
      await session.until(/^43/);
    },
  },
  ...[3, 4].map((eio) => ({
    id: `handshake as the application sees it over websocket, EIO=${eio}`,
    async run(act) {
      const talk = await act.talk({ eio, namespace: "/custom", auth: eio === 4 ? { k: [1, null] } : undefined, headers: { "X-App": "yes" } });
      talk.send('42/custom,0["who"]');
      await talk.until("43");
    },
  })),
];
