// capacity.md and capacity.html: their constants, their example, and what the million says of the model.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runInNewContext } from "node:vm";
import { runs } from "./runs.js";
import { trial } from "./trial.js";

export const docs = join(import.meta.dirname, "..", "..");
const read = (name) => readFileSync(join(docs, name), "utf8");

/** A constant's name in the page: what it is, the load and the figure that it was measured with. */
const CONSTANTS = {
  memory_browser: ["memory of a Socket.IO WebSocket, a browser's headers", "idle-10k-browser", "resident_bytes"],
  memory_library: ["memory of a Socket.IO WebSocket, few headers", "idle-10k", "resident_bytes"],
  memory_sse: ["memory of a stream of server-sent events", "idle-5k-sse", "resident_bytes"],
  memory_poll: ["memory of a long poll", "idle-5k-lp", "resident_bytes"],
  process: ["memory of the process itself", "idle-10k", "process_bytes"],
  connect_browser: ["CPU to connect, a browser's headers", "idle-10k-browser", "us_per_connect"],
  connect_library: ["CPU to connect, few headers", "idle-10k", "us_per_connect"],
  connect_sse: ["CPU to open a stream of server-sent events", "idle-5k-sse", "us_per_connect"],
  connect_poll: ["CPU to open a long poll", "idle-5k-lp", "us_per_connect"],
  delivery_one: ["CPU per delivery, each in a write of its own", "bc-1k-100-w1", "us_per_op"],
  delivery_burst: ["CPU per delivery, four written together", "bc-1k-100", "us_per_op"],
  delivery_10k: ["the same to 10,000", "bc-10k-100", "us_per_op"],
  delivery_1000_bytes: ["the same with 1,000 bytes", "bc-1k-1000", "us_per_op"],
  delivery_sse: ["the same over server-sent events", "sse-1k-100", "us_per_op"],
  delivery_websocket: ["the same over bare WebSockets", "raw-1k-100", "us_per_op"],
  delivery_poll: ["CPU per delivery over long polling", "lp-1k-100", "us_per_op"],
  event: ["CPU per message from a client, with its answer", "echo-1k", "us_per_op"],
};
const MACHINE = {
  kernel: ["the kernel's memory for the server's end of a connection", "one-side", "kernel_server_bytes"],
  heartbeat: ["CPU of Sori per ping and pong, in a calm server", "heartbeat", "us_per_ping"],
};
const SERVERS = { sori: "Sori", socketioxide: "socketioxide", node: "Socket.IO on Node.js" };

export function constants() {
  const measured = runs(docs);
  const of = (server, wanted) =>
    Object.fromEntries(
      Object.entries(wanted).flatMap(([name, [about, workload, figure]]) => {
        const found = measured.summary(workload, server, figure);
        if (!found) return [];
        const unit = figure.startsWith("us_") ? "µs" : "B";
        const rounded = (value) => Number(value.toFixed(unit === "µs" ? 2 : 0));
        const [value, low, high] = [found.median, found.low, found.high].map(rounded);
        return [[name, { about, value, low, high, unit, from: `${workload}, ${figure}` }]];
      }),
    );
  const servers = Object.entries(SERVERS).map(([server, name]) => [server, { name, one_core: server === "node", ...of(server, CONSTANTS) }]);
  return { ...Object.fromEntries(servers), machine: { name: "The machine", ...of("sori", MACHINE) } };
}

/** The page's own model: its function and its example. */
export function model(page = read("capacity.html")) {
  const script = page.match(/<script id="model">([^]*?)<\/script>/)[1];
  return runInNewContext(`${script}; ({ capacity, EXAMPLE, KINDS })`);
}

export const digits = (number, decimals = 0) =>
  number.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const shown = ({ unit }, number) => digits(number, unit === "µs" ? 2 : 0);

function constantsTable(all) {
  const rows = [...Object.keys(CONSTANTS), ...Object.keys(MACHINE)].map((name) => {
    const [about, workload, figure] = CONSTANTS[name] ?? MACHINE[name];
    const cell = (constant) => (constant ? `${shown(constant, constant.value)} (${shown(constant, constant.low)} – ${shown(constant, constant.high)})` : "");
    const unit = (all.sori[name] ?? all.machine[name]).unit;
    const cells = MACHINE[name] ? [cell(all.machine[name]), "", ""] : Object.keys(SERVERS).map((server) => cell(all[server][name]));
    return `| \`${name}\` | ${about}, ${unit} | ${cells.join(" | ")} | \`${workload}\` |`;
  });
  return ["| | | Sori | socketioxide | Node.js | measured as |", "| --- | --- | --: | --: | --: | --- |", ...rows].join("\n");
}

function exampleTable(all) {
  const { capacity, EXAMPLE } = model();
  const mib = (bytes) => `${digits(bytes / 2 ** 20)} MiB`;
  const rows = Object.keys(SERVERS).map((server) => {
    const found = capacity(EXAMPLE, all, server);
    const cpu = ["deliveries", "connects", "pings", "storm"].map((name) => digits(found.cpu[name], 3));
    const cells = [...cpu, digits(found.cores, 2), mib(found.memory.server), mib(found.memory.kernel), mib(found.memory.reserved), found.processes, found.machines];
    return `| ${SERVERS[server]} | ${cells.join(" | ")} |`;
  });
  const head = ["deliveries", "connects", "heartbeats", "all back in 30 s", "cores, 30 % free", "memory", "the kernel's", "both, 30 % free", "processes", "machines"];
  return [`| | ${head.join(" | ")} |`, `| --- |${" --: |".repeat(head.length)}`, ...rows].join("\n");
}

/** Both files as they should be. `folder` is where million.json may lie. */
export function filled(folder = join(docs, "benchmarks")) {
  const all = constants();
  const rows = Object.entries(all).map(([server, values]) => {
    const lines = Object.entries(values).map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    return `  ${JSON.stringify(server)}: {\n${lines.join(",\n")}\n  }`;
  });
  const html = between(read("capacity.html"), '<script type="application/json" id="constants">', "</script>", `{\n${rows.join(",\n")}\n}`);
  const sections = { constants: constantsTable(all), example: exampleTable(all), trial: trial(folder, all, model()) };
  const markdown = Object.entries(sections).reduce(
    (text, [name, section]) => between(text, `<!-- ${name} -->`, `<!-- /${name} -->`, section),
    read("capacity.md"),
  );
  return { "capacity.html": html, "capacity.md": markdown };
}

function between(text, begin, end, content) {
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end, from);
  if (from < begin.length || to < 0) throw new Error(`${begin} … ${end} is missing`);
  return `${text.slice(0, from)}\n${content}\n${text.slice(to)}`;
}

const MEND = "node docs/check/capacity.mjs --write mends it";

export async function checkCapacity(report, checkLinks) {
  if (!existsSync(join(docs, "capacity.md"))) return report.skip("capacity.md", "it is not in this checkout");
  await report.check("links of capacity.md", () => checkLinks(join(docs, "capacity.md")));
  const is = filled();
  await report.check("constants of capacity.html are those of the runs", () => {
    if (is["capacity.html"] !== read("capacity.html")) throw new Error(MEND);
  });
  for (const name of ["constants", "example", "trial"]) {
    await report.check(`capacity.md: ${name} as reckoned from the runs`, () => {
      const part = (text) => text.split(`<!-- ${name} -->`)[1].split(`<!-- /${name} -->`)[0];
      if (part(is["capacity.md"]) !== part(read("capacity.md"))) throw new Error(`${MEND}\n${differing(part(read("capacity.md")), part(is["capacity.md"]))}`);
    });
  }
  await report.check("capacity.html gives what is worked out in capacity.md", workedOut);
  await report.check("the model of capacity.html holds together", sane);
  await report.check("capacity.html asks nobody else", () => {
    const page = read("capacity.html");
    const asks = page.match(/\b(?:src|href)="(?:https?:)?\/\/[^"]*"|@import|url\(|\bfetch\(|XMLHttpRequest|<link\b/);
    if (asks) throw new Error(asks[0]);
  });
}

function differing(is, wanted) {
  const lines = wanted.split("\n");
  return is.split("\n").flatMap((line, at) => (line === lines[at] ? [] : [`is     ${line}`, `wanted ${lines[at] ?? ""}`])).slice(0, 6).join("\n");
}

/** Steps of the example, as `= **number** unit` with the name of what the model calls it in a comment. */
function workedOut() {
  const { capacity, EXAMPLE } = model();
  const found = capacity(EXAMPLE, constants(), "sori");
  const steps = [...read("capacity.md").matchAll(/\*\*([\d,.]+)\*\* *[^\n<]*<!-- = ([\w.]+) -->/g)];
  if (steps.length < 6) throw new Error(`only ${steps.length} steps`);
  const wrong = steps.flatMap(([, text, name]) => {
    const decimals = text.split(".")[1]?.length ?? 0;
    const value = name.split(".").reduce((value, part) => value[part], found);
    const scaled = name.startsWith("memory.") ? value / 2 ** 20 : value;
    return digits(scaled, decimals) === text ? [] : [`${name} is ${text} in the text and ${digits(scaled, decimals)} in the page`];
  });
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}

/** What must hold whatever the constants are. */
function sane() {
  const { capacity, EXAMPLE, KINDS } = model();
  const all = constants();
  const wrong = [];
  const holds = (what, is) => is || wrong.push(what);
  const of = (changes, server = "sori") => capacity({ ...EXAMPLE, ...changes }, all, server);
  const base = of({});
  for (const server of Object.keys(SERVERS)) {
    for (const kind of KINDS) {
      const only = { ...Object.fromEntries(KINDS.map((name) => [name, Number(name === kind)])) };
      const { cores, memory, machines } = of(only, server);
      holds(`${server}, ${kind}: finite`, [cores, memory.all, machines].every((value) => Number.isFinite(value) && value > 0));
    }
  }
  for (const [name, value] of Object.entries({ connections: 1e6, messages: 1e3, receivers: 1e4, connects: 1e5, events: 1e5, payload: 1000, headroom: 60, within: 1, silent: 1 })) {
    const { cores, memory } = of({ [name]: value });
    holds(`more ${name} needs no less`, cores >= base.cores && memory.all >= base.memory.all && cores + memory.reserved > base.cores + base.memory.reserved);
  }
  holds("bursts cost less", of({ burst: 1 }).cores < base.cores);
  holds("no parts count as one kind", of({ browser: 0 }).memoryEach > 0);
  holds("nothing needs a machine", of({ connections: 0, messages: 0, connects: 0 }).machines === 1);
  holds("few descriptors ask for processes", of({ connections: 1e6, descriptors: 20_000 }).byDescriptors === Math.ceil(1e6 / (19_872 * 0.95)));
  holds("silence doubles what is open", of({ silent: 1 }).memory.kernel === 2 * base.memory.kernel);
  holds("a process of Node.js has one core", of({}, "node").processes >= of({}, "node").cores);
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}
