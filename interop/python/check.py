"""python-socketio, sync and asyncio, against the interop application: prints one JSON result per line.

    check.py URL PATIENCE [PART-OF-NAME]
"""
import asyncio
import inspect
import json
import os
import sys

import aiohttp
import socketio

from scenarios import SCENARIOS

TIMEOUT_S = 5 * float(sys.argv[2])
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}  # None: both, the default
EVENTS = ["welcome", "echo", "answered", "said", "number", "left", "connect_error", "disconnect"]


class Peer:
    """One connected socket, driven from asyncio whichever client is underneath."""

    def __init__(self, loop, kind):
        self.loop = loop
        self.is_async = kind == "async"
        # A session of our own: the client leaves its own open when it is refused.
        self.http = aiohttp.ClientSession() if self.is_async else None
        kind = socketio.AsyncClient if self.is_async else socketio.Client
        self.client = kind(reconnection=False, http_session=self.http)
        self.queues = {}
        self.answer = None

    def listen(self, nsp):
        for name in EVENTS:
            self.client.on(name, self._recorder(name), namespace=nsp)
        self.client.on("question", self._question, namespace=nsp)

    async def connect(self, url, transports, nsp="/", **options):
        self.nsp = nsp
        self.listen(nsp)
        await self._call(self.client.connect, url, transports=transports, namespaces=[nsp], **options)
        [welcome] = await self.next("welcome")
        self.id = welcome["id"]
        return self

    async def next(self, name):
        return await asyncio.wait_for(self._queue(name).get(), TIMEOUT_S)

    async def take(self, name, count):
        return [await self.next(name) for _ in range(count)]

    def arrived(self, name):
        queue = self._queue(name)
        return [queue.get_nowait() for _ in range(queue.qsize())]

    async def emit(self, name, *args):
        await self._call(self.client.emit, name, args, namespace=self.nsp)

    async def ack(self, name, *args):
        """Several values come as a tuple, one as itself: here always a list."""
        answer = await self._call(self.client.call, name, args, namespace=self.nsp, timeout=TIMEOUT_S)
        return [] if answer is None else list(answer) if isinstance(answer, tuple) else [answer]

    async def disconnect(self):
        await self._call(self.client.disconnect)
        if self.http:
            await self.http.close()

    def _recorder(self, name):
        def record(*args):
            self.loop.call_soon_threadsafe(self._queue(name).put_nowait, list(args))

        return record

    def _question(self, *args):
        self.loop.call_soon_threadsafe(self._queue("question").put_nowait, list(args))
        return tuple(self.answer(*args)) if self.answer else None

    def _queue(self, name):
        return self.queues.setdefault(name, asyncio.Queue())

    async def _call(self, function, *args, **options):
        if self.is_async:
            return await function(*args, **options)
        return await asyncio.to_thread(function, *args, **options)


class Trial:
    def __init__(self, url, kind, mode):
        self.url, self.kind, self.mode = url, kind, mode
        self.transports = TRANSPORTS[mode]
        self.peers = []

    def peer(self):
        peer = Peer(asyncio.get_running_loop(), self.kind)
        self.peers.append(peer)
        return peer

    async def connect(self, nsp="/", **options):
        return await self.peer().connect(self.url, self.transports, nsp, **options)

    def room(self):
        Trial.rooms = getattr(Trial, "rooms", 0) + 1
        return f"python-{os.getpid()}-{Trial.rooms}"

    async def end(self):
        for peer in self.peers:
            await peer.disconnect()


async def run(scenario, trial):
    try:
        await asyncio.wait_for(scenario(trial), 2 * TIMEOUT_S)
        return {"outcome": "pass"}
    except Exception as error:
        if reason := getattr(scenario, "known", {}).get(trial.mode):
            return {"outcome": "known", "reason": reason}
        return {"outcome": "fail", "reason": f"{type(error).__name__}: {error}"[:300]}
    finally:
        await trial.end()


async def main(url, _patience, part=""):
    for kind in ["sync", "async"]:
        for mode in TRANSPORTS:
            for scenario in SCENARIOS:
                name = inspect.getdoc(scenario)
                if part not in name:
                    continue
                result = await run(scenario, Trial(url, kind, mode))
                print(json.dumps({"version": f"py-{kind}", "mode": mode, "name": f"python: {name}", **result}), flush=True)


asyncio.run(main(*sys.argv[1:]))
sys.stdout.flush()
# The threads of the sync client may linger on a poll; everything has been said.
os._exit(0)
