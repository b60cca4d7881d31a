// What was checked, a line each, and the counts that close it.
const counts = { passed: 0, failed: 0, skipped: 0 };

export const report = {
  pass(name) {
    counts.passed++;
    console.log(`ok    ${name}`);
  },
  fail(name, why) {
    counts.failed++;
    console.log(`FAIL  ${name}\n      ${String(why).trim().replaceAll("\n", "\n      ")}`);
  },
  skip(name, why) {
    counts.skipped++;
    console.log(`skip  ${name}: ${why}`);
  },
  /** One check: what it throws is why it failed. */
  async check(name, body) {
    try {
      await body();
      this.pass(name);
    } catch (error) {
      this.fail(name, error.message);
    }
  },
  /** Takes over the lines of a program that reports in the same form. */
  adopt(name, { status, stdout, stderr }) {
    const lines = [...stdout.matchAll(/^(ok|FAIL) +([^:\n]*)(?:: )?(.*)$/gm)];
    for (const [, word, text, why] of lines) word === "ok" ? this.pass(text) : this.fail(text, why);
    if (lines.length === 0 || (status !== 0 && !lines.some(([, word]) => word === "FAIL"))) this.fail(name, stderr || stdout);
  },
  close() {
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
  },
};
