// A scenario: { name, run(trial), skip?(trial) -> why not, known?(trial) -> why it may fail, timeoutMs? }
// `skip` is for what a client cannot do; `known` for what the reference, or any server, cannot do for that client.
import connecting from "./connecting.js";
import endings from "./endings.js";
import events from "./events.js";
import msgpack from "./msgpack.js";
import namespaces from "./namespaces.js";
import recovery from "./recovery.js";
import rooms from "./rooms.js";

export const scenarios = [...connecting, ...namespaces, ...events, ...rooms, ...endings, ...recovery, ...msgpack];
