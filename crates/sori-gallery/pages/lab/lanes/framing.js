// Where one message ends and the next begins, in bytes that come as they like. No page is needed: node can test it.

/** The chunks of a body. Not `for await (… of body)`, which Safari lacks. */
export async function* chunks(body) {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Text as lines. A heartbeat is an empty one. */
export class Lines {
  #decoder = new TextDecoder();
  #rest = "";

  /** The lines that are whole now. */
  take(chunk) {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split("\n");
    this.#rest = lines.pop();
    return lines;
  }
}

/**
 * The parts of a `multipart/x-mixed-replace` body. Browsers once replaced the page with each part; today they do so for
 * pictures only, and scripts read it as it is read here. A heartbeat is an empty part.
 */
export class Parts {
  #boundary;
  #rest = new Uint8Array();
  #decoder = new TextDecoder();

  constructor(contentType) {
    const [, quoted, bare] = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
    if (!quoted && !bare) throw new Error("multipart without a boundary");
    this.#boundary = `--${quoted ?? bare}`;
  }

  /** The parts that are whole now, as text. */
  take(chunk) {
    this.#rest = joined(this.#rest, chunk);
    const parts = [];
    for (let part; (part = this.#next()) !== null; ) parts.push(part);
    return parts;
  }

  #next() {
    const head = find(this.#rest, END_OF_HEAD);
    if (head < 0) return null;
    const text = this.#decoder.decode(this.#rest.subarray(0, head));
    // Text before the first boundary, and the line end before the later ones, is nobody's.
    const from = text.indexOf(this.#boundary);
    if (from < 0) throw new Error("multipart without its boundary");
    const length = Number(/^content-length:\s*(\d+)\s*$/im.exec(text.slice(from))?.[1] ?? NaN);
    if (Number.isNaN(length)) throw new Error("a part without a length");
    const start = head + END_OF_HEAD.length;
    if (this.#rest.length < start + length) return null;
    const part = this.#decoder.decode(this.#rest.subarray(start, start + length));
    this.#rest = this.#rest.subarray(start + length);
    return part;
  }
}

const END_OF_HEAD = [13, 10, 13, 10];

function find(bytes, wanted) {
  for (let at = bytes.indexOf(wanted[0]); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

function joined(one, other) {
  if (one.length === 0) return other;
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
