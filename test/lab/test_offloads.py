# SPDX-License-Identifier: AGPL-3.0-or-later
"""The offload matrix in short: what a row does not leave to the kernel, the data plane does itself, and both ends see the
same. The whole lab runs with one row by `make lab OFFLOADS=row`."""
import pytest

import offloads as rows
import wireguard
import wires
from lab import wait_for
from traffic import Transfer, all_datagrams, datagrams, transfer, tunnel
from wireguard import Stock
from wiretap import DATA_PORT, Capture

MB = 1000 * 1000
MTU = 1420
# Rekeys by count, so that they come with the traffic and not with the clock.
BY_COUNT = {"rekey_after_messages": 20000, "rekey_timeout": 200}


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


class Flow:
    """One transfer after another, each of which must end well, for as long as the traffic has to last."""

    def __init__(self, sender, receiver, address, received):
        self.ends, self.received = (sender, receiver, address), received
        self.start()

    def start(self):
        self.before = self.received()
        self.transfer = Transfer(*self.ends, up=60 * MB, down=60 * MB)

    def keep_up(self):
        if not self.transfer.running():
            self.transfer.result()
            self.start()

    def in_the_middle(self):
        self.keep_up()
        return self.received() > self.before + MB and self.transfer.running()


def roam(mover, other, address, received, seen_at):
    """The mover, an interface or a host, gets new addresses in the middle of a transfer, which must end well."""
    host = getattr(mover, "host", mover)
    flow = Flow(host, other, address, received)
    wait_for("the transfer to flow", flow.in_the_middle, 30)
    mover.move()

    def noticed():
        flow.keep_up()
        return any(own in seen_at() for own in (host.ip4, host.ip6))

    wait_for("the new address to be noticed", noticed, 15)
    flow.transfer.result()


@rows.each
def test_a_row_carries_everything_to_a_stock_peer_through_rekeys_and_a_move(net, offloads):
    ours, stock = tunnel(net, Stock, limits=BY_COUNT)
    a, b = ours.host, stock.host
    wires.like_a_nic(a, b)
    for to_stock, to_ours in ((stock.ip4, ours.ip4), (stock.ip6, ours.ip6)):
        ours.ping(to_stock)
        stock.ping(to_ours)
        transfer(a, b, to_stock, up=5 * MB, down=5 * MB, streams=2)
    all_datagrams(a, b, stock.ip6, ours.ip6, segments=4)
    before, done = stock.count("Received handshake initiation"), []
    wait_for("two rekeys under traffic", lambda: done.append(transfer(a, b, stock.ip4, up=30 * MB, down=30 * MB)) or
             stock.count("Received handshake initiation") >= before + 2, 60)
    roam(ours, b, stock.ip4, lambda: ours.show(stock)["rx_bytes"], lambda: stock.show(ours)["endpoint"])


@rows.all_or_none
def test_a_row_carries_everything_between_two_nodes_through_rekeys_and_a_move(net, offloads):
    hub, laptop = (net.node(name).configure(test_limits={"rekey_after_messages": 20000, "rekey_timeout_ms": 200})
                   for name in ("hub", "laptop"))
    hub.init()
    laptop.join(hub.token())
    a, b, to_hub, to_laptop = laptop.host, hub.host, laptop.peer("hub"), hub.peer("laptop")
    for family in ("ip4", "ip6"):
        laptop.ping("hub", "-" + family[2])
        hub.ping("laptop", "-" + family[2])
        transfer(a, b, to_hub[family], up=5 * MB, down=5 * MB, streams=2)
    all_datagrams(a, b, to_hub["ip4"], to_laptop["ip4"], segments=4)
    before, done = hub.peer("laptop")["last_handshake_at"], []
    wait_for("a rekey under traffic", lambda: done.append(transfer(a, b, to_hub["ip4"], up=30 * MB, down=30 * MB)) or
             hub.peer("laptop")["last_handshake_at"] > before, 60)
    roam(a, b, to_hub["ip4"], lambda: laptop.peer("hub")["rx_bytes"], lambda: hub.peer("laptop")["endpoint"])


@rows.each
def test_a_row_leaves_to_the_kernel_what_it_says_and_nothing_else(net, offloads):
    """On our own interfaces: super-packets from the kernel, joined ones to it, and groups of datagrams to the wire."""
    a, b = tunnel(net)
    tap = Capture(a.host, "tap", head=64)
    datagrams(a.host, b.host, b.ip4, gso=5, least=1000)
    transfer(a.host, b.host, b.ip4, up=3 * MB, down=3 * MB, streams=2)
    tun = tap.on(a.ifname)
    wire = [p for p in tap.on("eth0") if p.proto == 17 and DATA_PORT in (p.sport, p.dport)]
    tap.close()
    assert len(tun) > 100 and len(wire) > 100

    def super_packets(packets, proto, outgoing, size):
        return any(p.proto == proto and p.outgoing == outgoing and p.length > size for p in packets)

    seen = {"tun": super_packets(tun, 6, True, MTU), "joined": super_packets(tun, 6, False, MTU),
            "uso": super_packets(tun, 17, True, MTU), "udp-gso": super_packets(wire, 17, True, 1500)}
    used = set() if rows.unknown() else rows.assert_in_use(offloads, a.ask("stats")["offloads"])
    assert seen == {"tun": "tun" in used, "joined": "tun" in used, "uso": "uso" in used, "udp-gso": "udp-gso" in used}
