// Values of any realm and any binary type, as plain data that can be compared and printed.

export function plain(value) {
  const bytes = toBytes(value);
  if (bytes) return { $bytes: Buffer.from(bytes).toString("hex") };
  if (Array.isArray(value)) return Array.from(value, (item) => plain(item)); // of our realm
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

function toBytes(value) {
  // By name: an ArrayBuffer of a jsdom window is not an instance of ours.
  const type = Object.prototype.toString.call(value);
  if (type === "[object ArrayBuffer]") return new Uint8Array(value);
  if (type === "[object Uint8Array]") return value;
}
