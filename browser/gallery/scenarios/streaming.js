import { Person, equal, expect, portraits } from "../harness.js";

const FORMS = ["lines", "multipart", "iframe"];

async function say(person, text) {
  await person.$("[name=text]").fill(text);
  await person.$("[name=text]").press("Enter");
}

async function isConnected(person) {
  for (const form of FORMS) await person.sees(`#${form} .log li`, new RegExp(`(connected|이어짐): ${form}`));
}

export default {
  async "three forms hear the same, in the same order, in every window"({ origin }) {
    const [ada, bob] = [await Person.open(origin, "streaming/"), await Person.open(origin, "streaming/", { name: "Bob" })];
    for (const person of [ada, bob]) {
      await isConnected(person);
      for (const form of FORMS) await person.sees(`#${form} .log li`, `hello "${form}"`);
    }
    const texts = ["one", "</script><b>둘", `"three" \\ --`];
    for (const text of texts) {
      await say(ada, text);
      await ada.page.waitForFunction(() => document.querySelector("[name=text]").value === "");
    }
    for (const person of [ada, bob]) {
      for (const form of FORMS) {
        await person.sees(`#${form} .log li`, texts[2]);
        equal(await person.texts(`#${form} .log li:not(.note)`), texts, `what ${form} heard`);
        await person.sees(`#${form} .log .note`, /tick \d+/);
      }
    }
    await ada.seesFrame("GET /gallery/streaming/live?framing=lines");
    await ada.seesFrame("<script>heard(…)</script>");
    await ada.seesFrame("Content-Type: application/json");
    await ada.close();
    await bob.close();
  },

  async "streams stop and go on"({ origin }) {
    const ada = await Person.open(origin, "streaming/");
    await isConnected(ada);
    await ada.$("#stop").click();
    equal(await ada.count(".stream .status[data-state=off]"), 3, "all three have stopped");
    await say(ada, "unheard");
    await ada.page.waitForFunction(() => document.querySelector("[name=text]").value === "");
    await ada.$("#stop").click();
    await ada.page.waitForFunction(() => document.querySelectorAll(".stream .status[data-state=on]").length === 3);
    await say(ada, "heard again");
    for (const form of FORMS) {
      await ada.sees(`#${form} .log li`, "heard again");
      equal(await ada.texts(`#${form} .log li:not(.note)`), ["heard again"], `what ${form} heard`);
    }
    await ada.close();
  },

  async "curl hears the same without a page"({ origin }) {
    const response = await fetch(`${origin}/gallery/streaming/live`);
    expect(response.headers.get("content-type").startsWith("application/x-ndjson"), "lines");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let heard = "";
    while (!heard.includes(`"tick"`)) heard += (await reader.read()).value;
    equal(heard.split("\n").slice(0, 2).map((line) => JSON.parse(line).event), ["connect", "hello"], "the first events");
    await reader.cancel();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "streaming/", "streaming", async (person) => {
      await isConnected(person);
      await say(person, "셋이 함께 듣습니다 · all three hear it");
      for (const form of FORMS) {
        await person.sees(`#${form} .log li`, "셋이 함께");
        await person.sees(`#${form} .log li`, /tick \d+/);
      }
    });
  },
};
