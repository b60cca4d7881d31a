// What a run came to, as columns: for the page and for the file. Nothing here touches the page, so that node can test it.
import { csv } from "./csv.js";

const MINUTE = 60;

/** A result's lanes with everything that is compared. */
export function compared({ settings, lanes }) {
  return lanes.map((lane) => {
    const each = (value) => (lane.heard > 0 ? value / lane.heard : null);
    const perMinute = (value) => (settings.idle > 0 ? (value * MINUTE) / settings.idle : null);
    const bytesPerMessage = each(lane.talk.up + lane.talk.down);
    return {
      ...lane,
      ...lane.used,
      requestsPerMessage: each(lane.talk.requests),
      bytesPerMessage,
      /** How many bytes travel for each byte of payload. */
      overhead: bytesPerMessage && bytesPerMessage / settings.size,
      idleRequestsPerMinute: perMinute(lane.silence.requests),
      idleBytesPerMinute: perMinute(lane.silence.up + lane.silence.down),
    };
  });
}

/** The columns of the file, each with its unit in its name. */
const CSV_COLUMNS = [
  ["requests", "requests"],
  ["requests_per_message", "requestsPerMessage"],
  ["bytes_up", "up"],
  ["bytes_down", "down"],
  ["bytes_per_message", "bytesPerMessage"],
  ["bytes_per_payload_byte", "overhead"],
  ["idle_requests_per_minute", "idleRequestsPerMinute"],
  ["idle_bytes_per_minute", "idleBytesPerMinute"],
  ["latency_p50_ms", "p50"],
  ["latency_p99_ms", "p99"],
  ["latency_max_ms", "max"],
  ["messages", null],
  ["heard", "heard"],
  ["lost", "lost"],
  ["doubled", "doubled"],
  ["out_of_order", "disordered"],
  ["came_back", "resumes"],
  ["came_back_with_a_gap", "gaps"],
];
const CSV_SETTINGS = [
  ["rate_per_s", "rate"],
  ["payload_bytes", "size"],
  ["idle_s", "idle"],
  ["talk_s", "talk"],
  ["cut_s", "cut"],
  ["speaker", "who"],
];

export function toCsv(result) {
  const head = ["lane", ...CSV_COLUMNS.map(([name]) => name), ...CSV_SETTINGS.map(([name]) => name), "at"];
  const rows = compared(result).map((lane) => [
    lane.name,
    ...CSV_COLUMNS.map(([, key]) => (key ? lane[key] : result.messages)),
    ...CSV_SETTINGS.map(([, key]) => result.settings[key]),
    result.at.toISOString(),
  ]);
  return csv([head, ...rows]);
}

/** The lanes with the lowest and with the highest value; lanes that have none do not compete. */
export function extremes(lanes, key) {
  const having = lanes.filter((lane) => lane[key] !== null && lane[key] !== undefined);
  if (having.length < 2) return null;
  const values = having.map((lane) => lane[key]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const at = (value) => having.filter((lane) => lane[key] === value);
  return { low: { value: low, lanes: at(low) }, high: { value: high, lanes: at(high) } };
}
