"use strict";
// The application of CONTRACT.md on socket.io for Node. Sori's twin is written from the same page.

const { createServer } = require("http");
const { Server } = require("socket.io");

const BASE = {
  serveClient: false,
  allowEIO3: true,
  pingInterval: 25000,
  pingTimeout: 20000,
  connectTimeout: 1000,
  upgradeTimeout: 1000,
  maxHttpBufferSize: 100000,
};

/** One listener each, on PORT, PORT+1, ... */
const LISTENERS = [
  { // main
    cors: { origin: "http://app.example", credentials: true },
    cookie: { name: "io", path: "/", httpOnly: true, sameSite: "strict", maxAge: 86400 },
    allowRequest(req, decide) {
      const deny = new URL(req.url, "http://host").searchParams.get("deny");
      if (deny === null) decide(null, true);
      else decide(deny || undefined, false);
    },
  },
  { pingInterval: 300, pingTimeout: 200 }, // heartbeat
  { allowEIO3: false, allowUpgrades: false, httpCompression: false }, // strict
  { // recovery
    transports: ["websocket"],
    connectionStateRecovery: { maxDisconnectionDuration: 5000, skipMiddlewares: false },
    perMessageDeflate: { threshold: 1024 },
    cors: { origin: ["http://one.example", "http://two.example"], methods: ["GET", "POST"], allowedHeaders: ["x-app"], maxAge: 600 },
  },
];

const ENTRIES_PER_TAG_MAX = 1000;
const journal = new Map();

const firstPort = Number(process.argv[2]);
let starting = LISTENERS.length;
LISTENERS.forEach((options, i) => {
  const http = createServer(answerOthers);
  serve(new Server(http, { ...BASE, ...options }));
  http.listen(firstPort + i, "127.0.0.1", () => {
    if (--starting === 0) console.log(`listening on 127.0.0.1:${firstPort}`);
  });
});

function serve(io) {
  io.engine.on("initial_headers", (headers) => { headers["x-initial"] = "yes"; });
  io.engine.on("headers", (headers) => { headers["x-every"] = "yes"; });

  for (const namespace of ["/", "/custom", "/private", "/slow", /^\/dynamic-\d+$/]) {
    io.of(namespace).on("connection", onConnection);
  }
  io.use((socket, next) => next(socket.handshake.query.refuse ? refusal(socket.handshake.query.refuse) : undefined));
  io.of("/private").use((socket, next) => {
    const { token, data } = socket.handshake.auth;
    next(token === "open" ? undefined : refusal(data));
  });
  io.of("/slow").use((socket, next) => setTimeout(next, 150));
}

function refusal(data) {
  const error = new Error("not allowed");
  if (data !== undefined && data !== "plain") error.data = { asked: data };
  return error;
}

function onConnection(socket) {
  note(socket, "connect");
  socket.on("disconnect", (reason) => note(socket, `disconnect ${reason}`));

  socket.emit("auth", socket.handshake.auth);

  const isAck = (arg) => typeof arg === "function";
  socket.on("message", (...args) => socket.emit("message-back", ...args.filter((arg) => !isAck(arg))));
  socket.on("message-with-ack", (...args) => { if (isAck(args.at(-1))) args.pop()(...args); });
  socket.on("ack-twice", (ack) => { ack(1); ack(2); });
  socket.on("ask", (value) => {
    socket.emit("question", value, (...answer) => socket.emit("answered", ...answer));
  });
  socket.on("ask-briefly", (ms) => {
    socket.timeout(ms).emit("question", "brief", (error, answer) => socket.emit("answered", error ? error.message : null, answer));
  });
  socket.on("many", (n) => { for (let i = 0; i < n; i++) socket.emit("item", i); });
  socket.on("volatile", (n) => { for (let i = 0; i < n; i++) socket.volatile.emit("item", i); });
  socket.on("big", (n) => socket.emit("big", "x".repeat(n)));
  socket.on("uncompressed", (n) => socket.compress(false).emit("big", "x".repeat(n)));
  socket.on("binary", () => socket.emit("binary", Buffer.from([0, 1, 30, 255]), { deep: [Buffer.from("asdf"), null] }));
  socket.on("binary-ack", (ack) => ack(Buffer.from([7])));
  socket.on("types", () => socket.emit("types", null, true, -0.5, "é😀\u2028\n\u0000", [], {}, { a: undefined, b: [undefined] }));
  socket.on("join", (room, ack) => { socket.join(room); ack([...socket.rooms].length); });
  socket.on("leave", (room, ack) => { socket.leave(room); ack([...socket.rooms].length); });
  socket.on("say", (room, ...args) => socket.nsp.to(room).emit("said", ...args));
  socket.on("say-others", (room, ...args) => socket.to(room).emit("said", ...args));
  socket.on("say-except", (room, except, ...args) => socket.nsp.to(room).except(except).emit("said", ...args));
  socket.on("ask-room", (room, ack) => {
    socket.nsp.to(room).timeout(300).emit("question", "room", (error, answers) => ack(Boolean(error), answers));
  });
  socket.on("disconnect-room", (room, close) => socket.nsp.in(room).disconnectSockets(close));
  socket.on("bye", (close) => socket.disconnect(close));
  socket.on("last-words", (close) => { socket.emit("item", "last"); socket.disconnect(close); socket.emit("item", "too late"); });
  socket.on("close-engine", () => socket.conn.close());
  socket.on("who", (ack) => {
    const { headers, address, xdomain, secure, url, query, auth } = socket.handshake;
    ack({ id: socket.id, namespace: socket.nsp.name, recovered: socket.recovered, transport: socket.conn.transport.name,
      address, xdomain, secure, url, auth, query: sorted(query), agent: headers["user-agent"] ?? null, app: headers["x-app"] ?? null });
  });
}

function sorted(object) {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What happened to the sockets whose handshake's query had `tag`, for GET /journal. */
function note(socket, what) {
  const { tag } = socket.handshake.query;
  if (!tag) return;
  if (!journal.has(tag)) journal.set(tag, []);
  const entries = journal.get(tag);
  if (entries.length < ENTRIES_PER_TAG_MAX) entries.push(`${socket.nsp.name} ${what}`);
}

function answerOthers(req, res) {
  const url = new URL(req.url, "http://host");
  if (url.pathname === "/journal") {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(journal.get(url.searchParams.get("tag")) ?? []));
  } else {
    res.statusCode = 404;
    res.end("not here");
  }
}
