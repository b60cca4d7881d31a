import { Person, portraits } from "../harness.js";

export default {
  async "the server plays both parts"({ origin }) {
    const ada = await Person.open(origin, "tcp-greeting/");
    await ada.$("#play").click();
    await ada.sees("#log li", /Hello, 127\.0\.0\.1:\d+! 안녕하세요!/);
    await ada.seesFrame("POST /gallery/tcp-greeting/play");
    await ada.$(".code summary").filter({ hasText: "examples/tcp_greeting.rs" }).click();
    await ada.sees(".code details[open]", "Greets everybody who comes");
    await ada.close();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "tcp-greeting/", "tcp-greeting", async (person) => {
      await person.$("#play").click();
      await person.sees("#log li", "Hello");
    });
  },
};
