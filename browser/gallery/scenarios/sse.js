import { Person, Sori, equal, expect, portraits } from "../harness.js";

/** Every answer to a request for a stream: its status, when it came, and with which Last-Event-ID it was asked for. */
function answersOf(page, name) {
  const answers = [];
  page.on("response", async (response) => {
    if (!response.url().includes(`/live/${name}`)) return;
    answers.push([response.status(), (await response.request().allHeaders())["last-event-id"] ?? null]);
  });
  return answers;
}

export default {
  async "the countdown goes from ten to nothing, ends, and stays ended"({ origin }) {
    let answers;
    const ada = await Person.open(origin, "sse/", { prepare: (page) => (answers = answersOf(page, "countdown")) });
    await ada.sees("#countdown-status", "open");
    const seen = [];
    while (seen.at(-1) !== "0") {
      const shown = (await ada.$("#countdown").textContent()).trim();
      if (shown && shown !== seen.at(-1)) seen.push(shown);
    }
    equal(seen, ["10", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0"], "what was shown");
    await ada.seesFrame("event: disconnect, id: end");
    await ada.sees("#countdown-status", "ended by the server: asking once more");
    await ada.sees("#countdown-status", "closed: does not ask again");
    equal(answers, [[200, null], [204, "end"]], "how the server answered");
    // Longer than an EventSource waits before it tries again.
    await ada.page.waitForTimeout(4_000);
    equal(answers.length, 2, "how often it asked");
    equal(await ada.$("#countdown").textContent(), "0", "what is left");
    await ada.$("#again").click();
    await ada.sees("#countdown", "10");
    await ada.seesFrame("event: message");
    await ada.close();
  },

  async "the time comes every second as plain text without a name, and its connection is seen"({ origin }) {
    const aborted = new AbortController();
    const response = await fetch(`${origin}/gallery/sse/live/time?format=text`, { headers: { Accept: "text/event-stream" }, signal: aborted.signal });
    equal(response.headers.get("content-type")?.split(";")[0], "text/event-stream", "the content type");
    let text = "";
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if ((text.match(/UTC\n\n/g) ?? []).length === 3) break;
    }
    aborted.abort();
    const events = text.split("\n\n").filter((event) => event.includes("UTC"));
    expect(events.every((event) => /^(id: .*\n)?data: \d\d:\d\d:\d\d UTC$/.test(event)), `unnamed plain text, not ${JSON.stringify(events)}`);

    const ada = await Person.open(origin, "sse/", { hush: /ERR_INTERNET_DISCONNECTED/ });
    await ada.sees("#time", /^\d\d:\d\d:\d\d UTC$/);
    const first = await ada.$("#time").textContent();
    await ada.page.waitForFunction((first) => document.getElementById("time").textContent !== first, first);
    await ada.sees("#time-status", "open: listening");
    await ada.$("#toggle").click();
    await ada.sees("#time-status", "closed by this page");
    const last = await ada.$("#time").textContent();
    await ada.page.waitForTimeout(2_000);
    equal(await ada.$("#time").textContent(), last, "the time after it was closed");
    await ada.$("#toggle").click();
    await ada.page.waitForFunction((last) => document.getElementById("time").textContent !== last, last);
    await ada.close();
  },

  async "a stream that is lost comes back by itself"() {
    const first = await Sori.start();
    const ada = await Person.open(first.origin, "sse/", { lang: "ko", hush: /net::ERR/ });
    await ada.sees("#time", "UTC");
    await first.stop("SIGKILL");
    await ada.sees("#time-status", "끊김: 스스로 다시 잇는 중");
    const last = await ada.$("#time").textContent();
    const second = await Sori.start("--listen", `127.0.0.1:${first.port}`);
    await ada.sees("#time-status", "열림");
    await ada.page.waitForFunction((last) => document.getElementById("time").textContent !== last, last);
    await ada.close();
    await second.stop();
  },

  async "it looks as it should"({ origin }) {
    await portraits(origin, "sse/", "sse", async (person) => {
      await person.sees("#countdown", "8");
      await person.sees("#time", "UTC");
    });
  },
};
