// A scenario: { name, run(trial), kinds?, skip?(trial) -> why not, timeoutMs? }
// Without `kinds` it runs with each kind of client; `http` is none: a scenario that makes its requests by itself.
import curl from "./curl.js";
import endings from "./endings.js";
import everyday from "./everyday.js";
import resuming from "./resuming.js";
import sending from "./sending.js";
import together from "./together.js";

export const scenarios = [...everyday, ...endings, ...resuming, ...sending, ...together, ...curl];
