# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every size of tunnel over wires that fit it, and wires that turn out narrower on the way."""
import pytest

import offloads as rows
import wireguard
import wires
from lab import wait_for
from traffic import HEADERS, Transfer, all_arrived, datagrams, family, transfer, tunnel

MB = 1000 * 1000
TCP_MORE = 24  # what the headers of TCP with timestamps take more than those of UDP
NARROW = 1400  # with outer IPv6 and WireGuard taken off, still more than the 1280 that IPv6 must have
STALL = 20  # seconds without a byte after which a transfer gives up


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


def largest(sender, receiver, address, mtu, **more):
    report = datagrams(sender, receiver, address, mtu=mtu, least=mtu - HEADERS[family(address)] - 40, **more)
    assert all_arrived(report), report


@rows.all_and_slowly_none
@pytest.mark.parametrize("mtu, wire", [(1280, 1500), (1420, 1500), (1500, 9000), (4000, 9000), (8920, 9000)])
def test_a_tunnel_of_any_size_fills_its_packets(net, mtu, wire, offloads):
    hub, laptop = (net.node(name, net.host(name, wire)).configure(mtu=mtu) for name in ("hub", "laptop"))
    hub.init()
    laptop.join(hub.token())
    a, b = laptop.host, hub.host
    wires.like_a_nic(a, b)
    for to_hub, to_laptop in ((laptop.peer("hub")[f], hub.peer("laptop")[f]) for f in ("ip4", "ip6")):
        row, = transfer(a, b, to_hub, up=5 * MB, down=5 * MB, mss=mtu)
        assert row["mss"] == mtu - HEADERS[family(to_hub)] - TCP_MORE
        for gso in (None, 7):
            largest(a, b, to_hub, mtu, gso=gso)
            largest(b, a, to_laptop, mtu, gso=gso)
    assert not any("too_big" in n.status()["drops"] for n in (laptop, hub))


def narrow(net, mtu, *hosts):
    """The way to these hosts (a and b of a tunnel) gets narrower at the router."""
    for n in [h.ip4.split(".")[2] for h in hosts] or (1, 2):
        net.router.sh("ip", "route", "change", f"198.18.{n}.0/24", "dev", f"r{n}", "mtu", mtu)
        net.router.sh("ip", "-6", "route", "replace", f"2001:db8:{n}::/64", "dev", f"r{n}", "proto", "kernel",
                      "metric", 256, "mtu", mtu)


def silence(net):
    """The router says nothing of what it does not forward."""
    wires.rules(net.router, "blackhole", "icmp type destination-unreachable counter name hits drop\n"
                                         "icmpv6 type packet-too-big counter name hits drop", hook="output")


def packets(wire, outer, relay=0):
    """The longest inside a tunnel over packets of `wire` bytes: without headers, and as WireGuard pads them."""
    return min(1420, (wire - HEADERS[int(outer)] - relay - 32) // 16 * 16)


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer", ["4", "6"])
def test_tcp_finds_a_narrow_way_by_the_routers_errors(net, outer, offloads):
    a, b = tunnel(net, family=outer)
    wires.like_a_nic(a.host, b.host)
    narrow(net, NARROW)
    for address in (b.ip4, b.ip6):
        transfer(a.host, b.host, address, up=3 * MB, down=3 * MB, streams=2, stall=STALL)


# --- without the router's errors: padded checks find out what passes ---

def mesh(net, outer, *names):
    """Nodes whose hosts have one address family outside, on wires like a network card's."""
    nodes = [net.node(name) for name in names]
    for n in nodes:
        n.host.sh("ip", "-6" if outer == "4" else "-4", "addr", "flush", "dev", "eth0")
        wires.like_a_nic(n.host)
    nodes[0].init()
    for n in nodes[1:]:
        n.join(nodes[0].token())
    return nodes


def talk(a, b, size=3 * MB):
    for f in ("ip4", "ip6"):
        transfer(a.host, b.host, a.peer(b.name)[f], up=size, down=size, streams=2, stall=STALL)


def found(a, b, there, back=None):
    """Both know soon what passes to the other."""
    want = [there, back or there]
    wait_for(f"{want}", lambda: [n.peer(other.name)["mtu"] for n, other in ((a, b), (b, a))] == want)


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer, wire", [("4", NARROW), ("6", 1492), ("4", 1280), pytest.param("6", NARROW, marks=pytest.mark.slow)])
def test_tcp_finds_a_narrow_way_without_the_routers_errors(net, outer, wire, offloads):
    hub, laptop = mesh(net, outer, "hub", "laptop")
    silence(net)
    narrow(net, wire)
    talk(hub, laptop)
    assert wires.hits(net.router, "blackhole") > 0, "it was not for want of the router's errors"
    found(hub, laptop, packets(wire, outer))
    assert f"packets up to {packets(wire, outer)} bytes" in hub.run("status", "laptop").stdout
    assert "direct" == hub.peer("laptop")["path"] == laptop.peer("hub")["path"]


def test_a_transfer_goes_on_when_its_way_gets_narrow(net):
    hub, laptop = mesh(net, "4", "hub", "laptop")
    silence(net)
    talk(hub, laptop, MB)
    found(hub, laptop, 1420)
    sent = laptop.peer("hub")["tx_bytes"]
    t = Transfer(laptop.host, hub.host, laptop.peer("hub")["ip4"], up=500 * MB, stall=STALL)
    wait_for("it to be under way", lambda: laptop.peer("hub")["tx_bytes"] > sent + 20 * MB)
    narrow(net, NARROW)
    t.result()
    assert laptop.peer("hub")["mtu"] == packets(NARROW, "4")
    assert laptop.peer("hub")["path"] == "direct"


def test_what_may_be_cut_arrives_where_the_way_takes_less_than_ipv6_must_have(net):
    hub, laptop = mesh(net, "4", "hub", "laptop")
    silence(net)
    narrow(net, 1280)
    talk(hub, laptop, MB)
    found(hub, laptop, packets(1280, "4"))
    there = laptop.peer("hub")
    for address, size in ((there["ip4"], 1420 - 28), (there["ip6"], 1280 - 48), (there["ip6"], 3000)):
        out = laptop.host.sh("ping", "-n", "-c", 3, "-i", 0.2, "-M", "dont", "-s", size, address, check=False).stdout
        assert " 3 received" in out, out


def test_what_goes_by_a_relay_fits_the_narrower_leg(net):
    hub, a, b = mesh(net, "6", "hub", "a", "b")
    wires.rules(net.router, "cut", f"ip6 saddr {{ {a.host.ip6}, {b.host.ip6} }} ip6 daddr {{ {a.host.ip6}, {b.host.ip6} }} meta l4proto udp drop")
    silence(net)
    talk(a, b, MB)  # Ethernet: as it is believed at first
    found(a, b, packets(1500, "6", relay=8))
    narrow(net, NARROW, b.host)
    talk(a, b)
    found(a, b, packets(NARROW, "6", relay=8), packets(1500, "6", relay=8))  # the router narrows one direction
    assert a.peer("b")["path"] == b.peer("a")["path"] == "relay"
