// What one types.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);
const curl = async (...args) => (await run("curl", ["-sS", "--noproxy", "*", ...args])).stdout;

export default [
  {
    name: "curl: listen to lines, publish, poll",
    kinds: ["http"],
    async run(t) {
      for (const version of ["--http1.1", "--http2-prior-knowledge"]) {
        const room = t.room();
        const live = `${t.urls.main}/live/chat`;
        const listener = listen(t, version, `${live}?rooms=${room}`);
        t.equal((await listener.next()).event, "connect");
        t.equal((await listener.next()).event, "welcome");
        const says = ["-H", "Content-Type: application/json", "-d", JSON.stringify([room, "lunch", 1]), `${live}?event=say&args=1`];
        t.equal(await curl(version, ...says), "1");
        const { id, ...said } = await listener.next();
        t.equal(said, { event: "said", args: ["lunch", 1] });
        t.equal(await curl(version, "-d", "a form without an equals sign", `${live}?event=ack`), '"a form without an equals sign"');
        const poll = JSON.parse(await curl(version, `${live}?wait=0&rooms=${room}&since=-1`));
        t.equal(poll.events.map(({ event }) => event), ["connect", "said", "welcome"]);
        t.equal(await curl(version, "-o", "-", "-w", "%{http_code} %{http_version}", "-X", "DELETE", `${live}?sid=${poll.sid}`),
          version === "--http1.1" ? "204 1.1" : "204 2");
        t.equal(await curl(version, "-w", " %{http_code}", "-H", "Accept: text/event-stream", "-H", "Last-Event-ID: end", live), " 204");
        listener.stop();
      }
    },
  },
];

function listen(t, ...args) {
  const child = spawn("curl", ["-sSN", "--noproxy", "*", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.exitCode === null && child.kill();
  t.defer(stop);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    stop,
    async next() {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`curl ended with ${(await once(child, "exit"))[0]}`);
        if (value) return JSON.parse(value);
      }
    },
  };
}
