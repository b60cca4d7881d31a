// The hands on the experiment: settings, run, cut, say, and how far it is.
import { $, announce, setText } from "./dom.js";
import { bytes } from "./format.js";
import { t } from "./words.js";

/** Settings that show something each. */
const PRESETS = {
  chatter: { rate: 10, size: 64, idle: 3, talk: 10, cut: 0, who: "page" },
  silence: { rate: 1, size: 64, idle: 20, talk: 5, cut: 0, who: "page" },
  freight: { rate: 5, size: 16384, idle: 3, talk: 10, cut: 0, who: "page" },
  tunnel: { rate: 10, size: 64, idle: 3, talk: 15, cut: 5, who: "page" },
};

export class Panel {
  #form = $("settings");
  #phaseEnd = null;

  constructor(hands) {
    $("run").addEventListener("click", () => hands.run(this.settings));
    $("start-all").addEventListener("click", hands.startAll);
    $("stop-all").addEventListener("click", hands.stopAll);
    $("cut-all").addEventListener("click", hands.cutAll);
    $("drop-all").addEventListener("click", hands.dropAll);
    $("say").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("text").value.trim();
      if (text && hands.say(text)) $("text").value = "";
      $("text").focus();
    });
    $("presets").addEventListener("change", ({ target }) => this.settings = PRESETS[target.value]);
    this.#form.addEventListener("change", () => this.#showSettings());
    this.settings = PRESETS.chatter;
    // On a phone the prepared ones come first, and the lanes right after.
    $("more").open = !matchMedia("(max-width: 760px)").matches;
    setInterval(() => this.#showTime(), 200);
  }

  get settings() {
    const values = new FormData(this.#form);
    const number = (name) => Number(values.get(name));
    return { rate: number("rate"), size: number("size"), idle: number("idle"), talk: number("talk"), cut: number("cut"), who: values.get("who") };
  }

  set settings(settings) {
    for (const [name, value] of Object.entries(settings)) {
      this.#form.querySelector(`[name="${name}"][value="${value}"]`).checked = true;
    }
    this.#showSettings();
  }

  showRunning(isRunning) {
    document.body.classList.toggle("running", isRunning);
    $("run").dataset.running = isRunning;
    setText($("run-text"), isRunning ? t("그만하기", "Stop the run") : t("실험하기", "Run"));
    for (const input of document.querySelectorAll("#presets input, #settings input")) input.disabled = isRunning;
  }

  showPhase(name, ms, settings) {
    this.#phaseEnd = ms ? performance.now() + ms : null;
    const words = {
      start: t("레인을 여는 중", "opening the lanes"),
      idle: t("침묵", "silence"),
      talk: t("대화", "talk"),
      cut: t("네트워크 끊김", "network cut"),
      mended: t("다시 이어짐", "network back"),
      settle: t("남은 것을 기다리는 중", "waiting for the rest"),
      done: t("끝. 결과는 아래에 있습니다.", "Done. The results are below."),
      stopped: t("그만두었습니다.", "Stopped."),
    };
    if (name === "start") this.#layOut(settings);
    $("progress").dataset.phase = name;
    this.words = words[name];
    $("to-results").hidden = name !== "done";
    this.#showTime();
    announce(ms ? `${this.words}, ${t(`${ms / 1000}초`, `${ms / 1000} seconds`)}` : this.words);
  }

  showLanes({ running, cut }) {
    const isCut = running > 0 && cut === running;
    $("cut-all").disabled = $("drop-all").disabled = $("stop-all").disabled = running === 0;
    $("cut-all").classList.toggle("is-cut", isCut);
    setText($("cut-text"), isCut ? t("네트워크 잇기", "Bring it back") : t("네트워크 끊기", "Cut the network"));
    setText($("running"), running ? t(`${running}개 실행 중`, `${running} running`) : "");
  }

  /** The bar's parts are as wide as they are long. */
  #layOut({ idle, talk, cut }) {
    $("progress").style.setProperty("--idle", idle);
    $("progress").style.setProperty("--talk", talk);
    $("progress").style.setProperty("--cut", Math.min(cut / talk, 0.7));
    $("progress").dataset.cut = cut > 0;
    $("progress").style.setProperty("--whole", `${idle + talk}s`);
    this.began = performance.now();
    this.whole = (idle + talk) * 1_000;
  }

  #showTime() {
    if (!this.words) return;
    const left = this.#phaseEnd === null ? 0 : Math.max(0, Math.ceil((this.#phaseEnd - performance.now()) / 1_000));
    setText($("phase"), left ? `${this.words} · ${t(`${left}초`, `${left} s`)}` : this.words);
  }

  #showSettings() {
    const { rate, size, idle, talk, cut } = this.settings;
    setText($("settings-text"), t(
      `초당 ${rate}개, ${bytes(size)}, 침묵 ${idle}초, 대화 ${talk}초${cut ? `, 끊김 ${cut}초` : ""}`,
      `${rate} a second, ${bytes(size)}, ${idle} s silent, ${talk} s talk${cut ? `, ${cut} s cut` : ""}`,
    ));
    // Which preset this is, if it is one.
    const now = JSON.stringify(this.settings);
    for (const input of $("presets").querySelectorAll("input")) input.checked = JSON.stringify(PRESETS[input.value]) === now;
  }
}
