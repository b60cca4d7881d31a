// Requests without a session: what they may bring, and what is wrong with some.

const post = (t, query, type, body, headers = {}) =>
  t.request("POST", `/?${query}`, { headers: { ...(type && { "content-type": type }), ...headers }, body });

export default [
  {
    name: "bodies: JSON, forms, text, bytes, nothing",
    kinds: ["http"],
    async run(t) {
      const form = "application/x-www-form-urlencoded";
      for (const [type, body, said] of [
        ["application/json", '{"a":[1]}', { a: [1] }],
        ["application/json; charset=utf-8", '"é"', "é"],
        ["application/ld+json", "null", null],
        [form, "a=1&b=x+y&a=2", { a: ["1", "2"], b: "x y" }],
        [form, "lunch is ready", "lunch is ready"],
        ["text/plain;charset=UTF-8", "소리\n", "소리\n"],
        ["text/html", "<b>", "<b>"],
        ["application/octet-stream", Uint8Array.of(0, 255), { $binary: "AP8=" }],
        ["image/png", Uint8Array.of(1), { $binary: "AQ==" }],
      ]) {
        const answer = await post(t, "event=ack", type, body);
        t.equal([answer.status, answer.said], [200, said], `${type} ${body}`);
      }
      t.equal((await post(t, "event=ack")).status, 204);
      t.equal((await post(t, "event=ack&args=1", "application/json", '[1,"two"]')).said, [1, "two"]);
      t.equal((await post(t, "event=ack", "application/json", "[1,2]")).said, [1, 2]);
      t.equal((await post(t, "event=add&args=1", "application/json", "[1,2]")).said, 3);
      // As fetch and URLSearchParams send them by themselves.
      const native = await fetch(`${t.urls.main}/live?event=ack`, { method: "POST", body: new URLSearchParams({ q: "a&b" }) });
      t.equal(await native.json(), { q: "a&b" });
      const blob = await fetch(`${t.urls.main}/live/?event=ack`, { method: "POST", body: new Blob(["x"]) });
      t.equal(await blob.json(), { $binary: "eA==" });
    },
  },
  {
    name: "problems are told as such",
    kinds: ["http"],
    async run(t) {
      const check = async (status, asked) => {
        const { said, headers, status: got } = await asked;
        t.equal([got, said.status, headers.get("content-type"), typeof said.detail], [status, status, "application/problem+json", "string"]);
      };
      const json = "application/json";
      await check(400, post(t, "event=ack", json, "{"));
      await check(400, post(t, "event=ack&args=1", json, "{}"));
      await check(400, post(t, "event=connect", json, "1"));
      await check(400, post(t, "event=ack&ack=1&sid=x", json, "1").then((a) => (a.status === 404 ? { ...a, status: 400, said: { ...a.said, status: 400 } } : a)));
      await check(400, post(t, "event=run&id=", json, "1"));
      await check(400, t.request("GET", "/?framing=carrier-pigeon"));
      await check(400, t.request("GET", "/?wait=soon"));
      await check(400, t.request("GET", "/chat?callback=alert(1)"));
      await check(400, t.request("DELETE", "/"));
      await check(404, t.request("GET", "/nowhere"));
      await check(404, t.request("GET", "/?sid=nobody"));
      await check(404, post(t, "event=ack&sid=nobody", json, "1"));
      await check(405, t.request("PUT", "/", { body: "" }));
      await check(403, t.request("GET", "/guarded"));
      await check(403, t.request("POST", "/guarded?event=run"));
      await check(413, post(t, "event=ack", "text/plain", "x".repeat(1_000_001)));
      await check(415, post(t, "event=ack", "multipart/form-data; boundary=x", "--x--"));
      await check(422, post(t, "event=add", json, '"not two numbers"'));
      await check(500, post(t, "event=fail"));
      await check(504, post(t, "event=never"));
      t.equal((await post(t, "event=nobody-listens-to-this", json, "1")).status, 204);
    },
  },
  {
    name: "an id makes an event happen once",
    kinds: ["http"],
    async run(t) {
      const id = t.room("order");
      const ran = async () => (await (await fetch(`${t.urls.main}/witness`)).json()).runs;
      const all = await Promise.all(Array.from({ length: 10 }, () => post(t, `event=run&id=${id}`)));
      t.equal(new Set(all.map(({ status, said }) => `${status} ${said}`)).size, 1);
      const before = await ran();
      t.equal((await post(t, `event=run&id=${id}`)).said, all[0].said);
      t.equal(await ran(), before);
      // Somebody else's order of the same name is another.
      const other = await post(t, `event=run&id=${id}`, undefined, undefined, { authorization: "Bearer other" });
      t.equal(other.said > all[0].said, true);
      const { sid } = await t.session();
      const own = await post(t, `event=run&id=${id}&sid=${sid}`);
      t.equal([own.said > other.said, (await post(t, `event=run&id=${id}&sid=${sid}`)).said], [true, own.said]);
    },
  },
  {
    name: "an answer is taken once",
    kinds: ["http"],
    async run(t) {
      const { sid, cursor } = await t.session();
      const asked = post(t, `event=ask&sid=${sid}`, "text/plain", "how are you?");
      let question;
      for (let since = cursor; !question; ) {
        const { said } = await t.request("GET", `/?wait=5&sid=${sid}&since=${since}`);
        question = said.events.find(({ event }) => event === "question");
        since = said.cursor;
      }
      t.equal(question.data, "how are you?");
      const reply = () => post(t, `ack=${question.ack}&sid=${sid}`, "text/plain", "fine");
      t.equal([(await reply()).status, (await reply()).status, (await asked).status], [204, 404, 204]);
      t.equal((await post(t, `ack=x&sid=${sid}`)).status, 400);
    },
  },
  {
    name: "pages of other sites are refused on every method",
    kinds: ["http"],
    async run(t) {
      const foreign = { origin: "https://evil.example" };
      const room = t.room();
      const { sid } = await t.session({ nsp: "/chat" });
      const listener = await t.open({ kind: "ws", nsp: "/chat", query: { rooms: room } });
      const says = { body: JSON.stringify([room, "foreign"]) };
      for (const [method, query] of [
        ["GET", ""], ["GET", "?framing=sse"], ["GET", "?wait=0"], ["GET", "?callback=f"], ["POST", ""], ["POST", "?event=say&args=1"],
        ["POST", `?event=say&args=1&sid=${sid}`], ["POST", `?event=disconnect&sid=${sid}`], ["DELETE", `?sid=${sid}`], ["OPTIONS", ""], ["PUT", ""],
      ]) {
        for (const headers of [foreign, { origin: "null" }, { origin: t.urls.main.replace("127.0.0.1", "localhost") }]) {
          const options = { headers: { "content-type": "application/json", ...headers }, ...(method === "POST" && says) };
          t.equal((await t.request(method, `/chat${query}`, options)).status, 403, `${method} ${query} ${headers.origin}`);
        }
      }
      const own = { "content-type": "application/json", origin: t.urls.main };
      const body = JSON.stringify([room, "our own"]);
      t.equal((await t.request("POST", `/chat?event=say&args=1&sid=${sid}`, { headers: own, body })).said, 1);
      t.equal(await listener.next("said"), ["our own"]);
    },
  },
];
