// The examples at work, against a server with the handlers of `without_a_library`.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { docs } from "./documents.js";
import { has } from "./examples.js";
import { python, root } from "./python.js";
import { report } from "./report.js";

const RUNNERS = {
  ".js": () => ["node", "--import", join(root, "lib", "browser.js")],
  ".sh": () => ["bash"],
  ".py": () => python() && [python(), "-u"],
  ".go": () => has("go") && ["go", "run"],
};

/** What each prints. `hears`: the check's own message; `answers`: what it says to a question. */
const EXPECTED = {
  // An answer ends without a line: the 1s of `say` may stand before the 3, and behind it.
  "curl.sh": { prints: [/"connect"/, /hello from curl/, /"from JSON"/, /^1*31*(?!\d)/m, /"again"/] },
  "browser-sse.js": { prints: [/^connect/m], hears: true, answers: "by EventSource" },
  "browser-lines.js": { prints: [/^connect/m], hears: true },
  "browser-poll.js": { prints: [/^connect/m], hears: true },
  "browser-websocket.js": { prints: [/^sum 3/m], hears: true, answers: "by WebSocket" },
  "listen.py": { prints: [/^sum 3/m, /^connect/m], hears: true, answers: "by httpx" },
  "websocket.py": { prints: [/^answer 1 3/m, /^connect/m], hears: true, answers: "by websockets" },
  "main.go": { prints: [/^connect/m], hears: true },
};
const PATIENCE_MS = 30_000;

export async function checkLive(examples, live) {
  for (const example of examples) {
    const runner = RUNNERS[extname(example.name)]();
    if (!runner) report.skip(`${example.name} works`, "its language is not installed");
    else await report.check(`${example.name} works`, () => run(example, runner, `${live}/news`));
  }
}

async function run({ name, path, text }, [command, ...args], news) {
  writeFileSync(path, text.replaceAll("http://127.0.0.1:3000/live/news", news));
  // A group of its own: `go run` and the shell have children.
  const child = spawn(command, [...args, path], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const ended = new Promise((done) => child.on("close", done));
  try {
    const { prints, hears, answers } = EXPECTED[name];
    const missing = () => [...prints, ...(hears ? [/to .* from the check/] : [])].filter((wanted) => !wanted.test(output));
    await until(ended, async () => {
      if (hears) await post(news, "say", `to ${name} from the check`);
      return missing().length === 0;
    }, () => `${missing().join(", ")} is missing in\n${output}`);
    if (!answers) return;
    let said;
    await until(ended, async () => (said = await post(news, "ask", "well?")).includes(answers), () => `asked, it said ${said}\n${output}`);
  } finally {
    if (child.exitCode === null) process.kill(-child.pid);
    await ended;
  }
}

async function until(ended, holds, otherwise) {
  let over = false;
  ended.then(() => (over = true));
  for (const begun = Date.now(); !(await holds()); ) {
    if (over || Date.now() - begun > PATIENCE_MS) {
      if (await holds()) return; // what it printed last
      throw new Error(otherwise());
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

async function post(news, event, text) {
  const answer = await fetch(`${news}?event=${event}`, { method: "POST", body: text });
  if (!answer.ok) throw new Error(`${event}: ${answer.status} ${await answer.text()}`);
  return answer.text();
}

/** Schemathesis makes requests of the OpenAPI document and looks whether the answers keep it. */
export function fuzz(live, folder) {
  if (!python()) return report.skip("schemathesis", "no Python 3 with venv");
  const narrowed = join(folder, "narrowed.json");
  const made = spawnSync(python(), [join(root, "lib", "narrow.py"), join(docs, "plain-openapi.yaml"), narrowed], { encoding: "utf8" });
  if (made.status !== 0) return report.fail("schemathesis", made.stderr);
  const args = ["run", narrowed, "--url", live, "--seed", "1", "--max-examples", "60", "--request-timeout", "10", "--no-color"];
  // OpenAPI cannot say which query names go together, so that some of what it allows is rightly refused; an invalid GET is a
  // stream without end; and of two sessions one still answers when the other was deleted.
  args.push("--mode", "positive", "--exclude-checks", "positive_data_acceptance,use_after_free");
  const { status, stdout, stderr } = spawnSync(join(root, ".venv", "bin", "schemathesis"), args, { encoding: "utf8", cwd: folder });
  if (status === 0) report.pass("schemathesis finds the server as plain-openapi.yaml says");
  else report.fail("schemathesis", stdout + stderr);
}
