import { Person, equal, expect, portraits } from "../harness.js";

async function facts(person) {
  const [names, values] = [await person.texts("#facts dt"), await person.texts("#facts dd")];
  return Object.fromEntries(names.map((name, at) => [name, values[at]]));
}

async function isIn(person, state) {
  await person.sees("#states [aria-current]", state);
}

async function say(person, text) {
  await person.$("[name=message]").fill(text);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "it greets, and says what it received"({ origin }) {
    const ada = await Person.open(origin, "websocket-echo/");
    await ada.sees("#log li", "Hello from the server! 서버가 인사합니다!");
    await isIn(ada, "OPEN");
    await say(ada, "안녕 & <b>hi</b>");
    await ada.sees("#log li", "received: 안녕 & <b>hi</b>");
    const { url, protocol, extensions, binaryType, bufferedAmount } = await facts(ada);
    expect(url.startsWith("ws://") && url.endsWith("/gallery/websocket-echo/live"), `an address, not ${url}`);
    equal([protocol, binaryType, bufferedAmount], [`""`, "blob", "0"], "what it tells about itself");
    expect(extensions.includes("permessage-deflate"), `an extension, not ${extensions}`);
    await ada.seesFrame("101 Switching Protocols");
    await ada.seesFrame(/received: 안녕/);
    await ada.close();
  },

  async "bytes come back as bytes, in the type that was asked for"({ origin }) {
    const ada = await Person.open(origin, "websocket-echo/");
    await ada.sees("#log li", "Hello from the server!");
    await ada.$("[data-bytes='8']").click();
    await ada.sees("#log li", "Blob, 8 bytes");
    await ada.$("#binary").selectOption("arraybuffer");
    await ada.$("[data-bytes='8']").click();
    await ada.sees("#log li", "ArrayBuffer, 0 1 2 3 4 5 6 7");
    equal((await facts(ada)).binaryType, "arraybuffer", "the page says so");
    await ada.page.evaluate(() => {
      window.most = 0;
      new MutationObserver(() => {
        const names = [...document.querySelectorAll("#facts dt")].map((name) => name.textContent);
        const value = document.querySelectorAll("#facts dd")[names.indexOf("bufferedAmount")];
        window.most = Math.max(window.most, Number(value.textContent));
      }).observe(document.getElementById("facts"), { childList: true });
    });
    await ada.$("[data-bytes='900000']").click();
    await ada.sees("#log li", "received: 900000 bytes");
    expect((await ada.page.evaluate(() => window.most)) >= 900_000, "bufferedAmount was seen");
    equal((await facts(ada)).bufferedAmount, "0", "and is none again");
    await ada.close();
  },

  async "each side closes with a code and a reason"({ origin }) {
    const ada = await Person.open(origin, "websocket-echo/", { hush: /WebSocket connection/ });
    await ada.sees("#log li", "Hello from the server!");
    await ada.$("#close").click();
    await isIn(ada, "CLOSED");
    await ada.sees("#log .note", "closed: 4001");
    equal((await facts(ada)).wasClean, "true", "with a farewell");
    await say(ada, "too late");
    await ada.sees("#log .note", "it is not open");

    await ada.$("#open").click();
    await isIn(ada, "OPEN");
    await ada.$("#bye").click();
    await ada.sees("#log .note", /closed: 1000 \S/);

    await ada.$("#open").click();
    await isIn(ada, "OPEN");
    await ada.$("#code").fill("1001");
    await ada.$("#close").click();
    await ada.sees("#log .note", /1001|code/i);
    await isIn(ada, "OPEN");
    await ada.close();
  },

  async "a subprotocol is agreed on, or the connection refused"({ origin }) {
    const ada = await Person.open(origin, "websocket-echo/", { hush: /WebSocket connection/ });
    await ada.sees("#log li", "Hello from the server!");
    await ada.$("#protocol").selectOption("sori.json.v1");
    await ada.$("#open").click();
    await ada.sees("#facts dd", "sori.json.v1");
    await ada.sees("#log li", /connect: {"id":/);
    await say(ada, "in an envelope");
    await ada.sees("#log li", "received: in an envelope");
    await ada.seesFrame(`{"event":"message","data":"in an envelope"}`);
    await ada.seesFrame(`{"event":"message","data":"received: in an envelope"}`);

    await ada.$("#protocol").selectOption("chat.example.v9");
    await ada.$("#open").click();
    await isIn(ada, "CLOSED");
    await ada.sees("#log .note", "closed: 1006");
    equal((await facts(ada)).wasClean, "false", "without a farewell");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "websocket-echo/", "websocket-echo", async (person) => {
      await person.sees("#log li", "Hello from the server!");
      await say(person, "메아리 · echo");
      await person.sees("#log li", "received: 메아리");
      await person.$("[data-bytes='8']").click();
      await person.sees("#log li", "Blob");
    });
  },
};
