import { Person, equal, expect } from "../harness.js";

async function guest(origin, name, settings = {}) {
  const person = await Person.open(origin, "chat/", { name, ...settings });
  await person.sees("#status", /connected|연결됨/);
  await person.$("[name=username]").fill(name);
  await person.$("[name=userid]").fill(name.toLowerCase());
  await person.$("[name=userid]").press("Enter");
  await person.sees("#people .me", name);
  return person;
}

async function say(person, to, text) {
  await person.$("#to").selectOption({ label: to });
  await person.$("[name=message]").fill(text);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "people come in with name and id, and talk to all, to all others and to one"({ origin }) {
    const [ada, bob] = [await guest(origin, "Ada"), await guest(origin, "Bob")];
    equal(await ada.page.evaluate(() => io.version ?? io.protocol), 4, "a client 2.x");
    const cyd = await guest(origin, "Cyd", { lang: "ko" });
    await ada.sees("#log .note", "Bob has come in.");
    await cyd.sees("#log .note", "Cyd님이 입장하셨습니다.");
    await ada.sees("#people", /Ada \(you\).*Bob.*Cyd/s);

    await say(ada, "everybody", "to all");
    for (const person of [bob, cyd]) await person.sees("#log li:not(.private)", /Ada \(ada\)\s*to all/);
    await ada.sees("#log .mine .text", "to all");

    await say(ada, "everybody but me", "to the others");
    for (const person of [bob, cyd]) await person.sees("#log .text", "to the others");
    await ada.sees("#log .mine", /to everybody but me\s*to the others/);

    await ada.$("#people button").filter({ hasText: "Bob" }).click();
    equal(await ada.$("#to option:checked").textContent(), "Bob", "who is clicked is spoken to");
    await say(ada, "Bob", "between us");
    await bob.sees("#log .private", /Ada \(ada\) · only to you\s*between us/);
    await say(ada, "everybody", "<b>the end</b>");
    for (const person of [ada, bob, cyd]) await person.sees("#log .text", "<b>the end</b>");
    equal(await cyd.count("#log .text", "between us"), 0, "what Cyd hears of it");
    for (const person of [ada, bob, cyd]) equal(await person.count("#log .text", "to all"), 1, `how often ${person.name} hears it`);
    await ada.seesFrame(`42["chat",{"to":"others","msg":"to the others"}]`);
    await Promise.all([ada, bob, cyd].map((person) => person.close()));
  },

  async "who asks for it is disconnected, is seen to leave, and may come again"({ origin }) {
    const [ada, bob] = [await guest(origin, "Ada"), await guest(origin, "Bob")];
    await bob.sees("#people", "Ada");
    await ada.$("#leave").click();
    await ada.sees("#status", "disconnected");
    await bob.sees("#log .note", "Ada has left.");
    equal(await bob.count("#people", "Ada"), 0, "Ada among those who are here");
    await ada.$("[name=userid]").press("Enter");
    await ada.sees("#people .me", "Ada");
    await bob.sees("#people", "Ada");
    equal(await bob.count("#log .note", "Ada has come in."), 1, "how often Bob saw her come");
    await ada.close();
    await bob.close();
  },

  async "who talks too fast is told so"({ origin }) {
    const ada = await guest(origin, "Ada");
    await ada.page.evaluate(() => {
      for (let number = 1; number <= 70; number++) socket.emit("chat", { to: "all", msg: `number ${number}` });
    });
    await ada.sees("#log .note", "Too fast");
    // Thirty in ten seconds are heard, and these may be two times ten.
    expect((await ada.count("#log .mine", "number")) <= 60, "not all are heard");
    await ada.close();
    // The others of this test are of the same address.
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const views = { "chat-light": {}, "chat-dark": { context: { colorScheme: "dark" } }, "chat-phone": { lang: "ko", context: phone }, "chat-phone-dark": { context: { ...phone, colorScheme: "dark" } } };
    const first = await Person.open(origin, "chat/", { lang: "ko" });
    await first.sees("#status", "연결됨");
    await first.shoot("chat-login");
    await first.close();
    const people = [];
    for (const [index, settings] of Object.values(views).entries()) people.push(await guest(origin, ["Ada", "Bob", "지수", "Maria"][index], settings));
    const [ada, bob, jisu, maria] = people;
    for (const person of people) await person.sees("#people", "Maria");
    await say(bob, "everybody", "Morning! Did the maidenhair survive the night?");
    await say(ada, "everybody", "It did, and it has spores now: look under the third frond.");
    await say(jisu, "모두", "갈색 점들이 모여 있는 것, 그게 소리예요.");
    await say(ada, "Bob", "Bob, the greenhouse key is under the blue pot.");
    await say(bob, "everybody but me", "Off to the greenhouse.");
    for (const person of [ada, jisu, maria]) await person.sees("#log .text", "Off to the greenhouse.");
    for (const [index, name] of Object.keys(views).entries()) {
      await people[index].fits();
      await people[index].shoot(name, { fullPage: true });
    }
    await Promise.all(people.map((person) => person.close()));
  },
};
