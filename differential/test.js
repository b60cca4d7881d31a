"use strict";
// Tests of the test: the reference agrees with itself, alterations are found, explanations are held to their word.

const assert = require("node:assert");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { test } = require("node:test");

const altered = (alteration) => `node "${path.join(__dirname, "altered-reference.js")}" "${alteration}" {port}`;

/** Runs the comparison; resolves to its status and its lines. */
function run(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(__dirname, "run.js"), ...args], { encoding: "utf8" });
  assert.equal(stderr, "");
  return { status, lines: stdout.trim().split("\n") };
}

const different = (lines) => lines.filter((line) => line.startsWith("different")).map((line) => line.slice("different ".length));

function withExplained(groups, work) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "differential-"));
  const file = path.join(directory, "explained.json");
  fs.writeFileSync(file, JSON.stringify(groups));
  try {
    return work(file);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

test("the reference agrees with itself", () => {
  const { status, lines } = run("--b", altered("nothing"), "--explained", "none");
  assert.deepEqual(different(lines), []);
  assert.match(lines.at(-1), /^\d{3,} passed, 0 failed, 0 skipped$/);
  assert.equal(status, 0);
});

for (const [alteration, found, untouched] of [
  ["error message", "handshake polling sid unknown", "handshake polling transport unknown"],
  ["header on polls", "headers of each answer of a session", "handshake polling sid unknown"],
  ["close code", "connect EIO=4 event before it", "connect EIO=4 to /"],
  ["order of the first packets", "connect EIO=4 to /", "connect EIO=4 refused"],
  ["lower limit", "polling EIO=4 413", "polling EIO=4 emoji"],
]) {
  test(`an altered ${alteration} is found`, () => {
    const only = `^(${[found, untouched].join("|")})$`;
    const { status, lines } = run("--b", altered(alteration), "--explained", "none", "--only", only);
    assert.deepEqual(different(lines), [found]);
    assert.match(lines.at(-1), /^1 passed, 1 failed, \d+ skipped$/);
    assert.equal(status, 1);
  });
}

test("an explanation counts only word by word, and only while it is needed", () => {
  const only = ["--only", "^handshake polling sid unknown$"];
  const b = altered("error message");
  const [line] = run("--b", b, "--explained", "none", "--json", ...only).lines;
  const difference = JSON.parse(line);
  const groups = (...differences) => [{ reason: "shorter", sori: "says it shorter", differences }];

  withExplained(groups(difference), (file) => {
    assert.equal(run("--b", b, "--explained", file, ...only).status, 0);
    const { status, lines } = run("--b", altered("nothing"), "--explained", file, ...only);
    assert.match(lines.at(-1), /^1 passed, 1 failed/);
    assert.ok(lines.some((text) => text.startsWith("stale explanation: handshake polling sid unknown")));
    assert.equal(status, 1);
  });
  withExplained(groups({ ...difference, lines: ["status 400"] }), (file) => {
    assert.equal(run("--b", b, "--explained", file, ...only).status, 1);
  });
});
