"""Python's own clients against the application `plain`: prints one JSON result per line.

    check.py URL RECOVERY_URL TIMEOUT_S SEED [PART-OF-NAME]
"""
import asyncio
import inspect
import json
import os
import random
import sys

from scenarios import SCENARIOS


class Trial:
    rooms = 0

    def __init__(self, url, recovery_url, seed):
        self.url, self.recovery_url, self.random = url, recovery_url, random.Random(seed)

    def room(self):
        Trial.rooms += 1
        return f"python-{os.getpid()}-{Trial.rooms}"


async def run(scenario, trial, timeout_s):
    try:
        await asyncio.wait_for(scenario(trial), timeout_s)
        return {"outcome": "pass"}
    except Exception as error:
        return {"outcome": "fail", "reason": f"{type(error).__name__}: {error}"[:500]}


async def main(url, recovery_url, timeout_s, seed, part=""):
    for scenario in SCENARIOS:
        name = f"python: {inspect.getdoc(scenario)}"
        if part in name:
            result = await run(scenario, Trial(url, recovery_url, int(seed)), 2 * float(timeout_s))
            print(json.dumps({"name": name, **result}), flush=True)


asyncio.run(main(*sys.argv[1:]))
