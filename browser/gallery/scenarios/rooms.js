import { Person, equal } from "../harness.js";

async function guest(origin, name, room, settings = {}) {
  const person = await Person.open(origin, "rooms/", { name, ...settings });
  await person.sees("#status", /connected|연결됨/);
  await person.$("[name=username]").fill(name);
  await goTo(person, room);
  return person;
}

async function goTo(person, room) {
  await person.$("#say label").filter({ hasText: room }).click();
  await person.sees("#people", room);
}

async function say(person, text) {
  await person.$("[name=message]").fill(text);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "only the room hears it"({ origin }) {
    const [ada, bob, cyd] = [await guest(origin, "Ada", "room1"), await guest(origin, "Bob", "room1"), await guest(origin, "Cyd", "room2")];
    await ada.sees("#people", "2 in room1");
    await cyd.sees("#people", "1 in room2");
    await say(ada, "heard in the first room");
    for (const person of [ada, bob]) await person.sees("#log li", /Ada\s*heard in the first room/);
    await say(cyd, "heard in the second room");
    await cyd.sees("#log .mine", "heard in the second room");

    await goTo(bob, "room2");
    await ada.sees("#people", "1 in room1");
    await bob.sees("#log .note", "You are in room2 now.");
    await say(cyd, "welcome");
    await bob.sees("#log .text", "welcome");
    await say(ada, "all alone");
    await ada.sees("#log .mine", "all alone");
    await say(cyd, "after it");
    await bob.sees("#log .text", "after it");
    // What was said before would have arrived before.
    equal(await bob.count("#log .text", "all alone"), 0, "what Bob hears of the room he left");
    equal(await bob.count("#log .text", "second room"), 0, "what Bob hears of before he came");
    equal(await cyd.count("#log .text", "first room"), 0, "what Cyd hears of a room she was never in");
    await ada.seesFrame(`42/chat,["chat message",{"name":"Ada","room":"room1","msg":"all alone"}]`);
    await Promise.all([ada, bob, cyd].map((person) => person.close()));
  },

  async "who closes the window is no longer counted, and the keyboard is enough"({ origin }) {
    const [ada, bob] = [await guest(origin, "Ada", "room3"), await guest(origin, "Bob", "room3")];
    await ada.sees("#people", "2 in room3");
    await bob.sees("#status", "websocket");
    await bob.close();
    await ada.sees("#people", "1 in room3");
    await ada.$("[name=room]:checked").focus();
    await ada.page.keyboard.press("ArrowLeft");
    await ada.sees("#people", "1 in room2");
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.type("typed");
    await ada.page.keyboard.press("Enter");
    await ada.sees("#log .mine", "typed");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const views = { "rooms-light": {}, "rooms-dark-phone": { lang: "ko", context: { ...phone, colorScheme: "dark" } } };
    const people = [];
    for (const [index, settings] of Object.values(views).entries()) people.push(await guest(origin, ["Ada", "지수"][index], "room1", settings));
    const [ada, jisu] = people;
    await say(ada, "Is this the fern room?");
    await say(jisu, "네, 여기는 고사리 방이에요.");
    await say(ada, "Lovely. The cactus people are next door.");
    await jisu.sees("#log .text", "Lovely");
    for (const [index, name] of Object.keys(views).entries()) {
      await people[index].fits();
      await people[index].shoot(name, { fullPage: true });
    }
    await Promise.all(people.map((person) => person.close()));
  },
};
