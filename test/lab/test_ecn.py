# SPDX-License-Identifier: AGPL-3.0-or-later
"""Traffic classes: DSCP stays inside, ECN goes out and comes back in (RFC 6040, normal mode), also where packets travel
in groups, whose members must then be alike."""
import pytest

import offloads as rows
import wireguard
import wires
from lab import wait_for
from traffic import Transfer, all_arrived, datagrams, tunnel
from wireguard import DATA
from wiretap import DATA_PORT, Capture, Tcp, pieces, strangers

MB = 1000 * 1000
NOT_ECT, ECT1, ECT0, CE = range(4)
ECN_NAMES = ["not-ect", "ect1", "ect0", "ce"]
EF, AF11 = 46 << 2, 10 << 2
IP = {"4": "ip", "6": "ip6"}
BOTH = "ip", "ip6"


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


def mark(router, outer, which, name="mark"):
    """The router marks data messages to host b with CE, those that `which` says, and counts them."""
    wires.rules(router, name, f"meta l4proto udp udp dport {DATA_PORT} @th,64,8 {DATA} {IP[outer]} daddr "
                              f"{'198.18.2.0/24' if outer == '4' else '2001:db8:2::/64'} {which} "
                              f"{IP[outer]} ecn set ce counter name hits")


def outer_classes(capture, host, since):
    """The traffic classes of the large data messages that a host sent."""
    return {p.traffic_class() for p in capture.arriving()[since:]
            if p.src in (host.ip4, host.ip6) and p.proto == 17 and p.length > 500}


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer", ["4", "6"])
def test_dscp_and_ecn_arrive_as_they_were_and_only_ecn_is_seen_outside(net, outer, offloads):
    a, b = tunnel(net, family=outer)
    wire = Capture(net.router, "wire", f"udp port {DATA_PORT}", head=64)
    for ecn in range(4):
        since = len(wire.arriving())
        for dscp in (0, EF, 63 << 2):
            for address, gso, gro in ((b.ip4, None, None), (b.ip6, None, None), (b.ip4, 5, 1), (b.ip6, 5, 1)):
                report = datagrams(a.host, b.host, address, tos=dscp | ecn, least=600, most=620, gso=gso, gro=gro)
                assert report["received"] == report["sent"]
                assert report["tos"] == {str(dscp | ecn): report["sent"]}
        assert outer_classes(wire, a.host, since) == {ecn}
    wire.close()


@rows.all_and_slowly_none
def test_datagrams_of_one_burst_keep_each_its_own_class(net, offloads):
    """By their size, so that every group of neighbours has all classes in it."""
    a, b = tunnel(net)
    classes = [NOT_ECT | EF, ECT1, ECT0 | AF11, ECT0]
    wires.rules(a.host, "classes", "\n".join(
        f"oifname {a.ifname} meta l4proto udp @th,32,16 & 3 == {i} {ip} dscp set {c >> 2} {ip} ecn set {ECN_NAMES[c & 3]}"
        for i, c in enumerate(classes) for ip in BOTH), hook="output", priority="mangle")
    for address in (b.ip4, b.ip6):
        report = datagrams(a.host, b.host, address, least=400, most=1199, rounds=3, gro=1)
        assert all_arrived(report)
        assert report["tos"] == {str(c): 600 for c in classes}


@rows.all_and_slowly_none
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_each_byte_of_a_tcp_stream_that_changes_its_class_arrives_with_the_one_it_left_with(net, family, offloads):
    a, b = tunnel(net)
    # Small super-packets, so that neighbours of different classes meet in one batch at the receiver; those that differ in
    # DSCP alone even in one group of datagrams.
    a.host.sh("ip", "link", "set", "dev", a.ifname, "gso_max_segs", 2)
    classes = [ECT0, EF | ECT0, AF11 | ECT0, EF | CE]
    wires.rules(a.host, "classes", "\n".join(
        f"oifname {a.ifname} tcp sequence & 0x3000 == {i << 12} {ip} dscp set {c >> 2} {ip} ecn set {ECN_NAMES[c & 3]}"
        for i, c in enumerate(classes) for ip in BOTH), hook="output", priority="mangle")
    taps = [Capture(x.host, f"tap-{x.ifname}", "tcp", head=100) for x in (a, b)]
    moved = Transfer(a.host, b.host, getattr(b, family), up=3 * MB)
    moved.result()
    sent, received = (pieces(tap.on(x.ifname), moved.port) for tap, x in zip(taps, (a, b)))
    assert {p.packet.traffic_class() for p in received} == set(classes)
    assert strangers(received, sent, lambda p: p.packet.traffic_class()) == []
    for tap in taps:
        tap.close()


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer", ["4", "6"])
def test_a_mark_outside_turns_into_one_inside_and_leaves_the_dscp_alone(net, outer, offloads):
    a, b = tunnel(net, family=outer)
    mark(net.router, outer, f"{IP[outer]} ecn {{ ect0, ect1 }}")
    for ecn, inside in ((NOT_ECT, NOT_ECT), (ECT0, CE), (ECT1, CE), (CE, CE)):
        for address in (b.ip4, b.ip6):
            report = datagrams(a.host, b.host, address, tos=EF | ecn, least=600, most=700, gso=8, gro=1)
            assert report["received"] == report["sent"]
            assert report["tos"] == {str(EF | inside): report["sent"]}
    assert wires.hits(net.router, "mark") > 0
    assert a.drops("ecn") == b.drops("ecn") == 0


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer", ["4", "6"])
def test_marks_on_some_datagrams_of_a_group_stay_on_those(net, outer, offloads):
    """As a router between network cards does it, which sees them one by one."""
    a, b = tunnel(net, family=outer)
    wires.like_a_nic(a.host, b.host)
    mark(net.router, outer, "numgen inc mod 7 == 3")
    for address in (b.ip4, b.ip6):
        before = wires.hits(net.router, "mark")
        report = datagrams(a.host, b.host, address, tos=ECT0, least=600, most=900, gso=40, gro=1)
        marked = wires.hits(net.router, "mark") - before
        assert report["received"] == report["sent"] and marked > 100
        assert report["tos"] == {str(CE): marked, str(ECT0): report["sent"] - marked}


@rows.all_and_slowly_none
@pytest.mark.parametrize("outer", ["4", "6"])
def test_a_mark_on_what_cannot_carry_it_is_a_drop_with_a_name(net, outer, offloads):
    a, b = tunnel(net, family=outer)
    mark(net.router, outer, "")
    for address in (b.ip4, b.ip6):
        before = b.drops("ecn")
        a.host.sh("ping", "-q", "-c", 5, "-i", 0.01, "-W", 0.2, address, check=False)
        wait_for("the drops", lambda n=before: b.drops("ecn") == n + 5)
        a.host.sh("ping", "-q", "-c", 5, "-i", 0.01, "-W", 2, "-Q", ECT1, address)
    assert b.drops("ecn") == 10


@rows.all_and_slowly_none
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_tcp_with_ecn_hears_of_congestion_on_the_way(net, family, offloads):
    a, b = tunnel(net)
    wires.like_a_nic(a.host, b.host)
    for host in (a.host, b.host):
        host.sh("sysctl", "-qw", "net.ipv4.tcp_ecn=1")
    mark(net.router, "4", "ip ecn ect0 numgen random mod 100 < 2")
    taps = [Capture(x.host, f"tap-{x.ifname}", "tcp", head=100) for x in (a, b)]
    moved = Transfer(a.host, b.host, getattr(b, family), up=5 * MB, cc="cubic")
    row, = moved.result()
    marked = wires.hits(net.router, "mark")
    print(f"{marked} marked, {row['marked']} of the segments that the receiver told of, {row['retransmits']} sent again")
    assert row["ecn"] and marked > 0 and row["marked"] > 0
    at_a, at_b = (tap.on(x.ifname) for tap, x in zip(taps, (a, b)))
    assert any(p.tcp.flags & Tcp.ECE for p in pieces(at_a, sport=moved.port))
    sent, received = pieces(at_a, moved.port), pieces(at_b, moved.port)
    assert any(p.tcp.flags & Tcp.CWR for p in received)
    # The sender's word that it slowed down is on the first byte of one packet; it must not spread to other segments.
    assert {p.start for p in received if p.tcp.flags & Tcp.CWR} <= {p.start for p in sent if p.tcp.flags & Tcp.CWR}
    for tap in taps:
        tap.close()
