import { Person, equal, expect, portraits } from "../harness.js";

const inside = (person, frame) => person.page.frameLocator(`[name=${frame}]`);

async function say(person, frame, text, to) {
  await inside(person, frame).locator("[name=text]").fill(text);
  await inside(person, frame).locator(`[value=${to}]`).click();
}

async function hears(person, frame, text) {
  await inside(person, frame).locator("#log li").filter({ hasText: text }).first().waitFor();
}

export default {
  async "frames talk to each other, and through the one connection to those of other windows"({ origin }) {
    const [ada, bob] = [await Person.open(origin, "messaging/"), await Person.open(origin, "messaging/", { name: "Bob" })];
    for (const person of [ada, bob]) await person.sees("#status", "one connection, for both frames");
    await say(ada, "left", "only next door", "frame");
    await hears(ada, "right", /Left\s*only next door/);
    await say(ada, "right", "everybody!", "everybody");
    for (const frame of ["left", "right"]) {
      await hears(ada, frame, /^Right \*\s*everybody!/);
      await hears(bob, frame, /^other window, Right \*\s*everybody!/);
      equal(await inside(bob, frame).locator("#log li").count(), 1, "other windows hear what is for everybody, only");
    }
    await ada.seesFrame(/postMessage: left → right/);
    await ada.seesFrame(/42\["say",{"frame":"right","text":"everybody!"}\]/);
    const sockets = await ada.page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => /socket\.io\/\?.*transport=polling/.test(name) && !/sid=/.test(name)).length);
    equal(sockets, 1, "one handshake for two frames");
    await ada.close();
    await bob.close();
  },

  async "a strange document is not heard"({ origin }) {
    const ada = await Person.open(origin, "messaging/");
    await ada.sees("#status", "one connection");
    await inside(ada, "stranger").locator("#origin").filter({ hasText: "null" }).waitFor();
    await inside(ada, "stranger").locator("#say").click();
    await ada.seesFrame(/refused: origin null\s*{"kind":"say","text":"let me in"}/);
    await say(ada, "left", "and now?", "everybody");
    await hears(ada, "left", "and now?");
    equal(await inside(ada, "left").locator("#log li").count(), 1, "the frame heard no stranger");
    expect((await ada.count("#frames li", /42\["say".*let me in/)) === 0, "nothing of it was carried");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "messaging/", "messaging", async (person) => {
      await person.sees("#status", /one connection|연결 하나/);
      await say(person, "left", "거기 잘 들려요?", "frame");
      await hears(person, "right", "들려요");
      await say(person, "right", "loud and clear", "everybody");
      await hears(person, "left", "loud and clear");
      await inside(person, "stranger").locator("#say").click();
      await person.seesFrame(/refused|거절/);
    });
  },
};
