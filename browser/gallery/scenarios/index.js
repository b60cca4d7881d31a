import { Person, equal, expect, portraits } from "../harness.js";

export default {
  async "the first page leads to every application, and back"({ origin }) {
    const ada = await Person.open(origin, "");
    const links = await ada.$(".cards a").evaluateAll((links) => links.map((link) => link.getAttribute("href")));
    equal(links.length, 13, "thirteen cards");
    for (const link of links) {
      await ada.page.goto(origin + link);
      expect((await ada.count("h1")) === 1 && (await ada.count(".code details")) >= 2, `${link} has a title and shows its code`);
      await ada.fits();
    }
    await ada.$(".brand").click();
    await ada.sees("h1", "How browsers learned to listen");
    await ada.close();
  },

  async "the language is the browser's until another one is chosen, and then remembered"({ origin }) {
    const ada = await Person.open(origin, "", { lang: "ko" });
    await ada.sees("h1", "브라우저가 듣는 법을 배운 길");
    await ada.$(".bar a[hreflang=en]").click();
    await ada.sees("h1", "How browsers learned to listen");
    await ada.page.goto(`${origin}/gallery/polling-chat/`);
    await ada.sees("h1", "Polling chat");
    await ada.$(".bar a[hreflang=ko]").click();
    await ada.sees("h1", "폴링 채팅");
    await ada.close();
  },

  async "pages run no script but their own, and are fetched anew only when they change"({ origin }) {
    const first = await fetch(`${origin}/gallery/polling-chat/`);
    expect(/script-src 'self' https:\/\/cdn\.socket\.io;/.test(first.headers.get("content-security-policy")), "a policy without inline scripts");
    const again = await fetch(`${origin}/gallery/polling-chat/`, { headers: { "If-None-Match": first.headers.get("etag") } });
    equal(again.status, 304, "the same page again");
    equal((await fetch(`${origin}/gallery/files/base.html`)).status, 404, "a template");
    equal((await fetch(`${origin}/gallery/nowhere/`)).status, 404, "a page that does not exist");
  },

  async "it can be used with the keyboard alone"({ origin }) {
    const ada = await Person.open(origin, "");
    await ada.page.keyboard.press("Tab");
    for (let count = 0; count < 3; count++) await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.press("Enter");
    await ada.page.waitForURL(/\/gallery\/[a-z-]+\/$/);
    await ada.page.keyboard.press("Tab");
    equal(await ada.page.evaluate(() => document.activeElement.className), "skip", "first of all, past the head of the page");
    await ada.page.keyboard.press("Enter");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "", "index");
  },
};
