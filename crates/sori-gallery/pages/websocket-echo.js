// The browser's own WebSocket, and everything that it tells about itself.
"use strict";

let socket;
let ended = null;

function open() {
  socket?.close(1000);
  ended = null;
  const protocol = $("protocol").value;
  const own = (socket = new WebSocket(new URL("live", location.href).href.replace(/^http/, "ws"), protocol || []));
  own.binaryType = $("binary").value;
  own.onopen = () => show(own);
  own.onmessage = ({ data }) => add("", typeof data === "string" ? told(own, data) : data instanceof Blob ? `Blob, ${data.size} bytes` : `ArrayBuffer, ${new Uint8Array(data).join(" ")}`);
  own.onclose = ({ code, reason, wasClean }) => {
    add("note", t(`닫힘: ${code} ${reason}`, `closed: ${code} ${reason}`));
    if (own !== socket) return;
    ended = { code, reason, wasClean };
    show(own);
  };
  show(own);
}

/// With a subprotocol, text is an envelope.
function told({ protocol }, text) {
  if (!protocol) return text;
  const { event, data } = JSON.parse(text);
  return event === "message" ? (data.$binary ? `$binary: ${data.$binary}` : data) : `${event}: ${JSON.stringify(data)}`;
}

function send(data) {
  if (socket.readyState !== WebSocket.OPEN) return add("note", t("열려 있지 않습니다", "it is not open"));
  socket.send(socket.protocol ? JSON.stringify({ event: "message", data }) : data);
  watch(socket);
}

/// Looks again and again while something has not left yet.
function watch(own) {
  show(own);
  if (own.bufferedAmount > 0) requestAnimationFrame(() => watch(own));
}

function show(own) {
  if (own !== socket) return;
  [...$("states").children].forEach((item, at) => (at === own.readyState ? item.setAttribute("aria-current", "step") : item.removeAttribute("aria-current")));
  const facts = { url: own.url, protocol: own.protocol || `""`, extensions: own.extensions || `""`, binaryType: own.binaryType, bufferedAmount: own.bufferedAmount, ...ended };
  $("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => ["dt", "dd"].map((tag) => Object.assign(document.createElement(tag), { textContent: tag === "dt" ? name : value }))));
}

function add(className, text) {
  $("log").append(Object.assign(document.createElement("li"), { className, textContent: text }));
  if ($("log").children.length > 100) $("log").firstChild.remove();
  $("log").scrollTop = $("log").scrollHeight;
}

$("open").addEventListener("click", open);
$("bye").addEventListener("click", () => send("bye"));
$("close").addEventListener("click", () => {
  try {
    socket.close(Number($("code").value), $("reason").value);
    show(socket);
  } catch (error) {
    // 1000 or 3000 to 4999, says the standard; the rest is not for applications.
    add("note", error.message);
  }
});
$("binary").addEventListener("change", () => {
  socket.binaryType = $("binary").value;
  show(socket);
});
for (const button of document.querySelectorAll("[data-bytes]")) {
  button.addEventListener("click", () => {
    const bytes = new Uint8Array(Number(button.dataset.bytes)).map((_, at) => at);
    if (socket.protocol) return add("note", t("봉투에는 글만 담습니다", "envelopes are text"));
    send(bytes);
  });
}
$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target.message.value);
  event.target.message.value = "";
  event.target.message.focus();
});

open();
