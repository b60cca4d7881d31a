// What a run came to: in sentences, as a picture, as a table, as a file.
import { $, element } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { LANES } from "./lanes/all.js";
import { compared, extremes, toCsv } from "./table.js";
import { LANE_WORDS, t } from "./words.js";

const title = (name) => LANE_WORDS[name].title;
const family = (name) => LANES.find((lane) => lane.name === name).family;

export function showResults(result) {
  const lanes = compared(result);
  $("conditions").textContent = conditions(result);
  $("findings").replaceChildren(...findings(result, lanes).flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
  $("figure").replaceChildren(...figure(lanes));
  $("table-head").replaceChildren(element("tr", {}, element("th", { scope: "col" }, t("레인", "Lane")), ...COLUMNS.map(([label, , , title]) => element("th", { scope: "col", title }, label))));
  $("table-body").replaceChildren(...lanes.map((lane) => row(lane, lanes)));
  $("remarks").replaceChildren(...remarks(result).map((text) => element("li", {}, text)));
  $("csv").onclick = () => save(`sori-lab-${result.at.toISOString().slice(0, 19).replaceAll(":", "")}.csv`, toCsv(result));
  $("results").hidden = false;
}

// ---- In sentences ----

function conditions({ settings, messages }) {
  const who = { page: t("이 페이지가 말함", "the page spoke"), lanes: t("레인이 돌아가며 말함", "the lanes spoke in turn"), server: t("서버가 말함", "the server spoke") }[settings.who];
  const cut = settings.cut ? t(`, 그중 ${settings.cut}초는 네트워크 없이`, `, ${settings.cut} s of it without the network`) : "";
  return t(
    `메시지 ${messages}개, 각 ${bytes(settings.size)}, 초당 ${settings.rate}개. 침묵 ${settings.idle}초, 대화 ${settings.talk}초${cut}; ${who}.`,
    `${messages} messages of ${bytes(settings.size)}, ${settings.rate} a second. ${settings.idle} s of silence, ${settings.talk} s of talk${cut}; ${who}.`,
  );
}

/** Each with the lanes at both ends. */
function findings(result, lanes) {
  const found = [];
  const ends = (key, format, low, high) => {
    const ends = extremes(lanes, key);
    return ends && `${low}: ${names(ends.low.lanes)} (${format(ends.low.value)}). ${high}: ${names(ends.high.lanes)} (${format(ends.high.value)}).`;
  };
  const add = (term, text) => text && found.push([term, text]);
  const [least, most] = [t("가장 적게", "Least"), t("가장 많이", "Most")];
  add(t("요청", "Requests"), ends("requests", count, least, most));
  add(t("메시지당 바이트", "Bytes for a message"), ends("bytesPerMessage", bytes, least, most));
  add(t("침묵의 값 (분당)", "The price of silence, a minute"), ends("idleBytesPerMinute", bytes, least, most));
  add(t("지연의 중앙값", "Median latency"), ends("p50", duration, t("가장 빠름", "Fastest"), t("가장 느림", "Slowest")));
  add(t("약속", "The promise"), promise(result, lanes));
  return found;
}

function names(lanes) {
  const known = lanes.filter(({ name }) => name === "raw-websocket" || name === "sse");
  const shown = lanes.length <= 3 ? lanes : known.length > 0 ? known : lanes.slice(0, 2);
  const rest = lanes.length - shown.length;
  const list = shown.map(({ name }) => title(name)).join(", ");
  return rest ? t(`${list} 외 ${rest}개`, `${list} and ${rest} more`) : list;
}

function promise({ settings, messages }, lanes) {
  const faulty = lanes.filter(({ lost, doubled }) => lost + doubled > 0);
  const back = lanes.filter(({ resumes }) => resumes > 0).length;
  if (faulty.length > 0) {
    return faulty.map(({ name, lost, doubled }) => t(`${title(name)}: 잃음 ${lost}, 겹침 ${doubled}.`, `${title(name)}: ${lost} lost, ${doubled} doubled.`)).join(" ");
  }
  const each = t(`모든 레인이 메시지 ${messages}개를 한 번씩 들었습니다: 잃음 0, 겹침 0.`, `Every lane heard each of the ${messages} messages once: 0 lost, 0 doubled.`);
  return settings.cut ? `${each} ${t(`${back}개 레인이 끊겼다가 돌아왔습니다.`, `${back} lanes had been cut off and came back.`)}` : each;
}

function remarks({ leftOut, hidden, settings }) {
  const said = [];
  if (leftOut.length) said.push(t(`참가하지 않은 레인: ${leftOut.map(title).join(", ")}.`, `Did not take part: ${leftOut.map(title).join(", ")}.`));
  if (hidden) said.push(t("탭이 한동안 가려져 있었습니다. 브라우저는 가려진 탭의 타이머를 늦춥니다.", "The tab was hidden for a while; browsers slow down the timers of hidden tabs."));
  if (settings.cut) said.push(t("끊긴 동안의 메시지는 늦게 왔고, p99와 최댓값에 들어 있습니다.", "What was said during the cut came late, and is part of p99 and maximum."));
  if (settings.who === "server") said.push(t("서버가 말할 때의 지연은 그 메시지를 가장 먼저 들은 레인보다 늦은 시간입니다.", "When the server speaks, latency is the time after the first lane that heard the message."));
  if (settings.who === "lanes") said.push(t("레인이 말하는 데 쓴 요청과 바이트도 들어 있습니다.", "Requests and bytes include what the lanes spent on speaking."));
  return said;
}

// ---- As a picture ----

const LATENCY_TICKS = [1, 10, 100, 1_000, 10_000];
const [LATENCY_LOW, LATENCY_HIGH] = [0.5, 20_000];

function figure(lanes) {
  const share = (ms) => Math.log(Math.min(Math.max(ms, LATENCY_LOW), LATENCY_HIGH) / LATENCY_LOW) / Math.log(LATENCY_HIGH / LATENCY_LOW);
  const [bytesLabel, requestsLabel] = [t("메시지당 바이트", "Bytes for a message"), t("메시지당 요청", "Requests for a message")];
  const head = element("div", { class: "row head" },
    element("span"),
    scale(t("지연 (로그 눈금)", "Latency, on a logarithmic scale"), LATENCY_TICKS.map((ms) => [share(ms), ms < 1_000 ? `${ms}` : `${ms / 1_000} s`])),
    element("span", { class: "cell" }, bytesLabel),
    element("span", { class: "cell" }, requestsLabel));
  const bar = (lane, key, format, label) => {
    const most = Math.max(...lanes.map((other) => other[key] ?? 0)) || 1;
    const filled = element("i", { class: "fill" });
    filled.style.width = `${(100 * (lane[key] ?? 0)) / most}%`;
    return element("span", { class: "cell barred" }, element("small", {}, label), element("span", { class: "rail" }, filled), element("b", {}, format(lane[key])));
  };
  const rows = lanes.map((lane) => element("div", { class: "row", "data-family": family(lane.name) },
    element("span", { class: "name" }, title(lane.name)),
    strip(lane, share),
    bar(lane, "bytesPerMessage", bytes, bytesLabel),
    bar(lane, "requestsPerMessage", count, requestsLabel)));
  return [head, ...rows];
}

function scale(label, ticks) {
  const cell = element("span", { class: "cell scale" }, label);
  for (const [at, text] of ticks) cell.append(placed(element("small", {}, text), at));
  return cell;
}

/** A line from the median to the 99th of a hundred, and a ring at the slowest. */
function strip({ p50, p99, max }, share) {
  const cell = element("span", { class: "cell strip" });
  for (const ms of LATENCY_TICKS) cell.append(placed(element("i", { class: "grid" }), share(ms)));
  if (p50 === null) return cell;
  const span = placed(element("i", { class: "span" }), share(p50));
  span.style.width = `${100 * (share(max) - share(p50))}%`;
  cell.append(span, placed(element("i", { class: "p50" }), share(p50)), placed(element("i", { class: "p99" }), share(p99)), placed(element("i", { class: "max" }), share(max)));
  return cell;
}

function placed(node, share) {
  node.style.insetInlineStart = `${100 * share}%`;
  return node;
}

// ---- As a table ----

/** Label, key, format, explanation, whether the lowest is the best. */
const COLUMNS = [
  [t("요청", "Requests"), "requests", count, t("서버가 센 HTTP 요청", "HTTP requests, counted by the server"), true],
  [t("메시지당 요청", "requests per message"), "requestsPerMessage", count, t("대화 중의 요청을 들은 메시지로 나눈 것", "requests during the talk, by messages heard"), true],
  [t("올린 양", "Up"), "up", bytes, t("헤더 포함", "headers included"), true],
  [t("내린 양", "Down"), "down", bytes, t("헤더 포함", "headers included"), true],
  [t("메시지당 바이트", "bytes per message"), "bytesPerMessage", bytes, t("대화 중 양방향 바이트를 들은 메시지로 나눈 것", "bytes both ways during the talk, by messages heard"), true],
  [t("페이로드의", "times payload"), "overhead", (value) => (value === null ? "–" : `×${count(value)}`), t("페이로드 1바이트에 오간 바이트", "bytes that travelled for each byte of payload"), true],
  [t("침묵 1분", "a silent minute"), "idleBytesPerMinute", bytes, t("아무도 말하지 않는 1분에 오가는 바이트", "bytes in a minute in which nobody speaks"), true],
  ["p50", "p50", duration, t("지연의 중앙값", "median latency"), true],
  ["p99", "p99", duration, t("100개 중 99개가 이보다 빨랐습니다", "99 of 100 messages were faster"), true],
  [t("최댓값", "max"), "max", duration, t("가장 느린 메시지", "the slowest message"), true],
  [t("들은 수", "Heard"), "heard", count, t("도착한 메시지", "messages that arrived"), false],
  [t("잃음", "Lost"), "lost", count, t("오지 않은 메시지", "messages that did not come"), false],
  [t("겹침", "Doubled"), "doubled", count, t("두 번 온 메시지", "messages that came twice"), false],
  [t("복귀", "Came back"), "resumes", count, t("연결을 잃고 돌아온 횟수", "times it lost its connection and came back"), false],
];

function row(lane, lanes) {
  const cells = COLUMNS.map(([, key, format, , lowIsBest]) => {
    const isBad = (key === "lost" || key === "doubled") && lane[key] > 0;
    const isBest = lowIsBest && lane[key] !== null && lane[key] === extremes(lanes, key)?.low.value;
    return element("td", { class: isBad ? "bad" : isBest ? "best" : false }, format(lane[key]));
  });
  return element("tr", { "data-family": family(lane.name) }, element("th", { scope: "row" }, title(lane.name)), ...cells);
}

/** Offers a text as a file. */
function save(name, text) {
  const url = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
