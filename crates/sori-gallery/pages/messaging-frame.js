// One of the two frames. It has no connection: it talks to the other frame, and to the page around both.
"use strict";

const other = name === "left" ? "right" : "left";
const title = document.getElementById("name");
const log = document.getElementById("log");
title.textContent = title.dataset[name] ?? name;

addEventListener("message", ({ origin, source, data }) => {
  if (origin !== location.origin || ![parent, parent.frames[other]].includes(source)) return;
  add(`${data.elsewhere ? `${log.dataset.window}, ` : ""}${title.dataset[data.from] ?? data.from}${data.kind === "said" ? " *" : ""}`, data.text);
  // The page shows what it would not see otherwise.
  if (data.kind === "whisper") parent.postMessage({ kind: "heard", from: data.from, text: data.text }, location.origin);
});

document.getElementById("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const { text } = event.target;
  if (event.submitter?.value === "everybody") {
    parent.postMessage({ kind: "say", text: text.value }, location.origin);
  } else {
    parent.frames[other].postMessage({ kind: "whisper", from: name, text: text.value }, location.origin);
    add(title.dataset[name], text.value);
  }
  text.value = "";
  text.focus();
});

function add(who, text) {
  const [row, by] = ["li", "b"].map((tag) => document.createElement(tag));
  by.textContent = who;
  row.append(by, text);
  log.append(row);
  if (log.children.length > 50) log.firstChild.remove();
  log.scrollTop = log.scrollHeight;
}
