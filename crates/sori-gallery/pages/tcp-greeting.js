// Asks the server to be its own guest.
"use strict";

$("play").addEventListener("click", async () => {
  const response = await fetch("play", { method: "POST" });
  const row = document.createElement("li");
  if (response.ok) {
    const { server, greeting, micros } = await response.json();
    const when = document.createElement("time");
    when.textContent = t(`${server}에서 ${micros} µs 만에`, `${server}, in ${micros} µs`);
    row.append(when, greeting);
  } else {
    row.textContent = await response.text();
  }
  $("log").append(row);
  if ($("log").children.length > 50) $("log").firstChild.remove();
  $("log").scrollTop = $("log").scrollHeight;
});
