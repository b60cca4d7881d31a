import { Person, equal, expect } from "../harness.js";

const stranger = (origin, name, settings = {}) => Person.open(origin, "random-chat/", { name, ...settings });

/** Who leaves between two transports is missed only when a heartbeat fails. */
async function leave(...people) {
  for (const person of people) {
    await person.sees("#status", "websocket");
    await person.close();
  }
}

async function say(person, text) {
  await person.$("[name=message]:enabled").fill(text);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "strangers are paired, told when the other goes, and paired anew"({ origin }) {
    const ada = await stranger(origin, "Ada");
    await ada.sees("#log .note", "Waiting for somebody");
    expect(await ada.$("[name=message]").isDisabled(), "nobody to talk to");
    const bob = await stranger(origin, "Bob");
    for (const person of [ada, bob]) await person.sees("#log .note", "connected with a stranger");
    await say(ada, "hello, stranger");
    await bob.sees("#log li:not(.mine) .text", "hello, stranger");
    await say(bob, "hello yourself");
    await ada.sees("#log li:not(.mine) .text", "hello yourself");

    const cyd = await stranger(origin, "Cyd");
    await cyd.sees("#log .note", "Waiting for somebody");
    await leave(bob);
    await ada.sees("#log .note", "The other one has left.");
    await cyd.sees("#log .note", "connected with a stranger");
    await say(ada, "and who are you?");
    await cyd.sees("#log li:not(.mine) .text", "and who are you?");
    equal(await cyd.count("#log .text", "hello, stranger"), 0, "what Cyd hears of the talk before");
    equal(await ada.count("#log .note", "connected with a stranger"), 2, "how often Ada was paired");

    const dan = await stranger(origin, "Dan");
    await ada.$("#toggle").click();
    await ada.sees("#log .note", "You have left.");
    for (const person of [cyd, dan]) await person.sees("#log .note", "connected with a stranger");
    await ada.$("#toggle").click();
    await ada.sees("#log .note", "Waiting for somebody");
    equal(await ada.count("#log li"), 1, "what is left of the last talk");
    await leave(ada, cyd, dan);
  },

  async "every ten seconds everybody is told how many there are"({ origin }) {
    const [ada, bob] = [await stranger(origin, "Ada"), await stranger(origin, "Bob", { lang: "ko" })];
    await ada.sees("#notice", "2 connected now");
    await bob.sees("#notice", "지금 2명 접속 중");
    await ada.seesFrame(`42["notice",2]`);
    await leave(ada, bob);
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const ada = await stranger(origin, "Ada", { lang: "ko" });
    const bob = await stranger(origin, "Bob", { context: { ...phone, colorScheme: "dark" } });
    await say(ada, "안녕하세요? 어디서 오셨어요?");
    await bob.sees("#log .text", "안녕하세요?");
    await say(bob, "Hello! From the other window.");
    await say(ada, "저는 옆 창이에요 :)");
    await bob.sees("#log .text", "옆 창");
    await ada.sees("#notice", "2명");
    await ada.shoot("random-chat-light", { fullPage: true });
    await bob.fits();
    await bob.shoot("random-chat-dark-phone", { fullPage: true });
    await leave(ada, bob);
  },
};
