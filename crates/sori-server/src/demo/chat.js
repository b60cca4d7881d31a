// The page of the chat. What others wrote is set as text, never as HTML.
"use strict";

const path = document.documentElement.dataset.path;
const query = new URLSearchParams(location.search);
const ENTRIES_MAX = 500;
const TYPING_EVERY_MS = 1500;
const TYPING_SHOWN_MS = 3500;
const FIRST_ROOMS = ["lobby", "greenhouse", "workshop"];

const $ = (id) => document.getElementById(id);

// What this page knows. `place` is the room in which the server has it; `room` the one it looks at.
const me = { name: kept("sori-name") || inventedName(), key: random() };
let room = roomOfAddress();
let place = room;
let socket = null;
let lostAt = 0;
let reconnections = 0;
let began = "";
const rooms = new Map();
const typists = new Map();

function theRoom(name) {
  if (!rooms.has(name)) rooms.set(name, { entries: [], people: new Map(), heard: new Set() });
  return rooms.get(name);
}

// ---- The client of Socket.IO, and what to do without it ----

function loadClient() {
  const script = document.createElement("script");
  script.src = `${path}socket.io.js`;
  const slow = setTimeout(() => showTrouble("It is taking long to load."), 10_000);
  script.onload = () => {
    clearTimeout(slow);
    if (typeof window.io !== "function") return showTrouble("What was loaded is not the client.");
    $("trouble").hidden = true;
    document.body.classList.remove("broken");
    connect();
  };
  script.onerror = () => {
    clearTimeout(slow);
    showTrouble("It is not installed beside the server, and the public CDN could not be reached.");
  };
  document.head.append(script);
}

function showTrouble(why) {
  showLink("off", "No client");
  $("empty").hidden = true;
  $("trouble").replaceChildren(
    element("h2", {}, "The Socket.IO client could not be loaded"),
    element("p", {}, "This page needs ", element("code", {}, `${path}socket.io.js`), `. ${why}`),
    element("ol", {},
      element("li", {}, "Install it where the server was started: ", element("code", {}, "npm install socket.io-client")),
      element("li", {}, "Or start the server with the directory that has it: ", element("code", {}, "sori serve --client-dir …/socket.io-client/dist")),
      element("li", {}, "Then start the server again and load this page again.")),
    element("button", { className: "button", type: "button", onclick: () => location.reload() }, "Load again"));
  $("trouble").hidden = false;
  document.body.classList.add("broken");
}

// ---- The connection ----

function connect() {
  const transports = query.get("transport")?.split(",");
  // What was said while the connection was away is said again until the server answers, in order.
  const reliably = { retries: 1_000_000, ackTimeout: 10_000 };
  socket = window.io("/chat", {
    path,
    ...(transports && { transports }),
    ...reliably,
    reconnectionDelayMax: 4_000,
    auth: (give) => give({ name: me.name, key: me.key, room: place }),
  });
  socket.on("connect", onConnect);
  socket.on("connect_error", onConnectError);
  socket.on("disconnect", onDisconnect);
  socket.on("entered", onEntered);
  socket.on("full", onFull);
  socket.on("joined", onJoined);
  socket.on("left", onLeft);
  socket.on("said", onSaid);
  socket.on("typing", onTyping);
  socket.io.on("reconnect", () => reconnections++);
  showLink("wait", "Connecting …");
}

function onConnect() {
  const engine = socket.io.engine;
  began = engine.transport.name;
  engine.on("upgrade", showTransport);
  showTransport();
}

function showTransport() {
  const name = socket.io.engine.transport.name;
  showLink("on", name === "websocket" ? "WebSocket" : name === "polling" ? "Long polling" : name);
}

function onConnectError(error) {
  if (socket.active) return showLink("wait", "Reconnecting …");
  showLink("off", "Refused");
  addEntry(room, { kind: "note", gap: true, parts: [`The server refuses: ${error.message}`] });
}

function onDisconnect(reason) {
  showLink("wait", "Reconnecting …");
  if (!lostAt) lostAt = Date.now();
  typists.clear();
  showTyping();
  // Sent away is not lost: the client comes back by itself only from the latter.
  if (reason === "io server disconnect") setTimeout(() => socket.connect(), 1_000);
}

function onEntered(name, people) {
  place = name;
  const entered = theRoom(name);
  entered.people = new Map(people.map((person) => [person.id, person.name]));
  if (lostAt) {
    const seconds = Math.max(1, Math.round((Date.now() - lostAt) / 1000));
    lostAt = 0;
    const missed = socket.recovered ? "Nothing was missed." : "What others said meanwhile is missing here.";
    addEntry(name, { kind: "note", gap: true, parts: [`Back after ${seconds} s. ${missed}`] });
  }
  if (name === room) showPeople();
}

function onFull(name) {
  addEntry(name, { kind: "note", gap: true, parts: ["This room is full. Choose another one."] });
}

function onJoined(person, before) {
  const { people } = theRoom(place);
  const known = before.map((id) => people.get(id)).find(Boolean);
  before.forEach((id) => people.delete(id));
  people.set(person.id, person.name);
  if (!known) addEntry(place, { kind: "note", parts: [named(person.name), " came in"] });
  else if (known !== person.name) addEntry(place, { kind: "note", parts: [named(known), " is now ", named(person.name)] });
  showPeople();
}

function onLeft(id, name) {
  if (!theRoom(place).people.delete(id)) return;
  stoppedTyping(id);
  addEntry(place, { kind: "note", parts: [named(name), " left"] });
  showPeople();
}

function onSaid(person, said) {
  const { heard } = theRoom(place);
  if (heard.has(said.id)) return;
  remember(heard, said.id);
  stoppedTyping(person.id);
  addEntry(place, { kind: "said", from: person.id, name: person.name, text: said.text });
}

function onTyping(id) {
  const name = theRoom(place).people.get(id);
  if (!name || place !== room) return;
  clearTimeout(typists.get(id)?.timer);
  typists.set(id, { name, timer: setTimeout(() => stoppedTyping(id), TYPING_SHOWN_MS) });
  showTyping();
}

function stoppedTyping(id) {
  clearTimeout(typists.get(id)?.timer);
  if (typists.delete(id)) showTyping();
}

// ---- What this person does ----

function say(text) {
  const entry = { kind: "said", mine: true, name: me.name, text, state: "pending" };
  addEntry(room, entry);
  scrollToEnd();
  socket.emit("say", { id: random(), text }, (error, isSaid) => setState(entry, error || !isSaid ? "failed" : ""));
}

function go(name) {
  room = name;
  typists.clear();
  // In the queue behind what is still to be said in the other room.
  socket?.emit("enter", { name: me.name, key: me.key, room }, () => {});
  showRoom();
}

function rename(name) {
  if (name === me.name) return;
  me.name = name;
  keep("sori-name", name);
  socket?.emit("enter", { name, key: me.key, room }, () => {});
  showMe();
}

let typedAt = 0;
function type() {
  if (!socket?.connected || !$("text").value.trim() || Date.now() - typedAt < TYPING_EVERY_MS) return;
  typedAt = Date.now();
  socket.volatile.emit("typing");
}

// ---- What is shown ----

function addEntry(name, entry) {
  const { entries } = theRoom(name);
  entry.at = new Date();
  entry.again = isAgain(entries.at(-1), entry);
  entries.push(entry);
  if (entries.length > ENTRIES_MAX) entries.shift();
  if (name !== room) return;
  const wasAtEnd = isAtEnd();
  $("log").append(drawEntry(entry));
  if ($("log").children.length > ENTRIES_MAX) $("log").firstChild.remove();
  showEmpty();
  if (wasAtEnd) scrollToEnd();
  else $("newer").hidden = false;
}

/// Whether somebody goes on talking, so that the name need not be said again.
function isAgain(before, entry) {
  return entry.kind === "said" && before?.kind === "said" && before.mine === entry.mine &&
    before.from === entry.from && before.name === entry.name && entry.at - before.at < 180_000;
}

function drawEntry(entry) {
  if (entry.kind === "note") {
    entry.node = element("li", { className: entry.gap ? "note gap" : "note" }, element("span", {}, ...entry.parts.map((part) => part.cloneNode?.(true) ?? part)));
    return entry.node;
  }
  const time = element("time", { dateTime: entry.at.toISOString() }, entry.at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  entry.node = element("li", { className: "said" },
    avatar(entry.name),
    element("p", { className: "by" }, named(entry.name), " ", time),
    element("p", { className: "text", dir: "auto" }, entry.text));
  entry.node.classList.toggle("mine", Boolean(entry.mine));
  entry.node.classList.toggle("again", entry.again);
  setState(entry, entry.state);
  return entry.node;
}

function setState(entry, state) {
  entry.state = state;
  entry.node?.classList.toggle("pending", state === "pending");
  entry.node?.classList.toggle("failed", state === "failed");
}

function showRoom() {
  $("room").textContent = room;
  document.title = `#${room} · Sori chat`;
  $("log").replaceChildren(...theRoom(room).entries.map(drawEntry));
  const names = new Set([...FIRST_ROOMS, ...rooms.keys()]);
  $("rooms").replaceChildren(...[...names].map((name) => {
    const link = element("a", { href: `#${encodeURIComponent(name)}` }, element("bdi", {}, name));
    if (name === room) link.setAttribute("aria-current", "page");
    return element("li", {}, link);
  }));
  showPeople();
  showTyping();
  showEmpty();
  scrollToEnd();
}

function showPeople() {
  const people = place === room ? [...theRoom(room).people] : [];
  people.sort(([a, nameA], [b, nameB]) => (b === socket?.id) - (a === socket?.id) || nameA.localeCompare(nameB));
  $("people").replaceChildren(...people.map(([id, name]) =>
    element("li", { className: id === socket?.id ? "me" : "" }, avatar(name), named(name))));
  $("people-count").textContent = people.length || "";
  const others = people.filter(([id]) => id !== socket?.id).map(([, name]) => name);
  $("company").textContent = !people.length ? "" : !others.length ? "nobody but you"
    : others.length <= 3 ? `with ${others.join(", ")}` : `with ${others.slice(0, 2).join(", ")} and ${others.length - 2} more`;
  showEmpty();
}

function showTyping() {
  const names = [...typists.values()].map((typist) => typist.name);
  $("typing").textContent = !names.length ? "" : names.length > 2 ? "several people are typing …"
    : `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} typing …`;
}

function showEmpty() {
  const { entries, people } = theRoom(room);
  $("empty").hidden = entries.some((entry) => entry.kind === "said") || people.size > 1 || !$("trouble").hidden;
}

function showMe() {
  $("name").value = me.name;
  $("you-avatar").replaceWith(Object.assign(avatar(me.name), { id: "you-avatar" }));
}

function showLink(state, text) {
  $("link").dataset.state = state;
  if ($("link-text").textContent !== text) $("link-text").textContent = text;
  const engine = socket?.io.engine;
  const now = state === "on" ? engine.transport.name : "none";
  const facts = [
    ["Transport", now === began || state !== "on" ? now : `${began} → ${now}`],
    ["Protocol", engine ? `Engine.IO ${engine.opts.query?.EIO ?? 4}` : "none"],
    ["Socket", socket?.id ?? "none"],
    ["Reconnected", reconnections === 1 ? "once" : reconnections ? `${reconnections} times` : "never"],
  ];
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

function isAtEnd() {
  const { scrollHeight, scrollTop, clientHeight } = $("scroll");
  return scrollHeight - scrollTop - clientHeight < 60;
}

function scrollToEnd() {
  $("scroll").scrollTop = $("scroll").scrollHeight;
  $("newer").hidden = true;
}

function showSide(isOpen) {
  document.body.classList.toggle("side-open", isOpen);
  $("scrim").hidden = !isOpen;
  $("menu").setAttribute("aria-expanded", String(isOpen));
}

// ---- Small things ----

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function named(name) {
  return element("bdi", {}, name);
}

function avatar(name) {
  const made = element("span", { className: "avatar", ariaHidden: "true" }, [...name][0].toUpperCase());
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 360;
  made.style.setProperty("--hue", hash);
  return made;
}

function remember(set, value) {
  set.add(value);
  if (set.size > ENTRIES_MAX) set.delete(set.values().next().value);
}

/// Not crypto.randomUUID: a phone opens this page over plain HTTP, where there is none.
function random() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function inventedName() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  return `${pick(["Quiet", "Bright", "Early", "Gentle", "Swift", "Kind", "Curious"])} ${pick(["Fern", "Moss", "Ivy", "Reed", "Clover", "Heron", "Wren"])}`;
}

function cleaned(text, max) {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").trim().slice(0, max).trim();
}

function roomOfAddress() {
  try {
    return cleaned(decodeURIComponent(location.hash.slice(1)), 32) || "lobby";
  } catch {
    return "lobby";
  }
}

function kept(key) {
  try {
    return cleaned(localStorage.getItem(key) ?? "", 24);
  } catch {
    return "";
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Without storage the name lives as long as the page.
  }
}

// ---- Hands on the page ----

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.replace(/[^\P{Cc}\n]/gu, " ").trim();
  if (!text || !socket) return;
  say(text);
  $("text").value = "";
  typedAt = 0;
  showSendable();
  $("text").focus();
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("say").requestSubmit();
});
$("text").addEventListener("input", () => {
  type();
  showSendable();
});
// Where there is no mouse there is a keyboard on the screen, which comes only when it is called.
function focusText() {
  if (matchMedia("(hover: hover)").matches) $("text").focus();
}
function showSendable() {
  $("send").setAttribute("aria-disabled", String(!$("text").value.trim()));
}
$("room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = cleaned($("room-name").value, 32);
  if (!name) return $("room-name").focus();
  $("room-name").value = "";
  location.hash = encodeURIComponent(name);
});
$("name").addEventListener("change", () => {
  const name = cleaned($("name").value, 24);
  if (name) rename(name);
  else showMe();
});
$("name-form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("name").blur();
});
window.addEventListener("hashchange", () => {
  showSide(false);
  if (roomOfAddress() !== room) go(roomOfAddress());
  focusText();
});
$("menu").addEventListener("click", () => showSide(true));
$("scrim").addEventListener("click", () => showSide(false));
$("newer").addEventListener("click", scrollToEnd);
$("scroll").addEventListener("scroll", () => isAtEnd() && ($("newer").hidden = true));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  showSide(false);
  $("link").open = false;
});
document.addEventListener("click", (event) => {
  if (!$("link").contains(event.target)) $("link").open = false;
});

showMe();
showRoom();
showSendable();
focusText();
loadClient();
