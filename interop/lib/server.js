// Starts the server under test and ends it again, by its own process and nothing else.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

const START_MS = 20_000;

export async function startServer(command, ...modes) {
  const port = await freePort();
  const [program, ...args] = command.replaceAll("{port}", port).split(/\s+/);
  const child = spawn(program, [...args, ...modes], { stdio: ["ignore", "pipe", "inherit"] });
  let stopped = false;
  await listening(child, command);
  child.stdout.resume();
  child.removeAllListeners("exit").once("exit", (code, signal) => {
    if (!stopped) console.error(`${command}: ended in the middle, ${signal ?? code}`);
  });
  return { url: `http://127.0.0.1:${port}`, stop: () => ((stopped = true), child.kill()) };
}

function listening(child, command) {
  return new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`${command}: ${why}`));
    const timer = setTimeout(() => (child.kill(), fail("does not say that it listens")), START_MS);
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      if (!output.includes("listening on")) return;
      clearTimeout(timer);
      resolve();
    });
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`ended with ${code}`));
  });
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
