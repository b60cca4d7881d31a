// bun server.js PORT: socket.io on Bun with its own engine.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

const engine = new Engine({ path: "/socket.io/" });
const io = new Server();
io.bind(engine);
io.on("connection", (socket) => {
  socket.on("echo", (payload, ack) => ack(payload));
  socket.on("broadcast", (payload) => io.emit("msg", payload));
});
const { fetch, websocket } = engine.handler();
Bun.serve({ port: Number(process.argv[2] || 4003), hostname: "0.0.0.0", idleTimeout: 60, fetch, websocket });
