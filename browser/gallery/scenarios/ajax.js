import { Person, equal, expect, portraits } from "../harness.js";

const press = (person, text) => person.page.getByRole("button", { name: text, exact: true }).click();

async function answers(person, button, text) {
  await person.$(button).click();
  await person.sees("#answer", text);
  await person.sees("#states [aria-current]", "4");
}

const events = (person) => person.texts("#events li");

export default {
  async "every kind of answer and every method"({ origin }) {
    const ada = await Person.open(origin, "ajax/");
    await answers(ada, "[data-url=text]", "Hello! 안녕하세요!");
    await ada.sees("#headers", "x-greeting: hello");
    await answers(ada, "[data-type=document]", "Document <svg>, 9 elements");
    await answers(ada, "[data-type=blob]", /Blob, \d+ bytes, image\/svg\+xml/);
    await answers(ada, "[data-type=arraybuffer]", /ArrayBuffer, \d+ bytes: 3c 73 76 67/);
    for (const [method, text] of Object.entries({ GET: /200 OK\s+{\s+"name": "fern"/, POST: /201 Created\s+{\s+"created": {\s+"name": "moss"/, PUT: /"replaced": {\s+"name": "ivy"/, DELETE: "204 No Content" })) {
      await answers(ada, `[data-url=data][data-method=${method}]`, text);
      await ada.seesFrame(`${method} /gallery/ajax/data`);
    }
    equal(await events(ada), ["loadstart", "load", "loadend"].map((name) => name), "the events of an answer without a body");
    await ada.close();
  },

  async "posted JSON comes back, and what is not JSON is refused"({ origin }) {
    const ada = await Person.open(origin, "ajax/", { hush: /400/ });
    await answers(ada, "#echo button", /"안녕": \[\s+"hello",\s+1.5,\s+null/);
    await ada.$("[name=json]").fill("{");
    await answers(ada, "#echo button", /400 Bad Request\s+This is not JSON/);
    await ada.close();
  },

  async "an answer that takes five seconds shows that it loads"({ origin }) {
    const ada = await Person.open(origin, "ajax/", { lang: "ko" });
    const started = performance.now();
    await ada.$("[data-url=slow]:not([data-timeout])").click();
    await ada.sees("#loading", "로딩중…");
    await ada.sees("#states [aria-current]", "1");
    await ada.sees("#answer", "5!");
    expect(performance.now() - started >= 5_000, "after five seconds");
    equal(await ada.$("#loading").innerText(), "", "and no longer");
    await ada.close();
  },

  async "progress, abort, timeout and upload tell of themselves"({ origin }) {
    const ada = await Person.open(origin, "ajax/");
    await press(ada, "progress");
    await ada.sees("#states [aria-current]", "3");
    await ada.sees("#answer", "655,360");
    equal(await events(ada), ["loadstart", "progress", "load", "loadend"], "an answer with its length said before");
    equal(await ada.$("#progress").evaluate((progress) => progress.value), 1, "the bar is full");

    await press(ada, "progress");
    await ada.sees("#states [aria-current]", "3");
    await press(ada, "abort");
    await ada.sees("#answer", "There is no answer.");
    equal((await events(ada)).slice(-2), ["abort", "loadend"], "who gives up");

    await press(ada, "timeout");
    await ada.sees("#events li", "timeout");
    equal(await events(ada), ["loadstart", "timeout", "loadend"], "who waits no longer");

    await press(ada, "upload");
    await ada.sees("#answer", `"bytes": 2000000`);
    const told = await events(ada);
    equal(told.filter((name) => name.startsWith("upload.")), ["upload.loadstart", "upload.progress", "upload.load", "upload.loadend"], "what goes up");
    equal(told.at(-1), "loadend", "the end");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "ajax/", "ajax", (person) => answers(person, "[data-url=text]", "Hello!"));
  },
};
