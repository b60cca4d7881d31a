#!/usr/bin/env python3
"""What an idle connection costs the machine, the server's side alone: the kernel's memory, and a heartbeat's CPU time.

    python3 bench/one_side.py target/release/sori >> docs/benchmarks/one-side.jsonl

Starts `sori bench serve`, opens Socket.IO WebSockets over loopback, and counts the kernel's objects. Then its own sockets
vanish without a word (TCP_REPAIR, which needs root), and what is left is the server's. With another server it answers every
ping for a while, and reads the server's CPU time and the traffic. One line of JSON for each round of each.
"""

import argparse
import base64
import json
import os
import resource
import select
import socket
import subprocess
import time

TCP_REPAIR = 19
PONG = b"\x81\x81\0\0\0\x003"  # Engine.IO's "3", masked with zeros
JOIN = b"\x81\x82\0\0\0\x0040"  # Socket.IO's "40"
# Of these a connection has some; others change because of other programs.
CACHES = ("TCP", "tcp_bind", "sock_inode_cache", "dentry", "filp", "eventpoll", "ep_head", "lsm_", "skbuff", "request_sock", "kmalloc-")


def kernel():
    """Bytes of the kernel's objects by cache, each with its share of the pages it lies in."""
    found = {}
    with open("/proc/slabinfo") as lines:
        for line in list(lines)[2:]:
            name, active, _, _, each, pages = line.split()[:6]
            if name.startswith(CACHES):
                found[name] = int(active) * int(pages) * 4096 / int(each)
    with open("/proc/net/sockstat") as lines:
        found["buffers"] = next(int(line.split()[-1]) for line in lines if line.startswith("TCP:")) * 4096
    return found


def sockets():
    with open("/proc/net/sockstat") as lines:
        return next(int(line.split()[2]) for line in lines if line.startswith("TCP:"))


def cpu_ns(pid):
    """CPU time of all threads of a process."""
    tasks = f"/proc/{pid}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks))


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


def loopback():
    with open("/proc/net/dev") as lines:
        numbers = next(line for line in lines if line.strip().startswith("lo:")).split(":")[1].split()
    return int(numbers[0]), int(numbers[1])


def connect(port):
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    client.sendall((
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode())
    hear(client, b'"pingInterval"')
    client.sendall(JOIN)
    hear(client, b'40{"sid"')
    client.setblocking(False)
    return client


def hear(client, wanted):
    heard = b""
    while wanted not in heard:
        part = client.recv(4096)
        if not part:
            raise SystemExit(f"the server closed: {heard!r}")
        heard += part


def answer(poll, clients, seconds):
    """Answers pings, and tells how many."""
    pings, until = 0, time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left, 4096):
            heard = clients[number].recv(4096)
            pings += heard.count(b"\x81\x012")
            clients[number].send(PONG)
    return pings


def serve(program, port):
    server = subprocess.Popen([program, "bench", "serve", "--listen", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
    time.sleep(1)
    [warm.close() for warm in [connect(port) for _ in range(64)]]
    time.sleep(1)
    return server


def memory(program, count, port):
    """The kernel's memory for both ends, and for the server's alone; nothing when others opened connections meanwhile."""
    server = serve(program, port)
    try:
        open_before, before = sockets(), kernel()
        clients = [connect(port) for _ in range(count)]
        # Acknowledgements that wait hold buffers.
        time.sleep(0.5)
        open_both, both = sockets(), kernel()
        for client in clients:
            client.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            client.close()
        time.sleep(0.3)
        open_left, left = sockets(), kernel()
    finally:
        server.kill()
        server.wait()
    # Connections of others, and what waits in them.
    foreign = max(abs(left["buffers"] - before["buffers"]) // 4096, abs(open_both - open_before - 2 * count), abs(open_left - open_before - count))
    each = lambda now, name: round((now[name] - before.get(name, 0)) / count, 1)
    total = lambda now: round(sum(now[name] - before.get(name, 0) for name in now) / count, 1)
    return {
        "clients": count,
        "foreign": foreign,
        "kernel_pair_bytes": total(both),
        "kernel_server_bytes": total(left),
        "of_it": {name: each(left, name) for name in left if abs(each(left, name)) >= 20},
    }


def heartbeats(program, count, seconds, port):
    """A ping and its pong: the server's CPU time, and packets."""
    server = serve(program, port)
    try:
        bytes_alone = resident(server.pid)
        poll, clients = select.epoll(), {}
        started = time.monotonic()
        for number in range(count):
            client = connect(port)
            clients[client.fileno()] = client
            poll.register(client, select.EPOLLIN)
            # Pings come as their clients came: all the time.
            time.sleep(max(0, started + number * 22 / count - time.monotonic()))
        answer(poll, clients, 30)
        cpu, (traffic, packets), began = cpu_ns(server.pid), loopback(), time.monotonic()
        pings = answer(poll, clients, seconds)
        took = time.monotonic() - began
        cpu = cpu_ns(server.pid) - cpu
        traffic, packets = loopback()[0] - traffic, loopback()[1] - packets
        bytes_idle = resident(server.pid)
    finally:
        server.kill()
        server.wait()
    return {
        "clients": count,
        "pings": pings,
        "seconds": round(took, 3),
        "us_per_ping": round(cpu / 1e3 / pings, 3),
        "loopback_bytes_per_ping": round(traffic / pings, 1),
        "loopback_packets_per_ping": round(packets / pings, 3),
        "resident_bytes": round((bytes_idle - bytes_alone) / count, 1),
        "process_bytes": bytes_alone,
    }


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", help="a program `sori`")
    options.add_argument("--clients", type=int, default=19_000)
    options.add_argument("--seconds", type=float, default=50, help="how long heartbeats are measured")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--only", choices=["memory", "heartbeats"])
    options.add_argument("--port", type=int, default=4041)
    options = options.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    say = lambda workload, line: print(json.dumps({"workload": workload, "server": "sori", "round": number + 1, **line}), flush=True)
    for number in range(options.rounds):
        if options.only != "heartbeats":
            for attempt in range(10):
                line = memory(options.program, options.clients, options.port + number)
                if line["foreign"] < options.clients / 200:
                    say("one-side", line)
                    break
        if options.only != "memory":
            say("heartbeat", heartbeats(options.program, options.clients, options.seconds, options.port + number))


if __name__ == "__main__":
    main()
