// Asks, waits for the answer however long it takes, and asks again.
"use strict";

const form = (fields) => ({ method: "POST", body: new URLSearchParams(fields) });
let after;

async function listen() {
  for (;;) {
    try {
      const started = performance.now();
      status("on", t("요청이 서버에서 기다리는 중", "a request is waiting at the server"));
      const response = await fetch("longpolling", form(after === undefined ? {} : { after }));
      if (!response.ok) throw new Error(await response.text());
      const waited = ((performance.now() - started) / 1000).toFixed(1);
      const answer = await response.text();
      if (answer === "End") {
        add("note", t(`End: ${waited}초 동안 아무 일도 없었습니다`, `End: nothing happened for ${waited} s`));
      } else {
        const event = JSON.parse(answer);
        after = event.number;
        add("", event.text, t(`${waited}초 기다림`, `waited ${waited} s`));
      }
    } catch (error) {
      status("off", t(`3초 뒤에 다시 묻습니다: ${error.message}`, `asking again in 3 s: ${error.message}`));
      await new Promise((resolve) => setTimeout(resolve, 3_000));
    }
  }
}

function add(className, text, when = "") {
  const [row, time] = ["li", "time"].map((tag) => document.createElement(tag));
  time.textContent = when;
  row.className = className;
  row.append(time, text);
  $("log").append(row);
  if ($("log").children.length > 100) $("log").firstChild.remove();
  $("log").scrollTop = $("log").scrollHeight;
}

function status(state, text) {
  $("status").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
}

$("happen").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { text } = event.target;
  const response = await fetch("events", form({ text: text.value }));
  if (response.ok) text.value = "";
  else status("off", await response.text());
  text.focus();
});

$("hello").addEventListener("click", async () => {
  $("said").textContent = "…";
  const started = performance.now();
  const answer = await (await fetch("hello")).text();
  $("said").textContent = t(`“${answer.trim()}”, ${((performance.now() - started) / 1000).toFixed(1)}초 뒤`, `“${answer.trim()}” after ${((performance.now() - started) / 1000).toFixed(1)} s`);
});

listen();
