// The page around the frames: the only one with a connection. It carries what frames say, and turns strangers away.
"use strict";

const names = ["left", "right"];
const socket = io({ path: "/gallery/messaging/socket.io" });

addEventListener("message", ({ origin, source, data }) => {
  const name = names.find((name) => frames[name] === source);
  // The origin first: whatever else a message says, it says about itself.
  if (origin !== location.origin || !name) return wire.add("note", t(`거절: 출처 ${origin}`, `refused: origin ${origin}`), data);
  if (data.kind === "say") {
    wire.add("out", `postMessage: ${name} → ${t("페이지", "page")}`, data);
    socket.emit("say", { frame: name, text: data.text });
  }
  if (data.kind === "heard") wire.add("in", `postMessage: ${data.from} → ${name}`, { text: data.text });
});

socket.on("said", (id, { frame, text }) => {
  const message = { kind: "said", from: frame, text, elsewhere: id !== socket.id };
  for (const name of names) frames[name].postMessage(message, location.origin);
  wire.add("in", `postMessage: ${t("페이지", "page")} → ${names.join(", ")}`, message);
});

socket.on("connect", () => status("on", t("페이지의 연결 하나를 두 프레임이 씁니다", "one connection, for both frames")));
socket.on("disconnect", () => status("wait", t("다시 잇는 중 …", "connecting again …")));
socket.on("connect_error", ({ message }) => status(socket.active ? "wait" : "off", message));
socket.on("slow down", () => status("wait", t("너무 빠릅니다. 조금 쉬어 주세요.", "That was too fast; wait a little.")));

function status(state, text) {
  $("status").dataset.state = state;
  $("status").textContent = text;
}
