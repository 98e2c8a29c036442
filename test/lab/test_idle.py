# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a node costs that nobody uses: packets an hour, and to whom."""
import collections
import re
import time

import pytest

from lab import wait_for
from probe import Probe
from world import World

MINUTES = 5
PATHS_END = 10 * 60 + 60  # s after the last packet
SSDP = "239.255.255.250"
SEARCHES = 300  # an hour, at most: for a gateway that maps ports, where none does
PER_HOUR = 1500  # at most: a question and an answer every 20 to 25 s, by each family, and the link's pings; both ways


def count(host, seconds):
    """{other address: packets in both directions} of UDP and TCP, during so long."""
    out = host.sh("timeout", "--preserve-status", "-s", "INT", seconds, "tcpdump", "-lnqi", "eth0", "udp or tcp", check=False,
                  timeout=seconds + 30).stdout
    found = collections.Counter()
    for source, target in re.findall(r"IP6? (\S+) > (\S+):", out):
        ends = {e.rsplit(".", 1)[0] for e in (source, target)} - {host.ip4, host.ip6}
        found.update(ends)
    return found


@pytest.mark.slow
def test_an_idle_node_writes_to_nobody_but_the_coordinator_and_its_gateway_and_seldom(net):
    """It has talked to all others before, and their paths have ended."""
    world = World(net, **{name: "linux" for name in "abcd"})
    world.settle()
    for name in "bcd":
        probe = Probe(world.nodes["a"].host, world.address(name))
        wait_for(f"answers of {name}", lambda p=probe: p.answered(5), 20)
        probe.stop()
    a = world.nodes["a"]
    wait_for("all paths to end", lambda: all(p["path"] == "idle" for p in a.status()["peers"] if not p["coordinator"]),
             PATHS_END, interval=5)
    began = time.monotonic()
    found = count(a.host, 60 * MINUTES)
    hour = {who: round(n * 3600 / (time.monotonic() - began)) for who, n in found.items()}
    print(f"\npackets an hour: {hour}")
    gateway = a.host.ip4.rsplit(".", 1)[0] + ".1"
    assert set(found) <= {world.hub.host.ip4, gateway, SSDP}
    assert 0 < hour[world.hub.host.ip4] < PER_HOUR
    assert hour.get(gateway, 0) + hour.get(SSDP, 0) < SEARCHES
