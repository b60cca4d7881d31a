// Talks to whom the server has found.
"use strict";

const socket = connect("/");

socket.on("waiting", () => alone(t("상대를 기다리는 중입니다 …", "Waiting for somebody …")));
socket.on("partner came", () => {
  note(t("낯선 사람과 이어졌습니다. 인사해 보세요!", "You are connected with a stranger. Say hello!"));
  talking(true);
});
socket.on("partner left", () => note(t("상대가 나갔습니다.", "The other one has left.")));
socket.on("message", (text) => said("", t("낯선 사람", "Stranger"), text));
socket.on("notice", (count) => {
  $("notice").hidden = false;
  $("notice").textContent = t(`지금 ${count}명 접속 중`, `${count} connected now`);
});
socket.on("connect", () => showToggle("leave"));
socket.on("disconnect", (reason) => {
  alone(reason === "io client disconnect" ? t("나왔습니다.", "You have left.") : t("연결이 끊겼습니다.", "The connection was lost."));
  if (reason === "io client disconnect") showToggle("come");
});

$("toggle").addEventListener("click", () => {
  if (socket.connected) return socket.disconnect();
  $("log").replaceChildren();
  socket.connect();
});

onSay((text) => {
  socket.emit("message", text);
  said("mine", "", text);
});

function alone(text) {
  note(text);
  talking(false);
}

function talking(isPaired) {
  for (const field of $("say").elements) field.disabled = !isPaired;
  if (isPaired) $("say").message.focus();
}

function showToggle(what) {
  $("toggle").textContent = $("toggle").dataset[what];
}
