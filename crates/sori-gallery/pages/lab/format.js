// Numbers as people read them.

/** 0.42 → "0.4 ms", 87.3 → "87 ms", 1234 → "1.23 s". */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 999.5) return `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`;
  return `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`;
}

/** 900 → "900 B", 12345 → "12.3 kB". */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit++;
  }
  return `${unit > 0 && count < 99.95 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

/** 0.034 → "0.03", 1.5 → "1.5", 1234 → "1,234". */
export function count(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value < 0.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}
