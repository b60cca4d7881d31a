// node server.js PORT [recovery]: socket.io on Node.js, with connection state recovery if asked for.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const recovery = process.argv[3] === "recovery" ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {};
const io = new Server(http, { serveClient: false, ...recovery });
io.on("connection", (socket) => {
  socket.on("echo", (payload, ack) => ack(payload));
  socket.on("broadcast", (payload) => io.emit("msg", payload));
});
http.listen({ port: Number(process.argv[2] || 4001), host: "0.0.0.0", backlog: 4096 });
