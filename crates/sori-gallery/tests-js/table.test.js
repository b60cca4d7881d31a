import assert from "node:assert/strict";
import { test } from "node:test";
import { padding } from "../pages/lab/experiment.js";
import { compared, extremes, toCsv } from "../pages/lab/table.js";
import { medians } from "../pages/lab/track.js";

const lane = (name, talk, more = {}) => ({
  name,
  used: { requests: talk.requests + 4, up: talk.up + 40, down: talk.down + 80 },
  silence: { requests: 3, up: 30, down: 60 },
  talk,
  heard: 10,
  lost: 0,
  doubled: 0,
  disordered: 0,
  p50: 1.25,
  p99: 9,
  max: 12,
  resumes: 1,
  gaps: 0,
  ...more,
});
const result = (lanes, settings = {}) => ({
  settings: { rate: 5, size: 50, idle: 6, talk: 2, cut: 1, who: "page", ...settings },
  at: new Date("2026-11-27T01:02:03Z"),
  messages: 10,
  lanes,
});

test("what a message costs is what the talk cost, without the opening and the silence", () => {
  const [one] = compared(result([lane("sse", { requests: 2, up: 200, down: 800 })]));
  assert.equal(one.requests, 6);
  assert.equal(one.up, 240);
  assert.equal(one.requestsPerMessage, 0.2);
  assert.equal(one.bytesPerMessage, 100);
  assert.equal(one.overhead, 2);
  assert.equal(one.idleRequestsPerMinute, 30);
  assert.equal(one.idleBytesPerMinute, 900);
});

test("without silence, or without a message, there is nothing to divide by", () => {
  const [one] = compared(result([lane("sse", { requests: 2, up: 200, down: 800 }, { heard: 0 })], { idle: 0 }));
  for (const key of ["requestsPerMessage", "bytesPerMessage", "overhead", "idleBytesPerMinute"]) assert.equal(one[key], null, key);
});

test("the ends of a column", () => {
  const lanes = [{ name: "a", x: 2 }, { name: "b", x: 1 }, { name: "c", x: 1 }, { name: "d", x: null }];
  const { low, high } = extremes(lanes, "x");
  assert.deepEqual([low.value, low.lanes.map(({ name }) => name)], [1, ["b", "c"]]);
  assert.deepEqual([high.value, high.lanes.map(({ name }) => name)], [2, ["a"]]);
  assert.equal(extremes(lanes.slice(0, 1), "x"), null, "one alone is no comparison");
});

test("the file has a line for each lane, a unit in each name, and the settings", () => {
  const lines = toCsv(result([lane("sse", { requests: 2, up: 200, down: 800 }), lane("lines", { requests: 1, up: 1, down: 1 })])).split("\r\n");
  assert.equal(lines.length, 4);
  assert.match(lines[0], /^lane,requests,requests_per_message,bytes_up,bytes_down,/);
  assert.equal(lines[1], "sse,6,0.2,240,880,100,2,30,900,1.25,9,12,10,10,0,0,0,1,0,5,50,6,2,1,page,2026-11-27T01:02:03.000Z");
  assert.equal(lines[2].split(",").length, lines[0].split(",").length);
});

test("a payload has the size that was chosen", () => {
  for (const size of [16, 64, 16_384]) assert.equal(new TextEncoder().encode(padding(size)).length, size);
});

test("the line of a track goes through the median of each half second", () => {
  const deliveries = [{ at: 0, ms: 3 }, { at: 10, ms: 1 }, { at: 499, ms: 2 }, { at: 1_600, ms: 7 }];
  assert.deepEqual(medians(deliveries), [{ bin: 0, median: 2 }, { bin: 3, median: 7 }]);
  assert.deepEqual(medians([]), []);
});
