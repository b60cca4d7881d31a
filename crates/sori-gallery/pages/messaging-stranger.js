// Sandboxed: its origin is nobody's, and it does not know the page's, either.
"use strict";

document.getElementById("origin").textContent = origin;
document.getElementById("say").addEventListener("click", () => {
  parent.postMessage({ kind: "say", text: "let me in" }, "*");
  parent.frames.left.postMessage({ kind: "whisper", from: "right", text: "let me in" }, "*");
});
