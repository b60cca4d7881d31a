"""What httpx and websockets receive, as events in a queue."""
import asyncio
import base64
import email.parser
import email.policy
import json

import httpx
import websockets

HTTP1, HTTP2 = {"http1": True, "http2": False}, {"http1": False, "http2": True}  # the second by prior knowledge


def http(version=HTTP1):
    return httpx.AsyncClient(**version, timeout=httpx.Timeout(10, read=30), trust_env=False)


def to_wire(value):
    if isinstance(value, bytes):
        return {"$binary": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [to_wire(item) for item in value]
    if isinstance(value, dict):
        return {key: to_wire(item) for key, item in value.items()}
    return value


def from_wire(value):
    if isinstance(value, list):
        return [from_wire(item) for item in value]
    if isinstance(value, dict):
        if list(value) == ["$binary"]:
            return base64.b64decode(value["$binary"])
        return {key: from_wire(item) for key, item in value.items()}
    return value


def args_of(envelope):
    if "args" in envelope:
        return from_wire(envelope["args"])
    return [from_wire(envelope["data"])] if "data" in envelope else []


async def lines_of(response):
    """`aiter_lines` ends a line at U+2028, too, which may stand in JSON as it is."""
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode()
    assert rest == b"", rest


class Events:
    """An endless response, or a WebSocket, as a queue of envelopes."""

    def __init__(self):
        self.queue = []
        self.arrival = asyncio.Condition()
        self.cursor = None
        self.over = None

    async def put(self, envelope):
        async with self.arrival:
            self.queue.append(envelope)
            self.cursor = envelope.get("id", self.cursor)
            self.arrival.notify_all()

    async def end(self, why):
        async with self.arrival:
            self.over = why
            self.arrival.notify_all()

    async def envelope(self, name):
        async with self.arrival:
            while True:
                for envelope in self.queue:
                    if envelope.get("event") == name:
                        self.queue.remove(envelope)
                        return envelope
                assert self.over is None, f"it ended ({self.over}) before {name}"
                await self.arrival.wait()

    async def next(self, name):
        return args_of(await self.envelope(name))

    async def ended(self):
        async with self.arrival:
            await self.arrival.wait_for(lambda: self.over is not None)
        return self.over


class Stream(Events):
    """`async with Stream(client, url, framing) as events`"""

    def __init__(self, client, url, framing, headers=None, **params):
        super().__init__()
        self.client, self.url, self.framing, self.headers = client, url, framing, headers
        self.params = {"framing": framing, **params}

    async def __aenter__(self):
        self.task = asyncio.create_task(self.read())
        self.news = (await self.next("connect"))[0]
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def read(self):
        try:
            async with self.client.stream("GET", self.url, params=self.params, headers=self.headers) as response:
                assert response.status_code == 200, response.status_code
                self.version = response.http_version
                await getattr(self, self.framing)(response)
            await self.end("end")
        except Exception as error:
            await self.end(f"{type(error).__name__}: {error}")

    async def lines(self, response):
        assert response.headers["content-type"] == "application/x-ndjson"
        async for line in lines_of(response):
            if line:
                await self.put(json.loads(line))

    async def sse(self, response):
        """HTML Living Standard, 9.2.6, with the data as JSON."""
        assert response.headers["content-type"] == "text/event-stream"
        event, data = {}, []
        async for line in lines_of(response):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "":
                if data:
                    text = "\n".join(data)
                    arg = {"data": json.loads(text)} if text else {}
                    await self.put({"event": "message", **event, **arg})
                event, data = {}, []
            elif name == "data":
                data.append(value)
            elif name in ("event", "id"):
                event[name] = value
            else:
                assert name in ("retry", ""), line

    async def multipart(self, response):
        """Parts as Python's `email` reads them; the delimiter tells where one ends."""
        kind, _, boundary = response.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/x-mixed-replace"
        rest, delimiter = b"", b"--" + boundary.encode()
        async for chunk in response.aiter_bytes():
            *parts, rest = (rest + chunk).split(delimiter)
            for part in parts:
                if part:
                    await self.part(part, boundary)
        assert rest == b"--\r\n", rest

    async def part(self, part, boundary):
        whole = b'Content-Type: multipart/x-mixed-replace; boundary="%s"\r\n\r\n--%s%s--%s--\r\n' % (
            boundary.encode(), boundary.encode(), part, boundary.encode())
        message = email.parser.BytesParser(policy=email.policy.default).parsebytes(whole)
        assert not message.defects, message.defects
        [inner] = message.iter_parts()
        assert not inner.defects and inner.get_content_type() == "application/json", (inner.defects, part)
        body = inner.get_payload(decode=True)
        assert len(body) == int(inner["Content-Length"]), part
        if body:
            await self.put(json.loads(body))


class WebSocket(Events):
    """`sori.json.v1` with npm's opposite: Python's websockets."""

    def __init__(self, url, protocol="sori.json.v1", compression="deflate"):
        super().__init__()
        self.url, self.protocols, self.compression = url.replace("http", "ws"), protocol and [protocol], compression
        self.asked, self.asks = {}, 0

    async def __aenter__(self):
        self.ws = await websockets.connect(
            self.url, subprotocols=self.protocols, compression=self.compression, proxy=None, max_size=None)
        self.task = asyncio.create_task(self.read())
        if self.protocols:
            assert self.ws.subprotocol == self.protocols[0]
            self.news = (await self.next("connect"))[0]
        return self

    async def __aexit__(self, *_):
        await self.ws.close()
        await self.task

    async def read(self):
        try:
            async for message in self.ws:
                if not self.protocols:
                    await self.put({"event": "message", "data": to_wire(message)})
                    continue
                envelope = json.loads(message)
                if "event" in envelope:
                    await self.put(envelope)
                else:
                    self.asked.pop(envelope["ack"]).set_result(args_of(envelope))
        except websockets.ConnectionClosed:
            pass
        await self.end((self.ws.close_code, self.ws.close_reason))

    async def emit(self, event, *args, **more):
        await self.ws.send(json.dumps({"event": event, "args": to_wire(list(args)), **more}))

    async def ask(self, event, *args):
        self.asks += 1
        number = self.asks
        answer = self.asked[number] = asyncio.get_running_loop().create_future()
        await self.emit(event, *args, ack=number)
        return await answer

    async def reply(self, ack, *args):
        await self.ws.send(json.dumps({"ack": ack, "args": to_wire(list(args))}))
