// The clients of the matrix, and the ways each of them can be made to speak.

export const VERSIONS = ["1.0.6", "1.4.5", "1.7.4", "2.0.4", "2.5.0", "3.0.0", "3.1.3", "4.0.2", "4.6.2", "4.8.4"];

/** One letter each in the printed matrix. `jsonp` and `xhr2` run the version's browser build in jsdom. */
export const MODES = { polling: "p", websocket: "w", upgrade: "u", jsonp: "j", xhr2: "x" };

/** JSONP left the client in 4.1; that of 1.0 calls itself without end when it is closed here in jsdom. */
export function modesOf(version) {
  const modes = ["polling", "websocket", "upgrade"];
  if (!before(version, "1.4.0") && before(version, "4.1.0")) modes.push("jsonp");
  if (["1.7.4", "2.5.0", "4.8.4"].includes(version)) modes.push("xhr2");
  return modes;
}

export function transportOptions(mode) {
  switch (mode) {
    case "upgrade":
      return { transports: ["polling", "websocket"] };
    case "websocket":
      return { transports: ["websocket"] };
    case "jsonp":
      return { transports: ["polling"], forceJSONP: true };
    default:
      return { transports: ["polling"] };
  }
}

export const runsInBrowser = (mode) => mode === "jsonp" || mode === "xhr2";

export function before(version, other) {
  const [a, b] = [version, other].map((v) => v.split(".").map(Number));
  const i = a.findIndex((n, i) => n !== b[i]);
  return i !== -1 && a[i] < b[i];
}
