import assert from "node:assert/strict";
import { test } from "node:test";
import { Lines, Parts } from "../pages/lab/lanes/framing.js";

const bytes = (text) => new TextEncoder().encode(text);

/** Feeds a text in pieces of every size, and wants the same each time. */
function check(made, text, wanted) {
  const whole = bytes(text);
  for (let size = 1; size <= whole.length; size++) {
    const reader = made();
    const read = [];
    for (let at = 0; at < whole.length; at += size) read.push(...reader.take(whole.subarray(at, at + size)));
    assert.deepEqual(read, wanted, `in pieces of ${size}`);
  }
}

test("lines, however they are cut, with what is not whole kept back", () => {
  check(() => new Lines(), '{"event":"소리"}\n\n{"b":1}\n{"c"', ['{"event":"소리"}', "", '{"b":1}']);
});

const part = (boundary, text) =>
  `--${boundary}\r\nContent-Type: application/json\r\nContent-Length: ${bytes(text).length}\r\n\r\n${text}\r\n`;

test("parts by their length, so that a boundary within is text", () => {
  const text = part("x", '{"event":"소리 --x\r\n\r\n"}') + part("x", "") + part("x", "2");
  check(() => new Parts("multipart/x-mixed-replace; boundary=x"), text, ['{"event":"소리 --x\r\n\r\n"}', "", "2"]);
});

test("a quoted boundary, headers in any case, and an opening line", () => {
  const text = `\r\n--a b\r\nCONTENT-LENGTH:1\r\n\r\n7`;
  check(() => new Parts('multipart/x-mixed-replace;boundary="a b"'), text, ["7"]);
});

test("what is no multipart is an error", () => {
  assert.throws(() => new Parts("application/json"), /boundary/);
  assert.throws(() => new Parts("multipart/mixed; boundary=x").take(bytes("--y\r\nContent-Length: 1\r\n\r\n7")), /boundary/);
  assert.throws(() => new Parts("multipart/mixed; boundary=x").take(bytes("--x\r\nContent-Type: a\r\n\r\n7")), /length/);
});
