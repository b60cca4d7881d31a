#!/usr/bin/env node
"use strict";
// Sends every script to two servers and compares what they say. See README.md.

const fs = require("fs");
const path = require("path");
const { parseArgs } = require("util");
const { differences, diffLines, Explained } = require("./lib/compare");
const { reach } = require("./lib/server");
const { runScript, LISTENERS } = require("./lib/script");

const REFERENCE = `node "${path.join(__dirname, "reference-server.js")}" {port}`;
const AT_ONCE = 8;

const { values: options } = parseArgs({
  options: {
    a: { type: "string", default: REFERENCE },
    b: { type: "string" },
    explained: { type: "string", default: path.join(__dirname, "explained.json") },
    only: { type: "string" },
    show: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

main().catch((error) => { console.error(error.message); process.exitCode = 2; });

async function main() {
  const all = loadScripts();
  const wanted = new RegExp(options.only ?? "");
  const scripts = all.filter(({ id }) => wanted.test(id));
  const explained = new Explained(options.explained === "none" ? [] : JSON.parse(fs.readFileSync(options.explained, "utf8")));
  const ports = Object.keys(LISTENERS).length;
  const servers = [await reach(options.a, ports)];
  try {
    if (options.b !== undefined) servers.push(await reach(options.b, ports));
    // The ones about time come last and so run undisturbed.
    const [timed, others] = partition(scripts, ({ listener }) => listener === "heartbeat");
    const results = [];
    for (const phase of [others, timed]) results.push(...await mapAtOnce(phase, (script) => compare(script, servers)));
    const skipped = new Set(all.filter((script) => !scripts.includes(script)).map(({ id }) => id));
    report(results, explained, skipped);
  } finally {
    for (const server of servers) server.stop();
  }
}

function loadScripts() {
  const directory = path.join(__dirname, "scripts");
  const scripts = fs.readdirSync(directory).sort().flatMap((file) => require(path.join(directory, file)));
  const twice = scripts.find(({ id }, i) => scripts.findIndex((other) => other.id === id) !== i);
  if (twice) throw new Error(`two scripts are called ${twice.id}`);
  return scripts;
}

async function compare(script, servers) {
  const [a, b] = await Promise.all(servers.map(({ port }) => runScript(script, port)));
  return { id: script.id, transcript: a, found: b ? differences(script.id, a, b) : [] };
}

function report(results, explained, skipped) {
  const told = [];
  let failed = 0;
  for (const { id, transcript, found } of results) {
    const open = [];
    for (const difference of found) {
      const entry = explained.entryFor(difference);
      if (entry) told.push({ ...difference, entry });
      else open.push(difference);
    }
    if (open.length > 0) failed++;
    if (options.json) {
      for (const { step, b } of open) console.log(JSON.stringify({ script: id, step, lines: b }));
      continue;
    }
    console.log(`${open.length > 0 ? "different" : found.length > 0 ? "explained" : "ok       "} ${id}`);
    if (options.show) console.log(shown(transcript));
    for (const { step, a, b } of open) console.log(indented(step, diffLines(a, b)));
  }
  const stale = explained.stale(skipped);
  if (!options.json) {
    for (const { script, step, entry } of told) console.log(`explained: ${script}: ${step}: ${entry.reason}; Sori ${entry.sori}`);
    for (const { script, step } of stale) console.log(`stale explanation: ${script}: ${step}`);
    console.log(`\n${results.length - failed} passed, ${failed + stale.length} failed, ${skipped.size} skipped`);
  }
  if (failed + stale.length > 0) process.exitCode = 1;
}

function shown(transcript) {
  return transcript.map(({ label, lines }) => indented(label, lines)).join("\n");
}

function indented(label, lines) {
  return [`    ${label}`, ...lines.map((line) => `      ${line}`)].join("\n");
}

function partition(items, test) {
  return [items.filter(test), items.filter((item) => !test(item))];
}

/** Runs `work` over `items`, a few at once, and keeps their order. */
async function mapAtOnce(items, work) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const i = next++;
      results[i] = await work(items[i]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}
