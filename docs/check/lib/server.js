// The server that the examples talk to: one that runs, or a command that starts one.
import { spawn } from "node:child_process";
import { createServer } from "node:net";

/** `server` is an address, or a command in which `{port}` stands for a free one. */
export async function startServer(server) {
  if (/^https?:/.test(server)) return { url: server.replace(/\/+$/, ""), stop() {} };
  const port = await freePort();
  const child = spawn("sh", ["-c", `exec ${server.replaceAll("{port}", port)}`], { stdio: ["ignore", "ignore", "inherit"] });
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const answers = await fetch(url).then(() => true, () => false);
    if (answers) return { url, stop: () => child.kill() };
    if (tries === 100 || child.exitCode !== null) throw new Error(`${server} does not answer`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
