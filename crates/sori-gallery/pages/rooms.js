// Says something in a room; only who is in it hears it.
"use strict";

const socket = connect("/chat");
const form = $("say");

function enter() {
  socket.emit("join", form.room.value);
}

socket.on("connect", enter);
socket.on("people", (room, count) => {
  if (room === form.room.value) $("people").textContent = t(`${room}에 ${count}명`, `${count} in ${room}`);
});
socket.on("chat message", ({ name, msg }) => said(name === form.username.value.trim() ? "mine" : "", name, msg));

form.addEventListener("change", ({ target }) => {
  if (target.name !== "room") return;
  enter();
  note(t(`${target.value}에 들어왔습니다.`, `You are in ${target.value} now.`));
});

onSay((msg) => socket.emit("chat message", { name: form.username.value.trim(), room: form.room.value, msg }));
