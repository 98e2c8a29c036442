# SPDX-License-Identifier: AGPL-3.0-or-later
"""Gigabytes through the tunnel, compared byte by byte, in segments of odd sizes; and what they leave in memory."""
import pytest

import wireguard
from lab import watched_lab
from traffic import all_datagrams, memory_peak, transfer, tunnel
from wireguard import Stock

VOLUME, VOLUME_SLOW = 2e9, 100e9  # bytes that the transfers below move in one run; the second with --slow
SHARES = {"nodes": 3 / 8, "stock": 1 / 8}  # of it, in each of the two address families
STREAMS = 4
PEAK_KIB = 24 * 1024


@pytest.fixture(scope="module")
def net(sanitized):
    """One laboratory for all of it: what the memory test looks at has carried what the others sent."""
    with watched_lab(sanitized) as l:
        yield l
        wireguard.end(l)


@pytest.fixture(scope="module")
def volume(request):
    return VOLUME_SLOW if request.config.getoption("--slow") else VOLUME


@pytest.fixture(scope="module")
def nodes(net):
    return net.mesh("hub", "laptop")


@pytest.fixture(scope="module")
def interfaces(net):
    return tunnel(net, Stock)


def both_ways(a, b, to_b, share, seed):
    """A quarter of it up, one down, and the rest both ways at once, over several streams."""
    n = int(share / 4 / STREAMS)
    for turn, (up, down) in enumerate(((n, 0), (0, n), (n, n))):
        rows = transfer(a, b, to_b, up=up, down=down, streams=STREAMS, seed=seed + turn)
        print(f"to {to_b}, {up} up, {down} down: segments of {[r['mss'] for r in rows]}, "
              f"{sum(r['retransmits'] for r in rows)} sent again")
        assert [(r["up"], r["down"]) for r in rows] == [(up, down)] * STREAMS


def carried(node):
    return sum(p["rx_bytes"] + p["tx_bytes"] for p in node.status()["peers"])


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_text_between_two_nodes_arrives_unchanged(nodes, volume, family):
    hub, laptop = nodes
    share, before = volume * SHARES["nodes"], carried(hub)
    both_ways(laptop.host, hub.host, laptop.peer("hub")[family], share, seed=10)
    assert carried(hub) - before > share  # it took the tunnel


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_text_between_us_and_a_stock_peer_arrives_unchanged(interfaces, volume, family):
    ours, stock = interfaces
    both_ways(ours.host, stock.host, getattr(stock, family), volume * SHARES["stock"], seed=20)


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_datagrams_of_every_size_between_two_nodes_arrive_once_and_unchanged(nodes, family):
    hub, laptop = nodes
    all_datagrams(laptop.host, hub.host, laptop.peer("hub")[family], hub.peer("laptop")[family], segments=20)


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_datagrams_of_every_size_between_us_and_a_stock_peer_arrive_once_and_unchanged(interfaces, family):
    ours, stock = interfaces
    all_datagrams(ours.host, stock.host, getattr(stock, family), getattr(ours, family), segments=20)


@pytest.mark.plain("needs several times the memory")
def test_a_node_that_carried_gigabytes_never_had_24_mib_resident(nodes, volume):
    hub, laptop = nodes
    while carried(hub) < volume * SHARES["nodes"] * 2:  # when this test was chosen alone
        both_ways(laptop.host, hub.host, laptop.peer("hub")["ip4"], volume * SHARES["nodes"], seed=30)
    peaks = {n.name: memory_peak(n.pid()) for n in nodes}
    print(f"after {carried(hub) / 1e9:.1f} GB: {peaks} KiB at most")
    assert all(0 < peak <= PEAK_KIB for peak in peaks.values())
