import assert from "node:assert/strict";
import { test } from "node:test";
import { Latencies, Tally, percentile, since } from "../pages/lab/stats.js";

test("percentiles are values that occurred", () => {
  assert.equal(percentile([], 0.5), null);
  assert.equal(percentile([7], 0.99), 7);
  assert.equal(percentile([1, 2, 3, 4], 0.5), 2);
  assert.equal(percentile([1, 2, 3, 4], 0), 1);
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 1), 100);
});

test("latencies are summed up in any order, and bounded", () => {
  const latencies = new Latencies();
  assert.deepEqual(latencies.summary(), { count: 0, p50: null, p99: null, max: null });
  for (const ms of [30, 10, 20]) latencies.add(ms);
  assert.deepEqual(latencies.summary(), { count: 3, p50: 20, p99: 30, max: 30 });
  for (let n = 0; n < 10_000; n++) latencies.add(1);
  assert.deepEqual(latencies.summary(), { count: 8192, p50: 1, p99: 1, max: 1 });
});

function tally(first, ...heard) {
  const counted = new Tally(first);
  heard.forEach((n) => counted.hear(n));
  return { heard: counted.heard, lost: counted.lost(), doubled: counted.doubled, disordered: counted.disordered };
}

test("each message once and in order is the promise kept", () => {
  assert.deepEqual(tally(0), { heard: 0, lost: 0, doubled: 0, disordered: 0 });
  assert.deepEqual(tally(0, 1, 2, 3), { heard: 3, lost: 0, doubled: 0, disordered: 0 });
  assert.deepEqual(tally(40, 41, 42), { heard: 2, lost: 0, doubled: 0, disordered: 0 });
});

test("a gap is lost until it is filled", () => {
  assert.deepEqual(tally(0, 1, 4), { heard: 2, lost: 2, doubled: 0, disordered: 0 });
  assert.deepEqual(tally(0, 1, 4, 2, 3), { heard: 4, lost: 0, doubled: 0, disordered: 2 });
});

test("what comes twice is doubled, wherever it comes", () => {
  assert.deepEqual(tally(0, 1, 2, 2), { heard: 2, lost: 0, doubled: 1, disordered: 0 });
  assert.deepEqual(tally(0, 1, 3, 3, 2, 1), { heard: 3, lost: 0, doubled: 2, disordered: 1 });
});

test("what was said before the count began does not count", () => {
  assert.deepEqual(tally(10, 9, 10, 11, 10), { heard: 1, lost: 0, doubled: 0, disordered: 0 });
});

test("the end of the room's numbers shows what is missing at the end", () => {
  const counted = new Tally(5);
  [6, 7].forEach((n) => counted.hear(n));
  assert.equal(counted.lost(), 0);
  assert.equal(counted.lost(10), 3);
  assert.equal(counted.highest, 7);
  assert.equal(new Tally(5).lost(8), 3);
  assert.equal(new Tally(5).lost(2), 0, "the room may know less than the lane");
});

test("memory stays bounded behind a gap that is never filled", () => {
  const counted = new Tally(0);
  for (let n = 2; n < 30_000; n++) counted.hear(n);
  assert.equal(counted.lost(), 1);
  assert.equal(counted.doubled, 0);
});

test("traffic is told from one answer of the server to the next", () => {
  assert.deepEqual(since({ requests: 3, up: 10, down: 20 }, { requests: 1, up: 4, down: 5 }), { requests: 2, up: 6, down: 15 });
  assert.deepEqual(since({ requests: 3, up: 10, down: 20 }, undefined), { requests: 3, up: 10, down: 20 });
  assert.deepEqual(since(undefined, undefined), { requests: 0, up: 0, down: 0 });
});
