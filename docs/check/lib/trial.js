// What the model says of the million, beside what was measured.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runs } from "./runs.js";

/** More than this wants a reason. */
const ERROR_MAX = 0.25;
/** On loopback: a ping, its pong, an acknowledgement, each with 20 bytes of IP and 32 of TCP. */
const PING = { packets: 3, bytes: 3 * 52 + 3 + 7 };

const NOT_YET = "The trial (`cargo xtask million`) has not been run yet: there is nothing to compare with.";

export function trial(folder, constants, model) {
  return [million(folder, constants, model), ...avalanche(folder, constants)].join("\n\n");
}

/** All come back at once, to one core, from a tester on another. */
function avalanche(folder, constants) {
  const path = join(folder, "trials", "avalanche-sori.json");
  if (!existsSync(path)) return [];
  const run = JSON.parse(readFileSync(path, "utf8"));
  const tookUs = run.figures.find(({ name }) => name === "until all were back")?.value;
  if (tookUs === undefined) return [];
  const { clients } = run.options.load;
  const busy = digits((clients * constants.sori.connect_library.value) / 1e6, 2);
  return [
    `[The avalanche](benchmarks/trials/avalanche-sori.json): by the model ${digits(clients)} who come back keep one core busy for ${busy} s; they were all back ${digits(tookUs / 1e6, 2)} s after they began to try. The tester has a core, too, and needs longer for each than the server.`,
  ];
}

function million(folder, constants, { capacity, EXAMPLE }) {
  const path = join(folder, "million.json");
  if (!existsSync(path)) return NOT_YET;
  const result = JSON.parse(readFileSync(path, "utf8"));
  const seen = measured(result);
  const { clients, processes, machine } = result;
  const input = { ...EXAMPLE, connections: clients, browser: 0, library: 1, ping: result.ping_interval_s };
  const model = capacity(input, constants, "sori");
  const generatorUs = runs(join(import.meta.dirname, "..", "..")).summary("bc-1k-100-w1", "sori", "generator_us").median;
  const pings = clients / result.ping_interval_s;
  const rows = [
    {
      what: "Sori's memory for a connection",
      formula: "`memory_library`",
      model: model.memoryEach,
      measured: seen.memoryEach,
      show: (bytes) => `${digits(bytes)} B`,
      why: "huge pages count whole, however little of them is in use, and a process with few connections has no less of them; `MIMALLOC_ALLOW_THP=0` shows how much that is",
    },
    {
      what: "memory of Sori's processes",
      formula: `${digits(clients)} × \`memory_library\` + ${digits(processes)} × \`process\``,
      model: clients * model.memoryEach + processes * model.process,
      measured: seen.memory,
      show: mib,
      why: "the program is larger than the server of the benchmarks, which `process` was measured with, and what processes share counts in each of them",
    },
    {
      what: "the kernel's memory, both ends",
      formula: `${digits(clients)} × 2 × \`kernel\``,
      model: clients * 2 * model.kernel,
      measured: seen.kernel,
      show: mib,
      why: "`kernel` counts objects; what the machine has less are whole pages, tables of descriptors and page tables, too",
    },
    {
      what: "CPU of Sori while idle",
      formula: `${digits(pings)} pings/s × \`heartbeat\``,
      model: (pings * constants.machine.heartbeat.value) / 1e6,
      measured: seen.idleCores,
      show: cores,
      why: "`heartbeat` is of one process that is woken for each packet; in a machine that is busy with the tester, too, more packets wait at once, while more processes find their caches used by others",
    },
    {
      what: "the same, were it an echo",
      formula: `${digits(pings)} pings/s × \`event\``,
      model: (pings * constants.sori.event.value) / 1e6,
      measured: seen.idleCores,
      show: cores,
      why: "a busy server, as `event` was measured on, takes many packets each time it is woken",
    },
    {
      what: "CPU of Sori while all connect",
      formula: `${digits(seen.connectRate)}/s × \`connect_library\`, and half of the heartbeats`,
      model: (seen.connectRate * model.connectUs + (pings / 2) * constants.machine.heartbeat.value) / 1e6,
      measured: seen.connectCores,
      show: cores,
      why: "`connect_library` is of a server that clients come to as fast as it takes them; here it is woken several times for each",
    },
    {
      what: "traffic while idle",
      formula: `${digits(pings)} pings/s × ${PING.bytes} B`,
      model: pings * PING.bytes,
      measured: result.idle.loopback_bytes_per_s,
      show: (bytes) => `${digits(bytes / 1e6, 2)} MB/s`,
      why: "other programs speak over loopback, too, and acknowledgements may ride on other packets",
    },
    {
      what: "one message to all, until the last had it",
      formula: `${digits(clients)} × (\`delivery_one\` × growth + ${digits(generatorUs, 1)} µs of a tester) / ${machine.cores} cores`,
      model: (clients * (constants.sori.delivery_one.value * model.growth + generatorUs)) / 1e6 / machine.cores,
      measured: seen.messageUs && seen.messageUs / 1e6,
      show: (seconds) => `${digits(seconds, 2)} s`,
      why: "the formula gives the message both cores, and heartbeats had left it a twentieth of them: it waited, and they waited for it; besides, a tester's part is that of the benchmarks' generator, which is leaner than `sori bench`, and with so many connections nothing of a delivery is in a cache",
    },
  ];
  const lines = rows.map(({ what, formula, model, measured, show }) => {
    const cells = measured ? [show(measured), error(model, measured)] : ["not measured", ""];
    return `| ${what} | ${formula} | ${show(model)} | ${cells.join(" | ")} |`;
  });
  const off = rows.filter((row) => row.measured && Math.abs(row.model / row.measured - 1) > ERROR_MAX);
  const reasons = off.map(({ what, why }) => `- **${what[0].toUpperCase()}${what.slice(1)}**: ${why}.`);
  return [
    `${digits(clients)} connections on ${digits(processes)} processes, ${machine.cores} cores that the tester shares, on ${machine.date} ([the trial](benchmarks/million.json)). An error above zero means that the model asks for too much.`,
    "",
    "| | by the model | it says | measured | error |",
    "| --- | --- | --: | --: | --: |",
    ...lines,
    ...(off.length > 0 ? ["", `Where it is off by more than ${ERROR_MAX * 100} %, the reason may be that`, "", ...reasons] : ["", `Nothing is off by more than ${ERROR_MAX * 100} %.`]),
  ].join("\n");
}

/** As `docs/benchmarks.md` reads it (xtask/src/bench/trials_page.rs). */
function measured(million) {
  const intervals = million.run.series.intervals;
  const idle = intervals.filter((at) => at.phase === "measure" && at.delivered === 0);
  const connecting = intervals.filter((at) => at.phase === "connect");
  const mean = (of, value) => {
    const weight = of.reduce((sum, at) => sum + at.ms, 0);
    return of.reduce((sum, at) => sum + value(at) * at.ms, 0) / Math.max(1, weight);
  };
  const figure = (name) => million.run.figures.find((figure) => figure.name === name)?.value;
  const memoryEach = figure("server memory per connection");
  const memory = mean(idle, (at) => at.sample.server.memory_bytes);
  const tester = mean(idle, (at) => at.sample.own_memory_bytes);
  const all = million.all_memory_bytes;
  return {
    memoryEach,
    memory,
    kernel: all > 0 ? all - memoryEach * million.clients - tester : 0,
    idleCores: mean(idle, (at) => at.sample.server.cores),
    connectCores: mean(connecting, (at) => at.sample.server.cores),
    connectRate: million.clients / Math.max(1, connecting.reduce((sum, at) => sum + at.ms, 0) / 1e3),
    messageUs: figure("one message to all"),
  };
}

const digits = (number, decimals = 0) => number.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const mib = (bytes) => `${digits(bytes / 2 ** 20)} MiB`;
const cores = (number) => `${digits(number, 2)} cores`;

function error(model, measured) {
  const percent = (model / measured - 1) * 100;
  return `${percent < 0 ? "−" : "+"}${digits(Math.abs(percent))} %`;
}
