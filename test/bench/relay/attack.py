# SPDX-License-Identifier: AGPL-3.0-or-later
"""What others keep of a relay while somebody floods it, and what the relay does when all together want more than it can.

Real daemons; a and b reach each other through the relay only, 40 ms away, by TCP both ways at once. The relay gets a
part of one core (RELAY_CPU, percent), so that this machine can send more than it can hand on. Who attacks has a core of
this machine to himself, and with it all that the kernel does with what he sends until it waits for the relay: nobody
else is slower because of the work of sending it. Each story is measured in short windows, ROUNDS pairs of them in turn:
the flood is led to a host that throws it away (control), and to the relay (attacked), the second of a pair is the first
of the next. So is each of two wishes: `some` is what a and b want of an ordinary line (WISH_KBIT each way, less than
anybody's fair share of the relay), `all` is as much as they get. Printed are the rates, what is kept (percent, the
median of the pairs), how much of its core the relay had and of theirs all others left idle (none: then it was not the
relay that was short), and what the relay counted. Nothing is asserted; a line of JSON each.

    attack.py [STORY...]     single small outsider ports ports6 questions handshakes forged garbage stun init plain four
                             idle alone overload shared
"""
import contextlib
import itertools
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
from slices import NoSlices, Slice  # noqa: E402
from wireguard import cpu_seconds  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))  # measured of a window
FOUND = 1.5  # seconds that a flood has before somebody is measured beside it
RATE = int(os.environ.get("RATE", "300000"))  # datagrams a second
RELAY_CPU = int(os.environ.get("RELAY_CPU", "25"))  # percent of a core
LINE_KBIT = int(os.environ.get("LINE_KBIT", "500000"))
WISH_KBIT = int(os.environ.get("WISH_KBIT", "50000"))
WISHES = {"some": ("-b", f"{WISH_KBIT}k"), "all": ()}
MANY = 8  # members that overload it together
CORES = sorted(os.sched_getaffinity(0))
ATTACKER = {CORES[-1]}
OTHERS = set(CORES[:-1]) or ATTACKER


def say(**what):
    print(json.dumps(what), flush=True)


def idle_seconds():
    """Of the cores of all who do not attack."""
    with open("/proc/stat", encoding="ascii") as f:
        rows = {line.split()[0]: line.split()[1:] for line in f if line.startswith("cpu")}
    return sum(int(rows[f"cpu{n}"][3]) + int(rows[f"cpu{n}"][4]) for n in OTHERS) / os.sysconf("SC_CLK_TCK")


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
                                       f"ip6 saddr != {self.outsider.ip6} meta l4proto udp drop")
        wires.rules(self.sink, "sink", "udp dport 51820 drop\ntcp dport 8443 drop", hook="input")
        wait_for("all to register", lambda: self.relayed()["members"] == len(self.nodes), 30)
        self.numbers = {n.name: int(n.status()["self"]["ip4"].split(".")[-1]) for n in self.nodes}
        wait_for("a to reach b", lambda: self.a.ping("b", check=False).returncode == 0, 20)
        self.inside = self.b.status()["self"]["ip4"]
        for port in (5301, 5302):
            self.b.host.spawn("iperf3", "-s", "-B", self.inside, "-p", port, stdout=subprocess.DEVNULL)
            wait_for("iperf3 to listen", lambda p=port: f":{p} " in self.b.host.sh("ss", "-Hltn").stdout)

    def relayed(self):
        return self.hub.status()["relay"]

    def host_number(self, node):
        """By which relays know it: its place in the mesh's IPv4 network, counted from 1."""
        return self.numbers[node.name]

    @staticmethod
    def attack(host, tool, **words):
        """A tool of the lab's, on the attacker's core."""
        p = host.spawn(find_tool(tool), *[f"{k.replace('_', '-')}={v}" for k, v in words.items()], stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, ATTACKER))
        if p.stdout.readline() != "ready\n":
            raise LabError(f"{tool} does not start")
        return p

    def spate(self, host, to, kind="data", rate=None, between=None, **more):
        return self.attack(host, "spate", **{"to": to, "from": host.ip4, "kind": kind, "rate": rate or RATE,
                                             "between": between or "1,2", **more})

    def from_ports(self, to, by6=False, **more):
        """A stranger's, from many ports."""
        if by6:
            to, more["from"] = {h.ip4: h.ip6 for h in (self.hub.host, self.sink)}[to], self.outsider.ip6
        return self.spate(self.outsider, to, **{"between": "2,3", "from_port": 1024, "sources": 1000, **more})

    def by_member(self, to, number=0, rate=None, **more):
        """A member's datagrams to the next member by the relay, or to the sink."""
        one, other = self.members[number], self.members[(number + 1) % MANY]
        pair = f"{self.host_number(one)},{self.host_number(other)}"
        return self.spate(one.host, to, rate=rate, between=pair, **more)

    def tcp(self, wish):
        """a to b and back at once: Mbit/s of both."""
        clients = [self.a.host.spawn("iperf3", "-J", "-c", self.inside, "-t", SECONDS, "-O", 1, "-p", port, *more, *WISHES[wish],
                                     stdout=subprocess.PIPE, text=True) for port, more in ((5301, ()), (5302, ("-R",)))]
        out = [json.loads(c.communicate(timeout=SECONDS + 60)[0]) for c in clients]
        return [o.get("end", {}).get("sum_received", {}).get("bits_per_second", 0) / 1e6 for o in out]


def stop(processes):
    sent = 0
    for p in processes:
        p.stdin.close()
        figures = json.loads(p.stdout.readline())
        sent += figures.get("sent", figures.get("connects", 0)) / figures.get("seconds", 1)
        p.wait(timeout=10)
    return round(sent)


def knock(bed, to):
    """10,000 connections to the port that takes streams, which ask for one and then say nothing."""
    return bed.attack(bed.outsider, "knock", **{"to": to, "port": 8443, "from": bed.outsider.ip4, "rate": 2000, "keep": 10000,
                                                "upgrade": 1})


def drops(bed):
    return bed.hub.status().get("drops", {})


def window(bed, to, flood, wish):
    processes = flood(to)
    time.sleep(FOUND)
    before, count, cpu, idle, begin = drops(bed), bed.relayed()["packets"], cpu_seconds(bed.hub.pid()), idle_seconds(), time.monotonic()
    up, down = bed.tcp(wish)
    seconds = time.monotonic() - begin
    row = {"up": round(up, 1), "down": round(down, 1), "relay_cpu": round((cpu_seconds(bed.hub.pid()) - cpu) / seconds, 3),
           "idle": round((idle_seconds() - idle) / seconds / len(OTHERS), 2),
           "attacker_cpu": round(sum(cpu_seconds(p.pid) for p in processes) / (FOUND + seconds), 2),
           "relayed_per_s": round((bed.relayed()["packets"] - count) / seconds),
           "drops_per_s": {k: round((v - before.get(k, 0)) / seconds) for k, v in drops(bed).items()
                           if v - before.get(k, 0) > seconds}}
    row["flood_per_s"] = stop(processes)
    time.sleep(0.5)
    return row


def kept(control, attacked):
    """Percent of both ways together, and of each: the medians of what each two neighbours in time say."""
    pairs = [(c, a) for i, a in enumerate(attacked) for c in control[i:i + 2]]

    def median(rate):
        return round(statistics.median(100 * rate(a) / max(rate(c), 0.001) for c, a in pairs))

    return {"kept": median(lambda r: r["up"] + r["down"]), "up": median(lambda r: r["up"]), "down": median(lambda r: r["down"])}


def beside(bed, name, flood):
    """flood(to): processes. What a and b keep: control, attacked, control, and so on."""
    for wish in WISHES:
        rows = {"control": [], "attacked": []}
        for turn in range(2 * ROUNDS + 1):
            what, to = ("attacked", bed.hub.host.ip4) if turn % 2 else ("control", bed.sink.ip4)
            rows[what].append(window(bed, to, flood, wish))
            say(story=name, wish=wish, window=what, **rows[what][-1])
        say(story=name, wish=wish, **kept(rows["control"], rows["attacked"]),
            **{f"{what}_{k}": statistics.median(r[k] for r in rows[what]) for what, k in
               itertools.product(rows, ("up", "down", "relay_cpu", "idle", "flood_per_s"))})


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
    "ports": lambda bed: beside(bed, "ports", lambda to: [bed.from_ports(to)]),
    "ports6": lambda bed: beside(bed, "ports6", lambda to: [bed.from_ports(to, by6=True)]),
    "questions": lambda bed: beside(bed, "questions", lambda to: [bed.from_ports(to, kind="stun")]),
    "handshakes": lambda bed: beside(bed, "handshakes", lambda to: [bed.from_ports(to, kind="bare-init")]),
    # In the name of a member, who is heard whatever comes from his address.
    "forged": lambda bed: beside(bed, "forged", lambda to: [bed.from_ports(to, **{"from": bed.members[0].host.ip4})]),
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
    os.sched_setaffinity(0, OTHERS)  # and all that it starts, but who attacks
    try:
        with Lab() as net:
            bed = Bed(net)
            with contextlib.closing(Slice(net.tag, bed.hub.pid(), RELAY_CPU)):
                for name in names:
                    STORIES[name](bed)
    except NoSlices as e:
        sys.exit(f"relayattack: {e}")


if __name__ == "__main__":
    main()
