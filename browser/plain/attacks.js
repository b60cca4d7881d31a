// What pages of other origins try, with the cookies of somebody who is logged in. Each attack is made twice: at `/open`, which asks
// nobody where he comes from, to see that it arrives with the cookie; and at `/live`, which must refuse it with 403 and do nothing.
import { createServer } from "node:http";
import { once } from "node:events";

/** By name: the method that arrives, and a script that sends it to `target`. */
const ATTACKS = {
  "a script": ["GET", `element("script", { src: target })`],
  "a script without referrer": ["GET", `element("script", { src: target, referrerPolicy: "no-referrer" })`],
  "a script of a module": ["GET", `element("script", { src: target, type: "module", crossOrigin: "use-credentials" })`],
  "a JSONP script": ["GET", `element("script", { src: target + "&callback=steal" })`],
  "an image": ["GET", `element("img", { src: target })`],
  "an image without referrer": ["GET", `element("img", { src: target, referrerPolicy: "no-referrer" })`],
  "a stylesheet": ["GET", `element("link", { rel: "stylesheet", href: target })`],
  "a video": ["GET", `element("video", { src: target, preload: "auto" })`],
  "an iframe": ["GET", `element("iframe", { src: target + "&framing=iframe" })`],
  "an iframe without referrer": ["GET", `element("iframe", { src: target, referrerPolicy: "no-referrer" })`],
  "an EventSource": ["GET", `new EventSource(target, { withCredentials: true })`],
  "a WebSocket": ["GET", `new WebSocket(target.replace("http", "ws"), "sori.json.v1")`, true],
  "a bare WebSocket": ["GET", `new WebSocket(target.replace("http", "ws"))`, true],
  "fetch GET, no-cors": ["GET", `fetch(target, { mode: "no-cors", credentials: "include" })`],
  "fetch GET": ["GET", `fetch(target, { credentials: "include" })`],
  "a poll": ["GET", `fetch(target + "&wait=0", { mode: "no-cors", credentials: "include", referrerPolicy: "no-referrer" })`],
  "a form's GET": ["GET", `form({ method: "GET" })`],
  "a form's POST": ["POST", `form({ method: "POST" })`],
  "a form's text": ["POST", `form({ method: "POST", enctype: "text/plain" })`],
  "a form's parts": ["POST", `form({ method: "POST", enctype: "multipart/form-data" })`],
  "fetch POST, no-cors": ["POST", `fetch(target, { method: "POST", mode: "no-cors", credentials: "include", body: "1" })`],
  "fetch POST, no-cors, without referrer": [
    "POST", `fetch(target, { method: "POST", mode: "no-cors", credentials: "include", body: "1", referrerPolicy: "no-referrer" })`,
  ],
  "XMLHttpRequest": ["POST", `x = new XMLHttpRequest(); x.open("POST", target); x.withCredentials = true; x.send("1")`],
  "sendBeacon": ["POST", `navigator.sendBeacon(target, "1")`],
  "fetch keepalive": ["POST", `fetch(target, { method: "POST", mode: "no-cors", credentials: "include", keepalive: true, body: new Blob(["1"]) })`],
  // Browsers ask first, without cookies.
  "fetch of JSON": [
    "OPTIONS", `fetch(target, { method: "POST", credentials: "include", headers: { "content-type": "application/json" }, body: "1" })`,
  ],
  "fetch DELETE": ["OPTIONS", `fetch(target, { method: "DELETE", credentials: "include" })`],
  "fetch PUT": ["OPTIONS", `fetch(target, { method: "PUT", credentials: "include" })`],
};

const HELPERS = `
  const element = (name, members) => document.body.append(Object.assign(document.createElement(name), members));
  const form = (members) => {
    const frame = Object.assign(document.createElement("iframe"), { name: "answer" + Math.random() });
    const form = Object.assign(document.createElement("form"), { action: target, target: frame.name, ...members });
    const { searchParams } = new URL(target);
    for (const [name, value] of members.method === "GET" ? searchParams : [["a", "1"]]) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(frame, form);
    form.submit();
  };
  let x;`;

/** A page of another origin. */
async function elsewhere(t) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!DOCTYPE html><meta charset="utf-8"><title>elsewhere</title><style>body { font: 15px system-ui }</style><body>`);
  }).listen(0);
  await once(server, "listening");
  t.defer(() => (server.closeAllConnections(), server.close()));
  return server.address().port;
}

/** Makes every attack from `page`; `wrap` makes a script of it that runs there, or in a frame of it. */
async function attack(t, page, { wrap = (script) => script, origin, hasCookies = true } = {}) {
  const login = await t.page(`${t.url}/login`);
  await login.close();
  for (const [name, [method, script, isUpgrade]] of Object.entries(ATTACKS)) {
    const made = (target) => page.evaluate(wrap(`(() => { const target = ${JSON.stringify(target)}; ${HELPERS}; ${script}; })()`));
    const key = `${name} ${Math.random()}`.replace(/\W+/g, "-");
    const isThis = (path) => (seen) => seen.path === path && seen.query.includes(key) && seen.method === method;
    const query = method === "GET" ? `?key=${key}` : `?event=run&key=${key}`;

    await made(`${t.url}/open/guarded${query}`);
    const [control] = await t.sees(`${name} at /open`, isThis("/open/guarded"));
    t.equal(control.status, 204, `${name} at /open`);
    // A preflight has none; what arrives at a WebSocket's door here is a mere GET.
    if (method !== "OPTIONS") t.equal(control.has_cookie, hasCookies, `${name} with the cookie`);

    const before = await t.witness();
    for (const nsp of ["/guarded", "/chat"]) {
      await made(`${t.url}/live${nsp}${query}`);
      const [seen] = await t.sees(`${name} at ${nsp}`, isThis(`/live${nsp}`));
      t.equal([seen.status, isUpgrade ?? false ? seen.origin !== null : true], [403, true], `${name} at ${nsp}`);
      if (origin && seen.origin !== null) t.equal(seen.origin, origin, `${name}: its origin`);
    }
    const after = await t.witness();
    t.equal([after.connects, after.runs], [before.connects, before.runs], `${name} did nothing`);
    const others = after.requests.filter((seen) => seen.path.startsWith("/live") && seen.query.includes(key));
    t.equal(others.filter(({ status }) => status !== 403), [], `${name}: nothing else was let in`);
  }
}

export const attacks = {
  async "a page of another site is refused whatever it tries, and nothing happens"(t) {
    const port = await elsewhere(t);
    const page = await t.page(`http://localhost:${port}/`);
    await attack(t, page, { origin: `http://localhost:${port}` });
  },

  async "a page of the same host at another port is another origin, too"(t) {
    const port = await elsewhere(t);
    const page = await t.page(`http://127.0.0.1:${port}/`);
    await attack(t, page, { origin: `http://127.0.0.1:${port}` });
  },

  async "a sandboxed frame has no origin, on whichever page"(t) {
    const wrap = (script) => {
      const html = `<body><script>${script}</scr` + `ipt>`;
      return `document.body.append(Object.assign(document.createElement("iframe"), { sandbox: "allow-scripts allow-forms", srcdoc: ${JSON.stringify(html)} }))`;
    };
    const port = await elsewhere(t);
    for (const url of [`http://localhost:${port}/`, `${t.url}/page`]) {
      const page = await t.page(url);
      await attack(t, page, { wrap, origin: "null" });
      await page.close();
    }
  },

  async "a link from another site opens nothing"(t) {
    const port = await elsewhere(t);
    const page = await t.page(`http://localhost:${port}/`);
    await (await t.page(`${t.url}/login`)).close();
    const before = await t.witness();
    for (const query of ["?framing=iframe&callback=alert", "?wait=0", "?framing=lines"]) {
      await page.goto(`http://localhost:${port}/`);
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.url().startsWith(t.url)),
        page.evaluate((href) => void Object.assign(document.createElement("a"), { href }).click(), `${t.url}/live/chat${query}`),
      ]);
      t.equal([answer.status(), (await answer.json()).status], [403, 403], query);
    }
    await t.shoot(page, "refused");
    t.equal((await t.witness()).connects, before.connects);
    // Typed by hand it is nobody's page.
    const typed = await page.goto(`${t.url}/live/chat?wait=0`);
    t.equal(typed.status(), 200);
  },

  async "a page of its own may do all that"(t) {
    const page = await t.page(`${t.url}/login`);
    const said = await page.evaluate(async () => {
      const poll = await (await fetch("/live/guarded?wait=0")).json();
      const run = await fetch("/live/guarded?event=run", { method: "POST", body: "1" });
      const form = await fetch("/live/guarded?event=ack", { method: "POST", body: new URLSearchParams({ a: "1" }) });
      const end = await fetch(`/live/guarded?sid=${poll.sid}`, { method: "DELETE" });
      return [poll.events[0].event, run.status, await form.json(), end.status];
    });
    t.equal(said, ["connect", 200, { a: "1" }, 204]);
  },
};
