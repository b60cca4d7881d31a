import { Person, equal, expect } from "../harness.js";

const open = (origin, name, settings = {}) => Person.open(origin, "simple-chat/", { name, ...settings });

async function say(person, text) {
  await person.$("[name=message]").fill(text);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "a page of another origin connects, and everybody hears who said what"({ origin, sori }) {
    const elsewhere = `http://localhost:${sori.port}`;
    const [ada, bob] = [await open(elsewhere, "Ada"), await open(origin, "Bob")];
    await ada.sees("#here", elsewhere);
    await ada.sees("#servers :checked + span", origin);
    await bob.sees("#servers :checked + span", elsewhere);
    for (const person of [ada, bob]) {
      await person.sees("#kind", "another origin");
      await person.sees("#status", "connected");
    }
    await say(ada, "hello over there");
    const id = (await ada.page.evaluate(() => socket.id)).slice(0, 2);
    for (const person of [ada, bob]) await person.sees("#log li", `${id} said hello over there`);
    await ada.seesFrame(`42["message","hello over there"]`);
    await bob.$("#servers label").filter({ hasText: origin }).click();
    await bob.sees("#kind", "the same origin");
    await bob.sees("#status", "connected");
    await say(bob, "here, too");
    await ada.sees("#log li", /^.. said here, too$/);
    await ada.close();
    await bob.close();
  },

  async "its CORS opens nothing else"({ origin }) {
    const asked = async (path) => {
      const { status, headers } = await fetch(`${origin}/gallery/${path}/socket.io/?EIO=4&transport=polling`, { headers: { Origin: "http://elsewhere.example" } });
      return [status, headers.get("access-control-allow-origin"), headers.get("access-control-allow-credentials")];
    };
    equal(await asked("simple-chat"), [200, "*", null], "simple chat");
    for (const path of ["chat", "rooms", "random-chat", "msg"]) equal(await asked(path), [403, null, null], path);
    for (const path of ["", "simple-chat/", "files/style.css"]) {
      const { headers } = await fetch(`${origin}/gallery/${path}`, { headers: { Origin: "http://elsewhere.example" } });
      equal(headers.get("access-control-allow-origin"), null, `/gallery/${path}`);
    }
    const ada = await open(origin, "Ada", { hush: /CORS policy|Failed to load resource/ });
    const read = (url) => ada.page.evaluate((url) => fetch(url).then(({ status }) => status, () => "kept from the page"), url);
    const elsewhere = origin.replace("127.0.0.1", "localhost");
    equal(await read(`${elsewhere}/gallery/simple-chat/socket.io/?EIO=4&transport=polling`), 200, "this server from another origin");
    equal(await read(`${elsewhere}/gallery/chat/socket.io/?EIO=4&transport=polling`), "kept from the page", "another server from another origin");
    expect(ada.errors.length === 0, "nothing but what was meant");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const ada = await open(origin, "Ada");
    const bob = await open(origin, "Bob", { lang: "ko", context: { ...phone, colorScheme: "dark" } });
    for (const person of [ada, bob]) await person.sees("#status", /websocket/);
    for (const [person, text] of [[ada, "hello"], [bob, "안녕하세요"], [ada, "one line of Rust, and we talk"]]) {
      await say(person, text);
      await bob.sees("#log li", text);
    }
    await ada.shoot("simple-chat-light", { fullPage: true });
    await bob.fits();
    await bob.shoot("simple-chat-dark-phone", { fullPage: true });
    await ada.close();
    await bob.close();
  },
};
