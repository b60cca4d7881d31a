// Every lane there is, in the order of history, which is also the order of the textbooks.
import { Iframe } from "./iframe.js";
import { Jsonp } from "./jsonp.js";
import { LinesLane } from "./lines.js";
import { LongPolling } from "./long-polling.js";
import { Multipart } from "./multipart.js";
import { RawWebSocket } from "./raw-websocket.js";
import { ShortPolling } from "./short-polling.js";
import { SocketIo } from "./socket-io.js";
import { Sse } from "./sse.js";

/** `family` decides the colour; `resumes` says by what means a lane comes back. */
export const LANES = [
  { name: "short-polling", family: "polling", resumes: "sid, since", make: (...all) => new ShortPolling(...all) },
  { name: "long-polling", family: "polling", resumes: "sid, since", make: (...all) => new LongPolling(...all) },
  { name: "jsonp", family: "polling", resumes: "sid, since", make: (...all) => new Jsonp(...all) },
  { name: "iframe", family: "streaming", resumes: "sid, since", make: (...all) => new Iframe(...all) },
  { name: "multipart", family: "streaming", resumes: "sid, since", make: (...all) => new Multipart(...all) },
  { name: "lines", family: "streaming", resumes: "sid, since", make: (...all) => new LinesLane(...all) },
  { name: "sse", family: "streaming", resumes: "Last-Event-ID", make: (...all) => new Sse(...all) },
  { name: "raw-websocket", family: "websocket", resumes: "sid, since", make: (...all) => new RawWebSocket(...all) },
  { name: "socketio-polling", family: "socketio", resumes: "pid, offset", needsClient: true, make: (...all) => new SocketIo(...all, "polling") },
  { name: "socketio-websocket", family: "socketio", resumes: "pid, offset", needsClient: true, make: (...all) => new SocketIo(...all, "websocket") },
];
