"""The docstring is the scenario's name."""
import asyncio
import json

import websockets

from clients import HTTP1, HTTP2, Stream, WebSocket, http

FRAMINGS = ["lines", "sse", "multipart"]


def equal(actual, expected, what=""):
    assert actual == expected, f"{what} got {actual!r:.200}, want {expected!r:.200}"


async def streams(t):
    """lines, SSE and multipart over HTTP/1.1 and HTTP/2"""
    for version, name in [(HTTP1, "HTTP/1.1"), (HTTP2, "HTTP/2")]:
        async with http(version) as client:
            for framing in FRAMINGS:
                async with Stream(client, f"{t.url}/live/", framing) as events:
                    equal(events.version, name)
                    equal(events.news["transport"], framing)
                    sid = events.news["sid"]
                    value = {"text": "é 소리 😀\r\n\u2028", "list": [None, 1.5, []]}
                    answer = await client.post(f"{t.url}/live/", params={"event": "echo", "sid": sid}, json=value)
                    equal(answer.status_code, 204)
                    equal(await events.next("echo"), [value], framing)
                    answer = await client.post(f"{t.url}/live/", params={"event": "add", "sid": sid, "args": 1}, json=[20, 22])
                    equal((answer.status_code, answer.json()), (200, 42))
                    # Its answer is the handler's, or says that the session has ended: which comes first is not promised.
                    await client.post(f"{t.url}/live/", params={"event": "kick", "sid": sid})
                    equal(await events.next("disconnect"), [{"reason": "server namespace disconnect"}])
                    equal(await events.ended(), "end", framing)


async def many_streams(t):
    """a hundred streams on one HTTP/2 connection, each told once"""
    room = t.room()
    async with http(HTTP2) as client:
        opened = [Stream(client, f"{t.url}/live/chat", FRAMINGS[i % 3], rooms=room) for i in range(90)]
        await asyncio.gather(*(stream.__aenter__() for stream in opened))
        await asyncio.gather(*(stream.next("welcome") for stream in opened))
        said = await client.post(f"{t.url}/live/chat", params={"event": "say", "args": 1}, json=[room, "all"])
        equal(said.json(), 90)
        for stream in opened:
            equal(await stream.next("said"), ["all"])
        equal([stream.queue for stream in opened if stream.queue], [])
        await asyncio.gather(*(stream.__aexit__() for stream in opened))


async def slow_h2(t):
    """a stream that is not read holds up no other on its connection"""
    room = t.room()
    async with http(HTTP2) as client:
        async with client.stream("GET", f"{t.url}/live/chat", params={"rooms": room}) as unread:
            assert unread.status_code == 200
            async with Stream(client, f"{t.url}/live/chat", "lines", rooms=room) as events:
                await events.next("welcome")
                for n in range(20):
                    await client.post(f"{t.url}/live/chat", params={"event": "say", "args": 1}, json=[room, "x" * 5_000, n])
                    equal((await events.next("said"))[1], n)


async def resume(t):
    """a stream goes on with Last-Event-ID or since"""
    room = t.room()
    async with http() as client:
        live = f"{t.url}/live/chat"
        opened = (await client.post(live, params={"rooms": room})).json()["data"]
        cursor = opened["cursor"]
        for round in range(6):
            framing = FRAMINGS[round % 3]
            headers = {"last-event-id": cursor} if framing == "sse" else None
            since = {} if headers else {"since": cursor}
            said = await client.post(live, params={"event": "say", "args": 1}, json=[room, 3 * round])
            equal(said.json(), 1, "a session between two requests is in its rooms")
            async with Stream(client, live, framing, headers=headers, sid=opened["sid"], **since) as events:
                equal(await events.next("said") if round == 0 or framing else None, [3 * round], f"{framing} {round}")
                equal(events.news["id"], opened["id"])
                await client.post(live, params={"event": "say", "args": 1}, json=[room, 3 * round + 1])
                before = await events.envelope("said")
                await client.post(live, params={"event": "say", "args": 1}, json=[room, 3 * round + 2])
                equal((before.get("data"), await events.next("said")), (3 * round + 1, [3 * round + 2]))
                cursor = events.cursor
                equal([e for e in events.queue if e["event"] == "said"], [], "nothing twice")


async def websocket(t):
    """websockets: envelopes, acknowledgements and bytes both ways"""
    for compression in ["deflate", None]:
        async with WebSocket(f"{t.url}/live/", compression=compression) as ws:
            equal(ws.news["transport"], "raw-websocket")
            await ws.emit("echo", None, "é 소리 😀", b"\x00\xff", {"deep": [b""]}, "x" * 100_000)
            equal(await ws.next("echo"), [None, "é 소리 😀", b"\x00\xff", {"deep": [b""]}, "x" * 100_000])
            equal(await ws.ask("add", 1, 2), [3])
            await ws.emit("ask", "really?")
            question = await ws.envelope("question")
            equal(question["data"], "really?")
            await ws.reply(question["ack"], "yes", b"!")
            equal(await ws.next("answered"), ["yes", b"!"])
            await ws.emit("kick")
            equal(await ws.next("disconnect"), [{"reason": "server namespace disconnect"}])
            equal(await ws.ended(), (1000, "server namespace disconnect"))


async def bare(t):
    """websockets: bare frames are messages, text and bytes"""
    room = t.room()
    async with WebSocket(f"{t.url}/live/chat?rooms={room}&events=message,said", protocol=None) as ws:
        await ws.ws.send("hello")
        equal(await ws.next("message"), ["hello"])
        await ws.ws.send(b"\x00\xff")
        equal(await ws.next("message"), [b"\x00\xff"])
        await ws.ws.send('{"event":"kick"}')
        equal(await ws.next("message"), ['{"event":"kick"}'], "never parsed")
        async with http() as client:
            for args, said in [(["two", 2], '["two",2]'), ([{"a": 1}], '{"a":1}'), (["text"], "text")]:
                await client.post(f"{t.url}/live/chat", params={"event": "say", "args": 1}, json=[room, *args])
                equal(await ws.next("message"), [said])


async def websocket_refusals(t):
    """websockets: refusals, pings, and what is no envelope"""
    for path, protocols, status in [
        ("/live/guarded", ["sori.json.v1"], 403), ("/live/nowhere", None, 404), ("/live/", ["other.v1"], 400),
        ("/live/?format=text", ["sori.json.v1"], 400), ("/live/?sid=nobody", ["sori.json.v1"], 404),
    ]:
        try:
            await websockets.connect(t.url.replace("http", "ws") + path, subprotocols=protocols, proxy=None)
        except websockets.InvalidStatus as refused:
            equal(refused.response.status_code, status, path)
            equal(json.loads(refused.response.body)["status"], status)
        else:
            raise AssertionError(f"{path} let in")
    for said in ["no envelope", '{"event":"connect"}', b"bytes"]:
        async with WebSocket(f"{t.url}/live/") as ws:
            await (await ws.ws.ping())
            await ws.ws.send(said)
            equal(await ws.next("disconnect"), [{"reason": "parse error"}])
            equal((await ws.ended())[0], 1007)
    async with WebSocket(f"{t.url}/live/") as ws:
        await ws.emit("disconnect")
        equal(await ws.next("disconnect"), [{"reason": "client namespace disconnect"}])
        equal((await ws.ended())[0], 1000)


async def polling(t):
    """polls repeat what was not confirmed, and nothing else"""
    room = t.room()
    async with http() as client:
        for nsp in ["", "/chat"]:
            live = f"{t.url}/live{nsp}"
            first = (await client.get(live, params={"wait": 0, "rooms": room})).json()
            sid, cursor = first["sid"], first["cursor"]
            equal(first["events"][0]["data"]["sid"], sid)
            heard, unconfirmed = [], 0
            for n in range(60):
                said = await client.post(f"{t.url}/live{nsp}", params={"event": "say", "args": 1}, json=[room, n])
                equal(said.json(), 1)
                if t.random.random() < 0.5:
                    answer = (await client.get(live, params={"wait": 5, "sid": sid, "since": cursor})).json()
                    events = [event["data"] for event in answer["events"] if event["event"] == "said"]
                    equal(events, list(range(len(heard), n + 1)), f"{nsp} {n}")
                    # Sometimes the answer is lost.
                    if t.random.random() < 0.6:
                        heard, cursor = heard + events, answer["cursor"]
                    else:
                        unconfirmed += 1
            assert unconfirmed > 3
            last = (await client.get(live, params={"wait": 0, "sid": sid, "since": cursor})).json()
            events = [event["data"] for event in last["events"] if event["event"] == "said"]
            equal(heard + events, list(range(60)))
            empty = (await client.get(live, params={"wait": 0, "sid": sid, "since": last["cursor"]})).json()
            equal(empty, {"sid": sid, "cursor": empty["cursor"], "events": []})
            again = (await client.get(live, params={"wait": 0.2, "sid": sid, "since": empty["cursor"]})).json()
            equal(again, empty)


async def recovery(t):
    """recovery: a dead session comes back by its sid and cursor, with its rooms"""
    room = t.room()
    async with http() as client:
        live = f"{t.recovery_url}/live/"
        async with Stream(client, live, "lines") as events:
            first, sid = events.news["id"], events.news["sid"]
            await client.post(live, params={"event": "join", "sid": sid}, json=room)
            async with WebSocket(live) as watcher:
                await watcher.ask("join", f"watch:{first}")
                await client.post(live, params={"event": "say", "args": 1}, json=[room, 1])
                equal(await events.next("said"), [1])
                await events.__aexit__()
                equal(await watcher.next("left"), [first, "transport close"])
        await client.post(live, params={"event": "say", "args": 1}, json=[room, 2])
        async with Stream(client, live, "sse", sid=sid, since=events.cursor) as again:
            equal((again.news["id"], again.news["sid"], again.news["recovered"]), (first, sid, True))
            equal(await again.next("said"), [2])
            await client.post(live, params={"event": "say", "args": 1}, json=[room, 3])
            equal(await again.next("said"), [3])


SCENARIOS = [streams, many_streams, slow_h2, resume, websocket, bare, websocket_refusals, polling, recovery]
