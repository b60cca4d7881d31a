// A TCP proxy that can fall silent or cut every connection: what a bad network does to a client.
import { connect, createServer } from "node:net";
import { once } from "node:events";

export async function startProxy(targetUrl) {
  const target = new URL(targetUrl);
  const pairs = new Set();
  let held = false;
  let down = false;

  const server = createServer((client) => {
    if (down) return client.destroy();
    const pair = [client, connect(Number(target.port), target.hostname)];
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed()]) {
      from.on("data", (chunk) => held || to.write(chunk));
      from.on("error", () => {});
      from.on("close", () => {
        if (held) return; // a dead line does not tell that the other end hung up
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    pairs.clear();
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Swallows everything in both directions without closing anything. */
    hold: () => (held = true),
    /** Cuts all connections and takes no new ones: a polling client may just be between two. */
    cut() {
      held = false;
      down = true;
      cut();
    },
    restore: () => (down = false),
    /** Kills what is open and takes new connections at once. */
    kill: cut,
    close: () => (cut(), server.close()),
  };
}
