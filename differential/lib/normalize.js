"use strict";
// Turns what a server says into lines that two servers can agree on.

const crypto = require("crypto");
const payloads = require("./payloads");

const COMPARED_HEADERS = /^(content-type|access-control-.*|vary|set-cookie|cache-control|content-encoding|allow|sec-websocket-.*|x-.*)$/;
const COMPARED_IN_UPGRADE = /^(connection|upgrade)$/;
const LINE_MAX = 400;

/** Stable names for what differs from run to run: equal values get equal names. */
class Tokens {
  constructor({ offsets = false } = {}) {
    Object.assign(this, { offsets, names: new Map(), counts: {} });
  }

  learn(kind, value) {
    if (!value || this.names.has(value)) return;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.names.set(value, `<${kind}${this.counts[kind]}>`);
  }

  /** Ids stand where the protocol puts them: in the open packet, in the connect reply, and offsets at the ends of events. */
  learnFrom(text) {
    for (const [, kind, value] of text.matchAll(/\\?"(sid|pid)\\?":\\?"([^"\\]+)\\?"/g)) this.learn(kind, value);
    if (this.offsets) this.learn("offset", /^4(?:2|5\d+-)\[.*,"([^"]+)"\]$/.exec(text)?.[1]);
  }

  replace(text) {
    const values = [...this.names.keys()].sort((a, b) => b.length - a.length);
    return values.reduce((line, value) => line.replaceAll(value, this.names.get(value)), text);
  }
}

/** Status, compared headers in order of name (not if `terse`), and the body: as packets if `payload` names a revision. */
function answerLines(answer, { payload, upgrade = false, terse = false } = {}) {
  if (answer.silence) return ["no answer"];
  if (answer.closed) return ["closed without an answer"];
  const lines = [`status ${answer.status}`];
  for (const [name, value] of terse ? [] : [...answer.headers].sort(byName)) {
    if (COMPARED_HEADERS.test(name)) lines.push(`${name}: ${value}`);
    else if (upgrade && COMPARED_IN_UPGRADE.test(name)) lines.push(`${name}: ${value.toLowerCase()}`);
  }
  const isPayload = payload && answer.status === 200 && answer.body.toString() !== "ok";
  const bodies = isPayload ? payloads.decode(payload, answer.body, answer) : [answer.body.toString()];
  lines.push(...bodies.filter((body) => body !== "").map(escape));
  return answer.leftOpen ? [...lines, "the connection stays open"] : lines;
}

function byName([a], [b]) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** One printable line; unlike JSON's, its escapes cannot be mistaken for what the server wrote. */
function escape(text) {
  return String(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) => `<U+${c.charCodeAt(0).toString(16).padStart(4, "0")}>`);
}

/** A long line is cut, with a digest of the whole. */
function shorten(line) {
  if (line.length <= LINE_MAX) return line;
  const digest = crypto.createHash("sha256").update(line).digest("hex").slice(0, 12);
  return `${line.slice(0, 60)}... (${line.length} characters, ${digest})`;
}

module.exports = { Tokens, answerLines, escape, shorten };
