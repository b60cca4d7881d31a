// One request at a time, and everything that it tells about itself.
"use strict";

let request;

function send({ method, url, type = "", body, upload, timeout = 0 }) {
  request?.abort();
  request = new XMLHttpRequest();
  for (const id of ["answer", "headers", "events"]) $(id).replaceChildren();
  $("progress").value = 0;
  $("loading").textContent = $("loading").dataset.text;
  const start = performance.now();
  const own = request;
  watch(own, "", start);
  if (upload) watch(own.upload, "upload.", start);
  state(own);
  own.addEventListener("readystatechange", () => own === request && state(own));
  own.addEventListener("loadend", () => own === request && show(own));
  own.open(method, url);
  own.responseType = type;
  own.timeout = Number(timeout);
  if (body) own.setRequestHeader("Content-Type", "application/json");
  own.send(upload ? new Blob(["x".repeat(Number(upload))]) : body);
  $("abort").disabled = false;
}

function watch(target, prefix, start) {
  for (const name of ["loadstart", "progress", "load", "error", "abort", "timeout", "loadend"]) {
    target.addEventListener(name, ({ loaded, total, lengthComputable }) => {
      if (target !== request && target !== request.upload) return;
      if (lengthComputable && name === "progress") $("progress").value = loaded / total;
      const row = document.createElement("li");
      row.textContent = `${prefix}${name}`;
      row.dataset.at = name === "progress" ? `${loaded.toLocaleString()}${lengthComputable ? ` / ${total.toLocaleString()}` : ""}` : `${Math.round(performance.now() - start)} ms`;
      // What goes on and on is one row.
      if ($("events").lastChild?.textContent === row.textContent) $("events").lastChild.remove();
      $("events").append(row);
    });
  }
}

function state({ readyState }) {
  [...$("states").children].forEach((item, at) => {
    item.toggleAttribute("data-reached", at <= readyState);
    at === readyState ? item.setAttribute("aria-current", "step") : item.removeAttribute("aria-current");
  });
}

function show(own) {
  $("loading").textContent = "";
  $("abort").disabled = true;
  const { responseType: type, response } = own;
  const text = own.status === 204 ? "" : !own.status ? t("답이 없습니다.", "There is no answer.")
    : type === "json" ? (response === null ? t("JSON이 아닙니다.", "This is not JSON.") : JSON.stringify(response, null, 2))
    : type === "document" ? `Document <${response.documentElement.tagName}>, ${t(`원소 ${response.querySelectorAll("*").length}개`, `${response.querySelectorAll("*").length} elements`)}`
    : type === "blob" ? `Blob, ${response.size} bytes, ${response.type}`
    : type === "arraybuffer" ? `ArrayBuffer, ${response.byteLength} bytes: ${[...new Uint8Array(response, 0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ")} …`
    : response.length > 300 ? `${response.slice(0, 100)} … (${response.length.toLocaleString()})` : response;
  $("answer").textContent = own.status ? `${own.status} ${own.statusText}\n${text}` : text;
  $("headers").textContent = own.getAllResponseHeaders();
}

$("requests").addEventListener("click", ({ target }) => target.dataset.url && send(target.dataset));
$("abort").addEventListener("click", () => request.abort());
$("echo").addEventListener("submit", (event) => {
  event.preventDefault();
  send({ method: "POST", url: "echo", body: event.target.json.value, type: "json" });
});
