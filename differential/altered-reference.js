"use strict";
// The reference with one thing changed, for test.js: node altered-reference.js ALTERATION PORT

const { Server, transports } = require("engine.io");
const { Socket } = require("socket.io");

const Polling = new transports.polling({ _query: {} }).constructor;
const WebSocket = transports.websocket;

const ALTERATIONS = {
  nothing() {},
  "error message"() { Server.errorMessages[1] = "Session unknown"; },
  "header on polls"() {
    const { headers } = Polling.prototype;
    Polling.prototype.headers = function (...args) { return { ...headers.apply(this, args), "cache-control": "no-cache" }; };
  },
  "close code"() {
    WebSocket.prototype.doClose = function (done) {
      this.socket.close(1000);
      done?.();
    };
  },
  "order of the first packets"() {
    const { _onconnect } = Socket.prototype;
    Socket.prototype._onconnect = function () {
      this.connected = true;
      this.emit("hello");
      _onconnect.call(this);
    };
  },
  "lower limit"() {
    const { onDataRequest } = Polling.prototype;
    Polling.prototype.onDataRequest = function (...args) {
      this.maxHttpBufferSize = 99000;
      onDataRequest.apply(this, args);
    };
  },
};

const [, , alteration, port] = process.argv;
ALTERATIONS[alteration]();
process.argv.splice(2, 2, port);
require("./reference-server.js");
