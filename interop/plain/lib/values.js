// Values on the wire of plain clients: bytes in JSON, and one argument or several.

/** Bytes as `{"$binary": base64}`; an object of ours that looks like it gets one more `$`. */
export function toWire(value) {
  if (value instanceof Uint8Array) return { $binary: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(toWire);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value);
  const isMarker = entries.length === 1 && /^\$+binary$/.test(entries[0][0]);
  return Object.fromEntries(entries.map(([key, item]) => [isMarker ? `$${key}` : key, toWire(item)]));
}

export function fromWire(value) {
  if (Array.isArray(value)) return value.map(fromWire);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value);
  if (entries.length === 1 && /^\$+binary$/.test(entries[0][0])) {
    const [[key, item]] = entries;
    return key === "$binary" ? Buffer.from(item, "base64") : { [key.slice(1)]: fromWire(item) };
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, fromWire(item)]));
}

/** The arguments of an envelope. */
export function argsOf(envelope) {
  if ("args" in envelope) return fromWire(envelope.args);
  return "data" in envelope ? [fromWire(envelope.data)] : [];
}

/** No answer, one value, or several: as HTTP answers an event. */
export function answerOf(args) {
  return args.length > 1 ? args : args[0];
}

export function withArgs(envelope, args) {
  if (args.length === 1) return { ...envelope, data: toWire(args[0]) };
  return args.length ? { ...envelope, args: toWire(args) } : envelope;
}
