// node server.js PORT [recovery] [eio3]: socket.io on Node.js; with connection state recovery, and for old clients, when asked.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const asked = process.argv.slice(3);
const io = new Server(http, {
  serveClient: false,
  ...(asked.includes("recovery") && { connectionStateRecovery: {} }),
  ...(asked.includes("eio3") && { allowEIO3: true }),
});
io.on("connection", (socket) => {
  socket.on("echo", (payload, ack) => ack(payload));
  socket.on("broadcast", (payload) => io.emit("msg", payload));
});
http.listen({ port: Number(process.argv[2] || 4001), host: "0.0.0.0", backlog: 4096 });
