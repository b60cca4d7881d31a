import assert from "node:assert/strict";
import { test } from "node:test";
import { csv } from "../pages/lab/csv.js";
import { bytes, count, duration } from "../pages/lab/format.js";

test("fields are quoted only where they must be", () => {
  assert.equal(csv([["a", "b"], [1, 2.34567]]), "a,b\r\n1,2.346\r\n");
  assert.equal(csv([['say "hi"', "x,y", "two\nlines", null, undefined]]), '"say ""hi""","x,y","two\nlines",,\r\n');
});

test("a spreadsheet runs nothing of it, and numbers stay numbers", () => {
  assert.equal(csv([["=1+1", "-x", "@y", -1.5]]), "'=1+1,'-x,'@y,-1.5\r\n");
});

test("numbers as people read them", () => {
  const all = (format, ...values) => values.map(format).join(" | ");
  assert.equal(all(duration, null, 0, 0.42, 9.96, 87.3, 999.4, 999.6, 1234, 61_234), "– | 0.0 ms | 0.4 ms | 10 ms | 87 ms | 999 ms | 1.00 s | 1.23 s | 61.2 s");
  assert.equal(all(bytes, null, 0, 900, 12_345, 123_456, 999_600, 3_400_000), "– | 0 B | 900 B | 12.3 kB | 123 kB | 1.0 MB | 3.4 MB");
  assert.equal(all(count, null, 0, 12, 1234, 0.034, 1.54, 123.4), "– | 0 | 12 | 1,234 | 0.03 | 1.5 | 123");
});
