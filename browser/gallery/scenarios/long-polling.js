import { Person, equal, expect, portraits } from "../harness.js";

async function happen(person, text) {
  await person.$("[name=text]").fill(text);
  await person.$("[name=text]").press("Enter");
}

export default {
  async "what happens in one window is heard in both at once, and nothing is missed"({ origin }) {
    const [ada, bob] = [await Person.open(origin, "long-polling/"), await Person.open(origin, "long-polling/", { name: "Bob" })];
    await ada.sees("#status", "waiting at the server");
    await bob.sees("#status", "waiting at the server");
    await happen(ada, "rain");
    await bob.sees("#log li", "rain");
    // Faster than anybody asks again.
    await bob.page.evaluate(() => {
      for (const text of ["one", "two", "three"]) fetch("events", { method: "POST", body: new URLSearchParams({ text }) });
    });
    for (const person of [ada, bob]) {
      for (const text of ["one", "two", "three"]) await person.sees("#log li", text);
      equal(await person.count("#log li"), 4, "each once");
    }
    await ada.seesFrame("POST /gallery/long-polling/longpolling");
    await ada.seesFrame(/after=\d+/);
    await ada.close();
    await bob.close();
  },

  async "other paths say Hello World after a second, though a request waits"({ origin }) {
    const ada = await Person.open(origin, "long-polling/");
    await ada.sees("#status", "waiting at the server");
    await ada.$("#hello").click();
    await ada.sees("#said", /“Hello World” after 1\.\d s/);
    const started = performance.now();
    equal(await (await fetch(`${origin}/gallery/long-polling/any/other/path`)).text(), "Hello World\n", "any other path");
    expect(performance.now() - started >= 1_000, "after a second");
    await ada.close();
  },

  async "after thirty seconds it ends with End, and is asked again"({ origin }) {
    const ada = await Person.open(origin, "long-polling/");
    await ada.$("#log .note").waitFor({ timeout: 40_000 });
    await ada.sees("#log .note", /End: nothing happened for 30\.\d s/);
    await ada.sees("#status", "waiting at the server");
    await happen(ada, "after all");
    await ada.sees("#log li", "after all");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "long-polling/", "long-polling", async (person) => {
      await person.sees("#status", /waiting|기다리는/);
      await happen(person, "소나기 · a shower");
      await person.sees("#log li", "소나기");
    });
  },
};
