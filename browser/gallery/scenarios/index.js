import { Person, equal, expect } from "../harness.js";

export default {
  async "the first page shows every application, in both languages"({ origin }) {
    const ada = await Person.open(origin, "");
    expect((await ada.count(".cards li")) === 13, "thirteen cards");
    equal(await ada.page.getAttribute("html", "lang"), "en", "the browser's language");
    await ada.shoot("index-light", { fullPage: true });
    await ada.close();
  },
};
