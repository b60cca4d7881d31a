"use strict";
// Where two transcripts differ, and whether each difference is explained.

/** The steps that differ: { script, step, a, b }, where a missing step is null. */
function differences(script, a, b) {
  const labels = [...new Set([...a, ...b].map((step) => step.label))];
  const linesOf = (transcript, label) => transcript.find((step) => step.label === label)?.lines ?? null;
  return labels
    .map((step) => ({ script, step, a: linesOf(a, step), b: linesOf(b, step) }))
    .filter((difference) => !same(difference.a, difference.b));
}

/**
 * What was written down beforehand: [{ reason, sori, differences: [{ script, step, lines }] }]. It explains a difference
 * only if B says exactly these lines, and one that explains nothing any more is itself an error.
 */
class Explained {
  constructor(groups) {
    this.entries = groups.flatMap(({ reason, sori, differences }) =>
      differences.map((difference) => ({ ...difference, reason, sori, used: false })));
  }

  /** The entry that explains a difference, if any. */
  entryFor(difference) {
    const entry = this.entries.find(({ script, step, lines }) =>
      script === difference.script && step === difference.step && same(lines, difference.b));
    if (entry) entry.used = true;
    return entry;
  }

  /** Entries about scripts that ran (`skipped`: those that did not) and explained nothing. */
  stale(skipped) {
    return this.entries.filter(({ used, script }) => !used && !skipped.has(script));
  }
}

function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** `- ` only in A, `+ ` only in B, around what they share. */
function diffLines(a, b) {
  if (a === null) return ["- (no such step)", ...b.map((line) => `+ ${line}`)];
  if (b === null) return [...a.map((line) => `- ${line}`), "+ (no such step)"];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  return [
    ...a.slice(start, a.length - end).map((line) => `- ${line}`),
    ...b.slice(start, b.length - end).map((line) => `+ ${line}`),
  ];
}

module.exports = { differences, diffLines, Explained };
