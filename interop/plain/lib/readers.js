// Readers of endless responses, strict on purpose: what a reader does not understand, it throws.
import vm from "node:vm";

/** A reader takes text and yields envelopes, and `null` for a sign of life. */
export const READERS = { lines, sse, multipart, iframe };

function lines() {
  return splitting("\n", (line) => (line ? JSON.parse(line) : null));
}

/** With `format=envelope`, so that nothing is lost of what an event says. */
function sse() {
  return splitting("\n\n", (block) => {
    if (block === ":") return null;
    const fields = block.split("\n").map((line) => /^(id|event|data|retry): ?([^]*)$/.exec(line) ?? fail(line));
    const field = (name) => fields.find(([, key]) => key === name)?.[2];
    const envelope = JSON.parse(field("data"));
    if ((field("event") ?? "message") !== (envelope.event ?? "ack")) fail(block);
    if (field("id") !== "end" && field("id") !== envelope.id && envelope.event !== "connect") fail(block);
    return envelope;
  });
}

/** RFC 2046, by `Content-Length`; the delimiter behind it must be there. */
function multipart(contentType) {
  const boundary = /^multipart\/x-mixed-replace; boundary=([\w-]+)$/.exec(contentType)?.[1] ?? fail(contentType);
  let rest = Buffer.alloc(0);
  let begun = false;
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const found = [];
    if (!begun) {
      if (rest.length < boundary.length + 2) return found;
      expect(rest, `--${boundary}`);
      rest = rest.subarray(boundary.length + 2);
      begun = true;
    }
    for (;;) {
      if (rest.subarray(0, 4).toString() === "--\r\n") return found;
      const head = rest.indexOf("\r\n\r\n");
      if (head < 0) return found;
      const [, length] = /^\r\nContent-Type: application\/json\r\nContent-Length: (\d+)$/.exec(rest.subarray(0, head)) ?? fail(rest);
      const end = head + 4 + Number(length);
      const delimiter = `\r\n--${boundary}`;
      if (rest.length < end + delimiter.length) return found;
      const body = rest.subarray(head + 4, end).toString();
      expect(rest.subarray(end), delimiter);
      if (body.includes(boundary)) fail(body);
      found.push(body ? JSON.parse(body) : null);
      rest = rest.subarray(end + delimiter.length);
    }
  };
}

/** The page's scripts run, as a browser runs them. */
function iframe() {
  let found = [];
  const context = vm.createContext({ parent: { sori: (envelope) => found.push(JSON.parse(JSON.stringify(envelope))) } });
  const run = splitting("\n", (line) => {
    const scripts = [...line.matchAll(/<script>(.*?)<\/script>/g)];
    if (scripts.length === 0) found.push(null);
    for (const [, script] of scripts) vm.runInContext(script, context);
  });
  return (chunk) => {
    found = [];
    run(chunk);
    return found;
  };
}

function splitting(separator, read) {
  const decoder = new TextDecoder();
  let rest = "";
  return (chunk) => {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split(separator);
    rest = parts.pop();
    return parts.map(read);
  };
}

function expect(bytes, text) {
  if (bytes.subarray(0, text.length).toString() !== text) fail(bytes);
}

function fail(what) {
  throw new Error(`the wire says ${JSON.stringify(String(what).slice(0, 200))}`);
}
