// Asks every second, and shows everything anew when something has changed.
"use strict";

let shown = "";

function poll() {
  const request = new XMLHttpRequest();
  request.open("GET", `messages?dummy=${Date.now()}`);
  request.timeout = 10_000;
  request.onload = () => {
    if (request.status === 200 && request.responseText !== shown) show((shown = request.responseText));
    status(request.status === 200 ? "on" : "off", request.status === 200 ? t("1초마다 묻는 중", "asking every second") : request.responseText);
  };
  request.onerror = request.ontimeout = () => status("off", t("서버가 대답하지 않습니다", "the server does not answer"));
  // Not setInterval: a slow answer must not be overtaken by the next question.
  request.onloadend = () => setTimeout(poll, 1_000);
  request.send();
}

function show(text) {
  const log = $("log");
  const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.replaceChildren(...JSON.parse(text).map(({ nickname, message, time }) => {
    const [who, when, row] = ["b", "time", "li"].map((tag) => document.createElement(tag));
    // As text, whatever it looks like.
    who.textContent = nickname;
    when.dateTime = new Date(time).toISOString();
    when.textContent = new Date(time).toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" });
    row.append(when, who, message);
    return row;
  }));
  if (wasAtEnd) log.scrollTop = log.scrollHeight;
}

function status(state, text) {
  $("status").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  const request = new XMLHttpRequest();
  request.open("POST", "messages");
  request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
  request.onload = () => (request.status === 204 ? (form.message.value = "") : status("off", request.responseText));
  request.send(new URLSearchParams(new FormData(form)).toString());
  form.message.focus();
});

poll();
