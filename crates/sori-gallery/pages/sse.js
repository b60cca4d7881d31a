// Listens to two streams with nothing but the browser's own EventSource.
"use strict";

/// Listens, shows the last event and the state of the connection, and calls `onEnd` when it is over for good.
function listen(name, onEnd) {
  const source = new EventSource(`live/${name}?format=text`);
  source.onmessage = ({ data }) => ($(name).textContent = data);
  source.onopen = () => state(name, "on", t("열림: 듣는 중", "open: listening"));
  let isOver = false;
  source.addEventListener("disconnect", () => (isOver = true));
  // The browser says only that something ended; whether it tries again is in readyState.
  source.onerror = () => {
    if (source.readyState === EventSource.CONNECTING) {
      const what = isOver ? t("서버가 끝냈음: 한 번 더 물어보는 중", "ended by the server: asking once more") : t("끊김: 스스로 다시 잇는 중", "lost: connecting again by itself");
      return state(name, "wait", what);
    }
    state(name, "off", t("닫힘: 다시 묻지 않음", "closed: does not ask again"));
    onEnd();
  };
  state(name, "wait", t("연결하는 중", "connecting"));
  return source;
}

function state(name, state, text) {
  $(`${name}-status`).dataset.state = state;
  if ($(`${name}-status`).textContent !== text) $(`${name}-status`).textContent = text;
}

function countDown() {
  $("again").disabled = true;
  $("countdown").classList.remove("over");
  listen("countdown", () => {
    $("countdown").classList.add("over");
    $("again").disabled = false;
  });
}

let clock = null;
function toggleTime() {
  if (clock) {
    clock.close();
    clock = null;
    state("time", "off", t("닫힘: 이 페이지가 닫았음", "closed by this page"));
  } else {
    clock = listen("time", () => {});
  }
  $("toggle").textContent = $("toggle").dataset[clock ? "stop" : "start"];
}

$("again").addEventListener("click", countDown);
$("toggle").addEventListener("click", toggleTime);
$("curl").textContent = `curl -N -H "Accept: text/event-stream" "${new URL("live/time?format=text", location.href)}"`;
countDown();
toggleTime();
