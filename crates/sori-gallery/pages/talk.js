// What the pages of the chats share: a connection whose state is seen, and what was said.
"use strict";

const ENTRIES_MAX = 300;

/// Connects this page to its server. All versions of the client are alike here.
function connect(namespace, { origin = "", ...options } = {}) {
  if (typeof io !== "function") {
    const version = document.querySelector(".tags").textContent.match(/\d+\.\d+\.\d+/)[0];
    state("off", t("Socket.IO 클라이언트를 불러오지 못했습니다. 서버를 켠 곳에 설치하세요: ", "The Socket.IO client could not be loaded. Install it where the server was started: ")
      + (version === "4.8.4" ? "npm install socket.io-client" : `npm install socket.io-client sio-${version}@npm:socket.io-client@${version}`));
    return { on() {}, emit() {}, io: { on() {} } };
  }
  const socket = io(origin + namespace, { path: `${location.pathname}socket.io`, ...options });
  const connected = () => state("on", t(`연결됨 · ${socket.io.engine.transport.name}`, `connected · ${socket.io.engine.transport.name}`));
  socket.on("connect", () => {
    socket.io.engine.on("upgrade", connected);
    connected();
  });
  socket.on("disconnect", (reason) => {
    if (/io (server|client) disconnect/.test(reason)) state("off", t("연결이 끝났습니다", "disconnected"));
    else state("wait", t("연결이 끊겨 다시 잇는 중 …", "lost, connecting again …"));
  });
  // Older clients call it "error" when the server refuses, newer ones "connect_error".
  const refused = (error) => state("off", t(`연결하지 못했습니다: ${error.message ?? error}`, `not connected: ${error.message ?? error}`));
  socket.on("error", refused);
  socket.on("connect_error", refused);
  socket.on("slow down", () => note(t("너무 빠릅니다. 조금 쉬었다 말해 주세요.", "Too fast: wait a little before you go on.")));
  return socket;
}

function state(state, text) {
  $("status").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
}

/// Shows what somebody said; as text, whatever it looks like.
function said(className, by, text) {
  show(wire.make("li", className, ...(by ? [wire.make("span", "by", by)] : []), wire.make("span", "text", text)));
}

/// Shows what happened.
function note(text) {
  show(wire.make("li", "note", wire.make("span", "text", text)));
}

function show(row) {
  const log = $("log");
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(row);
  if (log.children.length > ENTRIES_MAX) log.firstChild.remove();
  if (wasAtEnd) log.scrollTop = log.scrollHeight;
}

/// Calls `send` with what was written, whenever the form is sent, and makes room for more.
function onSay(send) {
  $("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const { message } = event.target;
    if (message.value.trim() && send(message.value.trim()) !== false) message.value = "";
    message.focus();
  });
}
