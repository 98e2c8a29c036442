# SPDX-License-Identifier: AGPL-3.0-or-later
"""Wires that lose, reorder and double datagrams: TCP does not notice, UDP loses what was lost and nothing more, and what
came twice is counted as that."""
import pytest

import offloads as rows
import wireguard
import wires
from lab import wait_for
from traffic import Transfer, datagrams, transfer, tunnel
from wireguard import DATA, Stock
from wiretap import DATA_PORT, Capture

MB = 1000 * 1000


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


def drops_of(interfaces, name):
    return sum(i.drops(name) for i in interfaces)


def lose(router, one_of, towards=None):
    """Data messages of IPv4, at random; of both directions, or only those towards a host."""
    wires.rules(router, "loss", f"{'ip daddr ' + towards.ip4 if towards else ''} udp dport {DATA_PORT} @th,64,8 {DATA} "
                                f"numgen random mod {one_of} == 0 counter name hits drop")


@rows.all_or_none
def test_on_a_wire_that_loses_one_in_a_hundred_tcp_is_whole_and_udp_misses_just_that(net, offloads):
    a, b = tunnel(net)
    wires.like_a_nic(a.host, b.host)
    lose(net.router, 100)
    for address in (b.ip4, b.ip6):
        streams = transfer(a.host, b.host, address, up=2 * MB, down=2 * MB, streams=2, cc="cubic")
        assert all(s["retransmits"] for s in streams)
    lose(net.router, 100, towards=b.host)
    for address in (b.ip4, b.ip6):
        before = wires.hits(net.router, "loss")
        report = datagrams(a.host, b.host, address, rounds=2, window=200, gso=8, gro=1)
        lost = report["sent"] - report["received"]
        assert lost > 0 and lost == wires.hits(net.router, "loss") - before
        assert report["duplicates"] == report["out_of_order"] == 0
    for name in ("replay", "auth", "malformed"):
        assert drops_of((a, b), name) == 0


def may_load_programs():
    """CAP_BPF or CAP_SYS_ADMIN, linux/capability.h."""
    with open("/proc/self/status", encoding="ascii") as f:
        mine = next(int(line.split()[1], 16) for line in f if line.startswith("CapEff:"))
    return mine & (1 << 39 | 1 << 21)


@pytest.mark.parametrize("steer", [True, False])
def test_several_workers_keep_each_flow_in_order_from_its_first_packet(net, steer):
    """Short flows, answered while their first packets are still under way, next to two that fill the tunnel."""
    a, b = tunnel(net, workers=4, steer=steer)
    if not steer and a.steered():
        pytest.skip("this kernel lets anybody load BPF programs")
    assert a.steered() or not steer or not may_load_programs()
    wires.like_a_nic(a.host, b.host)
    busy = [Transfer(a.host, b.host, address, up=60 * MB, down=60 * MB) for address in (b.ip4, b.ip6)]
    for address in 10 * (b.ip4, b.ip6):
        for i, t in enumerate(busy):
            if not t.running():
                t.result()
                busy[i] = Transfer(a.host, b.host, (b.ip4, b.ip6)[i], up=60 * MB, down=60 * MB)
        report = datagrams(a.host, b.host, address, window=300)
        assert report["received"] and report["out_of_order"] == report["duplicates"] == 0
    for t in busy:
        t.result()


@rows.all_or_none
@pytest.mark.parametrize("outer", ["4", pytest.param("6", marks=pytest.mark.slow)])
def test_on_a_wire_that_reorders_and_doubles_nothing_is_lost_and_nothing_comes_twice(net, outer, offloads):
    a, b = tunnel(net, family=outer)
    wires.like_a_nic(a.host, b.host)
    unruly = [wires.Unruly(net.router, to.host, name=f"unruly{to.n}", late=20, twice=50, depth=40) for to in (a, b)]
    tap = Capture(b.host, "tap", f"udp port {DATA_PORT}", head=100)
    for address in (b.ip4, b.ip6):
        transfer(a.host, b.host, address, up=2 * MB, down=2 * MB, streams=2)
        report = datagrams(a.host, b.host, address, rounds=2, gso=8)
        assert report["received"] == report["sent"] and report["duplicates"] == 0
        assert report["out_of_order"] > 0
    late = [wires.late_ones(c) for c in wires.counters(tap.arriving(), getattr(a.host, f"ip{outer}")).values()]
    done = [u.stop() for u in unruly]
    print(f"{done}; at b {sum(late)} came late")
    assert sum(late) > 100 and all(d["late"] > 100 and d["twice"] > 50 for d in done)
    # Each copy that arrives is a replay, no other datagram is: all of them came within the window. On a crowded machine the
    # kernel drops a few on the way, and neither copy of one of those is a replay.
    twice = sum(d["twice"] for d in done)
    wait_for("the copies to be counted",
             lambda: drops_of((a, b), "replay") + drops_of((a, b), "udp_queue_full") >= 0.9 * twice)
    assert drops_of((a, b), "replay") <= twice
    tap.close()


@rows.all_or_none
def test_a_stock_peer_and_we_agree_over_a_wire_that_loses_reorders_and_doubles(net, offloads):
    ours, stock = tunnel(net, Stock)
    wires.like_a_nic(ours.host, stock.host)
    lose(net.router, 200)
    unruly = [wires.Unruly(net.router, to.host, name=f"unruly{to.n}", late=20, twice=50, depth=40)
              for to in (ours, stock)]
    for address in (stock.ip4, stock.ip6):
        transfer(ours.host, stock.host, address, up=2 * MB, down=2 * MB, streams=2)
        report = datagrams(ours.host, stock.host, address, window=200, gso=8)
        assert report["duplicates"] == 0
    for u in unruly:
        u.stop()
