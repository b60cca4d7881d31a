// Colours for the code on the page, when it is unfolded: comments, strings, and the words of the language.
"use strict";

const KEYWORDS = "as async await break class const continue else enum extends export false fn for function if impl import in let loop match mod move mut new null of pub ref return self Self static struct super this throw true try type undefined use var where while".split(" ");
const TOKEN = /(\/\/[^\n]*|<!--[\s\S]*?-->|\/\*[\s\S]*?\*\/)|(b?"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|([A-Za-z_][A-Za-z0-9_]*)/g;

function colour(code) {
  const text = code.textContent;
  const parts = [];
  let end = 0;
  for (const { 0: token, 1: comment, 2: string, index } of text.matchAll(TOKEN)) {
    const className = comment ? "c" : string ? "s" : KEYWORDS.includes(token) ? "k" : "";
    // In an address, two slashes are no comment.
    if (!className || (comment && text[index - 1] === ":")) continue;
    parts.push(text.slice(end, index), Object.assign(document.createElement("span"), { className, textContent: token }));
    end = index + token.length;
  }
  code.replaceChildren(...parts, text.slice(end));
}

for (const details of document.querySelectorAll(".code details")) {
  details.addEventListener("toggle", () => details.open && colour(details.querySelector("code")), { once: true });
}
