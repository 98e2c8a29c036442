# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others keep of a relay while somebody floods it, and what the relay does when all together want more than it can.

Real daemons; a and b reach each other through the relay only, 40 ms away, by TCP both ways at once. The relay gets a
part of one core (RELAY_CPU, percent), so that this machine can send more than it can hand on. Each story is measured in
turns, ROUNDS times: once with the flood led to a host that throws it away (the same work for the machine), once with it
led to the relay. Printed are the rates, what is kept (percent, the median of the turns), and what the relay counted.
Nothing is asserted; a line of JSON each.

    attack.py [STORY...]     single small outsider ports garbage stun init plain four idle alone overload shared
"""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lab")]

import wires  # noqa: E402
from lab import Lab, LabError, find_tool, wait_for  # noqa: E402
from sites import public_host  # noqa: E402
from slices import Slice  # noqa: E402
from wireguard import cpu_seconds  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "8"))
RATE = int(os.environ.get("RATE", "300000"))  # datagrams a second
RELAY_CPU = int(os.environ.get("RELAY_CPU", "25"))  # percent of a core
LINE_KBIT = int(os.environ.get("LINE_KBIT", "50000"))
MANY = 8  # members that overload it together


def say(**what):
    print(json.dumps(what), flush=True)


class Bed:
    def __init__(self, net):
        self.net = net
        self.hub = net.node("hub", net.host("hub"))
        self.hub.init()
        # 40 ms from a to b by the relay, and as much as an ordinary line carries.
        manner = {"delay": 10, "rate": LINE_KBIT, "queue": 1 << 20}
        self.a, self.b = (net.node(name, public_host(net, name, manner=manner)) for name in "ab")
        self.members = [net.node(f"m{i}") for i in range(MANY)]
        self.nodes = [self.a, self.b, *self.members]
        for node in self.nodes:
            node.join(self.hub.token())
        self.outsider, self.sink = net.host("outsider"), net.host("sink")
        wires.rules(net.router, "cut", f"ip saddr {self.a.host.ip4} ip daddr {self.b.host.ip4} meta l4proto udp drop\n"
                                       f"ip saddr {self.b.host.ip4} ip daddr {self.a.host.ip4} meta l4proto udp drop\n"
                                       f"meta l4proto udp meta nfproto ipv6 drop")
        wires.rules(self.sink, "sink", "udp dport 51820 drop", hook="input")
        wait_for("all to register", lambda: self.relayed()["members"] == len(self.nodes), 30)
        self.numbers = {n.name: int(n.status()["self"]["ip4"].split(".")[-1]) for n in self.nodes}
        wait_for("a to reach b", lambda: self.a.ping("b", check=False).returncode == 0, 20)

    def relayed(self):
        return self.hub.status()["relay"]

    def host_number(self, node):
        """By which relays know it: its place in the mesh's IPv4 network, counted from 1."""
        return self.numbers[node.name]

    def spate(self, host, to, kind="data", rate=None, between=None, **more):
        words = {"to": to, "from": host.ip4, "kind": kind, "rate": rate or RATE, "between": between or "1,2", **more}
        p = host.spawn(find_tool("spate"), *[f"{k.replace('_', '-')}={v}" for k, v in words.items()],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if p.stdout.readline() != "ready\n":
            raise LabError("spate does not start")
        return p

    def by_member(self, to, number=0, rate=None, **more):
        """A member's datagrams to the next member by the relay, or to the sink."""
        one, other = self.members[number], self.members[(number + 1) % MANY]
        pair = f"{self.host_number(one)},{self.host_number(other)}"
        return self.spate(one.host, to, rate=rate, between=pair, **more)

    def tcp(self, seconds=SECONDS):
        """a to b and back at once: bits a second of both."""
        address = self.b.status()["self"]["ip4"]
        servers = [self.b.host.spawn("iperf3", "-s", "-1", "-B", address, "-p", port, stdout=subprocess.DEVNULL)
                   for port in (5301, 5302)]
        for port in (5301, 5302):
            wait_for("iperf3 to listen", lambda p=port: f":{p} " in self.b.host.sh("ss", "-Hltn").stdout)
        clients = [self.a.host.spawn("iperf3", "-J", "-c", address, "-t", seconds, "-O", 2, "-p", port, *more,
                                     stdout=subprocess.PIPE, text=True) for port, more in ((5301, ()), (5302, ("-R",)))]
        rates = []
        for c in clients:
            out = json.loads(c.communicate(timeout=seconds + 60)[0])
            rates.append(out.get("end", {}).get("sum_received", {}).get("bits_per_second", 0) / 1e6)
        for s in servers:
            if s.poll() is None:
                s.terminate()
            s.wait(timeout=10)
        return rates


def stop(processes):
    sent = 0
    for p in processes:
        p.stdin.close()
        figures = json.loads(p.stdout.readline())
        sent += figures.get("sent", 0) / figures.get("seconds", 1)
        p.wait(timeout=10)
    return round(sent)


def knock(bed, to):
    """10,000 connections to the port that takes streams, which ask for one and then say nothing."""
    p = bed.outsider.spawn(find_tool("knock"), f"to={to}", "port=8443", f"from={bed.outsider.ip4}", "rate=2000",
                           "keep=10000", "upgrade=1", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if p.stdout.readline() != "ready\n":
        raise LabError("nobody knocks")
    return p


def drops(bed):
    return bed.hub.status().get("drops", {})


def beside(bed, name, flood):
    """flood(to): processes. What a and b keep."""
    kept = []
    for turn in range(ROUNDS):
        row = {}
        for what, to in (("control", bed.sink.ip4), ("attacked", bed.hub.host.ip4)):
            before, count = drops(bed), bed.relayed()["packets"]
            cpu, begin = cpu_seconds(bed.hub.pid()), time.monotonic()
            processes = flood(to)
            up, down = bed.tcp()
            sent = stop(processes)
            seconds = time.monotonic() - begin
            row[what] = {"up": round(up, 1), "down": round(down, 1), "flood_per_s": sent,
                         "relay_cpu": round((cpu_seconds(bed.hub.pid()) - cpu) / seconds, 3),
                         "relayed_per_s": round((bed.relayed()["packets"] - count) / seconds),
                         "drops_per_s": {k: round((v - before.get(k, 0)) / seconds) for k, v in drops(bed).items()
                                         if v - before.get(k, 0) > seconds}}
            time.sleep(1)
        kept.append([100 * row["attacked"][k] / max(row["control"][k], 0.001) for k in ("up", "down")])
        say(story=name, turn=turn, **row)
    say(story=name, kept_up=round(statistics.median(k[0] for k in kept)),
        kept_down=round(statistics.median(k[1] for k in kept)))


def shared(bed):
    """a and the flooder behind one address, as behind a home's router."""
    ips = f"{{ {bed.a.host.ip4}, {bed.members[0].host.ip4} }}"
    bed.net.router.sh("nft", "-f", "-", input=f"""
        table ip lab_shared {{
            chain c {{
                type nat hook postrouting priority srcnat
                ip saddr {ips} ip daddr {bed.hub.host.ip4} udp sport 51820 masquerade random
            }}
        }}""")
    for node in (bed.a, bed.members[0]):
        node.down()
        node.up()
    wait_for("all to register again", lambda: bed.relayed()["members"] == len(bed.nodes), 60)
    wait_for("a to reach b", lambda: bed.a.ping("b", check=False).returncode == 0, 30)


def handed_on(bed, members, rate, seconds=3):
    """What the relay delivers of what these members send at this rate together, each to the next: in a second, and in a
    second of its CPU."""
    processes = [bed.by_member(bed.hub.host.ip4, i, max(rate // len(members), 1)) for i in members]
    time.sleep(1)
    before, cpu, begin = bed.relayed()["packets"], cpu_seconds(bed.hub.pid()), time.monotonic()
    time.sleep(seconds)
    count, cpu, took = bed.relayed()["packets"] - before, cpu_seconds(bed.hub.pid()) - cpu, time.monotonic() - begin
    return {"sent_per_s": stop(processes), "delivered_per_s": round(count / took), "delivered_per_cpu_s": round(count / cpu)}


def medians(rows):
    return {k: round(statistics.median(r[k] for r in rows)) for k in rows[0]}


def overload(bed):
    """All together send some times what it can carry."""
    can = handed_on(bed, range(MANY), RATE)["delivered_per_s"]
    times = (0.8, 1, 1.5, 3, 6, 12)
    rows = {t: [] for t in times}
    for _ in range(ROUNDS):
        for t in times:
            rows[t].append(handed_on(bed, range(MANY), round(can * t)))
    found = {t: medians(rows[t]) for t in times}
    for t in times:
        say(story="overload", times=t, **found[t],
            of_peak=round(100 * found[t]["delivered_per_s"] / max(r["delivered_per_s"] for r in found.values())))


def alone(bed):
    """One heavy member has all of it; several have as much each."""
    rows = {n: [] for n in (1, 2, 4)}
    for _ in range(ROUNDS):
        for n, found in rows.items():
            found.append(handed_on(bed, [2 * i for i in range(n)], RATE))
    for n, found in rows.items():
        say(story="alone", heavy_members=n, **medians(found))


STORIES = {
    "single": lambda bed: beside(bed, "single", lambda to: [bed.by_member(to)]),
    "small": lambda bed: beside(bed, "small", lambda to: [bed.by_member(to, least=64, most=64)]),
    "outsider": lambda bed: beside(bed, "outsider", lambda to: [bed.spate(bed.outsider, to, between="2,3")]),
    "ports": lambda bed: beside(bed, "ports", lambda to: [bed.spate(bed.outsider, to, between="2,3", from_port=1024,
                                                                    sources=1000)]),
    "garbage": lambda bed: beside(bed, "garbage", lambda to: [bed.spate(bed.outsider, to, kind="garbage")]),
    "stun": lambda bed: beside(bed, "stun", lambda to: [bed.by_member(to, kind="stun")]),
    "init": lambda bed: beside(bed, "init", lambda to: [bed.by_member(to, kind="init")]),
    "plain": lambda bed: beside(bed, "plain", lambda to: [bed.by_member(to, kind="plain")]),
    "four": lambda bed: beside(bed, "four", lambda to: [bed.by_member(to, i, RATE // 4) for i in range(4)]),
    "idle": lambda bed: beside(bed, "idle", lambda to: [knock(bed, to)]),
    "alone": alone,
    "overload": overload,
    "shared": lambda bed: (shared(bed), beside(bed, "shared", lambda to: [bed.by_member(to)])),  # last: it stays so
}


def main():
    names = sys.argv[1:] or list(STORIES)
    if unknown := set(names) - set(STORIES):
        sys.exit(f"relayattack: there is no story {min(unknown)}; there are {', '.join(STORIES)}")
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    with Lab() as net:
        bed = Bed(net)
        with contextlib.closing(Slice(net.tag, bed.hub.pid(), RELAY_CPU)):
            for name in names:
                STORIES[name](bed)


if __name__ == "__main__":
    main()
