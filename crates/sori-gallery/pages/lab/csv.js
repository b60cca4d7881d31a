// The table as a file (RFC 4180).

/** Rows of values; `null` is an empty field. */
export function csv(rows) {
  return rows.map((row) => row.map(field).join(",") + "\r\n").join("");
}

function field(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value);
  // A text that a spreadsheet would run as a formula is one no longer.
  const tame = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(tame) ? `"${tame.replaceAll('"', '""')}"` : tame;
}
