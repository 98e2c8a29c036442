# SPDX-License-Identifier: AGPL-3.0-or-later
"""How far one coordinator carries: a real one, and a herd of real links (herd.c) beside it.

The mesh grows from nothing to each size asked for; at each size everything that a mesh does is done once and measured:
joins, renames, lists, idling, STUN, and all coming back after the coordinator's restart, at round trips of 0 and of
--rtt ms, from many addresses and from one. Then one real node with so many members in its map. CPU seconds are the
daemon's (schedstat); times contain the herd's own work, which shares the cores. One JSON line per measurement goes to
--out, a table to stdout.
"""
import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", "..", "lab")]

from lab import Lab, LabError, wait_for  # noqa: E402
from rig import Book, Daemon, Herd, Meter, slow_cable  # noqa: E402

PARALLEL = 100
SERIAL = 10
RENAMES = 5
LISTS = 10
RETURN_LIMIT_S = 300
STUN_RATE = 2000
MANY = 4000                                  # source addresses
FAST_SOURCES, SLOW_SOURCES = "198.19.0.1", "198.19.64.1"
SLOW_HUB, SLOW_HERD = "198.18.250.1", "198.18.250.2"


def median(values):
    return statistics.median(values) if values else None


class Coordinator:
    """The measurements around a hub and its herd."""

    def __init__(self, book, hub, herd):
        self.book, self.hub, self.herd = book, hub, herd
        self.size = 0       # what the figures stand under: joins that are measured come on top
        self.renamed = None

    def grow(self, size):
        """From what there is to `size`, PARALLEL at once."""
        before = self.herd.stats()
        meter = Meter(self.hub.process)
        joined = self.herd.ask(f"join {size - before['members']} {PARALLEL}", "joined", 900)
        if not joined:
            raise LabError(f"not all joined: {self.herd.stats()}")
        used, after = meter.read(), self.herd.quiet()
        self.size = size
        self.book.note(size, "all join, 100 at once", added=size - before["members"], wall_s=joined["wall_s"],
                       failed=joined["failed"], cpu_s=used["cpu_s"],
                       told_gb=(after["received"] - before["received"]) / 1e9,
                       text_gb=(after["bytes"] - before["bytes"]) / 1e9)
        self.hub.process.settle()
        self.book.note(size, "memory", mib=self.hub.process.memory())

    def serial_joins(self):
        cpu, told, known = [], [], []
        for _ in range(SERIAL):
            before = self.herd.stats()
            name = f"herd-{before['members']:05d}"
            self.herd.ask(f'watch "{name}"', "watching")
            meter = Meter(self.hub.process)
            self.herd.ask("join 1 1", "joined")
            watched = self.herd.wait("watched", 60)
            after = self.herd.quiet()
            cpu.append(meter.read()["cpu_s"])
            told.append(after["received"] - before["received"])
            known.append(watched["ms"]["p99"] if watched and watched["ms"] else None)
        self.book.note(self.size, "one join, all told", cpu_ms=median(cpu) * 1e3, told_mb=median(told) / 1e6,
                       known_p99_ms=median([k for k in known if k]))

    def burst(self):
        before, meter = self.herd.stats(), Meter(self.hub.process)
        joined = self.herd.ask(f"join {PARALLEL} {PARALLEL}", "joined", 300)
        used, after = meter.read(), self.herd.quiet()
        self.book.note(self.size, "100 joins at once", wall_s=joined["wall_s"], cpu_s=used["cpu_s"],
                       told_mb_each=(after["received"] - before["received"]) / 1e6 / PARALLEL)

    def renames(self):
        p50, p99 = [], []
        for i in range(RENAMES):
            new = f"renamed-{self.size}-{i}"
            self.herd.ask(f'watch "{new}"', "watching")
            self.hub.ask("node.rename", node=self.renamed[i] if self.renamed else f"herd-{i:05d}", name=new)
            told = self.herd.wait("watched", 60)
            p50.append(told["ms"]["p50"])
            p99.append(told["ms"]["p99"])
        self.renamed = [f"renamed-{self.size}-{i}" for i in range(RENAMES)]
        self.book.note(self.size, "a rename known to all", p50_ms=median(p50), p99_ms=median(p99))

    def lists(self):
        self.hub.process.settle()
        meter, walls = Meter(self.hub.process), []
        for _ in range(LISTS):
            begun = time.monotonic()
            self.hub.node.run("node", "list", "--json", timeout=120)
            walls.append((time.monotonic() - begun) * 1e3)
        self.book.note(self.size, "node list", control_ms=meter.read()["control_s"] * 1e3 / LISTS, cli_ms=median(walls))

    def idle(self, seconds):
        self.hub.process.settle()
        meter = Meter(self.hub.process)
        time.sleep(seconds)
        used = meter.read()
        self.book.note(self.size, "idle, a minute", cpu_s=used["cpu_s"] * 60 / used["wall_s"])

    def stun(self, address):
        status = self.hub.ask("status")
        for which in ("first", "later"):
            self.hub.process.settle()
            meter = Meter(self.hub.process)
            done = self.herd.ask(f"stun {status['self']['id']} {address}:{status['listen_port']} {STUN_RATE}", "stunned", 120)
            self.book.note(self.size, f"STUN question of all, {which}", cpu_s=meter.read()["cpu_s"],
                           answered=done["answered"], asked=done["asked"])

    def come_back(self, label, address, sources):
        """The coordinator is restarted, and every member comes back over that way."""
        self.herd.say(f"via {address}:8443")
        self.herd.say(f"sources {sources[0]} {sources[1]}")
        self.hub.stop()
        time.sleep(1)
        self.herd.ask("mark", "marked")
        begun = time.monotonic()
        started = self.hub.start()

        def all_back():
            s = self.herd.stats()
            return s["current"] == s["members"] and s
        with contextlib.suppress(LabError):
            wait_for("all to be back", all_back, RETURN_LIMIT_S, 0.2)
        wall, s = time.monotonic() - begun, self.herd.stats()
        self.book.note(self.size, f"restart, {label}", back=s["current"], of=s["members"], wall_s=wall,
                       start_s=started, cpu_s=self.hub.process.cpu(), told_mb=s["received"] / 1e6,
                       attempts=s["attempts"], peak_mib=self.hub.process.memory("VmHWM"))
        self.herd.quiet()


def one_node(book, size, hub, node, names):
    """A real node with the whole mesh in its map; nobody else is linked."""
    daemon = Daemon(node)
    daemon.start()
    last = names[-1]
    wait_for("the map to arrive", lambda: daemon.ask("ping.resolve", name=last).get("ok"), 120, 0.05)
    daemon.process.settle()
    time.sleep(4)  # what it keeps is written
    daemon.process.settle()
    book.note(size, "a node: memory", mib=daemon.process.memory())
    meter = Meter(daemon.process)
    for i in range(SERIAL):  # nobody asks the node meanwhile: that would be what is measured
        hub.ask("node.rename", node=names[i], name=f"again-{size}-{i}")
        time.sleep(0.5)
    time.sleep(4)  # likewise
    daemon.process.settle()
    used = meter.read()
    names[:SERIAL] = [f"again-{size}-{i}" for i in range(SERIAL)]
    if not daemon.ask("ping.resolve", name=names[SERIAL - 1]).get("ok"):
        raise LabError("a rename has not arrived")
    book.note(size, "a node: CPU of a change", cpu_ms=used["cpu_s"] * 1e3 / SERIAL)
    asked, typed = [], []
    for _ in range(5):
        begun = time.monotonic()
        daemon.ask("status")
        asked.append((time.monotonic() - begun) * 1e3)
        begun = time.monotonic()
        node.run("status")
        typed.append((time.monotonic() - begun) * 1e3)
    book.note(size, "a node: status", socket_ms=median(asked), cli_ms=median(typed))
    daemon.stop()
    started = [daemon.start()]
    cpu = daemon.process.cpu()
    daemon.stop()
    book.note(size, "a node: start from what it keeps", wall_s=started[0], cpu_s=cpu)


def table(book):
    sizes = sorted(book.rows)
    what = list(dict.fromkeys(w for s in sizes for w in book.rows[s]))
    print("\n| | " + " | ".join(f"{s:,}" for s in sizes) + " |\n|---|" + "---|" * len(sizes))
    for w in what:
        cells = []
        for s in sizes:
            row = book.rows[s].get(w, {})
            cells.append(", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
        print(f"| {w} | " + " | ".join(cells) + " |")


def run(args, book):
    with Lab() as lab:
        hub_node, herd_host, node = lab.node("hub"), lab.host("herd"), lab.node("node")
        hub_node.configure(bench_port=0)
        address, fast = hub_node.host.ip4, herd_host.ip4
        for first in (FAST_SOURCES, SLOW_SOURCES):
            herd_host.sh("ip", "route", "add", "local", first.rsplit(".", 1)[0] + ".0/18", "dev", "lo")
        for host, dev in ((hub_node.host, f"198.18.{hub_node.host.ip4.split('.')[2]}.1"), (lab.router, fast)):
            host.sh("ip", "route", "add", FAST_SOURCES.rsplit(".", 1)[0] + ".0/18", "via", dev)
        herd_host.sh("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000", "net.ipv4.tcp_tw_reuse=1")
        hub_node.init("--no-up", "--address", address)
        hub = Daemon(hub_node)
        hub.start()
        token = hub.ask("token.create", uses=100000, ttl_s=864000)["token"]
        node.join(hub.ask("token.create")["token"], "--no-up")
        with slow_cable(hub_node.host, herd_host, "lag0", SLOW_HUB, SLOW_HERD, args.rtt // 2):
            hub_node.host.sh("ip", "route", "add", SLOW_SOURCES.rsplit(".", 1)[0] + ".0/18", "via", SLOW_HERD)
            herd = Herd(herd_host)
            herd.say(f"token {token}")
            herd.say(f"via {address}:8443")
            herd.say(f"sources {FAST_SOURCES} {MANY}")
            c = Coordinator(book, hub, herd)
            for size in args.sizes:
                c.grow(size)
                for step in (c.serial_joins, c.burst, c.renames, c.lists, lambda: c.idle(args.idle), lambda: c.stun(address)):
                    step()
                for label, where, sources in (("0 ms, many addresses", address, (FAST_SOURCES, MANY)),
                                              ("0 ms, one address", address, (fast, 1)),
                                              (f"{args.rtt} ms, many addresses", SLOW_HUB, (SLOW_SOURCES, MANY)),
                                              (f"{args.rtt} ms, one address", SLOW_HUB, (SLOW_HERD, 1))):
                    c.come_back(label, where, sources)
                herd.say(f"via {address}:8443")
                herd.say(f"sources {FAST_SOURCES} {MANY}")
            herd.ask("end", "ended")
            hub.process.settle()
            names = [n["name"] for n in json.loads(hub_node.run("node", "list", "--json", timeout=120).stdout)["nodes"]
                     if n["name"] not in ("hub", "node")]
            one_node(book, c.size, hub, node, names)
        hub.stop()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("sizes", nargs="*", type=int, default=[1000, 3000, 10000])
    p.add_argument("--rtt", type=int, default=100, help="ms, of the slow way (default 100)")
    p.add_argument("--idle", type=int, default=60, help="seconds of idling to measure (default 60)")
    p.add_argument("--out", default="build/scale.jsonl")
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    book = Book(args.out)
    try:
        run(args, book)
    finally:
        table(book)


if __name__ == "__main__":
    main()
