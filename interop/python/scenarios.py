"""The shorter list for python-socketio. The docstring is the scenario's name."""
import socketio

ARGS = [None, True, 0, -1.5, 2**53 - 1, "", "é 소리 😀 \u2028 \x00", [], {}, {"a": [1, {"b": None}]}]

# Its limit, max_decode_packets; Node puts everything that waits into one payload.
TOO_MANY_PACKETS = "python-socketio takes 16 packets in a payload, the Node.js server sends more"


def equal(actual, expected, what=""):
    assert actual == expected, f"{what} got {actual!r:.150}, want {expected!r:.150}"


async def ids(t):
    """connect: ids"""
    main, chat = await t.connect(), await t.connect("/chat")
    for peer in [main, chat]:
        equal(peer.client.get_sid(peer.nsp), peer.id)
        assert peer.id != peer.client.sid, "the id must not be the engine's"
    handshake = (await main.ack("handshake"))[0]
    equal(handshake["transport"], "polling" if t.mode == "polling" else "websocket")


async def auth(t):
    """connect: auth, query, headers"""
    peer = t.peer()
    await peer.connect(f"{t.url}?key=a%26b", t.transports, auth={"token": "é"}, headers={"X-Interop": "one"})
    handshake = (await peer.ack("handshake"))[0]
    equal(handshake["auth"], {"token": "é"})
    equal(handshake["query"]["key"], "a&b")
    equal(handshake["headers"]["x-interop"], "one")


async def refused(t):
    """middleware: refuses with data"""
    peer = t.peer()
    try:
        await peer.connect(t.url, t.transports, "/guarded")
    except socketio.exceptions.ConnectionError:
        [error] = await peer.next("connect_error")
        equal(error, {"message": "not authorized", "data": {"code": 401, "missing": ["token"]}})
    else:
        raise AssertionError("let in")


async def let_in(t):
    """middleware: lets the token in"""
    peer = await t.connect("/guarded", auth={"token": "secret"})
    equal(await peer.ack("ack", "in"), ["in"])


async def echo(t):
    """emit: arguments, unicode, large text"""
    peer = await t.connect()
    for args in [[], ARGS, ["0123456789" * 20_000]]:
        await peer.emit("echo", *args)
        equal(await peer.next("echo"), args)


async def binary(t):
    """binary: events and acknowledgements"""
    peer = await t.connect()
    args = [b"\x00\xff", {"deep": [b"", b"x" * 1000]}, "text"]
    await peer.emit("echo", *args)
    equal(await peer.next("echo"), args)
    equal(await peer.ack("ack", *args), args)


async def acks(t):
    """ack: both ways"""
    peer = await t.connect()
    equal(await peer.ack("ack", 1, "two", [3]), [1, "two", [3]])
    peer.answer = lambda *args: [*args, b"more"]
    await peer.emit("ask", 1, 2)
    equal(await peer.next("question"), [1, 2])
    equal(await peer.next("answered"), [1, 2, b"more"])


async def rooms(t):
    """rooms: to, except, leave"""
    one, two, speaker = await t.connect(), await t.connect(), await t.connect()
    room = t.room()
    for peer in [one, two]:
        await peer.ack("join", room)
    await speaker.ack("say", {"to": [room], "except": [two.id]}, "hello", b"!")
    equal(await one.next("said"), ["hello", b"!"])
    await one.ack("leave", room)
    await speaker.ack("say", {"to": [room]}, "bye")
    equal(await two.next("said"), ["bye"])
    await one.ack("ack")
    equal(one.arrived("said"), [])


async def survey(t):
    """survey: the room answers"""
    asker, one = await t.connect(), await t.connect()
    room = t.room()
    await one.ack("join", room)
    one.answer = lambda question: [question * 2]
    equal(await asker.ack("survey", room, 3000, 21), [{"complete": True, "answers": [42]}])


async def burst(t):
    """order: 300 each way"""
    peer = await t.connect()
    await peer.emit("count", 0, 300)
    for i in range(300):
        await peer.emit("collect", i)
    numbers = await peer.take("number", 300)
    # The sync client runs a thread for each message: with it only loss and doubling can be seen.
    equal(sorted(numbers) if t.kind == "sync" else numbers, [[i] for i in range(300)])
    equal(await peer.ack("collected"), [list(range(300))])


burst.known = {"polling": TOO_MANY_PACKETS}


async def kicked(t):
    """end: server disconnects"""
    for close in [False, True]:
        peer = await t.connect()
        await peer.emit("kick", close)
        equal(await peer.next("disconnect"), [socketio.Client.reason.SERVER_DISCONNECT])


async def leaves(t):
    """end: client disconnects, as the server saw it"""
    leaver, watcher = await t.connect(), await t.connect()
    await watcher.ack("join", f"watch:{leaver.id}")
    await leaver.disconnect()
    [id, reason] = await watcher.next("left")
    equal(id, leaver.id)
    # It says goodbye and closes in one breath; the Node.js server often reports the close.
    assert reason in ["client namespace disconnect", "transport close"], reason


SCENARIOS = [ids, auth, refused, let_in, echo, binary, acks, rooms, survey, burst, kicked, leaves]
