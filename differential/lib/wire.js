"use strict";
// HTTP/1.1 and WebSocket as bytes on a TCP connection, so that a script can say anything and sees everything.

const crypto = require("crypto");
const net = require("net");
const zlib = require("zlib");

const WAIT_MS = 3000;
const CLOSE_MS = 1000;
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** A TCP connection whose bytes are read on demand. */
class Connection {
  constructor(port) {
    this.socket = net.connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.buffer = Buffer.alloc(0);
    this.ended = false;
    this.wake = () => {};
    this.socket.on("data", (chunk) => { this.buffer = Buffer.concat([this.buffer, chunk]); this.wake(); });
    const end = () => { this.ended = true; this.wake(); };
    this.socket.on("end", end).on("close", end).on("error", end);
  }

  write(bytes) { this.socket.write(bytes); }
  destroy() { this.socket.destroy(); }

  /** Resolves to what `take(buffer, ended)` returns as soon as that is not undefined; to null after `ms`. */
  read(take, ms = WAIT_MS) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), ms);
      const done = (value) => { clearTimeout(timer); this.wake = () => {}; resolve(value); };
      this.wake = () => { const value = take(this.buffer, this.ended); if (value !== undefined) done(value); };
      this.wake();
    });
  }

  consume(n) { this.buffer = this.buffer.subarray(n); }
}

/** Sends one request. `sent.answer` resolves to the answer; `sent.connection` may be destroyed before. */
function sendRequest(port, { method = "GET", path, headers = {}, body, connection = new Connection(port), declaredLength }) {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const all = { Host: `127.0.0.1:${port}`, ...headers };
  if (bytes) all["Content-Length"] = declaredLength ?? bytes.length;
  connection.write(head(`${method} ${path} HTTP/1.1`, all));
  if (bytes) connection.write(bytes);
  return { connection, answer: readAnswer(connection, method) };
}

function head(firstLine, headers) {
  const lines = Object.entries(headers).flatMap(([name, value]) => [].concat(value).map((one) => `${name}: ${one}`));
  return Buffer.from([firstLine, ...lines, "", ""].join("\r\n"), "latin1");
}

/** Resolves to { status, headers, body } with lower-cased header names, or { silence } or { closed }. */
async function readAnswer(connection, method) {
  const start = await readHead(connection);
  return start.status ? readBody(connection, method, start) : start;
}

async function readBody(connection, method, start) {
  const length = header(start, "content-length");
  let body;
  if (method === "HEAD" || start.status === 204 || start.status === 304) {
    body = Buffer.alloc(0);
  } else if (header(start, "transfer-encoding") === "chunked") {
    body = await connection.read((buffer, ended) => unchunk(connection, buffer) ?? (ended ? false : undefined));
  } else {
    const n = length === undefined ? Infinity : Number(length);
    body = await connection.read((buffer, ended) => {
      if (buffer.length < n && !ended) return undefined;
      const taken = buffer.subarray(0, n);
      connection.consume(taken.length);
      return taken.length < n && n !== Infinity ? false : taken;
    });
  }
  if (!body) return { ...start, body: Buffer.from("(the body is cut off)") };
  const encoding = header(start, "content-encoding");
  if (encoding === "gzip") body = zlib.gunzipSync(body);
  if (encoding === "deflate") body = zlib.inflateSync(body);
  return { ...start, body };
}

async function readHead(connection) {
  const text = await connection.read((buffer, ended) => {
    const at = buffer.indexOf("\r\n\r\n");
    if (at < 0) return ended ? false : undefined;
    const taken = buffer.toString("latin1", 0, at);
    connection.consume(at + 4);
    return taken;
  });
  if (text === null) return { silence: true };
  if (text === false) return { closed: true };
  const [first, ...lines] = text.split("\r\n");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(first.split(" ")[1]), headers };
}

function header(answer, name) {
  return answer.headers.find(([one]) => one === name)?.[1];
}

function unchunk(connection, buffer) {
  const parts = [];
  for (let at = 0; ;) {
    const line = buffer.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = parseInt(buffer.toString("latin1", at, line), 16);
    const end = line + 2 + size;
    if (buffer.length < end + 2) return undefined;
    parts.push(buffer.subarray(line + 2, end));
    at = end + 2;
    if (size === 0) {
      connection.consume(at);
      return Buffer.concat(parts);
    }
  }
}

/** Opens a WebSocket (`early`: bytes right behind the request), or finds out how the server refuses it: `socket.refusal` is that answer. */
async function openWebSocket(port, { path, headers = {}, method = "GET", early = Buffer.alloc(0) }) {
  const connection = new Connection(port);
  const key = crypto.randomBytes(16).toString("base64");
  const request = head(`${method} ${path} HTTP/1.1`, {
    Host: `127.0.0.1:${port}`, Connection: "Upgrade", Upgrade: "websocket",
    "Sec-WebSocket-Version": 13, "Sec-WebSocket-Key": key, ...headers,
  });
  connection.write(Buffer.concat([request, early]));
  const start = await readHead(connection);
  if (start.status !== 101) {
    const refusal = start.status ? await readBody(connection, method, start) : start;
    refusal.leftOpen = await connection.read((_, ended) => ended || undefined, CLOSE_MS) === null;
    return { refusal, destroy: () => connection.destroy() };
  }
  const accept = crypto.createHash("sha1").update(key + GUID).digest("base64");
  const at = start.headers.findIndex(([name]) => name === "sec-websocket-accept");
  if (at >= 0) start.headers[at][1] = start.headers[at][1] === accept ? "correct" : "wrong";
  return new WebSocket(connection, start);
}

class WebSocket {
  constructor(connection, start) {
    this.connection = connection;
    this.answer = { ...start, body: Buffer.alloc(0) };
    this.autoClose = true;
    const extensions = header(start, "sec-websocket-extensions") ?? "";
    this.deflate = extensions.includes("permessage-deflate");
  }

  send(...messages) {
    const frames = messages.map((data) => encodeFrame(typeof data === "string" ? OPCODES.text : OPCODES.binary, Buffer.from(data), {}));
    this.connection.write(Buffer.concat(frames));
  }

  close(code, reason = "") {
    const body = code === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
    this.frame("close", body);
  }

  frame(opcode, data = "", options = {}) {
    this.connection.write(encodeFrame(typeof opcode === "number" ? opcode : OPCODES[opcode], Buffer.from(data), options));
  }

  destroy() { this.connection.destroy(); }

  /** The next thing that comes: { kind: "text", data }, "binary", "close", "ping", "pong", "end" (of TCP), or null after `ms`. */
  async next(ms) {
    let parts = [];
    let first;
    for (;;) {
      const frame = await this.connection.read((buffer, ended) => takeFrame(this.connection, buffer) ?? (ended ? { end: true } : undefined), ms);
      if (frame === null) return null;
      if (frame.end) return { kind: "end" };
      if (frame.masked || frame.rsv & 3) return { kind: "invalid", data: frame.payload };
      if (frame.opcode >= 8) return this.control(frame);
      first ??= frame;
      parts.push(frame.payload);
      if (frame.fin) break;
    }
    let payload = Buffer.concat(parts);
    const deflated = (first.rsv & 4) !== 0;
    if (deflated) payload = await this.inflate(payload);
    const kind = (first.opcode === 1 ? "text" : "binary") + (deflated ? " deflated" : "");
    return { kind, data: first.opcode === 1 ? payload.toString() : payload };
  }

  control({ opcode, payload }) {
    if (opcode === 9) return { kind: "ping", data: payload };
    if (opcode === 10) return { kind: "pong", data: payload };
    if (opcode !== 8) return { kind: `opcode ${opcode}`, data: payload };
    if (this.autoClose) this.frame("close", payload.subarray(0, 2));
    return payload.length < 2 ? { kind: "close", code: 1005, data: "" } : { kind: "close", code: payload.readUInt16BE(0), data: payload.toString("utf8", 2) };
  }

  /** One stream for the connection, because of context takeover. */
  inflate(payload) {
    this.inflater ??= zlib.createInflateRaw();
    return new Promise((resolve) => {
      const parts = [];
      const onData = (part) => parts.push(part);
      this.inflater.on("data", onData);
      this.inflater.write(Buffer.concat([payload, Buffer.from([0, 0, 255, 255])]));
      this.inflater.flush(() => { this.inflater.off("data", onData); resolve(Buffer.concat(parts)); });
    });
  }
}

function encodeFrame(opcode, payload, { fin = true, rsv = 0, masked = true, declaredLength = payload.length }) {
  const start = Buffer.from([(fin ? 128 : 0) | (rsv << 4) | opcode]);
  const mask = masked ? crypto.randomBytes(4) : Buffer.alloc(0);
  const bit = masked ? 128 : 0;
  let length;
  if (declaredLength < 126) {
    length = Buffer.from([bit | declaredLength]);
  } else if (declaredLength < 65536) {
    length = Buffer.from([bit | 126, declaredLength >> 8, declaredLength & 255]);
  } else {
    length = Buffer.alloc(9, bit | 127);
    length.writeBigUInt64BE(BigInt(declaredLength), 1);
  }
  const body = masked ? payload.map((byte, i) => byte ^ mask[i & 3]) : payload;
  return Buffer.concat([start, length, mask, body]);
}

function takeFrame(connection, buffer) {
  if (buffer.length < 2) return undefined;
  const [first, second] = buffer;
  let length = second & 127;
  let at = 2;
  if (length === 126) {
    if (buffer.length < 4) return undefined;
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (buffer.length < 10) return undefined;
    length = Number(buffer.readBigUInt64BE(2));
    at = 10;
  }
  if (buffer.length < at + length) return undefined;
  connection.consume(at + length);
  return { fin: first >= 128, rsv: (first >> 4) & 7, opcode: first & 15, masked: second >= 128, payload: buffer.subarray(at, at + length) };
}

module.exports = { Connection, sendRequest, openWebSocket, encodeFrame };
