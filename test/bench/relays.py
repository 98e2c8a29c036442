# SPDX-License-Identifier: AGPL-3.0-or-later
"""Relays between pairs of clients: ours beside coturn's for datagrams, and beside haproxy for streams.

The relay is alone on host b; on host a one program (relay/relayload.c) is all the clients, which send the same messages
at the same moments whichever relay it is. The link's ends receive in kernel threads of their own, so what the clients'
end of it costs is not the relay's, as it would be where one namespace hands packets to the other within the system call
that sends them. Measured is the relay's process alone, by its threads' schedstat: nanoseconds, not ticks.
"""
import glob
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time

import bed as bedlib
from bed import Meter, sh
from contenders import BEFORE, Contender, Tunnel, TunnelMesh
from lab import LabError, Node, find_program, wait_for
from measure import GRACE, Measurement

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "scale"))

from rig import Daemon, Herd, Process  # noqa: E402

LOAD = os.path.join(bedlib.ROOT, "build/ci/test/bench/relay/relayload")
NEWEST = os.path.join(bedlib.ROOT, "build/bench/sid")  # where setup-bench unpacks coturn with all its libraries
MANY = 100           # pairs of clients
IDLE = 500           # pairs that do nothing, to see what memory they take
TRAIN = 32           # messages that leave together
RATE = {"datagrams": 50_000, "streams": 100_000}  # messages a second
COUNTED = 0.5        # seconds during which system calls are counted, apart from the measurement
BACK_PORT = 7801     # where haproxy finds the other ends


def separate(bed):
    """From now on a kernel thread of its own receives at each end of the link."""
    for host in bed.ends:
        host.sh("sh", "-c", f"mount -t sysfs none /sys && echo 1 > /sys/class/net/{bedlib.LINK_DEV}/threaded")


class Relay(Contender):
    streams = False
    tls = False

    def up(self, bed):
        separate(bed)
        return self.start(bed)

    def tunnel(self, pid, **words):
        """How the clients reach it, in relayload's words."""
        words |= {"tls": int(self.tls)}
        return Tunnel({}, [pid], [f"{k}={v}" for k, v in words.items()], "streams" if self.streams else "datagrams")


class OurRelay(Relay, TunnelMesh):
    """A coordinator whose members have enrolled, but have no link, and which has been started again since: what it has
    allocated for that is not used up again by clients who come to its relay."""
    title = "TunnelMesh's relay"
    clients = 2 * IDLE

    def start(self, bed):
        node = Node(bed.b, "hub")
        node.binary = self.binary
        node.init()
        herd = Herd(bed.a)
        herd.say("token " + Daemon(node).ask("token.create", uses=self.clients)["token"])
        if not herd.ask(f"join {self.clients} 50", "joined", 120):
            raise LabError("not all clients could enrol")
        members = bed.path("members")
        herd.ask(f"keys {members}", "keys")
        herd.ask("end", "ended")
        node.down()
        node.up()
        status = node.status()
        port = 8443 if self.streams else status["listen_port"]
        return self.tunnel(node.pid(), to="stream" if self.streams else "member", at=f"{bed.b.ip4}:{port}",
                           relay=status["self"]["id"], members=members)


class Program(Relay):
    """Of a Debian package, in a folder that may not be in PATH."""

    def missing(self):
        try:
            find_program(self.program)
        except LabError as e:
            return str(e)
        return None


class Coturn(Program):
    title = "coturn"
    program = "turnserver"
    options = ("--no-dtls", "--no-cli")

    def argv(self):
        return [find_program(self.program)]

    def version(self):
        return sh(*self.argv(), "--version", check=False).stdout.split()[0]

    def start(self, bed):
        pid = bed.daemon(bed.b, *self.argv(), "-n", "-z", "-r", "bench", "-L", bed.b.ip4, "-E", bed.b.ip4, "--no-tls", "--log-file",
                         "stdout", "--pidfile", bed.path("turn.pid"), "--userdb", bed.path("turndb"), *self.options)
        wait_for("coturn to listen", lambda: ":3478 " in bed.b.sh("ss", "-Hlun").stdout)
        return self.tunnel(pid, to="turn", at=f"{bed.b.ip4}:3478")


class NewestCoturn(Coturn):
    """That of Debian's next release but one, with the C library and all others that it was built with."""
    title = "coturn of Debian sid, --multiplex-peer --udp-gso"
    options = ("--multiplex-peer", "--udp-gso")

    def loader(self):
        """The program that starts another with this C library; None when there is none."""
        return next(iter(glob.glob(os.path.join(NEWEST, "root/usr/lib/*-linux-gnu*/ld-linux*.so.*"))), None)

    def missing(self):
        if not os.access(os.path.join(NEWEST, "root/usr/bin/turnserver"), os.X_OK):
            return "its packages were not fetched"
        return None if self.loader() else "the loader of its C library is not where it is looked for"

    def argv(self):
        return [self.loader(), "--library-path", os.path.dirname(self.loader()), os.path.join(NEWEST, "root/usr/bin/turnserver")]

    def version(self):
        with open(os.path.join(NEWEST, "coturn.version"), encoding="ascii") as f:
            return f.read().strip()


HAPROXY = """\
global
	maxconn 4000
defaults
	mode tcp
	timeout connect 5s
	timeout client 1h
	timeout server 1h
	{option}
listen relay
	bind {at}:7800 {front}
	server clients {back}:{back_port} {rear}
"""


class Haproxy(Program):
    title = "haproxy, mode tcp"
    program = package = "haproxy"
    streams = True
    option = ""

    def version(self):
        return sh(find_program(self.program), "-v").stdout.split()[2]

    def start(self, bed):
        words = {}
        front = rear = ""
        if self.tls:
            words["certificate"] = bed.write("both.pem", sh(
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30,
                "-subj", "/CN=relay", "-keyout", "-", "-out", "-").stdout)
            front, rear = f"ssl crt {words['certificate']}", "ssl verify none"
        config = bed.write("haproxy.cfg", HAPROXY.format(option=self.option, at=bed.b.ip4, front=front, back=bed.a.ip4,
                                                         back_port=BACK_PORT, rear=rear))
        pid = bed.daemon(bed.b, find_program(self.program), "-db", "-f", config)
        wait_for("haproxy to listen", lambda: ":7800 " in bed.b.sh("ss", "-Hltn").stdout)
        return self.tunnel(pid, to="proxy", at=f"{bed.b.ip4}:7800", listen=f"{bed.a.ip4}:{BACK_PORT}", **words)


# --- measurements ---

class Clients:
    """relayload, connected; what it says when it is not goes into the exception."""

    def __init__(self, bed, tunnel, **words):
        self.process = bed.a.spawn(LOAD, *tunnel.relay, *[f"{k}={v}" for k, v in words.items()], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.expect(3 * GRACE)

    def expect(self, seconds):
        """Its next line."""
        line = ""
        if select.select([self.process.stdout], [], [], seconds)[0]:
            line = self.process.stdout.readline()
        if not line:
            self.process.kill()
            raise LabError(f"relayload: {self.process.communicate()[1].strip() or 'it does not answer'}")
        return line

    def run(self, seconds):
        self.process.stdin.write(f"run {round(1000 * seconds)}\n")
        self.process.stdin.flush()
        return json.loads(self.expect(seconds + GRACE))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


def count_system_calls(pid, load):
    """(how many the process made, what load() returned) while it ran; None where perf cannot tell."""
    if not shutil.which("perf"):
        return None, load()
    with subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(pid)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as perf:
        time.sleep(0.2)
        figures = load()
        perf.send_signal(signal.SIGINT)
        text = perf.communicate(timeout=GRACE)[1]
    rows = [line.split(",") for line in text.splitlines() if "raw_syscalls" in line]
    return (int(rows[0][0]) if rows and rows[0][0].isdigit() else None), figures


class Relayed(Measurement):
    """Messages at a steady rate, which no relay here finds hard: what is compared is what they cost it."""

    def __init__(self, what, size, pairs, burst=TRAIN):
        super().__init__()
        self.what, self.size, self.pairs, self.burst = what, size, pairs, burst

    def possible(self, tunnel):
        return tunnel.what == self.what

    def prepare(self, bed, tunnel):
        pass

    def duration(self, seconds):
        return seconds + COUNTED + 1.2

    def run(self, bed, tunnel, seconds):
        relay = Process(tunnel.pids[0])
        with Meter(tunnel.pids) as meter:
            with Clients(bed, tunnel, pairs=self.pairs, bytes=self.size, burst=self.burst, rate=RATE[self.what]) as clients:
                calls, counted = count_system_calls(relay.pid, lambda: clients.run(COUNTED))
                cpu = relay.cpu()
                figures = clients.run(seconds)
                cpu = relay.cpu() - cpu
        if not figures["received"] or not counted["received"]:
            raise LabError(f"nothing came through the relay: {figures}")
        figures |= {"foreign": meter.foreign, "gbps": figures["bytes"] * 8e-9 / figures["seconds"],
                    "loss": 1 - figures["received"] / figures["sent"], "cpu_s_per_gb": cpu / figures["bytes"] * 1e9,
                    "cpu_us_per_packet": cpu / figures["received"] * 1e6}
        if calls is not None:
            figures["calls_per_gb"] = calls / counted["bytes"] * 1e9
        return figures


class Resident(Relayed):
    """Resident memory that clients take who are there and say nothing. Of a relay that nobody has used yet, so it is the
    first measurement."""

    def __init__(self, what):
        super().__init__(what, 1420, IDLE, 1)

    def duration(self, seconds):
        return 3

    def run(self, bed, tunnel, seconds):
        relay = Process(tunnel.pids[0])
        with Meter(tunnel.pids) as meter:
            relay.settle()
            before = relay.memory()
            with Clients(bed, tunnel, pairs=self.pairs, bytes=self.size, burst=self.burst):
                relay.settle()
                after = relay.memory()
        return {"foreign": meter.foreign, "before_mib": before, "kib_per_pair": (after - before) * 1024 / self.pairs}


RELAYS = {c.name: c for c in (
    OurRelay("relay-tunnelmesh", title="TunnelMesh's relay, UDP"),
    OurRelay("relay-before", title="TunnelMesh's relay, UDP, the other build", binary=BEFORE),
    Coturn("relay-coturn", title="coturn of Debian 12"),
    NewestCoturn("relay-coturn-new"),
    OurRelay("relay-tunnelmesh-tcp", title="TunnelMesh's relay, TCP", streams=True),
    OurRelay("relay-before-tcp", title="TunnelMesh's relay, TCP, the other build", streams=True, binary=BEFORE),
    Haproxy("relay-haproxy"),
    Haproxy("relay-haproxy-splice", title="haproxy, mode tcp, option splice-auto", option="option splice-auto"),
    OurRelay("relay-tunnelmesh-tls", title="TunnelMesh's relay, TLS", streams=True, tls=True),
    OurRelay("relay-before-tls", title="TunnelMesh's relay, TLS, the other build", streams=True, tls=True,
             binary=BEFORE),
    Haproxy("relay-haproxy-tls", title="haproxy, mode tcp, TLS on both sides", tls=True),
)}
# Whom ratios are to.
REFERENCES = {"relay-tunnelmesh": "relay-coturn", "relay-coturn-new": "relay-coturn", "relay-tunnelmesh-tcp": "relay-haproxy",
              "relay-haproxy-splice": "relay-haproxy", "relay-tunnelmesh-tls": "relay-haproxy-tls",
              "relay-before": "relay-coturn", "relay-before-tcp": "relay-haproxy", "relay-before-tls": "relay-haproxy-tls"}

RELAY_TESTS = {
    "relay-memory": Resident("datagrams"),
    "relay-udp1420": Relayed("datagrams", 1420, 1),
    "relay-udp1420-100": Relayed("datagrams", 1420, MANY),
    "relay-udp120": Relayed("datagrams", 120, 1),
    "relay-udp120-100": Relayed("datagrams", 120, MANY),
    "relay-udp120-single": Relayed("datagrams", 120, MANY, 1),
    "stream-memory": Resident("streams"),
    "relay-stream": Relayed("streams", 1420, 1),
    "relay-stream-100": Relayed("streams", 1420, MANY),
    "relay-stream120": Relayed("streams", 120, 1),
    "relay-stream120-single": Relayed("streams", 120, MANY, 1),
}


def relay_plan():
    """The relays that a usual run measures, with what applies to each."""
    return [(name, [test for test, t in RELAY_TESTS.items() if t.what == ("streams" if c.streams else "datagrams")])
            for name, c in RELAYS.items() if "before" not in name]
