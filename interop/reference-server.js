// The interop application (CONTRACT.md) on the npm `socket.io` server: what the harness itself is checked against.
//   node reference-server.js PORT [recovery]
import { createServer } from "node:http";
import { Server } from "socket.io";
import { parser } from "./lib/dual-parser.js";

const [port, mode] = process.argv.slice(2);

const http = createServer((_, res) => res.writeHead(404).end());
const io = new Server(http, {
  allowEIO3: true,
  pingInterval: 1000,
  pingTimeout: 1500,
  maxHttpBufferSize: 1e6,
  parser,
  ...(mode === "recovery" && { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }),
});

io.use((socket, next) => next(socket.handshake.query.refuse ? new Error("refused by /") : undefined));
io.on("connection", application);
io.of("/chat").on("connection", application);
io.of(/^\/dynamic-\d+$/).on("connection", application);
io.of("/guarded").use(guard).on("connection", application);

http.listen(Number(port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${port}`));

function guard({ handshake }, next) {
  const token = handshake.auth.token ?? handshake.query.token;
  if (token === "secret") return next();
  const error = new Error("not authorized");
  if (token === undefined) error.data = { code: 401, missing: ["token"] };
  next(error);
}

function application(socket) {
  const collected = [];

  socket.emit("welcome", { id: socket.id, nsp: socket.nsp.name, recovered: socket.recovered });
  socket.on("disconnect", (reason) => socket.nsp.to(`watch:${socket.id}`).emit("left", socket.id, reason));

  // Messages and acknowledgements
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("ack", (...args) => args.pop()(...args));
  socket.on("ask", (...args) => socket.emit("question", ...args, (...answer) => socket.emit("answered", ...answer)));
  socket.on("collect", (n) => collected.push(n));
  socket.on("collected", (done) => done(collected));
  socket.on("count", (from, to) => {
    for (let i = from; i < to; i++) socket.emit("number", i);
  });
  socket.on("blink", (n) => {
    for (let i = 0; i < n; i++) socket.volatile.emit("blink", i);
    socket.emit("blinked");
  });
  socket.on("handshake", (done) => {
    const { query, auth, headers, address } = socket.handshake;
    done({ query, auth, headers, address, transport: socket.conn.transport.name });
  });

  // Rooms
  const rooms = () => [...socket.rooms].sort();
  socket.on("join", (room, done) => done((socket.join(room), rooms())));
  socket.on("leave", (room, done) => done((socket.leave(room), rooms())));
  socket.on("say", ({ as, to = [], except = [] }, ...args) => {
    const done = args.pop();
    (as === "server" ? socket.nsp : socket.broadcast).to(to).except(except).emit("said", ...args);
    done();
  });
  socket.on("survey", (room, timeoutMs, question, done) => {
    socket.nsp.to(room).timeout(timeoutMs).emit("question", question, (error, answers) => {
      done({ complete: !error, answers });
    });
  });
  socket.on("members", async (room, done) => {
    const sockets = await socket.nsp.in(room).fetchSockets();
    done(sockets.map(({ id }) => id).sort());
  });
  socket.on("gather", (from, into, done) => done(socket.nsp.in(from).socketsJoin(into)));
  socket.on("scatter", (from, room, done) => done(socket.nsp.in(from).socketsLeave(room)));
  socket.on("dismiss", (room, close) => socket.nsp.in(room).disconnectSockets(close));

  // Endings
  socket.on("kick", (close) => socket.disconnect(close));
  socket.on("cut", () => socket.conn.close());
}
