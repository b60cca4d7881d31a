"use strict";
// What a script can do to a server, and how it is written down. Each act is a step: a label and lines.

const { Connection, sendRequest, openWebSocket } = require("./wire");
const { Tokens, answerLines, escape, shorten } = require("./normalize");
const payloads = require("./payloads");

const PATH = "/socket.io/";
const LISTENERS = { main: 0, heartbeat: 1, strict: 2, recovery: 3 };
const SETTLE_MS = 120;
const SCRIPT_MS = 15000;

let tags = 0;
let rooms = 0;

/** Runs one script against the server at `firstPort`; resolves to its transcript: [{ label, lines }]. */
async function runScript(script, firstPort) {
  const listener = script.listener ?? "main";
  const act = new Act(firstPort + LISTENERS[listener], { offsets: listener === "recovery" });
  const timer = setTimeout(() => act.end(), SCRIPT_MS);
  try {
    await script.run(act);
  } catch (error) {
    act.step("the script stopped", [String(error.message)]);
  }
  clearTimeout(timer);
  act.end();
  const stable = (line) => shorten(act.tokens.replace(line));
  return act.steps.map(({ label, lines }) => ({ label: stable(label), lines: lines.map(stable) }));
}

/** What a script does with one server, and the steps that became of it. */
class Act {
  constructor(port, { offsets }) {
    this.port = port;
    this.tag = `t${process.pid}-${++tags}`;
    this.tokens = new Tokens({ offsets });
    this.tokens.learn("tag", this.tag);
    this.tokens.learn("port", `127.0.0.1:${port}`);
    this.steps = [];
    this.open = [];
    this.over = false;
  }

  step(label, lines) {
    const same = this.steps.filter((step) => step.plain === label).length;
    this.steps.push({ plain: label, label: same ? `${label} (${same + 1})` : label, lines: lines.map(withoutAckId) });
  }

  sleep(ms) { return new Promise((resolve) => setTimeout(resolve, ms)); }

  /** Lets the application finish what the last request started. */
  settle() { return this.sleep(SETTLE_MS); }

  /** One request, written down. `query` is appended to the Socket.IO path; `path` replaces it. */
  async request(label, options) {
    const sent = this.send(options);
    return this.answered(label, sent, options);
  }

  /** The same, not written down: `answered` does that. */
  send({ method, query, path = PATH + (query === undefined ? "" : `?${query}`), ...rest }) {
    this.mustGoOn();
    const sent = sendRequest(this.port, { method, path, ...rest });
    this.open.push(sent.connection);
    return sent;
  }

  async answered(label, sent, options = {}) {
    const answer = await sent.answer;
    this.tokens.learnFrom(answer.body?.toString() ?? "");
    this.step(label, answerLines(answer, options));
    if (!options.connection) sent.connection.destroy();
    return answer;
  }

  /** A polling session, not yet open. */
  polling(options = {}) { return new Polling(this, options); }

  /** Opens a WebSocket and writes down how. `query` defaults to a session of its own. */
  async websocket({ eio = 4, terse = false, query = `EIO=${eio}&transport=websocket&tag=${this.tag}`, path = `${PATH}?${query}`, label = "websocket", ...rest } = {}) {
    this.mustGoOn();
    const socket = await openWebSocket(this.port, { path, ...rest });
    this.open.push(socket);
    this.step(label, answerLines(socket.refusal ?? socket.answer, { upgrade: true, terse: terse && !socket.refusal }));
    return new Talk(this, socket, label, eio);
  }

  /** A WebSocket with its open packet read and, if `namespace` is given, that namespace joined. */
  async talk({ namespace, auth, ...options } = {}) {
    const talk = await this.websocket({ terse: true, ...options });
    await talk.read("open");
    if (options.eio === 3) await talk.until("42");
    if (namespace !== undefined && !(options.eio === 3 && namespace === "/")) {
      await talk.join(namespace, auth);
    }
    return talk;
  }

  /** A room that no other script uses. */
  newRoom() {
    const room = `room-${process.pid}-${++rooms}`;
    this.tokens.learn("room", room);
    return room;
  }

  /** A TCP connection, to be passed to `send`. */
  raw() {
    const connection = new Connection(this.port);
    this.open.push(connection);
    return connection;
  }

  /** What the application says happened to the sockets of this script, once it is `count` entries long. */
  async journal(count, ms = 3000) {
    let entries;
    for (const end = Date.now() + ms; ; await this.sleep(30)) {
      const { answer } = this.send({ path: `/journal?tag=${this.tag}` });
      entries = JSON.parse((await answer).body.toString());
      if (entries.length >= count || Date.now() > end) break;
    }
    this.step("journal", entries);
  }

  end() {
    this.over = true;
    for (const one of this.open) one.destroy();
  }

  mustGoOn() {
    if (this.over) throw new Error(`not finished within ${SCRIPT_MS} ms`);
  }
}

/** The ids of the server's questions count all of them, so they depend on what ran before. */
function withoutAckId(line) {
  return line.replace(/^((?:text )?4(?:2|5\d+-)(?:\/[^,]*,)?)\d+(?=\["question")/, "$1<ack>");
}

/** A session over polling. */
class Polling {
  constructor(act, { eio = 4, query = "", headers = {}, label = "" }) {
    const jsonp = /&j=/.test(query);
    Object.assign(this, { act, eio, headers, jsonp, label: label && `${label} ` });
    this.query = `EIO=${eio}&transport=polling&tag=${act.tag}${query}`;
  }

  get options() { return { query: this.query + (this.sid ? `&sid=${this.sid}` : ""), headers: this.headers, payload: this.eio }; }

  async start() {
    const answer = await this.act.request(`${this.label}handshake`, { ...this.options, terse: true });
    this.sid = /\\?"sid\\?":\\?"([^"\\]+)/.exec(answer.body)?.[1];
    if (!this.sid) throw new Error("no session");
    return this;
  }

  /** Starts, joins a namespace and reads until the application's first event. */
  async join(namespace = "/", auth = "") {
    await this.start();
    if (this.eio === 4) await this.post(`40${namespace === "/" ? "" : `${namespace},`}${auth}`);
    await this.until(/^42/);
    if (this.eio === 3 && namespace !== "/") {
      await this.post(`40${namespace}`);
      await this.until(/^42/);
    }
    return this;
  }

  poll(label = "poll", more = {}) { return this.act.request(this.label + label, { ...this.options, ...more }); }

  body(packets) {
    const payload = payloads.encode(this.eio, packets);
    return this.jsonp ? `d=${encodeURIComponent(payload)}` : payload;
  }

  get contentType() {
    return { "Content-Type": this.jsonp ? "application/x-www-form-urlencoded" : "text/plain;charset=UTF-8" };
  }

  /** Starts a poll, and does not wait. */
  hang(more = {}) { return this.act.send({ ...this.options, ...more }); }

  /** Posts packets, encoded as this revision wants it; writes down only status and body. */
  post(...packets) { return this.postRaw(this.body(packets), escape(packets.join(" ")), { terse: true }); }

  postRaw(body, label = escape(body), more = {}) {
    const headers = { ...this.contentType, ...this.headers, ...more.headers };
    return this.act.request(`${this.label}post ${label}`, { ...this.options, method: "POST", body, ...more, headers });
  }

  /** Polls until a packet matches or the session is over, and writes down the packets, however they were grouped. */
  async until(pattern, label = `polls until ${pattern}`) {
    const lines = [];
    for (let polls = 0; polls < 20; polls++) {
      const answer = await this.act.send(this.options).answer;
      if (answer.status !== 200) {
        lines.push(...answerLines(answer, this.options));
        break;
      }
      const packets = payloads.decode(this.eio, answer.body, answer);
      packets.forEach((packet) => this.act.tokens.learnFrom(packet));
      lines.push(...packets);
      if (packets.some((packet) => pattern.test(packet)) || packets.includes("1")) break;
    }
    this.act.step(this.label + label, lines.map((line) => escape(line)));
    return lines;
  }

  /** Everything up to the echo of a last event, or the end. */
  async fence(namespace = "") {
    await this.act.settle();
    const body = this.body([`42${namespace}["message","fence"]`]);
    await this.act.send({ ...this.options, method: "POST", body, headers: { ...this.headers, ...this.contentType } }).answer;
    return this.until(/"fence"/, "polls until the fence");
  }
}

/** A WebSocket on which things are said and heard. */
class Talk {
  constructor(act, socket, label, eio) {
    Object.assign(this, { act, socket, label, eio });
  }

  /** Sends messages in one write, so that the server reads them at once. */
  send(...messages) {
    if (!this.socket.refusal) this.socket.send(...messages);
    return this;
  }

  /** Sends messages one by one, with time for the application to act on each. */
  async sendSlowly(...messages) {
    for (const message of messages) {
      this.send(message);
      await this.act.settle();
    }
    return this;
  }

  frame(...args) {
    if (!this.socket.refusal) this.socket.frame(...args);
    return this;
  }

  /** Writes down the next `count` things that come. */
  async read(label = "reads", count = 1, ms) {
    const lines = [];
    for (let i = 0; i < count; i++) lines.push(await this.heard(ms));
    this.act.step(`${this.label} ${label}`, lines);
    return lines;
  }

  /** Writes down what comes, up to a message that starts with `prefix`, or the end. */
  async until(prefix, label = `until ${prefix}`) {
    return this.collect(label, (line) => line.startsWith(`text ${prefix}`));
  }

  /** Everything up to the echo of a last event, or the end. */
  async fence(label = "fence", namespace = "") {
    this.send(`42${namespace}["message","fence"]`);
    return this.collect(label, (line) => line.endsWith('["message-back","fence"]'));
  }

  /** Everything until TCP ends. */
  async toEnd(label = "to the end", ms) {
    return this.collect(label, () => false, ms);
  }

  async join(namespace, auth = "") {
    const prefix = namespace === "/" ? "" : `${namespace},`;
    this.send(`40${prefix}${auth && JSON.stringify(auth)}`);
    return this.until(`42${prefix}`, `joins ${namespace}`);
  }

  async collect(label, isLast, ms) {
    const lines = [];
    do lines.push(await this.heard(ms));
    while (!isLast(lines.at(-1)) && !["tcp ends", "nothing", "refused"].includes(lines.at(-1)));
    this.act.step(`${this.label} ${label}`, lines);
    return lines;
  }

  async heard(ms) {
    if (this.socket.refusal) return "refused";
    const thing = await this.socket.next(ms);
    if (thing === null) return "nothing";
    const { kind, data, code } = thing;
    if (kind === "end") return "tcp ends";
    if (kind === "close") return escape(`close ${code} ${data}`.trim());
    if (Buffer.isBuffer(data)) return `${kind} ${data.length > 100 ? `${data.length} bytes` : data.toString("hex")}`;
    this.act.tokens.learnFrom(data);
    return escape(`${kind} ${data}`);
  }
}

module.exports = { runScript, LISTENERS };
