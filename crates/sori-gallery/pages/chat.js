// Logs in with a name and an id, and says something to all, to all others, or to one.
"use strict";

const socket = connect("/");
let me = null;
let myNumber = 0;
let users = {};

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  me = { name: event.target.username.value.trim(), userid: event.target.userid.value.trim() };
  if (socket.connected) login();
  else socket.open();
  enter(true);
});
$("leave").addEventListener("click", () => socket.emit("forceDisconnect"));

function login() {
  socket.emit("login", me, (number) => {
    myNumber = number;
    showUsers();
  });
}

// After every connection: who was here before the connection was lost comes in again.
socket.on("connect", () => me && login());
socket.on("disconnect", (reason) => {
  if (reason !== "io server disconnect") return;
  note(t("서버가 연결을 끊었습니다.", "The server has disconnected you."));
  me = null;
  enter(false);
});

socket.on("login", (name) => me && note(t(`${name}님이 입장하셨습니다.`, `${name} has come in.`)));
socket.on("logout", (name) => me && note(t(`${name}님이 퇴장하셨습니다.`, `${name} has left.`)));
socket.on("users", (all) => {
  users = all;
  showUsers();
});
socket.on("chat", ({ number, from, to, msg }) => {
  if (!me) return;
  if (number === myNumber) return said("mine", "", msg);
  const isPrivate = to.one === myNumber;
  said(isPrivate ? "private" : "", `${from.name} (${from.userid})${isPrivate ? t(" · 나에게만", " · only to you") : ""}`, msg);
});

onSay((msg) => {
  const to = $("to").value;
  socket.emit("chat", { to: users[to] ? { one: Number(to) } : to, msg });
  // What goes to all comes back; the rest is shown here.
  if (to === "others") said("mine", t("나만 빼고 모두에게", "to everybody but me"), msg);
  else if (to !== "all") said("mine private", t(`${users[to].name}님에게만`, `only to ${users[to].name}`), msg);
});

function showUsers() {
  const chosen = $("to").value;
  const others = Object.entries(users).filter(([number]) => Number(number) !== myNumber);
  $("one").replaceChildren(...others.map(([number, { name }]) => new Option(name, number, false, number === chosen)));
  $("people").replaceChildren(...Object.entries(users).map(([number, { name, userid }]) => {
    if (Number(number) === myNumber) return wire.make("li", "pill me", t(`${name} (나)`, `${name} (you)`));
    const button = Object.assign(wire.make("button", "pill", name), { type: "button", title: userid });
    button.dataset.number = number;
    button.addEventListener("click", () => choose($("to").value === number ? "all" : number));
    return wire.make("li", "", button);
  }));
  showChoice();
}

function choose(to) {
  $("to").value = to;
  showChoice();
  $("say").message.focus();
}

function showChoice() {
  if ($("to").selectedIndex < 0) $("to").value = "all";
  for (const button of document.querySelectorAll("#people button")) button.setAttribute("aria-pressed", String(button.dataset.number === $("to").value));
}

$("to").addEventListener("change", showChoice);

function enter(isIn) {
  $("login").hidden = isIn;
  for (const id of ["people", "log", "say", "leave"]) $(id).hidden = !isIn;
  (isIn ? $("say").message : $("login").username).focus();
}
