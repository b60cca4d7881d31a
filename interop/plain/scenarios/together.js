// Everybody in one room.
import { KINDS } from "../lib/kinds.js";

export default [
  {
    name: "one broadcast reaches clients of every kind, once",
    kinds: ["http"],
    async run(t) {
      const room = t.room();
      const everybody = [];
      for (const kind of Object.keys(KINDS)) everybody.push(await t.open({ kind, nsp: "/chat", query: { rooms: room } }));
      const args = ["소리", { bytes: Buffer.from([1, 2, 255]) }];
      for (const speaker of everybody) {
        t.equal(await speaker.ask("say", room, ...args), everybody.length);
      }
      for (const one of everybody) {
        t.equal(await one.take("said", everybody.length), everybody.map(() => args), one.constructor.name);
        t.equal(await one.arrived("said"), [], "nothing twice");
      }
      const { headers, status } = await t.request("POST", `/chat?event=say&args=1`, {
        headers: { "content-type": "application/json" },
        body: JSON.stringify([room, "by POST"]),
      });
      t.equal([status, headers.get("cache-control")], [200, "no-store"]);
      for (const one of everybody) t.equal(await one.next("said"), ["by POST"]);
    },
  },
];
