// The npm server has one parser for all its clients. This one recognises each client by its first packet, so that
// msgpack clients and default clients share rooms, as the contract asks.
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const requireFromServer = createRequire(require.resolve("socket.io"));
const json = requireFromServer("socket.io-parser"); // the server's own: old clients bring theirs
const msgpack = require("socket.io-msgpack-parser");
const { Client } = requireFromServer("./client.js");

class Encoder {
  #json = new json.Encoder();
  #msgpack = new msgpack.Encoder();

  encode(packet) {
    // One entry that is not a string, so that the adapter does not prepare a frame from it.
    return [{ json: this.#json.encode(packet), msgpack: this.#msgpack.encode(packet) }];
  }
}

class Decoder extends EventEmitter {
  #decoder;

  add(chunk) {
    this.#decoder ??= this.#choose(chunk);
    this.#decoder.add(chunk);
  }

  destroy() {
    this.#decoder?.destroy();
  }

  get speaksMsgpack() {
    return this.#decoder instanceof msgpack.Decoder;
  }

  #choose(chunk) {
    const decoder = typeof chunk === "string" ? new json.Decoder() : new msgpack.Decoder();
    decoder.on("decoded", (packet) => this.emit("decoded", packet));
    return decoder;
  }
}

const { writeToEngine } = Client.prototype;
Client.prototype.writeToEngine = function (encoded, options) {
  const format = this.decoder.speaksMsgpack ? "msgpack" : "json";
  writeToEngine.call(this, encoded.flatMap((both) => both[format]), options);
};

export const parser = { protocol: 5, Encoder, Decoder };
