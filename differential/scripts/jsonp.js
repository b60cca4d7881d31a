"use strict";
// JSONP polling: callbacks, escapes and forms.

const { encode } = require("../lib/payloads");

const form = (data) => `d=${encodeURIComponent(data)}`;

/** A joined JSONP session posts one body and a last event; the answer is shown as it stands. */
const posted = (eio, id, body, more = {}) => ({
  id: `jsonp EIO=${eio} ${id}`,
  async run(act) {
    const session = await act.polling({ eio, query: "&j=0" }).join();
    await session.postRaw(body, id, more);
    await act.settle();
    await session.post('42["message","last"]');
    await act.settle();
    await session.poll("poll", { payload: undefined });
  },
});

module.exports = [
  ...["0", "7", "", "12a3", "alert(1)//", "-1", "1.5", "%0a1"].map((j) => ({
    id: `jsonp handshake j=${j}`,
    run: (act) => act.request("GET", { query: `EIO=4&transport=polling&j=${j}` }),
  })),
  {
    id: "jsonp handshake j twice",
    run: (act) => act.request("GET", { query: "EIO=4&transport=polling&j=1&j=2" }),
  },
  {
    id: "jsonp handshake EIO=3",
    run: (act) => act.request("GET", { query: "EIO=3&transport=polling&j=0", payload: 3 }),
  },
  {
    id: "jsonp error",
    run: (act) => act.request("GET", { query: "EIO=4&transport=polling&j=0&sid=unknown" }),
  },
  {
    id: "jsonp j of later requests",
    async run(act) {
      const session = await act.polling({ query: "&j=3" }).start();
      await session.post("40");
      await act.settle();
      await session.poll("poll with another j", { query: session.options.query.replace("j=3", "j=4") });
      await session.postRaw(form('42["message","x"]'), "without j", { query: session.options.query.replace("&j=3", "") });
      await act.settle();
      await session.poll("poll without j", { query: session.options.query.replace("&j=3", "") });
    },
  },
  {
    id: "jsonp asked for in the middle of a session",
    async run(act) {
      const session = await act.polling().join();
      await session.post('42["message","x"]');
      await act.settle();
      await session.poll("poll with j", { query: `${session.options.query}&j=0` });
    },
  },
  ...[4, 3].flatMap((eio) => [
    posted(eio, "echo", form(encode(eio, ['42["message","one"]', '42["message","two"]']))),
    posted(eio, "line separators and closing tags", form(encode(eio, ['42["message","\u2028\u2029</script><!--"]']))),
    posted(eio, "an escaped newline", form(encode(eio, ['42["message","a\\nb"]']).replace(/\\n/g, "\\\\n"))),
    posted(eio, "a newline written as a backslash and n", form(encode(eio, ['42["message","a\\nb"]']))),
    posted(eio, "plus and percent", form(encode(eio, ['42["message","a b+"]'])).replace("%20", "+")),
    posted(eio, "no d", "x=1"),
    posted(eio, "d twice", "d=40&d=40"),
    posted(eio, "an empty d", "d="),
    posted(eio, "no form at all", encode(eio, ['42["message","bare"]'])),
    posted(eio, "text content type", form(encode(eio, ['42["message","plain"]'])), { headers: { "Content-Type": "text/plain" } }),
    posted(eio, "binary", form(encode(eio, ['42["binary"]']))),
  ]),
  {
    id: "jsonp closes",
    async run(act) {
      const session = await act.polling({ query: "&j=0" }).join();
      await session.post('42["bye",true]');
      await act.settle();
      await session.poll();
      await session.poll("next poll");
    },
  },
];
