// Every way that a page has to listen and to speak, with the browser's own means.

export const ways = {
  async "EventSource: named events, messages, values, bytes"(t) {
    const page = await t.page();
    const heard = await page.evaluate(async () => {
      source("/live/chat");
      const [news] = await next("connect");
      const emit = (event, ...args) => post(`/live/chat?event=${event}&args=1&sid=${news.sid}`, args);
      const statuses = [await emit("echo", "é 소리 😀 \u2028\r\n"), await emit("echo"), await emit("message", { a: [1, null] }), await emit("echo", 1, "two")];
      const bytes = await post(`/live/chat?event=echo&sid=${news.sid}`, Uint8Array.of(0, 255), "application/octet-stream");
      const said = [];
      for (const name of ["echo", "echo", "message", "echo", "echo"]) said.push((await next(name))[0] ?? "no data");
      return { transport: news.transport, statuses, bytes, said, recovered: (await next("welcome"))[0].recovered };
    });
    const { id, ...several } = heard.said[3];
    t.equal(several, { event: "echo", args: [1, "two"] }, "several arguments are an envelope");
    t.equal([heard.transport, heard.statuses, heard.bytes, heard.recovered], ["sse", [204, 204, 204, 204], 204, false]);
    t.equal([heard.said[0], heard.said[1], heard.said[2], heard.said[4]], ["é 소리 😀 \u2028\r\n", "no data", { a: [1, null] }, { $binary: "AP8=" }]);
  },

  async "EventSource: comes back with Last-Event-ID, and nothing is lost or twice"(t) {
    const [room, wire] = [t.room(), await t.wire()];
    const page = await t.page(`${wire.url}/page`);
    await page.evaluate(async (room) => {
      source(`/live/chat?rooms=${room}`);
      await next("welcome");
    }, room);
    for (let round = 0; round < 3; round++) {
      t.equal(await t.say(room, 3 * round), 1);
      t.equal(await page.evaluate(async () => (await next("said"))[0]), 3 * round);
      wire.kill();
      await page.evaluate(async () => {
        const [state] = await next("error");
        if (state !== EventSource.CONNECTING) throw new Error(`state ${state}`);
      });
      await t.say(room, 3 * round + 1);
      t.equal(await page.evaluate(async () => (await next("said"))[0]), 3 * round + 1);
      t.equal(await t.say(room, 3 * round + 2), 1);
      t.equal(await page.evaluate(async () => (await next("said"))[0]), 3 * round + 2);
    }
    t.equal(await page.evaluate(() => heard.filter(([name]) => name === "said")), []);
  },

  async "EventSource: a session of its own goes on with its id and its rooms"(t) {
    const [room, wire] = [t.room(), await t.wire()];
    const page = await t.page(`${wire.url}/page`);
    const first = await page.evaluate(async () => {
      const { data } = await post("/live/chat");
      source(`/live/chat?sid=${data.sid}`);
      await next("welcome");
      return data;
    });
    await page.evaluate(([sid, room]) => post(`/live/chat?event=join&sid=${sid}`, room), [first.sid, room]);
    wire.kill();
    await page.evaluate(() => next("error"));
    t.equal(await t.say(room, "while you were away"), 1, "it stays in its rooms");
    t.equal(await page.evaluate(async () => (await next("said"))[0]), "while you were away");
    t.equal(await page.evaluate(() => [news.id, news.recovered]), [first.id, true]);
  },

  async "EventSource: who is sent away stays away"(t) {
    const page = await t.page();
    await t.forget();
    const [reason, id, states] = await page.evaluate(async () => {
      source("/live/?who=kicked");
      const [{ sid }] = await next("connect");
      post(`/live/?event=kick&sid=${sid}`);
      const [{ reason }, id] = await next("disconnect");
      // It comes back once, is answered 204, and gives up.
      const states = [(await next("error"))[0], (await next("error"))[0]];
      return [reason, id, states];
    });
    t.equal([reason, id, states], ["server namespace disconnect", "end", [0, 2]]);
    const { requests } = await t.witness();
    t.equal(requests.filter(({ query }) => query === "who=kicked").map(({ status }) => status), [200, 204]);
  },

  async "EventSource: refused is an error, and no reason to try again"(t) {
    const page = await t.page();
    await t.forget();
    for (const path of ["/live/guarded", "/live/nowhere", "/live/?sid=nobody"]) {
      t.equal(await page.evaluate(async (path) => (source(path), (await next("error"))[0]), path), 2, path);
    }
    const { requests } = await t.witness();
    t.equal(requests.map(({ status }) => status), [403, 404, 404]);
    await page.goto(`${t.url}/login`);
    const transport = await page.evaluate(async () => (source("/live/guarded"), (await next("connect"))[0].transport));
    t.equal(transport, "sse", "a cookie of its own page lets it in");
  },

  async "WebSocket: envelopes both ways, acknowledgements, bytes, close codes"(t) {
    const page = await t.page();
    const said = await page.evaluate(async () => {
      const open = (path, protocols) => {
        const ws = new WebSocket(`ws://${location.host}${path}`, protocols);
        ws.onmessage = ({ data }) => {
          const envelope = JSON.parse(data);
          hear(envelope.event ?? "answer", envelope);
        };
        ws.onclose = ({ code, reason, wasClean }) => hear("close", [code, reason, wasClean]);
        return ws;
      };
      const say = (ws, envelope) => ws.send(JSON.stringify(envelope));
      const out = {};
      const ws = open("/live/chat", ["unknown.v9", "sori.json.v1"]);
      const [{ data }] = await next("connect");
      out.opened = [ws.protocol, data.transport];
      say(ws, { event: "echo", args: ["소리", { $binary: "AP8=" }] });
      out.echo = (await next("echo"))[0].args;
      say(ws, { event: "add", args: [40, 2], ack: 7 });
      out.answer = await next("answer");
      say(ws, { event: "ask", data: "well?" });
      const [{ data: question, ack }] = await next("question");
      say(ws, { ack, data: `${question} well!` });
      out.answered = (await next("answered"))[0].data;
      say(ws, { event: "kick" });
      out.goodbye = [(await next("disconnect"))[0].data.reason, (await next("close"))[0]];
      open("/live/", "sori.json.v1").onopen = ({ target }) => target.send("no envelope");
      out.garbage = (await next("close"))[0];
      open("/live/guarded", "sori.json.v1");
      out.refused = (await next("close"))[0];
      open("/live/", "other.v1");
      out.unknown = (await next("close"))[0][0];
      return out;
    });
    t.equal(said, {
      opened: ["sori.json.v1", "raw-websocket"],
      echo: ["소리", { $binary: "AP8=" }],
      answer: [{ data: 42, ack: 7 }],
      answered: "well? well!",
      goodbye: ["server namespace disconnect", [1000, "server namespace disconnect", true]],
      garbage: [1007, "parse error", true],
      refused: [1006, "", false],
      unknown: 1006,
    });
  },

  async "WebSocket: bare frames are messages, as blobs and as buffers"(t) {
    const [page, room] = [await t.page(), t.room()];
    const said = await page.evaluate(async (room) => {
      const out = [];
      for (const binaryType of ["blob", "arraybuffer"]) {
        const ws = new WebSocket(`ws://${location.host}/live/chat?events=message,said&rooms=${room}`);
        ws.binaryType = binaryType;
        const incoming = () => new Promise((resolve) => (ws.onmessage = ({ data }) => resolve(data)));
        await new Promise((resolve) => (ws.onopen = resolve));
        let data = incoming();
        ws.send("bare é");
        out.push([ws.protocol, await data]);
        data = incoming();
        ws.send(binaryType === "blob" ? new Blob([Uint8Array.of(0, 255)]) : Uint8Array.of(0, 255).buffer);
        const bytes = await data;
        const buffer = bytes instanceof Blob ? await bytes.arrayBuffer() : bytes;
        out.push([bytes.constructor.name, [...new Uint8Array(buffer)]]);
        data = incoming();
        await post("/live/chat?event=say&args=1", [room, { json: true }]);
        out.push(await data);
        ws.close(3001, "enough");
        await new Promise((resolve) => (ws.onclose = ({ code }) => (out.push(code), resolve())));
      }
      return out;
    }, room);
    const each = (name) => [["", "bare é"], [name, [0, 255]], '{"json":true}', 3001];
    t.equal(said, [...each("Blob"), ...each("ArrayBuffer")]);
  },

  async "fetch: streams of lines and of parts, read by hand; aborting one ends its session"(t) {
    const page = await t.page();
    for (const framing of ["lines", "multipart"]) {
      const room = t.room();
      const id = await page.evaluate(async ([framing, room]) => {
        window.heard = [];
        window.abort = new AbortController();
        const response = await fetch(`/live/chat?framing=${framing}&rooms=${room}`, { signal: abort.signal });
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        (async () => {
          let rest = "";
          for (;;) {
            const { value, done } = await reader.read();
            if (done) return hear("end");
            rest += value;
            const parts = framing === "lines" ? rest.split("\n") : rest.split(/\r\n--[\w-]+/);
            rest = parts.pop();
            for (const part of parts) {
              const json = framing === "lines" ? part : part.slice(part.indexOf("\r\n\r\n") + 4);
              if (json) hear(JSON.parse(json).event, JSON.parse(json));
            }
          }
        })().catch((error) => hear("aborted", error.name));
        const [{ data }] = await next("connect");
        await next("welcome");
        return data.id;
      }, [framing, room]);
      t.equal(await t.say(room, "streamed é", 1), 1);
      t.equal(await page.evaluate(async () => (await next("said"))[0].args), ["streamed é", 1]);
      const left = await page.evaluate(async (id) => {
        source(`/live/chat?rooms=watch:${id}`);
        await next("welcome");
        es.addEventListener("left", ({ data }) => hear("left", JSON.parse(data).args));
        abort.abort();
        const [name] = await next("aborted");
        const [args] = await next("left");
        es.close();
        return [name, args];
      }, id);
      t.equal(left, ["AbortError", [id, "transport close"]], framing);
    }
  },

  async "iframe: scripts of a page that never ends call the page"(t) {
    const [page, room] = [await t.page(), t.room()];
    const id = await page.evaluate(async (room) => {
      window.app = { take: (envelope) => hear(envelope.event, envelope) };
      const frame = document.createElement("iframe");
      frame.src = `/live/chat?framing=iframe&callback=app.take&rooms=${room}`;
      document.body.append(frame);
      const [{ data }] = await next("connect");
      await next("welcome");
      return data.id;
    }, room);
    const evil = '</script><script>parent.hacked=1</script><!-- \u2028 "';
    await t.say(room, evil);
    t.equal(await page.evaluate(async () => [(await next("said"))[0].data, window.hacked ?? "unharmed"]), [evil, "unharmed"]);
    const left = await page.evaluate(async (id) => {
      source(`/live/chat?rooms=watch:${id}`);
      es.addEventListener("left", ({ data }) => hear("left", JSON.parse(data).args));
      await next("welcome");
      document.querySelector("iframe").remove();
      return (await next("left"))[0];
    }, id);
    t.equal(left, [id, "transport close"]);
  },

  async "JSONP: script elements poll"(t) {
    const [page, room] = [await t.page(), t.room()];
    await page.evaluate(async (room) => {
      let [sid, since] = ["", ""];
      const poll = () => {
        const script = document.createElement("script");
        script.src = `/live/chat?callback=take&wait=5&rooms=${room}&sid=${sid}&since=${since}`;
        script.onload = () => (script.remove(), poll());
        document.head.append(script);
      };
      window.take = (answer) => {
        ({ sid, cursor: since } = answer);
        answer.events.forEach((envelope) => hear(envelope.event, envelope));
      };
      poll();
      await next("welcome");
    }, room);
    for (let n = 0; n < 20; n++) t.equal(await t.say(room, n, "</script>\u2028"), 1);
    const said = await page.evaluate(async () => {
      const all = [];
      while (all.length < 20) all.push((await next("said"))[0].args);
      return [all, heard.filter(([name]) => name === "said").length];
    });
    t.equal(said, [Array.from({ length: 20 }, (_, n) => [n, "</script>\u2028"]), 0]);
  },

  async "XMLHttpRequest: long polling"(t) {
    const [page, room] = [await t.page(), t.room()];
    await page.evaluate(async (room) => {
      let [sid, since] = ["", ""];
      const poll = () => {
        const xhr = new XMLHttpRequest();
        xhr.responseType = "json";
        xhr.open("GET", `/live/chat?wait=5&rooms=${room}&sid=${sid}&since=${since}`);
        xhr.onload = () => {
          ({ sid, cursor: since } = xhr.response);
          xhr.response.events.forEach((envelope) => hear(envelope.event, envelope));
          poll();
        };
        xhr.send();
      };
      poll();
      await next("welcome");
    }, room);
    for (let n = 0; n < 20; n++) t.equal(await t.say(room, n), 1);
    const said = await page.evaluate(async () => {
      const all = [];
      while (all.length < 20) all.push((await next("said"))[0].data);
      return [all, heard.filter(([name]) => name === "said").length];
    });
    t.equal(said, [Array.from({ length: 20 }, (_, n) => n), 0]);
  },

  async "sendBeacon: a page that goes ends its session"(t) {
    const [leaver, watcher] = [await t.page(), await t.page()];
    const { id, sid } = await leaver.evaluate(async () => {
      const { data } = await post("/live/chat");
      window.addEventListener("pagehide", () => navigator.sendBeacon(`/live/chat?event=disconnect&sid=${data.sid}`));
      return data;
    });
    await watcher.evaluate(async (id) => {
      source(`/live/chat?rooms=watch:${id}`);
      es.addEventListener("left", ({ data }) => hear("left", JSON.parse(data).args));
      await next("welcome");
    }, id);
    await leaver.goto("about:blank");
    t.equal(await watcher.evaluate(async () => (await next("left"))[0]), [id, "client namespace disconnect"]);
    const gone = await fetch(`${t.url}/live/chat?event=ack&sid=${sid}`, { method: "POST" });
    t.equal(gone.status, 404);
  },

  async "one broadcast, every way at once, on one page"(t) {
    const [page, room] = [await t.page(), t.room()];
    const names = await page.evaluate(async (room) => {
      document.body.innerHTML = `<style>body { font: 15px system-ui; margin: 32px } td { border-top: 1px solid #ccc; padding: 8px 24px 8px 0 }</style>
        <h1>One broadcast, every way</h1><table></table>`;
      const cells = {};
      const way = (name) => {
        cells[name] = Object.assign(document.createElement("tr"), { innerHTML: `<td><b>${name}</b><td>` });
        document.querySelector("table").append(cells[name]);
        return ({ event, data }) => {
          if (event === "welcome") hear(`${name} is here`);
          if (event !== "said") return;
          cells[name].lastChild.textContent += ` ${data}`;
          hear(name, data);
        };
      };
      const address = (params) => `/live/chat?${new URLSearchParams({ rooms: room, ...params })}`;
      const sse = way("EventSource");
      const es = new EventSource(address({ format: "envelope" }));
      for (const name of ["welcome", "said"]) es.addEventListener(name, ({ data }) => sse(JSON.parse(data)));
      const ws = way("WebSocket");
      new WebSocket(`ws://${location.host}${address()}`, "sori.json.v1").onmessage = ({ data }) => ws(JSON.parse(data));
      const stream = way("fetch, streaming");
      fetch(address({ framing: "lines" })).then(async ({ body }) => {
        let rest = "";
        const reader = body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const lines = (rest + (await reader.read()).value).split("\n");
          rest = lines.pop();
          lines.filter(Boolean).forEach((line) => stream(JSON.parse(line)));
        }
      });
      window.frameSays = way("iframe");
      document.body.append(Object.assign(document.createElement("iframe"), { hidden: true, src: address({ framing: "iframe", callback: "frameSays" }) }));
      for (const [name, params] of [["long polling", { wait: 5 }], ["short polling", { wait: 0 }]]) {
        const say = way(name);
        (async () => {
          for (let last = {}; ; ) {
            const answer = await (await fetch(address({ ...params, ...last }))).json();
            last = { sid: answer.sid, since: answer.cursor };
            answer.events.forEach(say);
            if (params.wait === 0) await new Promise((resolve) => setTimeout(resolve, 100));
          }
        })();
      }
      const script = way("JSONP");
      let last = {};
      window.scriptSays = ({ sid, cursor, events }) => ((last = { sid, since: cursor }), events.forEach(script));
      const ask = () => {
        const element = document.createElement("script");
        element.src = address({ callback: "scriptSays", wait: 5, ...last });
        element.onload = () => (element.remove(), ask());
        document.head.append(element);
      };
      ask();
      for (const name of Object.keys(cells)) await next(`${name} is here`);
      return Object.keys(cells);
    }, room);
    for (const text of ["소리", "is", "voice"]) t.equal(await t.say(room, text), names.length);
    const said = await page.evaluate(async (names) => {
      const all = {};
      for (const name of names) all[name] = [...(await next(name)), ...(await next(name)), ...(await next(name))];
      return [all, heard.filter(([name]) => names.includes(name))];
    }, names);
    t.equal(said, [Object.fromEntries(names.map((name) => [name, ["소리", "is", "voice"]])), []]);
    await t.shoot(page, "every-way");
  },
};
