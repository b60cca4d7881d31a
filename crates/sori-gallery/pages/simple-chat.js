// Sends a line and shows every line that comes, from a server that may have another origin than this page.
"use strict";

// The same machine under its other name is another origin.
const names = ["127.0.0.1", "localhost"];
const elsewhere = names.includes(location.hostname) ? location.origin.replace(location.hostname, names.find((name) => name !== location.hostname)) : null;
let socket;

function talkTo(origin) {
  $("kind").textContent = $("kind").dataset[origin === location.origin ? "same" : "other"];
  socket?.disconnect();
  socket = connect("/", { origin });
  socket.on("message", (text) => show(wire.make("li", "", text)));
}

onSay((message) => socket.emit("message", message));

$("here").textContent = location.origin;
const servers = elsewhere ? [elsewhere, location.origin] : [location.origin];
$("servers").append(...servers.map((origin, index) => {
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "server", value: origin, checked: index === 0 });
  return wire.make("label", "", input, wire.make("span", "pill", origin));
}));
$("servers").addEventListener("change", ({ target }) => talkTo(target.value));
if (elsewhere) {
  $("elsewhere").href = elsewhere + location.pathname;
  $("elsewhere").textContent = t(`이 페이지를 ${new URL(elsewhere).hostname}에서 열기`, `Open this page at ${new URL(elsewhere).hostname}`);
  $("elsewhere").hidden = false;
}
talkTo(servers[0]);
