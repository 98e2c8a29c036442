# SPDX-License-Identifier: AGPL-3.0-or-later
"""What handing datagrams on costs a relay: TunnelMesh's next to Debian's coturn, in turns, each between two clients of
its own in network namespaces. CPU seconds of the relay's process alone, per datagram and per GB of what it hands on.
Our clients are nodes, which send trains as they do for real; coturn's is its own tool, whose datagrams come one by one.
Nothing is asserted; a line of JSON per figure."""
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "lab")]

import wires  # noqa: E402
from lab import Lab, find_program, wait_for  # noqa: E402
from wireguard import cpu_seconds  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "3"))
SIZES = {"full": (1372, 1420), "small": (32, 120)}  # of UDP inside the tunnel; of messages through coturn


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def figures(cpu, packets, octets):
    return {"cpu_s_per_gb": round(cpu / octets * 1e9, 3), "cpu_us_per_packet": round(cpu / packets * 1e6, 3),
            "packets": packets, "cpu_s": round(cpu, 2)}


class Ours:
    def __init__(self, net):
        self.hub, self.a, self.b = net.mesh("hub", "a", "b")
        pairs = [(self.a.host, self.b.host), (self.b.host, self.a.host)]
        wires.rules(net.router, "cut", "\n".join(
            f"ip saddr {x.ip4} ip daddr {y.ip4} meta l4proto udp drop\n"
            f"ip6 saddr {x.ip6} ip6 daddr {y.ip6} meta l4proto udp drop" for x, y in pairs))
        wait_for("both to register", lambda: self.relayed()["members"] == 2)
        self.a.ping("b")
        self.pid = self.hub.pid()

    def relayed(self):
        return self.hub.status()["relay"]

    def run(self, inner, _):
        to = self.b.status()["self"]["ip4"]
        server = self.b.host.spawn("iperf3", "-s", "-1", "-B", to, stdout=subprocess.DEVNULL)
        wait_for("iperf3 to listen", lambda: ":5201 " in self.b.host.sh("ss", "-Hltn").stdout)
        before, cpu = self.relayed(), cpu_seconds(self.pid)
        self.a.host.sh("iperf3", "-u", "-b", "0", "-l", inner, "-c", to, "-t", SECONDS, timeout=SECONDS + 30)
        cpu, after = cpu_seconds(self.pid) - cpu, self.relayed()
        server.wait(timeout=30)
        return figures(cpu, after["packets"] - before["packets"], after["bytes"] - before["bytes"])


class Coturn:
    def __init__(self, net):
        self.server, self.client = net.host("turn"), net.host("talker")
        self.process = self.server.spawn(
            find_program("turnserver"), "-n", "-a", "-u", "user:secret", "-r", "bench", "-L", self.server.ip4,
            "--no-tls", "--no-dtls", "--no-cli", "--no-stdout-log", "--log-file", "/dev/null", "--allow-loopback-peers",
            "--pidfile", os.path.join(net.dir, "turn.pid"), "--userdb", os.path.join(net.dir, "turndb"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("coturn to listen", lambda: ":3478 " in self.server.sh("ss", "-Hlun").stdout)
        self.pid = self.process.pid

    def run(self, _, size):
        """Clients that send to each other through their allocations, each a message in a millisecond, if they can. Each
        message goes through two allocations, and counts twice: so is the relay asked to hand it on."""
        cpu = cpu_seconds(self.pid)
        out = self.client.sh(
            find_program("turnutils_uclient"), "-y", "-m", 20, "-n", 1000 * SECONDS, "-l", size, "-z", 1, "-c",
            "-u", "user", "-w", "secret", self.server.ip4, timeout=120).stdout
        cpu = cpu_seconds(self.pid) - cpu
        packets, octets = (2 * int(re.findall(rf"tot_recv_{what}[ =~]+(\d+)", out)[-1]) for what in ("msgs", "bytes"))
        return figures(cpu, packets, octets)


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    with Lab() as net:
        relays = {"tunnelmesh": Ours(net), "coturn": Coturn(net)}
        for name, relay in relays.items():
            say(relay=name, idle_kib=resident_kib(relay.pid))
        for turn in range(ROUNDS):
            for size, lengths in SIZES.items():
                for name, relay in relays.items():
                    say(round=turn, relay=name, size=size, **relay.run(*lengths))
                    time.sleep(0.2)
        for name, relay in relays.items():
            say(relay=name, after_kib=resident_kib(relay.pid))


if __name__ == "__main__":
    main()
