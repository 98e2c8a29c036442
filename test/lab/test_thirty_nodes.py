# SPDX-License-Identifier: AGPL-3.0-or-later
"""Thirty nodes on one coordinator: joining at once, every pair in both directions, what it costs, removal, silence."""
import concurrent.futures
import os
import select
import socket
import statistics
import struct
import time

import pytest

from lab import wait_for
from wiretap import DATA_PORT, STUN_MAGIC, Capture, ask, checksum, inside

pytestmark = pytest.mark.alone("thirty daemons take all of a small machine")

CONTROL_PORT = 8443


class Pinger:
    """Echo requests from one node to many addresses through one socket, repeated once a second like ping does."""

    def __init__(self, node, number):
        with inside(node.host):
            self.sockets = {socket.AF_INET: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
                            socket.AF_INET6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)}
        self.number, self.waiting, self.took, self.repeated = number, {}, {}, 0
        for s in self.sockets.values():
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)

    def send(self, address):
        v6 = ":" in address
        message = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, self.number, 1) + bytes(48)
        if not v6:
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        try:
            self.sockets[socket.AF_INET6 if v6 else socket.AF_INET].sendto(message, (address, 0))
        except OSError:
            pass  # unreachable says the tunnel, as an error of the socket: not answered

    def begin(self, addresses):
        now = time.monotonic()
        self.took, self.repeated = {}, 0
        self.waiting = {a: (now, now) for a in addresses}
        for a in addresses:
            self.send(a)

    def take(self):
        for family, s in self.sockets.items():
            while True:
                try:
                    data, (source, *_) = s.recvfrom(2000)
                except BlockingIOError:
                    break
                except OSError:
                    continue
                body = data[(data[0] & 15) * 4:] if family == socket.AF_INET else data
                kind, number = body[0], struct.unpack("!H", body[4:6])[0]
                if kind in (0, 129) and number == self.number and source in self.waiting:
                    self.took[source] = time.monotonic() - self.waiting.pop(source)[0]

    def repeat(self):
        now = time.monotonic()
        for a, (first, last) in self.waiting.items():
            if now - last >= 1:
                self.waiting[a] = (first, now)
                self.repeated += 1
                self.send(a)

    def close(self):
        for s in self.sockets.values():
            s.close()


def ping_all(plan, seconds):
    """Pings from each node to its addresses, all at once: seconds per pair, pairs without answer, repetitions."""
    pingers = [Pinger(n, 1000 + i) for i, n in enumerate(plan)]
    by_socket = {s: p for p in pingers for s in p.sockets.values()}
    for p, addresses in zip(pingers, plan.values()):
        p.begin(addresses)
    deadline = time.monotonic() + seconds
    while any(p.waiting for p in pingers) and time.monotonic() < deadline:
        for s in select.select(list(by_socket), [], [], 0.2)[0]:
            by_socket[s].take()
        for p in pingers:
            p.repeat()
    took = [t for p in pingers for t in p.took.values()]
    missing = [(n.name, a) for n, p in zip(plan, pingers) for a in p.waiting]
    repeated = sum(p.repeated for p in pingers)
    for p in pingers:
        p.close()
    return took, missing, repeated


def everybody_to_everybody(nodes, family):
    own = {n: ask(n, cmd="status")["self"]["ip" + family] for n in nodes}
    return {n: [a for m, a in own.items() if m is not n] for n in nodes}


def cost(pid):
    """Peak resident memory in MB, CPU seconds, threads, descriptors, anonymous memory in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f if ":" in line)
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak, own = (int(status[k].split()[0]) / 1024 for k in ("VmHWM", "RssAnon"))
    return peak, cpu, int(status["Threads"]), len(os.listdir(f"/proc/{pid}/fd")), own


def print_cost(when, hub, others):
    c, all_others = cost(hub), [cost(p) for p in others]
    columns = list(zip(*all_others))
    print(f"{when}: coordinator {c[0]:.1f} MB ({c[4]:.1f} of it its own), {c[1]:.2f} s CPU, {c[2]} threads, {c[3]} "
          f"descriptors; nodes {statistics.median(columns[0]):.1f} MB (max {max(columns[0]):.1f}, "
          f"own {max(columns[4]):.1f}), {statistics.median(columns[1]):.2f} s CPU (max {max(columns[1]):.2f}), "
          f"{max(columns[2])} threads, {max(columns[3])} descriptors")


def join_at_once(net, n, **options):
    hub = net.node("hub", **options)
    hub.init()
    others = [net.node(f"n{i:02}", **options) for i in range(1, n)]
    token = hub.token("--uses", n)
    seconds = []

    def join(node):
        started = time.monotonic()
        node.join(token)
        seconds.append(time.monotonic() - started)
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        for job in [pool.submit(join, x) for x in others]:
            job.result()
    print(f"\n{n - 1} joins at once: {time.monotonic() - started:.2f} s, "
          f"each median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s")
    nodes = [hub, *others]
    wait_for("everybody to know everybody", lambda: all(len(ask(x, cmd="peers")["peers"]) == n - 1 for x in nodes))
    return nodes


def test_thirty_nodes_join_at_once_and_every_pair_pings_both_ways(net):
    net.make_router()
    links = Capture(net.router, "links", f"tcp port {CONTROL_PORT}")
    started = time.monotonic()
    nodes = join_at_once(net, 30)
    pids = [ask(n, cmd="status")["pid"] for n in nodes]
    print_cost("after joining", pids[0], pids[1:])
    for family in ("4", "6"):
        begun = time.monotonic()
        plan = everybody_to_everybody(nodes, family)
        took, missing, repeated = ping_all(plan, 30)
        assert missing == []
        assert len(took) == 30 * 29
        print(f"IPv{family}: {len(took)} directed pairs in {time.monotonic() - begun:.2f} s; median "
              f"{1000 * statistics.median(took):.0f} ms, max {1000 * max(took):.0f} ms; {repeated} requests repeated")
    took, missing, repeated = ping_all(everybody_to_everybody(nodes, "4"), 30)
    assert missing == [] and repeated == 0
    print(f"again, with all sessions up: median {1000 * statistics.median(took):.1f} ms, max {1000 * max(took):.0f} ms")
    for n in nodes:
        wait_for(f"all of {n.name}'s to be direct",
                 lambda n=n: all(p["path"] == "direct" and p["session"] for p in ask(n, cmd="peers")["peers"]))
    print_cost("after all pings", pids[0], pids[1:])
    control = [p for p in links.arriving() if p.proto == 6]
    print(f"control links: {len(control)} packets, {sum(len(p.ip) for p in control)} bytes; all of it took "
          f"{time.monotonic() - started:.1f} s")
    links.close()

    gone = nodes[17]
    addresses = {f: ask(gone, cmd="status")["self"]["ip" + f] for f in "46"}
    left = [n for n in nodes if n is not gone]
    begun = time.monotonic()
    ask(nodes[0], cmd="node.remove", node=gone.name)
    answered = time.monotonic() - begun
    key = gone.name
    wait_for("all to hear of the removal",
             lambda: not any(p["name"] == key for n in left for p in ask(n, cmd="peers")["peers"]), interval=0)
    print(f"removal: answered after {1000 * answered:.0f} ms, gone everywhere after "
          f"{1000 * (time.monotonic() - begun):.0f} ms")
    for family in "46":
        plan = {n: [addresses[family]] for n in left}
        plan[gone] = [ask(n, cmd="status")["self"]["ip" + family] for n in left]
        assert ping_all(plan, 1.5)[0] == []
        others = {n: [a for a in targets if a != addresses[family]]
                  for n, targets in everybody_to_everybody(left, family).items()}
        assert ping_all(others, 10)[1] == []


def kind_of(p):
    if p.payload[4:8] == STUN_MAGIC:
        return "STUN"
    return {1: "initiation", 2: "response", 3: "cookie", 4: "data"}.get(p.payload[0], "other")


def idle(net, n, seconds, last_words, **options):
    """What crosses the router while nobody has anything to say. WireGuard's last keepalives come up to last_words
    seconds after the last packet; where one of them was lost, a handshake follows 5 seconds later, and a check of the path may."""
    last_words += 5
    nodes = join_at_once(net, n, **options)
    for family in "46":
        assert ping_all(everybody_to_everybody(nodes, family), 30)[1] == []
    tap = Capture(net.router, "idle", f"udp port {DATA_PORT} or tcp port {CONTROL_PORT}")
    quiet_since = time.monotonic()

    def between_nodes(packets):
        hub = (nodes[0].host.ip4, nodes[0].host.ip6)
        return [p for p in packets if p.payload is not None and DATA_PORT in (p.sport, p.dport) and
                not (kind_of(p) == "STUN" and (p.src in hub or p.dst in hub))]

    def silent():
        nonlocal quiet_since, seen
        now = len(between_nodes(tap.arriving()))
        if now != seen:
            seen, quiet_since = now, time.monotonic()
        return time.monotonic() - quiet_since >= last_words + 2
    seen = 0
    begun = time.monotonic()
    wait_for("the last keepalives", silent, 60, 0.5)
    print(f"silent {time.monotonic() - begun - last_words - 2:.0f} s after the last ping; "
          f"until then {seen} datagrams between nodes")
    pids = [ask(x, cmd="status")["pid"] for x in nodes]
    mark, before = len(tap.arriving()), [cost(p)[1] for p in pids]
    begun = time.monotonic()
    wait_for("idle time to pass", lambda: time.monotonic() - begun > seconds, seconds + 5, 0.2)
    packets = tap.arriving()[mark:]
    stun = [p for p in packets if p.payload is not None and kind_of(p) == "STUN"]
    control = [p for p in packets if p.proto == 6]
    used = [cost(p)[1] - b for p, b in zip(pids, before)]
    print(f"{n} nodes idle for {seconds} s: {len(between_nodes(packets))} datagrams between nodes, {len(stun)} of STUN "
          f"with the coordinator, {len(control)} packets on control links; "
          f"CPU of all {sum(used):.2f} s, max {max(used):.2f} s")
    assert [(p.src, p.dst, kind_of(p)) for p in between_nodes(packets)] == []
    assert len(stun) <= 2 * n * (seconds / 25 + 1)
    assert len(control) <= 12 * n * (seconds / 20 + 1)
    for x in nodes:
        assert x.log().count("warn") == 0


def test_an_idle_mesh_is_silent(net):
    config = os.path.join(net.dir, "short.yaml")
    with open(config, "w", encoding="utf-8") as f:
        f.write("test_limits:\n  keepalive_ms: 500\n")
    idle(net, 12, 10, 0.5, config=config)


@pytest.mark.slow
def test_an_idle_mesh_of_thirty_is_silent_for_minutes(net):
    idle(net, 30, 240, 10)
