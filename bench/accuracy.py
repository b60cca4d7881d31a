#!/usr/bin/env python3
"""Is `sori bench` right? It and the load generator of this folder, in turn, on the same server: `peers/floor`, which does the least.

    cargo build --release --bin sori
    cargo xtask bench --prepare
    python3 bench/accuracy.py target/release/sori > docs/benchmarks/accuracy.jsonl

Three rounds of four seconds: four minutes, on two cores that nobody else uses. Closed loops, because the load generator knows no
other. `--table FILE` prints the table of docs/bench.md from such lines.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.path.join(HERE, "..", "target", "bench", "release")
PORT = "4507"
ROUNDS = 3
# What is done, clients, broadcasts at once.
LOADS = [("echo", 1, 1), ("echo", 10, 1), ("echo", 100, 1), ("broadcast", 100, 1), ("broadcast", 1000, 1), ("broadcast", 1000, 4)]


def floor():
    server = subprocess.Popen(["taskset", "-c", "0", os.path.join(BUILT, "floor"), PORT, "write"])
    time.sleep(0.4)
    return server


def by_loadgen(mode, clients, window, pid):
    words = ["--port", PORT, "--client", "sio-ws=/socket.io/", "--n", clients, "--window", window, "--secs", 4, "--warmup", 1]
    words = ["taskset", "-c", "1", os.path.join(BUILT, "loadgen"), mode, *words, "--pids", pid, "--core", 0]
    said = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True).stdout
    line = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
    return {
        "per_s": line["per_s"],
        "p50_us": line["p50_us"],
        "p99_us": line["p99_us"],
        "server_us": line["us_per_op"],
        "own_us": line["generator_util"] * 1e6 / line["per_s"],
        "errors": line["errors"],
    }


def by_sori(program, mode, clients, window, pid):
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        words = ["bench", mode, f"http://127.0.0.1:{PORT}", "--clients", clients, "--duration", "4s", "--warm-up", "1s", "--quiet"]
        words += ["--outstanding", window if mode == "broadcast" else clients, "--pid", pid, "--json", result]
        words = ["taskset", "-c", "1", program, *words]
        subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True)
        with open(result, encoding="utf-8") as file:
            run = json.load(file)
    figures = {figure["name"]: figure["value"] for figure in run["figures"]}
    latency = run["latencies"][0]
    return {
        "per_s": figures["messages delivered"],
        "p50_us": latency["p50_us"],
        "p99_us": latency["p99_us"],
        "server_us": figures["server CPU per delivery"],
        "own_us": run["generator"]["cores"] * 1e6 / figures["messages delivered"],
        "errors": run["completeness"]["missing"] + run["completeness"]["doubled"] + run["completeness"]["out_of_order"],
    }


def measure(program):
    for number in range(1, ROUNDS + 1):
        for mode, clients, window in LOADS:
            for tester in ("loadgen", "sori"):
                server = floor()
                try:
                    ask = (mode, clients, window, server.pid)
                    seen = by_loadgen(*ask) if tester == "loadgen" else by_sori(program, *ask)
                finally:
                    server.kill()
                    server.wait()
                seen = {name: round(value, 2) for name, value in seen.items()}
                line = {"round": number, "mode": mode, "clients": clients, "window": window, "tester": tester, **seen}
                print(json.dumps(line), flush=True)


def table(path):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    columns = [("server_us", "server CPU, µs"), ("p50_us", "p50, µs"), ("p99_us", "p99, µs"), ("own_us", "its own CPU, µs")]
    print("| load | " + " | ".join(f"{name}: `loadgen` | `sori bench`" for _, name in columns) + " |")
    print("| --- |" + " --: |" * 2 * len(columns))
    for mode, clients, window in LOADS:
        cells = []
        for name, _ in columns:
            for tester in ("loadgen", "sori"):
                load = {"mode": mode, "clients": clients, "window": window, "tester": tester}
                values = [line[name] for line in lines if all(line[key] == value for key, value in load.items())]
                shown = [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in sorted(values)]
                middle = statistics.median(values)
                middle = f"{middle:,.0f}" if middle >= 100 else f"{middle:.1f}"
                cells.append(f"{middle} ({shown[0]} – {shown[-1]})")
        what = f"{mode}, {clients:,}" + (f", W = {window}" if mode == "broadcast" else "")
        print(f"| {what} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--table":
        table(sys.argv[2])
    elif len(sys.argv) == 2:
        measure(sys.argv[1])
    else:
        sys.exit(__doc__)
