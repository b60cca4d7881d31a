import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Person, Sori, equal, expect, portraits } from "../harness.js";

const evil = `<img src=x onerror="window.hacked=1"> & "quotes"`;

async function say(person, nickname, message) {
  await person.$("[name=nickname]").fill(nickname);
  await person.$("[name=message]").fill(message);
  await person.$("[name=message]").press("Enter");
}

export default {
  async "what one says is there for the other within a second, as text"({ origin }) {
    const [ada, bob] = [await Person.open(origin, "polling-chat/"), await Person.open(origin, "polling-chat/", { name: "Bob", lang: "ko" })];
    await say(ada, "Ada", evil);
    await bob.sees("#log li", evil);
    await bob.sees("#log b", "Ada");
    await say(bob, "<b>보라</b>", "안녕하세요 🌿");
    await ada.sees("#log li", "안녕하세요 🌿");
    await ada.sees("#log b", "<b>보라</b>");
    equal(await ada.$("[name=message]").inputValue(), "", "the field is empty again");
    expect(await bob.page.evaluate(() => !window.hacked && !document.querySelector("#log img, #log b b")), "nothing of it became an element");
    await ada.seesFrame("POST /gallery/polling-chat/messages");
    await ada.seesFrame("204 No Content");
    await ada.seesFrame(/GET \/gallery\/polling-chat\/messages\?dummy=\d+/);
    // The same answer again is one row that counts.
    await ada.seesFrame(/×\d/);
    await ada.sees("#status", "asking every second");
    await ada.close();
    await bob.close();
  },

  async "messages survive a restart, and even a kill"() {
    const dir = mkdtempSync(join(tmpdir(), "sori-gallery-"));
    const first = await Sori.start("--data-dir", dir);
    const ada = await Person.open(first.origin, "polling-chat/", { hush: /ERR_CONNECTION_REFUSED|Failed to load/ });
    await say(ada, "Ada", "still here tomorrow");
    await ada.sees("#log li", "still here tomorrow");
    await first.stop("SIGKILL");
    await ada.sees("#status", "does not answer");
    await ada.close();
    const second = await Sori.start("--data-dir", dir);
    const bob = await Person.open(second.origin, "polling-chat/");
    await bob.sees("#log li", "still here tomorrow");
    await bob.close();
    await second.stop();
    rmSync(dir, { recursive: true });
  },

  async "one who talks too much is slowed down, and pages of other sites are kept out"() {
    const sori = await Sori.start();
    const ada = await Person.open(sori.origin, "polling-chat/", { hush: /429/ });
    for (let count = 1; count <= 11; count++) {
      await say(ada, "Ada", `message ${count}`);
      await ada.page.waitForFunction((count) => document.querySelectorAll("#frames li .in").length && document.querySelector("[name=message]").value === "" || count > 10, count);
    }
    await ada.seesFrame("429 Too Many Requests");
    await ada.close();
    const body = new URLSearchParams({ nickname: "Eve", message: "forged" });
    const forged = await fetch(`${sori.origin}/gallery/polling-chat/messages`, { method: "POST", body, headers: { Origin: "http://elsewhere.example" } });
    equal(forged.status, 403, "a form of another site");
    await sori.stop();
  },

  async "it looks as it should"() {
    const sori = await Sori.start();
    const talk = [
      ["Ada", "Is anybody there?"],
      ["지수", "네, 여기 있어요. 1초쯤 늦을 뿐이에요."],
      ["Bob", "Half a second, on average."],
      ["Ada", "Good enough for 1999. And what if I write <b>bold</b> letters?"],
      ["지수", "그대로 보여요: <b>bold</b>"],
    ];
    for (const [nickname, message] of talk) {
      await fetch(`${sori.origin}/gallery/polling-chat/messages`, { method: "POST", body: new URLSearchParams({ nickname, message }) });
    }
    await portraits(sori.origin, "polling-chat/", "polling-chat", async (person) => {
      await person.sees("#log li", "그대로 보여요");
      await person.seesFrame("×2");
    });
    await sori.stop();
  },
};
