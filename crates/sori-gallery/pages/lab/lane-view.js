// One lane as the page shows it.
import { element, setText } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { Track } from "./track.js";
import { LANE_WORDS, STATES, t } from "./words.js";

const FRAMES_SHOWN = 8;

export class LaneView {
  constructor(spec, record, act) {
    this.spec = spec;
    this.record = record;
    this.words = LANE_WORDS[spec.name];
    const canvas = element("canvas", { role: "img" });
    this.build(canvas, act);
    this.canvas = canvas;
    this.track = new Track(canvas, record);
    this.show("off");
  }

  build(canvas, act) {
    const id = `lane-${this.spec.name}`;
    this.stateText = element("span", {});
    this.resumes = element("span", { class: "resumes" });
    this.startButton = element("button", { type: "button", class: "small start", "aria-describedby": id, onclick: () => act.toggle(this.spec.name) });
    this.cutButton = element("button", { type: "button", class: "small cut", "aria-describedby": id, onclick: () => act.cut(this.spec.name) });
    this.last = element("code", { "aria-hidden": "true" });
    this.numbers = Object.fromEntries(NUMBERS.map(([name]) => [name, element("dd", {}, "–")]));
    this.list = element("ol");
    this.details = element("details", { class: "frames" },
      element("summary", {}, element("span", {}, t("프레임", "Frames")), this.last),
      this.list);
    this.details.addEventListener("toggle", () => this.#listFrames());
    this.node = element("li", { class: "lane", "data-family": this.spec.family, "data-lane": this.spec.name },
      element("div", { class: "who" },
        element("h3", { id }, this.words.title),
        element("p", { class: "about" }, this.words.about),
        element("p", { class: "state" }, element("span", { class: "dot", "aria-hidden": "true" }), this.stateText, this.resumes),
        element("p", { class: "buttons" }, this.startButton, this.cutButton)),
      element("div", { class: "course" }, canvas),
      element("dl", { class: "numbers" }, ...NUMBERS.map(([name, label, title]) =>
        element("div", { "data-number": name, title }, element("dt", {}, label), this.numbers[name]))),
      this.details);
  }

  /** What changes with the lane's state. */
  show(state) {
    const isRunning = !["off", "ended", "missing"].includes(state);
    const isCut = state === "cut";
    this.node.dataset.state = state;
    setText(this.stateText, STATES[state]);
    setText(this.startButton, isRunning ? t("멈추기", "Stop") : t("시작", "Start"));
    setText(this.cutButton, isCut ? t("다시 잇기", "Mend") : t("끊기", "Cut"));
    this.startButton.disabled = state === "missing";
    this.cutButton.disabled = !isRunning;
    this.cutButton.classList.toggle("is-cut", isCut);
  }

  /** What changes all the time. */
  refresh() {
    const { record } = this;
    const used = record.used;
    const { p50, p99, count: heard } = record.latencies.summary();
    const lost = record.tally?.lost() ?? 0;
    const doubled = record.tally?.doubled ?? 0;
    const shown = {
      requests: used ? count(used.requests) : "–",
      up: used ? bytes(used.up) : "–",
      down: used ? bytes(used.down) : "–",
      heard: count(record.tally?.heard ?? 0),
      p50: duration(p50),
      p99: duration(p99),
      lost: count(lost),
      doubled: count(doubled),
    };
    for (const [name, text] of Object.entries(shown)) setText(this.numbers[name], text);
    this.numbers.lost.parentNode.classList.toggle("bad", lost > 0);
    this.numbers.doubled.parentNode.classList.toggle("bad", doubled > 0);
    setText(this.resumes, record.resumes ? ` · ${t(`${record.resumes}번 돌아옴`, `came back ${record.resumes}×`)}` : "");
    this.#showFrames();
    const label = heard
      ? t(`${this.words.title}: 지난 20초의 지연, 중앙값 ${shown.p50}, 99% ${shown.p99}`, `${this.words.title}: latency over 20 seconds, median ${shown.p50}, 99% ${shown.p99}`)
      : t(`${this.words.title}: 아직 메시지 없음`, `${this.words.title}: no messages yet`);
    if (this.canvas.getAttribute("aria-label") !== label) this.canvas.setAttribute("aria-label", label);
  }

  #showFrames() {
    const { frames } = this.record;
    const newest = frames.at(-1);
    if (newest === this.newest) return;
    // Somebody is reading: what they read stays.
    if (this.details.open && this.details.matches(":hover, :focus-within")) return;
    this.newest = newest;
    if (newest) setText(this.last, `${ARROWS[newest.direction]} ${newest.text.replaceAll("\n", "⏎ ")}`);
    this.#listFrames();
  }

  #listFrames() {
    if (!this.details.open) return;
    const shown = this.record.frames.slice(-FRAMES_SHOWN).reverse();
    this.list.replaceChildren(...shown.map(({ direction, text, size }) =>
      element("li", { class: direction },
        element("span", { class: "way" }, ARROWS[direction], element("span", { class: "visually-hidden" }, DIRECTIONS[direction]), element("small", {}, bytes(size))),
        element("code", {}, text))));
  }
}

const ARROWS = { up: "↑", down: "↓" };
const DIRECTIONS = { up: t("보냄", "sent"), down: t("받음", "received") };

const NUMBERS = [
  ["requests", t("요청", "Requests"), t("서버가 센 HTTP 요청", "HTTP requests, counted by the server")],
  ["up", t("올린 양", "Up"), t("서버가 받은 바이트, 헤더 포함", "bytes that the server received, headers included")],
  ["down", t("내린 양", "Down"), t("서버가 보낸 바이트, 헤더 포함", "bytes that the server sent, headers included")],
  ["heard", t("들은 수", "Heard"), t("도착한 메시지", "messages that arrived")],
  ["p50", "p50", t("절반이 이보다 빨랐습니다", "half of the messages were faster")],
  ["p99", "p99", t("100개 중 99개가 이보다 빨랐습니다", "99 of 100 messages were faster")],
  ["lost", t("잃음", "Lost"), t("오지 않은 메시지", "messages that did not come")],
  ["doubled", t("겹침", "Doubled"), t("두 번 온 메시지", "messages that came twice")],
];
