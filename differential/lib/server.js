"use strict";
// A server under test: an address that is already served, or a command that this run starts and ends.

const { spawn } = require("child_process");
const net = require("net");

const START_MS = 15000;

/** Resolves to { port, stop }. */
async function reach(target, ports) {
  const address = /^http:\/\/127\.0\.0\.1:(\d+)\/?$/.exec(target);
  if (address) return { port: Number(address[1]), stop() {} };
  if (!target.includes("{port}")) throw new Error(`neither http://127.0.0.1:PORT nor a command with {port}: ${target}`);
  const port = await freePort(ports);
  const child = spawn(`exec ${target.replaceAll("{port}", port)}`, { shell: true, stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill();
  try {
    await listening(child, target);
  } catch (error) {
    stop();
    throw error;
  }
  child.on("exit", (code, signal) => { if (signal !== "SIGTERM") console.error(`ended by itself (${code ?? signal}): ${target}`); });
  return { port, stop };
}

function listening(child, target) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`does not listen after ${START_MS} ms: ${target}`)), START_MS);
    child.once("exit", (code) => { clearTimeout(timer); reject(new Error(`ended with ${code}: ${target}`)); });
    let output = "";
    child.stdout.on("data", (text) => {
      output += text;
      if (output.includes("listening on")) { clearTimeout(timer); child.removeAllListeners("exit"); resolve(); }
    });
  });
}

/** The first of `count` free ports in a row. */
async function freePort(count) {
  for (let tries = 0; tries < 50; tries++) {
    const first = 20000 + Math.floor(Math.random() * 10000);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error("no free ports");
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer().once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

module.exports = { reach };
