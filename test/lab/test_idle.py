# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a node costs that nobody uses: packets an hour, and to whom."""
import collections
import concurrent.futures
import re
import time

import pytest

from lab import wait_for
from test_thirty_nodes import ping_all
from world import World

PEERS, AT_ONCE = 100, 10  # and how many of them join at a time
MINUTES = 10  # within which also those paths end that are idle
LAST_WORDS = 20  # s: WireGuard's keepalives come up to 10 s after the last packet, and a lost one costs 5 more
SSDP = "239.255.255.250"
SEARCHES = 300  # an hour, at most: for a gateway that maps ports, where none does
PER_HOUR = 1500  # at most: a question and an answer every 20 to 25 s, by each family, and the link's pings; both ways


def overheard(host, seconds):
    """{other address: what tcpdump says of each packet from or to it}, of UDP and TCP, during so long."""
    out = host.sh("timeout", "--preserve-status", "-s", "INT", seconds, "tcpdump", "-lnqi", "eth0", "udp or tcp", check=False,
                  timeout=seconds + 30).stdout
    found = collections.defaultdict(list)
    for line in out.splitlines():
        ends = re.search(r"IP6? (\S+) > (\S+):", line)
        for who in {e.rsplit(".", 1)[0] for e in ends.groups()} - {host.ip4, host.ip6} if ends else ():
            found[who].append(line)
    return found


@pytest.mark.slow
def test_a_node_with_a_hundred_idle_peers_writes_to_nobody_but_the_coordinator_and_its_gateway_and_seldom(net):
    """It has talked to all of them before."""
    world = World(net, a="linux")
    a, others = world.nodes["a"], [net.node(f"n{i:02}") for i in range(PEERS - 1)]  # and the coordinator
    token = world.hub.token("--uses", len(others))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda node: node.join(token), others))
    world.settle()
    wait_for("it to know all others", lambda: len(a.status()["peers"]) == PEERS, 30, 0.5)
    assert ping_all({a: [p["ip4"] for p in a.status()["peers"]]}, 60)[1] == []
    gateway = a.host.ip4.rsplit(".", 1)[0] + ".1"
    allowed = {world.hub.host.ip4, gateway, SSDP}
    wait_for("the last words", lambda: set(overheard(a.host, LAST_WORDS)) <= allowed, 120)
    began = time.monotonic()
    found = overheard(a.host, 60 * MINUTES)
    hour = {who: round(len(lines) * 3600 / (time.monotonic() - began)) for who, lines in found.items()}
    print(f"\npackets an hour, of a node with {PEERS} peers: {hour}")
    assert not {who: lines for who, lines in found.items() if who not in allowed}
    assert 0 < hour[world.hub.host.ip4] < PER_HOUR
    assert hour.get(gateway, 0) + hour.get(SSDP, 0) < SEARCHES
