# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the kernel makes of our super-packets, and we of its: seen on the TUN interfaces, and in a network behind a node
that routes, where the kernel has to cut what we joined and to compute the checksums that we left to it."""
import pytest

import offloads as rows
import wireguard
from lab import Host, sh
from traffic import Transfer, all_datagrams, transfer, tunnel
from wiretap import Capture, Tcp, pieces, strangers

MB = 1000 * 1000


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


def lengths_are_true(packets):
    for p in packets:
        stated = int.from_bytes(p.ip[2:4], "big") if p.ip[0] >> 4 == 4 else 40 + int.from_bytes(p.ip[4:6], "big")
        assert stated == p.length, p.ip[:40].hex()


def ends(found, flag):
    return {p.end for p in found if p.tcp.flags & flag}


def same_stream(sent, received):
    """Joined and cut otherwise on the way, but each byte was sent, pushed where it was pushed, ended where it ended."""
    assert strangers(received, sent) == [] and strangers(sent, received) == []
    for found in (sent, received):
        assert all(p.tcp.flags & Tcp.ACK and not p.tcp.flags & (Tcp.SYN | Tcp.RST | Tcp.URG) for p in found)
    last = max(p.end for p in sent if p.tcp.length)
    assert ends(received, Tcp.FIN) == ends(sent, Tcp.FIN) == {last}
    # What is sent again may be cut in another way, and the first attempt have been lost.
    again = sum(p.tcp.length for p in sent) - last
    assert ends(received, Tcp.PSH) <= ends(sent, Tcp.PSH) if again else ends(received, Tcp.PSH) == ends(sent, Tcp.PSH)


@rows.all_and_slowly_none
@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_a_stream_leaves_the_receiving_tun_as_it_entered_the_sending_one(net, family, offloads):
    a, b = tunnel(net)
    taps = [Capture(x.host, f"tap-{x.ifname}", "tcp", head=100) for x in (a, b)]
    moved = Transfer(a.host, b.host, getattr(b, family), up=2 * MB, down=2 * MB)
    moved.result()
    at_a, at_b = (tap.on(x.ifname) for tap, x in zip(taps, (a, b)))
    for seen in (at_a, at_b):
        lengths_are_true(seen)
    same_stream(pieces(at_a, dport=moved.port), pieces(at_b, dport=moved.port))
    same_stream(pieces(at_b, sport=moved.port), pieces(at_a, sport=moved.port))
    print({x.ifname: max(p.length for p in seen) for x, seen in ((a, at_a), (b, at_b))}, "bytes in the largest packet")
    for tap in taps:
        tap.close()


class Behind:
    """
    A host that has b's tunnel addresses, while b routes between it and the tunnel: what b delivers goes on through its
    kernel. (What is for other addresses than b's it does not deliver.) Errors come from the network between them.
    """

    def __init__(self, net, a, b, mtu):
        self.router, self.host, self.ip4, self.ip6 = b.host, Host(net, "behind"), b.ip4, b.ip6
        sh("ip", "link", "add", "in0", "netns", b.host.ns, "mtu", mtu, "type", "veth",
           "peer", "name", "eth0", "netns", self.host.ns, "mtu", mtu)
        for host, dev, last in ((b.host, "in0", 1), (self.host, "eth0", 2)):
            host.sh("ip", "addr", "add", f"10.50.0.{last}/24", "dev", dev)
            host.sh("ip", "addr", "add", f"fd50::{last}/64", "dev", dev, "nodad")
            host.sh("ip", "link", "set", dev, "up")
        b.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        b.host.sh("ip", "addr", "flush", "dev", b.ifname)
        for to_a, to_b, between, length in ((a.ip4, b.ip4, "10.50.0.", 32), (a.ip6, b.ip6, "fd50::", 128)):
            # Without nodad an IPv6 address is tentative for a moment, on lo too, and no source for the route.
            self.host.sh("ip", "addr", "add", f"{to_b}/{length}", "dev", "lo", *["nodad"] * (length == 128))
            self.host.sh("ip", "route", "add", f"{to_a}/{length}", "via", between + "1", "src", to_b)
            b.host.sh("ip", "route", "add", f"{to_b}/{length}", "via", between + "2")
            b.host.sh("ip", "route", "add", f"{to_a}/{length}", "dev", b.ifname)
        a.peer(b, allowed=[b.ip4 + "/32", b.ip6 + "/128", "10.50.0.0/24", "fd50::/64"], endpoint="4")

    def without_offloads(self):
        """b's kernel has to cut and to sum by itself what it hands on, and the host behind it verifies the sums."""
        self.router.sh("ethtool", "-K", "in0", "tx", "off", "tso", "off", "tx-udp-segmentation", "off")

    def wrong_sums(self):
        """Of TCP and UDP over both families, as the host behind found them."""
        rows_ = self.host.sh("cat", "/proc/net/snmp").stdout.splitlines()
        counts = {}
        for names, values in zip(rows_[::2], rows_[1::2]):
            kind = names.split(":")[0]
            counts |= {f"{kind}.{n}": int(v) for n, v in zip(names.split()[1:], values.split()[1:])}
        for line in self.host.sh("cat", "/proc/net/snmp6").stdout.splitlines():
            counts[line.split()[0]] = int(line.split()[1])
        return counts["Tcp.InCsumErrors"] + counts["Udp.InCsumErrors"] + counts["Udp6InCsumErrors"]


@rows.all_and_slowly_none
@pytest.mark.parametrize("wire, mtu", [("super", 1500), ("cut", 1500), ("cut", 1300)])
def test_a_kernel_that_routes_hands_our_packets_on_whole(net, wire, mtu, offloads):
    """mtu 1300: what we joined does not fit there, which its sender must learn through the tunnel."""
    a, b = tunnel(net)
    behind = Behind(net, a, b, mtu)
    if wire == "cut":
        behind.without_offloads()
    for to_behind, to_a in ((behind.ip4, a.ip4), (behind.ip6, a.ip6)):
        transfer(a.host, behind.host, to_behind, up=5 * MB, down=5 * MB, streams=2, stall=15)
        all_datagrams(a.host, behind.host, to_behind, to_a, mtu=min(mtu, 1420), segments=3)
    assert behind.wrong_sums() == 0
