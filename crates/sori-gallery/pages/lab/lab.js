// The page of the lab.
import { $, announce, setText } from "./dom.js";
import { Experiment, now } from "./experiment.js";
import { LaneView } from "./lane-view.js";
import { LANES } from "./lanes/all.js";
import { loadClient } from "./lanes/socket-io.js";
import { Panel } from "./panel.js";
import { Record } from "./record.js";
import { showResults } from "./results.js";
import { Voice } from "./voice.js";
import { t } from "./words.js";

const TRAFFIC_EVERY_MS = 500;
const NUMBERS_EVERY_MS = 250;
const DRAW_EVERY_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1_000 : 50;

/** Only this page knows it: strangers have their own rooms. */
const place = {
  live: "/lab/live",
  socketIo: "/lab/socket.io/",
  origin: location.origin,
  query: { lab: random() },
};

const firstHeard = new Map();
const seats = LANES.map(takeSeat);
const voice = new Voice(place, { changed: showVoice, refused });
let experiment = null;

function takeSeat(spec) {
  const seat = { spec };
  seat.record = new Record(whenFirstHeard, (state, why) => (state === "refused" ? refused(why) : changed(seat, state)));
  seat.lane = spec.make(spec.name, place, seat.record);
  seat.view = new LaneView(spec, seat.record, { toggle: () => toggle(seat), cut: () => toggleCut(seat) });
  $("lanes").append(seat.view.node);
  return seat;
}

// ---- Lanes ----

function startLane(seat) {
  seat.record.reset();
  seat.lane.start();
}

function toggle(seat) {
  if (seat.lane.isRunning) seat.lane.stop();
  else startLane(seat);
}

function toggleCut({ lane }) {
  if (lane.state === "cut") lane.mend();
  else lane.cut();
}

function changed(seat, state) {
  seat.view.show(state);
  const running = seats.filter(({ lane }) => lane.isRunning);
  panel.showLanes({ running: running.length, cut: running.filter(({ lane }) => lane.state === "cut").length });
}

const hands = {
  startAll() {
    seats.filter(({ lane }) => !lane.isRunning && lane.state !== "missing").forEach(startLane);
  },
  stopAll() {
    seats.filter(({ lane }) => lane.isRunning).forEach(({ lane }) => lane.stop());
  },
  /** Cuts all, or mends all when all are cut. */
  cutAll() {
    const running = seats.filter(({ lane }) => lane.isRunning);
    const isMending = running.every(({ lane }) => lane.state === "cut");
    for (const { lane } of running) {
      if (isMending) lane.mend();
      else if (lane.state !== "cut") lane.cut();
    }
    announce(isMending ? t("네트워크가 돌아왔습니다.", "The network is back.") : t("네트워크가 끊겼습니다.", "The network is cut."));
  },
  dropAll() {
    voice.emit("drop", null);
  },
  say(text) {
    return voice.emit("say", { at: now(), pad: text });
  },
  async run(settings) {
    if (experiment) return experiment.stop();
    if (!voice.isOpen) return announce(t("아직 서버에 연결되지 않았습니다.", "Not connected to the server yet."));
    experiment = new Experiment({ seats, voice, askTraffic, startLane }, settings, (name, ms) => panel.showPhase(name, ms, settings));
    panel.showRunning(true);
    const result = await experiment.run();
    experiment = null;
    panel.showRunning(false);
    panel.showPhase(result ? "done" : "stopped");
    if (result) showResults(result);
  },
};
const panel = new Panel(hands);

/** When the first lane heard a message: the server's own carry no time of this page's clock. */
function whenFirstHeard(n, time) {
  if (!firstHeard.has(n)) firstHeard.set(n, time);
  if (firstHeard.size > 8_192) firstHeard.delete(firstHeard.keys().next().value);
  return firstHeard.get(n);
}

// ---- What the server measured ----

async function askTraffic() {
  const answer = await voice.request("traffic", null);
  if (!answer) return null;
  for (const { spec, record } of seats) record.traffic = answer.lanes[spec.name] ?? record.traffic;
  return answer;
}

let isAsking = false;
setInterval(async () => {
  if (isAsking || document.hidden || !seats.some(({ lane }) => lane.isRunning)) return;
  isAsking = true;
  await askTraffic();
  isAsking = false;
}, TRAFFIC_EVERY_MS);

function showVoice(state, lane) {
  const how = lane?.constructor.name === "LinesLane" ? t("스트림과 POST로", "over a stream and POST") : t("WebSocket으로", "over WebSocket");
  $("voice").dataset.state = state;
  setText($("voice-text"), {
    open: t(`목소리 연결됨, ${how}`, `voice connected ${how}`),
    ended: t("목소리를 서버가 끝냄", "voice ended by the server"),
  }[state] ?? t("목소리를 연결하는 중", "connecting the voice"));
}

function refused(why) {
  const words = {
    rate: t("서버가 일부 메시지를 거절했습니다. 한 주소가 보낼 수 있는 양보다 많습니다.", "The server refused some messages: more than one address may send."),
    full: t("실험실에 자리가 없습니다. 잠시 뒤에 다시 해 보세요.", "The lab is full. Try again in a while."),
  };
  setText($("notice"), words[why] ?? String(why));
  $("notice").hidden = false;
}

// ---- The client of Socket.IO ----

async function findClient() {
  $("client").hidden = true;
  const isThere = await loadClient(place.socketIo);
  for (const { spec, lane } of seats) if (spec.needsClient && !lane.isRunning) lane.become(isThere ? "off" : "missing");
  $("client").hidden = isThere;
}
$("client-again").addEventListener("click", findClient);

// ---- All the time ----

setInterval(() => document.hidden || seats.forEach(({ view }) => view.refresh()), NUMBERS_EVERY_MS);
let drawnAt = 0;
requestAnimationFrame(function draw(time) {
  if (time - drawnAt >= DRAW_EVERY_MS) {
    drawnAt = time;
    for (const { view } of seats) view.track.draw(time);
  }
  requestAnimationFrame(draw);
});
addEventListener("pagehide", () => [voice, ...seats.map(({ lane }) => lane)].forEach((one) => one.leave()));
findClient();
document.documentElement.dataset.ready = "";

/** Not crypto.randomUUID: a phone opens this page over plain HTTP, where there is none. */
function random() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
