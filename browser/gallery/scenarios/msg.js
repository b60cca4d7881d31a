import { Person, equal, expect } from "../harness.js";

const open = (origin, name, settings = {}) => Person.open(origin, "msg/", { name, ...settings });

export default {
  async "a second later one answer comes to the sender, and one to all"({ origin }) {
    const [ada, bob] = [await open(origin, "Ada"), await open(origin, "Bob")];
    for (const person of [ada, bob]) await person.sees("#status", "connected");
    await ada.$("[name=message]").fill("ping");
    const start = performance.now();
    await ada.$("[name=message]").press("Enter");
    await ada.sees("#log .private", /to you alone\s*Send from Server1: ping/);
    expect(performance.now() - start >= 950, "it takes a second");
    for (const person of [ada, bob]) await person.sees("#log li:not(.private)", /to everybody\s*Send from Server2: ping/);
    equal(await bob.count("#log .text", "Server1"), 0, "what Bob sees of the first answer");
    await ada.seesFrame("40/chat");
    await ada.seesFrame(`42/chat,["msg","ping"]`);
    await bob.seesFrame(`42/chat,["msg","Send from Server2: ping"]`);
    await ada.close();
    await bob.close();
  },

  async "it looks as it should"({ origin }) {
    const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };
    const ada = await open(origin, "Ada");
    const bob = await open(origin, "Bob", { lang: "ko", context: { ...phone, colorScheme: "dark" } });
    for (const person of [ada, bob]) await person.sees("#status", /websocket/);
    await bob.$("[name=message]").press("Enter");
    await ada.sees("#log .text", "Server2");
    await ada.$("[name=message]").press("Enter");
    await bob.sees("#log .text", "Send from Server2: Hello");
    await ada.shoot("msg-light", { fullPage: true });
    await bob.fits();
    await bob.shoot("msg-dark-phone", { fullPage: true });
    await ada.close();
    await bob.close();
  },
};
