# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the wires between the hosts of a lab do to packets: like a network card's, marking, losing, reordering."""
import json
import subprocess

from lab import LabError, find_tool
from wireguard import DATA


def like_a_nic(*hosts, gro="on"):
    """A veth hands super-packets on as they are; after this, packets cross these hosts' wires one by one, none larger
    than the MTU, and the receiving end joins them again (GRO), as behind a network card, unless that is off."""
    for host in hosts:
        n = host.ip4.split(".")[2]
        for end, dev in ((host, "eth0"), (host.lab.router, f"r{n}")):
            end.sh("ethtool", "-K", dev, "tso", "off", "tx-udp-segmentation", "off", "gso", "on", "gro", gro)


def one_by_one(host, dev):
    """From now on packets leave here as they will be on a wire, so that rules beyond see each and its true length."""
    host.sh("ethtool", "-K", dev, "tso", "off", "gso", "off", "tx-udp-segmentation", "off")


def rules(host, name, text, hook="forward", priority="filter"):
    """An nftables table `name` with one chain; replaces what it was."""
    host.sh("nft", "-f", "-", input=f"""
        table inet lab_{name}
        delete table inet lab_{name}
        table inet lab_{name} {{
            counter hits {{ }}
            chain c {{
                type filter hook {hook} priority {priority}
                {text}
            }}
        }}""")


def no_rules(host, name):
    host.sh("nft", "delete", "table", "inet", f"lab_{name}")


def counted(host, name):
    table = json.loads(host.sh("nft", "-j", "list", "table", "inet", f"lab_{name}").stdout)["nftables"]
    return next(row["counter"] for row in table if "counter" in row)


def hits(host, name):
    """How many packets the rules of a table struck that say `counter name hits`."""
    return counted(host, name)["packets"]


def volume(host, name):
    """Bytes of the packets that they struck."""
    return counted(host, name)["bytes"]


class Unruly:
    """From now on the router hands some data messages from one host to another on late, or twice (tools/unruly)."""

    def __init__(self, router, to, name="unruly0", **how):
        self.router, self.name = router, name
        words = [f"{k}={v}" for k, v in how.items()]
        self.process = router.spawn(find_tool("unruly"), f"tun={name}", *words, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise LabError(self.process.communicate()[1])
        router.sh("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0", "net.ipv4.conf.all.rp_filter=0")
        router.sh("ip", "link", "set", name, "mtu", 9000, "txqueuelen", 10000, "up")
        self.table = 100 + router.lab.subnets + len(router.lab.processes)
        for family, address in (("-4", to.ip4), ("-6", to.ip6)):
            router.sh("ip", family, "route", "add", "default", "dev", name, "table", self.table)
            router.sh("ip", family, "rule", "add", "priority", 50, "iif", name, "lookup", "main")
            router.sh("ip", family, "rule", "add", "priority", 60, "to", address, "ipproto", "17", "dport", 51820,
                      "lookup", self.table)

    def stop(self):
        """Ends the tool, and with it the detour; what it did: {"passed", "late", "twice"}."""
        for family in ("-4", "-6"):
            self.router.sh("ip", family, "rule", "del", "priority", 60, "lookup", self.table)
            self.router.sh("ip", family, "rule", "del", "priority", 50, "iif", self.name)
        out, _ = self.process.communicate(timeout=10)
        return json.loads(out)


class Line:
    """A line between two hosts whose behaviour can be set and changed (tools/line); "a" is the end at the first host.

    Times are in ms, chances in percent: delay, jitter, reorder, loss, burst, twice, corrupt, rate (kbit/s), queue
    (bytes), down, seed. Plain words go for both directions; a={...} for what the first host sends, b={...} for the other.
    """

    UNITS = {"delay": 1000, "jitter": 1000, "reorder": 10000, "loss": 10000, "twice": 10000, "corrupt": 10000}

    def __init__(self, a, dev_a, b, dev_b, **manner):
        self.process = subprocess.Popen([find_tool("line"), a.ns, dev_a, b.ns, dev_b, *self.words(manner)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)
        a.lab.processes.append(self.process)
        if self.process.stdout.readline() != "ready\n":
            raise LabError(self.process.communicate()[1])

    @classmethod
    def words(cls, manner):
        both = {k: v for k, v in manner.items() if k not in ("a", "b")}
        rows = [("", both), ("a.", manner.get("a", {})), ("b.", manner.get("b", {}))]
        return [f"{prefix}{k}={round(v * cls.UNITS.get(k, 1))}" for prefix, row in rows for k, v in row.items()]

    def ask(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def set(self, **manner):
        """Holds for every frame from now on; what is not named stays as it is."""
        answer = self.ask(" ".join(self.words(manner)))
        if answer != "ok":
            raise LabError(f"line: {answer}")

    def stats(self):
        return json.loads(self.ask("stats"))


def counters(packets, source):
    """The counters of the data messages that a source sent, session by session, in the order of a capture."""
    found = {}
    for p in packets:
        if p.src == source and p.payload and len(p.payload) >= 16 and p.payload[0] == DATA:
            found.setdefault(p.payload[4:8], []).append(int.from_bytes(p.payload[8:16], "little"))
    return found


def late_ones(sequence):
    """How many come after one with a higher number."""
    highest, late = -1, 0
    for n in sequence:
        late += n < highest
        highest = max(n, highest)
    return late
