"use strict";
// Engine.IO's polling bodies, both revisions, and their JSONP dress.

function encode(eio, packets) {
  return eio === 4 ? packets.join("\x1e") : packets.map((packet) => `${packet.length}:${packet}`).join("");
}

/** The packets of an answer, text or `binary <hex>`; a body that is none becomes one line that says so. */
function decode(eio, body, answer) {
  const type = answer.headers.find(([name]) => name === "content-type")?.[1] ?? "";
  if (type === "application/octet-stream") return decodeBinary(body);
  let text = body.toString();
  const jsonp = /^___eio\[(\d*)\]\((.*)\);$/s.exec(text);
  if (jsonp) text = JSON.parse(jsonp[2]);
  const packets = eio === 4 ? text.split("\x1e") : decodeLengths(text);
  return jsonp ? [`jsonp ${jsonp[1]}`, ...packets] : packets;
}

function decodeLengths(text) {
  const packets = [];
  for (let rest = text; rest !== "";) {
    const length = /^(\d+):/.exec(rest);
    const from = length?.[0].length;
    const to = from + Number(length?.[1]);
    if (!length || to > rest.length) return [`malformed ${text}`];
    packets.push(rest.slice(from, to));
    rest = rest.slice(to);
  }
  return packets;
}

function decodeBinary(body) {
  const packets = [];
  for (let rest = body; rest.length > 0;) {
    const end = rest.indexOf(255);
    const length = Number(rest.subarray(1, end).join(""));
    const packet = rest.subarray(end + 1, end + 1 + length);
    if (rest[0] > 1 || end < 2 || packet.length !== length) return [`malformed ${body.toString("hex")}`];
    packets.push(rest[0] === 0 ? `in binary: ${packet.toString()}` : `binary ${packet.toString("hex")}`);
    rest = rest.subarray(end + 1 + length);
  }
  return packets;
}

module.exports = { encode, decode };
