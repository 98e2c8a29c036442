# SPDX-License-Identifier: AGPL-3.0-or-later
"""How long a member's handshake takes while strangers flood the node it is with.

The data plane alone on two hosts (wgpeer), and a third that sends handshake messages which lead nowhere (flood.c). Under
each kind of flood the member is set up anew again and again; each time is from its first message to its session. Printed
are the median, nine of ten, and the longest; how many of the flood's messages the node saw in a second, what became of
them, and its CPU. All hosts share this machine's cores, so a flood that it cannot send is one that it cannot stand either.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", "..", "lab")]

import wireguard  # noqa: E402
from lab import Lab, LabError, find_tool, wait_for  # noqa: E402

KINDS = ["nothing", "garbage", "cookies", "responses", "initiations"]
FLOOD = os.path.join(os.path.dirname(find_tool("wgpeer")), "../../bench/flood/flood")
PATIENCE = 60


class Flood:
    def __init__(self, host, node, kind, rate):
        self.process = None
        if kind != "nothing":
            self.process = host.spawn(os.path.normpath(FLOOD), f"to={node.host.ip4}", f"port={node.port}", f"kind={kind}",
                                      f"key={node.public}", f"rate={rate}", stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
            if self.process.stdout.readline() != "ready\n":
                raise LabError("flood does not start")

    def stop(self):
        """What it sent: {"sent", "seconds"}."""
        if not self.process:
            return {"sent": 0, "seconds": 1}
        self.process.stdin.close()
        return json.loads(self.process.stdout.readline())


def handshake(member, node):
    """Seconds from knowing the node to having a session with it."""
    member.peer(node, endpoint="4")
    begin = time.monotonic()
    member.ask("nudge", key=node.public)
    wait_for("the session", lambda: member.show(node)["session"], PATIENCE, interval=0.001)
    took = time.monotonic() - begin
    member.remove(node.public)
    time.sleep(0.1)  # stamps are 17 ms apart, and a peer's initiations 20
    return took


def measure(node, member, stranger, kind, args):
    flood = Flood(stranger, node, kind, args.rate)
    time.sleep(1)  # until the load is there
    before, cpu, begin = node.ask("stats")["drops"], node.cpu(), time.monotonic()
    times = sorted(handshake(member, node) for _ in range(args.tries))
    seconds = time.monotonic() - begin
    drops = {k: v - before[k] for k, v in node.ask("stats")["drops"].items() if v > before[k]}
    cpu = node.cpu() - cpu
    sent = flood.stop()
    return {"kind": kind, "sent_per_s": round(sent["sent"] / sent["seconds"]), "seen_per_s":
            round(sum(drops.values()) / seconds), "median_ms": round(statistics.median(times) * 1000, 1),
            "p90_ms": round(times[len(times) * 9 // 10] * 1000, 1), "longest_ms": round(times[-1] * 1000, 1),
            "cpu": round(cpu / seconds, 2), "drops_per_s": {k: round(v / seconds) for k, v in drops.items()}}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {KINDS}; default all")
    p.add_argument("--rate", type=int, default=75000, help="messages a second (default 75000)")
    p.add_argument("--tries", type=int, default=20, help="handshakes under each flood (default 20)")
    args = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))
    with Lab() as net:
        node, member = (wireguard.Ours(net.host(name), n).start() for n, name in ((1, "node"), (2, "member")))
        stranger = net.host("stranger")
        node.peer(member)
        try:
            for kind in args.kinds or KINDS:
                print(json.dumps(measure(node, member, stranger, kind, args)), flush=True)
        finally:
            wireguard.end(net)


if __name__ == "__main__":
    main()
