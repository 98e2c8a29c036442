# SPDX-License-Identifier: AGPL-3.0-or-later
"""The test bed: two namespaces joined by one veth pair, and meters of what the machine does meanwhile."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lab"))

import lab  # noqa: E402
from lab import LabError, sh  # noqa: E402

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
LOAD = os.path.join(ROOT, "build/ci/test/bench/load")
ASIDE = os.path.join(ROOT, "build/bench/trixie")
LINK = {4: ("198.18.0.1", "198.18.0.2", 24), 6: ("2001:db8::1", "2001:db8::2", 64)}
LINK_DEV = "eth0"
LINK_MTU = 1500


class Bed(lab.Lab):
    """Hosts a and b on one link. outer: which IP versions the link has; a tunnel then has no choice to make."""

    def __init__(self, outer=(4,)):
        super().__init__()
        self.outer = outer
        self.ends = self.a, self.b = lab.Host(self, "a"), lab.Host(self, "b")
        sh("ip", "link", "add", LINK_DEV, "netns", self.a.ns, "mtu", LINK_MTU, "type", "veth",
           "peer", "name", LINK_DEV, "netns", self.b.ns, "mtu", LINK_MTU)
        for i, host in enumerate(self.ends):
            # wireguard-go's control sockets have one place for all namespaces.
            host.private_mounts("mkdir -p /run/wireguard; mount -t tmpfs tmpfs /run/wireguard")
            for version in outer:
                address, bits = LINK[version][i], LINK[version][2]
                host.sh("ip", "addr", "add", f"{address}/{bits}", "dev", LINK_DEV, *(["nodad"] if version == 6 else []))
                setattr(host, f"ip{version}", address)
            # Like a network card: no packet above the MTU crosses the link. By default veth hands on 64 KB
            # super-packets whole, which flatters every tunnel that sends them.
            host.sh("ethtool", "-K", LINK_DEV, "tso", "off", "tx-udp-segmentation", "off", "gso", "on", "gro", "on")
            host.sh("ip", "link", "set", LINK_DEV, "up")

    def outer_address(self, host):
        """Where the other host reaches this one, as HOST in HOST:PORT."""
        return f"[{host.ip6}]" if 4 not in self.outer else host.ip4

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "w", encoding="ascii", opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
            f.write(text)
        return path

    def daemon(self, host, *argv, env=None):
        """A tunnel's process; its output is kept for the message should it fail. The process id."""
        with open(self.path(f"{host.name}.log"), "ab") as log:
            return host.spawn(*argv, stdout=log, stderr=log, env={**os.environ, **(env or {})}).pid

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.dir)):
            for path in (self.path(name), self.path(os.path.join(name, "daemon.log"))):
                if path.endswith(".log") and os.path.isfile(path):
                    with open(path, encoding="utf-8", errors="replace") as f:
                        text += f"--- {os.path.relpath(path, self.dir)}\n{f.read()[-1500:]}"
        return text


TICK = os.sysconf("SC_CLK_TCK")
PF_KTHREAD = 0x00200000  # include/linux/sched.h


def process_times():
    """{pid: (parent, own CPU seconds, those of its reaped children, is a kernel thread)} of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                v = f.read().rsplit(") ", 1)[1].split()  # from field 3 of proc(5) on
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(name)] = (int(v[1]), (int(v[11]) + int(v[12])) / TICK, (int(v[13]) + int(v[14])) / TICK,
                            bool(int(v[6]) & PF_KTHREAD))
    return found


def descendants(times, root):
    family, grown = {root}, True
    while grown:
        grown = False
        for pid, (parent, *_) in times.items():
            if parent in family and pid not in family:
                family.add(pid)
                grown = True
    return family


def machine_times():
    """CPU seconds: (busy, of that stolen by the hypervisor) since boot."""
    with open("/proc/stat", encoding="ascii") as f:
        v = [int(x) / TICK for x in f.readline().split()[1:9]]
    idle, iowait, steal = v[3], v[4], v[7]
    return sum(v) - idle - iowait, steal


class Meter:
    """CPU time while the block runs: of the tunnel, of the whole machine, and of strangers.

    Strangers are user processes that do not belong to this test. A process that ended is counted with its parent, so
    short-lived ones (a compiler's) are not missed. Everything the test itself starts must be waited for in the block.
    """

    def __init__(self, tunnel_pids):
        self.pids = set(tunnel_pids)

    def sample(self):
        times = process_times()
        ours = descendants(times, os.getpid()) | self.pids
        missing = self.pids - times.keys()
        if missing:
            raise LabError("a process of the tunnel has ended")
        tunnel = sum(times[pid][1] for pid in self.pids)
        strangers = sum(own + reaped for pid, (_, own, reaped, kernel) in times.items()
                        if not kernel and pid not in ours)
        busy, steal = machine_times()
        return tunnel, busy, strangers + steal

    def __enter__(self):
        self.before = self.sample()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.tunnel, self.machine, self.foreign = (y - x for x, y in zip(self.before, self.sample()))


def memory_kb(pid):
    """(resident now, its peak) of a process, in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
        fields = dict(line.split(":", 1) for line in f if ":" in line)
    return int(fields["VmRSS"].split()[0]), int(fields["VmHWM"].split()[0])
