# SPDX-License-Identifier: AGPL-3.0-or-later
"""What strangers and members can cost a coordinator and those beside them: real daemons, and a herd of real links.

Each measurement has a name; those given on the command line are made, else all. CPU seconds are the daemon's own
(schedstat), its first thread is the one that must never be busy for long. A JSON line for each goes to --out.
"""
import argparse
import contextlib
import os
import signal
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", "..", "lab")]

from lab import Lab, LabError  # noqa: E402
from rig import Book, Daemon, Herd, Knocks, Meter, slow_cable  # noqa: E402

PORT = 8443
SLOW_HUB, SLOW_HERD = "198.18.250.1", "198.18.250.2"
SOURCES = 40                                 # addresses of the strangers
JOINS = 10
WATCHERS = 60


class Bed:
    """A coordinator, and a herd with a fast way to it and one that takes its time; strangers live where the herd does."""

    def __init__(self, lab, args):
        self.args, self.lab = args, lab
        self.node, self.host = lab.node("hub"), lab.host("herd")
        self.node.configure(bench_port=0)
        self.address = self.node.host.ip4
        self.node.init("--no-up", "--address", self.address)
        self.hub = Daemon(self.node)
        self.hub.start()
        self.subnet = self.host.ip4.rsplit(".", 1)[0]
        self.host.sh("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000", "net.ipv4.tcp_tw_reuse=1",
                     "net.ipv6.conf.all.accept_dad=0")
        for n in range(SOURCES):
            self.host.sh("ip", "addr", "add", f"{self.subnet}.{100 + n}/24", "dev", "eth0")
            self.host.sh("ip", "addr", "add", f"{self.host.ip6[:-1]}{100 + n:x}/64", "dev", "eth0", "nodad")
        self.herd = Herd(self.host)
        self.herd.say(f"token {self.hub.ask('token.create', uses=100000, ttl_s=864000)['token']}")
        self.fast()

    def fast(self):
        self.herd.say(f"via {self.address}:{PORT}")
        self.herd.say("sources 0.0.0.0 0")

    def grow(self, size):
        have = self.herd.stats()["members"]
        if size > have and not self.herd.ask(f"join {size - have} 100", "joined", 1800):
            raise LabError(f"not all joined: {self.herd.stats()}")
        self.herd.quiet(300)
        self.hub.process.settle()
        return size

    def guests(self, manner, n, parallel, who="-", target="-", timeout=300):
        """Until all have been; what they had, and what it cost."""
        meter = Meter(self.hub.process)
        had = self.herd.ask(f"guests {manner} {n} {parallel} {who} {target}", "guests", timeout)
        if not had:
            raise LabError(f"guests do not come to an end: {self.herd.ask('go', 'gone')}")
        return had, meter.read()

    def visit(self, seconds, manner, parallel, who="-", target="-"):
        """Guests who come again and again, for so long."""
        self.herd.say(f"guests {manner} {1 << 30} {parallel} {who} {target}")
        meter, most, end = Meter(self.hub.process), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            most = max(most, self.hub.process.descriptors())
            time.sleep(0.05)
        used = meter.read()
        return self.herd.ask("go", "gone"), used, most

    def joins(self):
        """JOINS newcomers at once."""
        before = self.herd.stats()
        joined = self.herd.ask(f"join {JOINS} {JOINS}", "joined", 300)
        if not joined:
            return {"joined": None}
        links = self.herd.stats()["attempts"] - before["attempts"]
        return {"joined": joined["n"], "p50_ms": joined["join_ms"]["p50"], "max_ms": joined["join_ms"]["max"],
                "links": links, "links_needed": 2 * JOINS}


# --- strangers ---

def first_message(book, bed):
    """The longest and most intricate first message that a stranger may send, beside the shortest."""
    n = bed.args.guests
    for manner in ("small", "large"):
        bed.guests(manner, 50, 20)  # so that what is made once is there
        had, used = bed.guests(manner, n, 20)
        book.note(n, f"first message, {manner}", through=had["up"], control_ms_each=used["control_s"] * 1e3 / max(had["up"], 1),
                  a_second=had["up"] / had["wall_s"])
    bed.hub.process.settle()
    bed.hub.process.forget_peak()
    before = bed.hub.process.memory()
    bed.visit(4, "almost", n)
    peak = bed.hub.process.memory("VmHWM")
    book.note(n, "first messages without their end", mib=peak - before, kib_each=(peak - before) * 1024 / n)


def beside(book, bed, what, knocks, slow):
    """Newcomers beside somebody who knocks, and what the control thread has to do."""
    with contextlib.ExitStack() as stack:
        rtt = 0
        if slow:
            rtt = bed.args.rtt
            stack.enter_context(slow_cable(bed.node.host, bed.host, "lag0", SLOW_HUB, SLOW_HERD, rtt // 2))
            bed.herd.say(f"via {SLOW_HUB}:{PORT}")
        alone = bed.joins()
        k = stack.enter_context(Knocks(bed.host, port=PORT, **knocks))
        time.sleep(bed.args.warm)
        meter = Meter(bed.hub.process)
        joined = bed.joins()
        used = meter.read()
        k.__exit__()
        bed.fast()
        book.note(rtt, what, **joined, max_alone_ms=alone["max_ms"], connects_a_second=k.did["connects"] / k.did["seconds"],
                  held=k.did["most"], control=used["control_s"] / used["wall_s"])


def connects(book, bed):
    for upgrade in (0, 1):
        beside(book, bed, f"joins, strangers {'ask for an upgrade' if upgrade else 'say nothing'}",
               {"to": bed.address, "from": f"{bed.subnet}.100", "addresses": SOURCES, "rate": bed.args.rate,
                "upgrade": upgrade, "keep": 20000}, slow=True)


def neighbour(book, bed):
    """One stranger at the newcomers' own address, and one in their IPv6 network, hold all they can get."""
    for upgrade in (0, 1):
        words = "asks for upgrades" if upgrade else "says nothing"
        beside(book, bed, f"joins, a neighbour {words}",
               {"to": bed.address, "from": bed.host.ip4, "rate": bed.args.rate, "upgrade": upgrade, "keep": 20000}, slow=False)
        bed.herd.say(f"via [{bed.node.host.ip6}]:{PORT}")
        beside(book, bed, f"joins, one in their /64 {words}",
               {"to": bed.node.host.ip6, "from": f"{bed.host.ip6[:-1]}64", "addresses": SOURCES, "rate": bed.args.rate,
                "upgrade": upgrade, "keep": 20000}, slow=False)
    for parallel in (20, 200):  # and one whose handshakes are good ones
        other = Herd(bed.host)
        other.say(f"token {bed.hub.ask('token.create')['token']}")
        other.say(f"via {bed.address}:{PORT}")
        other.say(f"guests small {1 << 30} {parallel} - -")
        time.sleep(bed.args.warm)  # what it may have at once is spent
        meter, joined = Meter(bed.hub.process), bed.joins()
        used, had = meter.read(), other.ask("go", "gone")
        book.note(parallel, "joins, a neighbour greets", **joined, came_a_second=had["came"] / had["wall_s"],
                  through_a_second=had["up"] / had["wall_s"], control=used["control_s"] / used["wall_s"])
        other.say("quit")


# --- members ---

def member(book, bed):
    """One member takes all the links, and says all it can."""
    bed.grow(20)
    before = bed.hub.process.descriptors()
    for manner in ("silent", "want"):
        had, used, most = bed.visit(bed.args.seconds, manner, 500, 3, 5)
        wall = used["wall_s"]
        book.note(20, f"one member's 500 links, {manner}", descriptors=most - before, came_a_second=had["came"] / wall,
                  through_a_second=had["up"] / wall, answers_a_second=had["heard"] / wall, control=used["control_s"] / wall)
        bed.hub.process.settle()
    had, used, most = bed.visit(bed.args.seconds, "want", 1, 3, 5)
    wall = used["wall_s"]
    book.note(20, "one member's messages", descriptors=most - before, links_a_second=had["came"] / wall,
              said_a_second=had["said"] / wall, answers_a_second=had["heard"] / wall, control=used["control_s"] / wall)


def flapping(book, bed):
    """One member comes and goes in a large mesh, with a real node beside it."""
    node = bed.lab.node("node")
    node.join(bed.hub.ask("token.create")["token"], "--no-up")
    daemon = Daemon(node)
    daemon.start()
    size = bed.grow(bed.args.size)
    daemon.process.settle()
    time.sleep(5)
    for what, parallel in (("nobody flaps", 0), ("one member flaps", 1), ("one member's 50 links", 50)):
        before, beside_it = bed.herd.stats(), Meter(daemon.process)
        had, used, _ = bed.visit(bed.args.seconds, "visit" if parallel else "silent", parallel, 3 if parallel else "-")
        there, after, wall = beside_it.read(), bed.herd.stats(), used["wall_s"]
        book.note(size, what, comes_a_second=had["welcomed"] / wall, control=used["control_s"] / wall,
                  written_kb_a_second=used["written_kb"] / wall, told_kb_a_second=(after["received"] - before["received"]) / 1e3 / wall,
                  a_node_cpu_ms_a_second=there["cpu_s"] * 1e3 / wall, a_node_written_kb=there["written_kb"])
    daemon.stop()


def candidates(book, bed):
    """What those hear who look for a node whose addresses change without end."""
    bed.grow(WATCHERS + 20)
    for watchers in (1, WATCHERS):
        bed.herd.say(f"want 4 {20 + WATCHERS - watchers} {watchers}")
        before = bed.herd.stats()
        had, used, _ = bed.visit(bed.args.seconds, "wander", 1, 4)
        after, wall = bed.herd.stats(), used["wall_s"]
        told = after["candidates"] - before["candidates"]
        book.note(watchers, "candidates, told to watchers", said_a_second=had["said"] / wall, told_a_second=told / wall,
                  to_each_a_second=told / wall / watchers, control=used["control_s"] / wall)
        bed.herd.say("mark")


ALL = {f.__name__.replace("_", "-"): f for f in (first_message, connects, neighbour, member, candidates, flapping)}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("which", nargs="*", metavar="WHICH", help="of " + ", ".join(ALL) + " (default all)")
    p.add_argument("--size", type=int, default=5000, help="members where one flaps (default 5000)")
    p.add_argument("--guests", type=int, default=600, help="first messages (default 600)")
    p.add_argument("--rate", type=int, default=2000, help="connects a second (default 2000)")
    p.add_argument("--rtt", type=int, default=200, help="ms, of the slow way (default 200)")
    p.add_argument("--warm", type=float, default=8, help="seconds of an attack before somebody joins (default 8)")
    p.add_argument("--seconds", type=float, default=20, help="of each stretch (default 20)")
    p.add_argument("--out", default="build/attack.jsonl")
    args = p.parse_args()
    if set(args.which) - set(ALL):
        p.error(f"there is no {', '.join(set(args.which) - set(ALL))}")
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    book = Book(args.out)
    for name in args.which or ALL:
        with Lab() as lab:
            bed = Bed(lab, args)
            ALL[name](book, bed)
            bed.hub.stop()


if __name__ == "__main__":
    main()
