// node server.js PORT: socket.io on Node.js.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { serveClient: false });
io.on("connection", (socket) => {
  socket.on("echo", (payload, ack) => ack(payload));
  socket.on("broadcast", (payload) => io.emit("msg", payload));
});
http.listen({ port: Number(process.argv[2] || 4001), host: "0.0.0.0", backlog: 4096 });
