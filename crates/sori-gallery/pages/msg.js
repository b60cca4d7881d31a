// Sends `msg`, and shows what comes back a second later.
"use strict";

const socket = connect("/chat");

socket.on("msg", (text) => {
  const isMine = text.startsWith("Send from Server1");
  said(isMine ? "private" : "", isMine ? t("나에게만", "to you alone") : t("모두에게", "to everybody"), text);
});

onSay((text) => {
  socket.emit("msg", text);
  said("mine", "", text);
});
