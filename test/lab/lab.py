# SPDX-License-Identifier: AGPL-3.0-or-later
"""A laboratory of network namespaces: hosts on separate subnets behind a router, with real daemons on them.

Everything a Lab makes (namespaces, processes, directories) is named after it and undone by close(), also after an
exception or a signal. What a killed run left behind is removed by the next one (remove_leftovers).
Addresses: subnet n is 198.18.n.0/24 (RFC 2544) and 2001:db8:n::/64; the router is .1, the host .2.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

BINARY = os.environ.get("TUNNELMESH", os.path.join(os.path.dirname(__file__), "../../build/release/src/cli/tunnelmesh"))
PREFIX = "tml"
# What a daemon's log must not contain.
REPORTS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:", "Assertion")


class LabError(Exception):
    pass


def is_sanitized():
    """Was the program under test built with AddressSanitizer or ThreadSanitizer?"""
    with open(BINARY, "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def find_tool(name):
    """Beside the program under test (sanitizer builds), else that of the ci preset: release builds no tools."""
    beside = os.path.join(os.path.dirname(BINARY), "../../test/lab/tools", name)
    usual = os.path.join(os.path.dirname(__file__), "../../build/ci/test/lab/tools", name)
    return os.path.normpath(beside if os.path.exists(beside) else usual)


def find_program(name):
    """A program of a Debian package: of those that scripts/setup unpacks without installing them, or of the machine."""
    aside = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../build/packages/root/usr"))
    found = shutil.which(name, path=f"{aside}/bin:{aside}/sbin") or shutil.which(name)
    if not found:
        raise LabError(f"there is no program {name}: scripts/setup test gets it")
    return found


def sh(*argv, check=True, timeout=60, **kw):
    """Runs a program; its output as text. A failure carries both streams in the exception."""
    r = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=timeout, **kw)
    if check and r.returncode != 0:
        raise LabError(f"{' '.join(map(str, argv))}: exit {r.returncode}\n{r.stdout}{r.stderr}")
    return r


def wait_for(what, test, timeout=10.0, interval=0.02):
    """Polls test() until it returns something true, which is returned; fails with `what` after the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > deadline:
            raise LabError(f"timed out after {timeout} s: {what}")
        time.sleep(interval)


def kept(node, query):
    """Rows of what a node keeps of its mesh (netmap.db); it holds the lock, so a copy is asked."""
    with tempfile.TemporaryDirectory() as d:
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(node.host.path(node.state + "/netmap.db" + suffix), f"{d}/copy{suffix}")
        with contextlib.closing(sqlite3.connect(d + "/copy")) as db:
            try:
                return db.execute(query).fetchall()
            except sqlite3.DatabaseError:
                return []  # not written yet, or copied in the middle of a write


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    """KiB"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


def alive(pid):
    """What was killed stays in the table until its parent looks, which may take seconds: it is dead once all threads are."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            ended = f.read().rpartition(")")[2].split()[0] in "ZX"
        return not ended or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def end_namespace(name):
    """Kills what runs in a namespace, waits until it is gone, and deletes the namespace."""
    def remaining():
        pids = sh("ip", "netns", "pids", name).stdout.split()
        for pid in pids:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
        return pids
    wait_for(f"the processes in {name} to end", lambda: not remaining())
    sh("ip", "netns", "del", name)


def remove_leftovers():
    """Namespaces of labs whose process is gone: end what runs in them and delete them."""
    names = [line.split()[0] for line in sh("ip", "netns", "list").stdout.splitlines()]
    for name in names:
        m = re.fullmatch(PREFIX + r"(\d+)-.*", name)
        if m and not alive(int(m.group(1))):
            with contextlib.suppress(LabError):  # another lab does so at the same time
                end_namespace(name)
            shutil.rmtree(os.path.join(tempfile.gettempdir(), f"tunnelmesh-lab-{m.group(1)}"), ignore_errors=True)


class Host:
    """One namespace with its own address on its own subnet."""

    def __init__(self, lab, name):
        self.lab, self.name = lab, name
        self.ns = f"{PREFIX}{lab.tag}-{name}"
        self.ip4 = self.ip6 = self.mounts = None
        lab.hosts[name] = self  # whoever interrupts us in the next line leaves nothing behind
        sh("ip", "netns", "add", self.ns)
        self.sh("ip", "link", "set", "lo", "up")
        self.sh("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")

    def argv(self, *argv):
        mounts = [f"--mount=/proc/{self.mounts.pid}/ns/mnt"] if self.mounts else []
        return ["nsenter", f"--net=/run/netns/{self.ns}", *mounts, "--", *map(str, argv)]

    def private_mounts(self, script):
        """From now on everything runs in a mount namespace of this host's own, which starts with a shell script."""
        self.mounts = subprocess.Popen(["unshare", "--mount", "sh", "-ec", script + "\necho ready\nexec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.lab.processes.append(self.mounts)
        if self.mounts.stdout.readline() != b"ready\n":
            raise LabError(f"the mounts could not be made: {script}")

    def path(self, path):
        """The path by which the test itself reaches a file that this host sees."""
        return f"/proc/{self.mounts.pid}/root{path}" if self.mounts else path

    def sh(self, *argv, **kw):
        return sh(*self.argv(*argv), **kw)

    def bridges_only(self):
        """From now on what a bridge of this host hands on is no business of its firewall. Kernels have that as a module (br_netfilter),
        and where it is not loaded it is so anyway."""
        self.sh("sysctl", "-qew", *(f"net.bridge.bridge-nf-call-{what}tables=0" for what in ("ip", "ip6")))

    def ip(self, *commands):
        """Commands of ip(8), in one go."""
        self.sh("ip", "-batch", "-", input="\n".join(commands) + "\n")

    def spawn(self, *argv, **kw):
        """A process in this namespace that the lab ends with itself."""
        p = subprocess.Popen(self.argv(*argv), start_new_session=True, **kw)
        self.lab.processes.append(p)
        return p

    def move(self, last=77):
        """Other addresses on the same subnet, as after changing networks; the old ones are gone before."""
        n = self.ip4.split(".")[2]
        self.sh("ip", "addr", "flush", "dev", "eth0", "scope", "global")
        self.ip4 = f"198.18.{n}.{last}"
        rows = [f"addr add {self.ip4}/24 dev eth0", f"route replace default via 198.18.{n}.1"]
        if self.ip6:
            self.ip6 = f"2001:db8:{n}::{last}"
            rows += [f"addr add {self.ip6}/64 dev eth0 nodad", f"route replace default via 2001:db8:{n}::1"]
        self.ip(*rows)

    def pids(self):
        return [int(p) for p in sh("ip", "netns", "pids", self.ns).stdout.split()]

    def delete(self):
        if os.path.exists(f"/run/netns/{self.ns}"):
            end_namespace(self.ns)
        del self.lab.hosts[self.name]


class Node:
    """A TunnelMesh node on a host: its state directory, its socket, and the commands one would type."""

    def __init__(self, host, name=None, **options):
        self.host, self.lab = host, host.lab
        self.name = name or host.name
        self.binary = BINARY
        self.state = os.path.join(self.lab.dir, self.name)
        self.options = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
        self.settings = {}
        if self.lab.offloads:
            self.configure(offloads=self.lab.offloads)

    def configure(self, **settings):
        """Writes keys into the node's configuration file, which a --config among the options overrules. A dict is a
        group of keys, such as test_limits."""
        self.settings |= settings
        with open(self.state + ".yaml", "w", encoding="utf-8") as f:
            for key, value in self.settings.items():
                rows = [f"  {k}: {v}" for k, v in value.items()] if isinstance(value, dict) else None
                f.write("\n".join([f"{key}:", *rows]) + "\n" if rows else f"{key}: {value}\n")
        return self

    def argv(self, *args):
        options = list(self.options)
        if self.settings and not any(o.split("=")[0] == "--config" for o in options):
            options.append(f"--config={self.state}.yaml")
        return [self.binary, "--state-dir", self.state, "--socket", self.state + ".sock", *options, *map(str, args)]

    def run(self, *args, check=True, timeout=60, **kw):
        return self.host.sh(*self.argv(*args), check=check, timeout=timeout, stdin=subprocess.DEVNULL, **kw)

    def json(self, *args, **kw):
        return json.loads(self.run(*args, "--json", **kw).stdout)

    def init(self, *args):
        return self.run("init", "--name", self.name, *args)

    def token(self, *args):
        return self.json("token", "create", *args)["token"]

    def join(self, token, *args, **kw):
        return self.run("join", token, "--name", self.name, *args, **kw)

    def status(self):
        return self.json("status")

    def peer(self, name):
        return next((p for p in self.status()["peers"] if p["name"] == name), None)

    def pid(self):
        return self.status()["pid"]

    def ping(self, name, *args, check=True):
        return self.run("ping", name, "-c", 1, *args, check=check)

    def kill9(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(f"{self.name} to die", lambda: not alive(pid))

    def up(self):
        return self.run("up")

    def down(self):
        return self.run("down")

    def log(self):
        try:
            with open(self.host.path(os.path.join(self.state, "daemon.log")), encoding="utf-8", errors="replace") as f:
                return f.read()
        except (FileNotFoundError, NotADirectoryError):
            return ""


def remove_lab(tag):
    """Ends a lab that was left running under a tag of its own: its processes, namespaces and directory."""
    names = [line.split()[0] for line in sh("ip", "netns", "list").stdout.splitlines()]
    found = [n for n in names if n.startswith(f"{PREFIX}{tag}-")]
    for name in found:
        end_namespace(name)
    shutil.rmtree(os.path.join(tempfile.gettempdir(), f"tunnelmesh-lab-{tag}"), ignore_errors=True)
    return len(found)


class Lab:
    """offloads: what every node's setting of this name says; None leaves it out, which means all."""

    offloads = None

    def __init__(self, tag=None):
        """tag names what is left running on purpose; without one everything is named after this process."""
        remove_leftovers()
        self.hosts, self.processes, self.nodes = {}, [], []
        self.tag = tag or str(os.getpid())
        self.dir = os.path.join(tempfile.gettempdir(), f"tunnelmesh-lab-{self.tag}")
        os.mkdir(self.dir, 0o755)
        self.subnets = 0
        self.router = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.terminate()
        for host in list(self.hosts.values()):
            host.delete()
        for p in self.processes:
            p.wait(timeout=10)
        shutil.rmtree(self.dir, ignore_errors=True)

    def make_router(self):
        self.router = Host(self, "router")
        self.router.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")

    def host(self, name, mtu=1500, wire=None):
        """A new host on a subnet of its own, routed to all others. wire(host, dev, router, dev) lays another one than
        the usual veth between them."""
        if not self.router:
            self.make_router()
        self.subnets += 1
        n = self.subnets
        h = Host(self, name)
        link = f"r{n}"
        if wire:
            wire(h, "eth0", self.router, link)
        else:
            sh("ip", "link", "add", link, "netns", self.router.ns, "mtu", mtu, "type", "veth",
               "peer", "name", "eth0", "netns", h.ns, "mtu", mtu)
        h.ip4, h.ip6 = f"198.18.{n}.2", f"2001:db8:{n}::2"
        for host, dev, last in ((self.router, link, 1), (h, "eth0", 2)):
            host.sh("ip", "addr", "add", f"198.18.{n}.{last}/24", "dev", dev)
            host.sh("ip", "addr", "add", f"2001:db8:{n}::{last}/64", "dev", dev, "nodad")
            host.sh("ip", "link", "set", dev, "up")
        h.sh("ip", "route", "add", "default", "via", f"198.18.{n}.1")
        h.sh("ip", "-6", "route", "add", "default", "via", f"2001:db8:{n}::1")
        return h

    def node(self, name, host=None, **options):
        node = Node(host or self.host(name), name, **options)
        self.nodes.append(node)
        return node

    def mesh(self, *names):
        """A coordinator (first name) and joined nodes, all up."""
        nodes = [self.node(n) for n in names]
        nodes[0].init()
        for n in nodes[1:]:
            n.join(nodes[0].token())
        return nodes


@contextlib.contextmanager
def watched_lab(sanitized):
    """A laboratory at whose end no daemon may have failed an assertion or upset a sanitizer."""
    with Lab() as l:
        yield l
        if sanitized:
            for node in l.nodes:
                node.run("down", check=False)
        for node in l.nodes:
            log = node.log()
            found = [r for r in REPORTS if r in log]
            assert not found, f"{node.name}: {found}\n{log[-8000:]}"
