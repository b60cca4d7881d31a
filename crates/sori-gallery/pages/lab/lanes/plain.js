// What lanes without a library have in common: the session's id, the cursor, trying again, and POST for the way up.
import { Lane, pause } from "./lane.js";

const RETRY_MS = 300;
const RETRY_MS_MAX = 5_000;
const FINAL = ["client namespace disconnect", "server namespace disconnect", "forced server close"];

/** A subclass says how events come down: `carry(signal)` returns or throws when its connection has ended. */
export class PlainLane extends Lane {
  /** Names this session to the server, which tells it to nobody else. */
  sid = null;
  /** The place of the last event that arrived. */
  cursor = null;
  /** A stream says something at least this often. */
  heartbeatMs = 25_000;
  #link = null;
  #failures = 0;
  #wasOpen = false;

  start() {
    this.sid = this.cursor = null;
    this.#wasOpen = false;
    this.#connect();
  }

  stop() {
    const link = this.#link;
    this.become("off");
    // Said before the connection goes: a stream's session would be gone with it.
    this.goodbye().finally(() => link?.abort());
  }

  cut() {
    this.#disconnect();
    this.become("cut");
  }

  mend() {
    this.#connect();
  }

  /** Tells the server that this session is over. */
  async goodbye() {
    if (this.sid) await this.ask("DELETE", {}).catch(() => {});
  }

  leave() {
    if (this.sid && this.isRunning) navigator.sendBeacon(this.url({ event: "disconnect" }));
  }

  emit(event, data) {
    if (this.state !== "open" || !this.sid) return false;
    const body = JSON.stringify(data);
    this.watcher.frame("up", `POST ?event=${event}\n${body}`);
    this.ask("POST", { event }, body, this.#link.signal).catch(() => {});
    return true;
  }

  /** Emits, and waits for what the handler answers; null when it does not. */
  async request(event, data) {
    if (this.state !== "open" || !this.sid) return null;
    const answer = await this.ask("POST", { event }, JSON.stringify(data), this.#link.signal).catch(() => null);
    return answer?.status === 200 ? answer.json().catch(() => null) : null;
  }

  /** The address for one request: the lab, the session, and what `query` adds. */
  url(query) {
    return `${this.place.live}?${new URLSearchParams({ ...this.place.query, lane: this.name, ...(this.sid && { sid: this.sid }), ...query })}`;
  }

  /** What a request says to go on where it left off. */
  get resume() {
    return this.cursor ? { since: this.cursor } : {};
  }

  /**
   * A request. Without credentials: browsers hold six connections to one host over HTTP/1.1, and those without cookies are
   * counted apart from those with, so that all lanes fit beside each other.
   */
  async ask(method, query, body, signal) {
    this.watcher.request();
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const answer = await fetch(this.url(query), { method, body, headers, signal, cache: "no-store", credentials: "omit" });
    if (answer.ok) return answer;
    if (answer.status === 404 && method === "GET") this.forget();
    throw new Error(`${answer.status} ${answer.statusText}`);
  }

  /** The server does not know the session any more, or does not say why it refuses: the cursor alone must do. */
  forget() {
    this.sid = null;
  }

  /** Takes an envelope, and shows the text in which it came. */
  hear(envelope, text) {
    if (!this.isRunning) return;
    if (text !== undefined) this.watcher.frame("down", text);
    if (envelope.id) this.cursor = envelope.id;
    if (envelope.event === "connect") return this.#welcomed(envelope.data);
    if (envelope.event === "disconnect") return this.#dismissed(envelope.data.reason);
    if (envelope.event) this.watcher.event(envelope.event, envelope.data);
  }

  /** The session can be used; `recovered` says of one that is back whether it missed nothing. */
  opened(recovered) {
    const isBack = this.#wasOpen && this.state !== "open";
    this.#wasOpen = true;
    this.#failures = 0;
    this.become("open");
    if (isBack) this.watcher.resumed(recovered);
  }

  #welcomed({ sid, cursor, heartbeat, recovered }) {
    this.sid = sid;
    this.heartbeatMs = heartbeat * 1_000;
    this.cursor ??= cursor ?? null;
    this.opened(recovered);
  }

  /** The server ends the session. Unless somebody meant us to go, the connection ends now and we come back by the cursor. */
  #dismissed(reason) {
    this.sid = null;
    if (!FINAL.includes(reason)) return;
    this.#disconnect();
    this.become("ended");
  }

  async #connect() {
    this.#disconnect();
    const { signal } = (this.#link = new AbortController());
    while (!signal.aborted) {
      this.become("connecting");
      await this.carry(signal).catch(() => this.#failures++);
      if (signal.aborted || !this.isRunning) return;
      this.become("waiting");
      await pause(Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX), signal);
    }
  }

  #disconnect() {
    this.#link?.abort();
  }
}
