# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our data plane against stock wireguard-go, in both roles: `ours` is the plane alone (tools/wgpeer)."""
import base64
import subprocess
import sys
import time

import pytest

import wireguard
import wires
from lab import LabError, wait_for
from wireguard import COOKIE, DATA, INIT, Capture, Ours, Stock, Transfer, message_type, new_key, new_psk, public_of

SHORT = {"rekey_after": 1000, "rekey_timeout": 500, "keepalive_timeout": 1000, "reject_after": 10000}


class Pair:
    """Ours and a stock interface, each on its own subnet."""

    def __init__(self, net, limits=None, mtu=1420, **kw):
        self.net = net
        self.ours = Ours(net.hosts.get("a") or net.host("a"), 1, limits=limits, mtu=mtu, **kw).start()
        self.stock = Stock(net.hosts.get("b") or net.host("b"), 2, mtu=mtu, **kw).start()
        self.both = (self.ours, self.stock)

    def other(self, one):
        return self.stock if one is self.ours else self.ours

    def side(self, kind):
        return self.ours if kind == "ours" else self.stock

    def introduce(self, knows=("ours", "stock"), psk=None, family="4", keepalive=0):
        """Makes them peers; only the sides in `knows` are told where the other one is. The one that is told last may
        have something to say at once."""
        for one in sorted(self.both, key=lambda i: i.kind in knows):
            one.peer(self.other(one), psk=psk, endpoint=family if one.kind in knows else None, keepalive=keepalive)

    def connected(self, first="ours"):
        one = self.side(first)
        wait_for("the tunnel", lambda: one.reaches(self.other(one)), 20)
        return self

    def handshakes(self):
        return [one.show(self.other(one))["handshake"] for one in self.both]


@pytest.fixture
def net(net):
    yield net
    wireguard.end(net)


@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize("psk", [False, True], ids=["no-psk", "psk"])
@pytest.mark.parametrize("initiator", ["ours", "stock"])
def test_they_shake_hands_and_carry_ping_and_tcp_both_ways(net, initiator, psk, family):
    pair = Pair(net)
    pair.introduce(knows=[initiator], psk=new_psk() if psk else None, family=family)
    assert pair.handshakes() == [0, 0]
    pair.connected(initiator)
    assert all(pair.handshakes())
    assert pair.stock.count("Sending handshake initiation") == (initiator == "stock")
    assert pair.stock.count("Received handshake initiation") == (initiator == "ours")
    for one in pair.both:
        other = pair.other(one)
        assert one.reaches(other) and one.reaches(other.ip6)
        assert other.host.ip4 + ":" in one.show(other)["endpoint"] or other.host.ip6 in one.show(other)["endpoint"]
    address = pair.stock.ip6 if psk else pair.stock.ip4
    figures = Transfer(pair.ours.host, pair.stock.host, address, "--bidir", seconds=1).result()
    assert figures["up"] > 0 and figures["down"] > 0


@pytest.mark.parametrize("limits, least", [
    pytest.param(SHORT, 2, id="by-time"),
    pytest.param(SHORT | {"rekey_after": 60000, "rekey_after_messages": 4000}, 2, id="by-count")])
def test_a_tcp_connection_outlives_rekeys_that_we_start(net, limits, least):
    pair = Pair(net, limits=limits)
    pair.introduce()
    pair.connected()
    before = pair.stock.count("Received handshake initiation")
    figures = Transfer(pair.ours.host, pair.stock.host, pair.stock.ip4, "--bidir", seconds=4).result()
    rekeys = pair.stock.count("Received handshake initiation") - before
    print(f"{rekeys} rekeys, {figures}")
    assert rekeys >= least
    assert pair.ours.drops("send_expired") == 0


def test_when_the_session_ends_early_on_our_side_we_start_the_next_as_former_responder(net):
    pair = Pair(net, limits=SHORT | {"reject_after": 2000})
    pair.introduce(knows=["stock"])
    pair.connected("stock")
    assert pair.stock.count("Received handshake initiation") == 0
    Transfer(pair.ours.host, pair.stock.host, pair.stock.ip4, "--bidir", seconds=4).result()
    assert pair.stock.count("Received handshake initiation") >= 1


@pytest.mark.slow
def test_a_tcp_connection_outlives_two_rekeys_by_the_stock_timers_in_both_roles(net):
    first = Pair(net)
    first.introduce(knows=["ours"])
    first.connected("ours")
    second = Pair(net, port=51821, subnet=8)
    second.introduce(knows=["stock"])
    second.connected("stock")
    transfers = [Transfer(p.ours.host, p.stock.host, p.stock.ip4, "--bidir", "-b", "50M", seconds=270)
                 for p in (first, second)]
    for t in transfers:
        print(t.result())
    assert first.stock.count("Received handshake initiation") >= 3
    assert second.stock.count("Sending handshake initiation") >= 3


@pytest.mark.parametrize("mover, family", [("ours", "4"), ("ours", "6"), ("stock", "4"),
                                           pytest.param("stock", "6", marks=pytest.mark.slow)])
def test_tcp_goes_on_when_a_side_changes_its_address(net, mover, family):
    pair = Pair(net)
    pair.introduce(family=family)
    pair.connected()
    moving = pair.side(mover)
    staying = pair.other(moving)
    transfer = Transfer(pair.ours.host, pair.stock.host, pair.stock.ip4, "--bidir", seconds=4)
    wait_for("the transfer to flow", lambda: pair.ours.show(pair.stock)["rx_bytes"] > 1 << 20)
    moving.move()
    wait_for("the new address to be noticed", lambda: "77" in staying.show(moving)["endpoint"], 5)
    before = staying.show(moving)["rx_bytes"]
    wait_for("traffic on the new path", lambda: staying.show(moving)["rx_bytes"] > before + (1 << 20))
    print(transfer.result())


@pytest.mark.parametrize("who", ["ours", "stock"])
def test_tcp_goes_on_when_a_side_restarts(net, who):
    pair = Pair(net)
    pair.introduce()
    pair.connected()
    transfer = Transfer(pair.ours.host, pair.stock.host, pair.stock.ip4, "--bidir", seconds=5)
    wait_for("the transfer to flow", lambda: pair.ours.show(pair.stock)["rx_bytes"] > 1 << 20)
    side = pair.side(who)
    side.restart()
    wait_for("traffic after the restart", lambda: side.show(pair.other(side))["rx_bytes"] > 1 << 20, 30)
    print(transfer.result())


@pytest.mark.parametrize("who", ["stock", pytest.param("ours", marks=pytest.mark.slow)])
def test_the_side_that_was_not_restarted_finds_out_by_itself(net, who):
    """15 seconds (2 here, when it is us) after data without an answer; the restarted side knows no endpoint."""
    pair = Pair(net, limits={"keepalive_timeout": 1000, "rekey_timeout": 1000})
    side = pair.side(who)
    other = pair.other(side)
    pair.introduce(knows=[other.kind])
    pair.connected(other.kind)
    side.restart()
    wait_for("the tunnel", lambda: other.reaches(side), 25)


def test_a_changed_psk_counts_from_the_next_handshake_on_and_a_wrong_one_makes_no_session(net):
    pair = Pair(net, limits=SHORT | {"reject_after": 2500})
    old, new = new_psk(), new_psk()
    pair.introduce(psk=old)
    pair.connected()
    pair.ours.peer(pair.stock, psk=new)
    pair.ours.ping(pair.stock)
    wait_for("the old session to run out", lambda: not pair.ours.reaches(pair.stock), 10)
    wait_for("the answer that does not decrypt", lambda: pair.ours.drops("hs_decrypt") >= 1)
    pair.stock.peer(pair.ours, psk=new, endpoint="4")
    pair.connected()


@pytest.mark.parametrize("holder, initiator", [("ours", "ours"), ("stock", "ours"), ("ours", "stock")])
def test_a_psk_on_one_side_only_makes_no_session(net, holder, initiator):
    pair = Pair(net, limits=SHORT)
    pair.introduce(knows=[initiator])
    one = pair.side(holder)
    one.peer(pair.other(one), psk=new_psk(), endpoint="4" if holder == initiator else None)
    side = pair.side(initiator)
    assert not side.reaches(pair.other(side))
    assert not pair.ours.show(pair.stock)["session"]
    if initiator == "ours":
        assert pair.ours.drops("hs_decrypt") >= 1
    if initiator == "ours":  # the stock one takes 5 seconds to try again
        one.peer(pair.other(one), endpoint="4" if holder == initiator else None)
        pair.connected(initiator)


@pytest.mark.parametrize("who", ["ours", "stock"])
def test_a_new_key_needs_a_new_introduction(net, who):
    pair = Pair(net)
    pair.introduce()
    pair.connected()
    side = pair.side(who)
    other, old = pair.other(side), side.public
    side.stop()
    side.private = new_key()
    side.public = public_of(side.private)
    side.start()
    assert not side.reaches(other)
    if who == "stock":
        assert pair.ours.drops("hs_unknown_peer") >= 1
    other.remove(old)
    assert other.show(old) is None
    other.peer(side, endpoint="4")
    assert not other.show(side)["handshake"]
    wait_for("the tunnel", lambda: other.reaches(side))


def test_a_removed_peer_is_cut_off_at_once(net):
    pair = Pair(net)
    pair.introduce()
    pair.connected("stock")
    pair.ours.remove(pair.stock.public)
    assert not pair.stock.reaches(pair.ours)
    assert pair.ours.drops("no_session") >= 1


def test_a_stock_peer_that_changes_its_key_at_run_time_is_met_again(net):
    pair = Pair(net, limits=SHORT)
    pair.introduce()
    pair.connected()
    old = pair.stock.public
    pair.stock.rekey(new_key())
    pair.ours.remove(old)
    pair.ours.peer(pair.stock, endpoint="4")
    wait_for("the tunnel", lambda: pair.ours.reaches(pair.stock))


def test_nested_prefixes_of_two_peers_route_and_check_by_the_longest(net):
    """b owns 10.9.0.0/16 and fd09::/32, c owns a part of each."""
    ours = Ours(net.host("a"), 1).start()
    b, c = Stock(net.host("b"), 2).start(), Stock(net.host("c"), 3).start()
    ours.peer(b, allowed=["10.9.0.0/16", "fd09::/32"], endpoint="4")
    ours.peer(c, allowed=["10.9.3.0/24", "fd09:0:3::/48"], endpoint="6")
    ours.host.sh("ip", "route", "add", "10.9.0.0/16", "dev", ours.ifname)
    ours.host.sh("ip", "route", "add", "fd09::/32", "dev", ours.ifname)
    for peer in (b, c):
        peer.peer(ours, allowed=[ours.ip4 + "/32", ours.ip6 + "/128"])
        for address in ("10.9.2.5/32", "10.9.3.5/32", "fd09:0:2::5/128", "fd09:0:3::5/128"):
            peer.host.sh("ip", "addr", "add", address, "dev", peer.ifname, *(["nodad"] if ":" in address else []))

    def rx(peer):
        return ours.show(peer)["rx_bytes"]

    ways = ("10.9.2.5", b, c), ("10.9.3.5", c, b), ("fd09:0:2::5", b, c), ("fd09:0:3::5", c, b)
    for address, owner, bystander in ways:
        wait_for(f"an answer from {address}", lambda a=address: ours.reaches(a))
        before = rx(owner), rx(bystander)
        ours.ping(address)
        assert rx(owner) > before[0] and rx(bystander) == before[1]
    # A peer may not speak for the part of its prefix that another one owns, nor for what is outside of its own.
    for peer, source in ((b, "10.9.3.5"), (b, "fd09:0:3::5"), (c, "10.9.2.5"), (c, "fd09:0:2::5")):
        before = ours.drops("spoof")
        assert not peer.reaches(ours.ip6 if ":" in source else ours.ip4, "-I", source, "-W", 0.1)
        wait_for("the drop", lambda n=before: ours.drops("spoof") == n + 1)


def test_we_are_silent_towards_keys_that_we_do_not_know_and_those_that_do_not_know_ours(net):
    pair = Pair(net)
    pair.introduce(knows=[])
    stranger = Stock(net.host("c"), 3).start()
    stranger.peer(pair.ours, endpoint="4")
    mistaken = Stock(net.host("d"), 4).start()
    fake = public_of(new_key())
    mistaken.peers[fake] = {"allowed": [pair.ours.ip4 + "/32"], "psk": None, "keepalive": 0,
                            "endpoint": f"{pair.ours.host.ip4}:51820"}
    mistaken.apply(fake, mistaken.peers[fake])
    capture = Capture(pair.ours.host)
    for other in (stranger, mistaken):
        assert not other.reaches(pair.ours)
    wait_for("both to be refused", lambda: pair.ours.drops("hs_unknown_peer") and pair.ours.drops("hs_mac1"))
    pair.stock.peer(pair.ours, endpoint="4")  # one that is known gets an answer
    pair.connected("stock")
    ours = pair.ours.host.ip4
    seen = capture.stop("the answer in the capture", lambda found: any(source == ours for source, _, _ in found))
    answered = {to for source, to, _ in seen if source == ours}
    assert {source for source, _, _ in seen} >= {stranger.host.ip4, mistaken.host.ip4}
    assert answered == {pair.stock.host.ip4}


@pytest.mark.parametrize("mtu", [1420, 1413, 1280])
def test_packets_are_padded_to_sixteen_and_never_beyond_the_mtu(net, mtu):
    pair = Pair(net, mtu=mtu)
    wires.like_a_nic(pair.ours.host, gro="off")  # the capture must see each datagram by itself
    pair.introduce()
    pair.connected()
    capture = Capture(pair.ours.host)
    sizes = {family: [n for n in (0, 1, 3, 4, 5, 16, 17, 100, 1000, mtu - header - 17, mtu - header - 1, mtu - header)]
             for family, header in (("4", 28), ("6", 48))}
    least = 4 * (2 * 12 + 4)  # 12 pings and one in fragments, from either side, in both families, and the answers
    for one in pair.both:
        other = pair.other(one)
        for family, address in (("4", other.ip4), ("6", other.ip6)):
            for size in sizes[family]:
                one.ping(address, "-M", "do", "-s", size)
            assert not one.reaches(address, "-M", "do", "-W", 0.1, "-s", sizes[family][-1] + 1)
            one.ping(address, "-s", 4000)  # in fragments inside
    seen = capture.stop("the whole traffic", lambda found: len(found) >= least)
    lengths = {one.kind: {len(p) - 32 for source, _, p in seen if message_type(p) == DATA and source == one.host.ip4}
               for one in pair.both}
    for kind, seen in lengths.items():
        assert all(n % 16 == 0 or n == mtu for n in seen), (kind, sorted(seen))
        assert max(seen) == mtu and len(seen) >= 8
    assert lengths["ours"] == lengths["stock"]


@pytest.mark.parametrize("outer", ["ours", "stock"])
def test_a_tunnel_runs_inside_a_tunnel(net, outer):
    kinds = (Ours, Stock) if outer == "ours" else (Stock, Ours)
    a, b = net.host("a"), net.host("b")
    outside = kinds[0](a, 1).start(), Stock(b, 2).start()
    inside = kinds[1](a, 1, port=51821, subnet=8, mtu=1340).start(), Ours(b, 2, port=51821, subnet=8, mtu=1340).start()
    for one, other in (outside, reversed(outside)):
        one.peer(other, endpoint="4")
    for one, other in (inside, reversed(inside)):
        one.peer(other, endpoint=f"{outside[other.n - 1].ip4}:51821")
    wait_for("the tunnel in the tunnel", lambda: inside[0].reaches(inside[1]))
    assert outside[1].host.ip4 in outside[0].show(outside[1])["endpoint"]
    assert inside[1].show(inside[0])["endpoint"] == f"{outside[0].ip4}:51821"
    print(Transfer(a, b, inside[1].ip4, "--bidir", seconds=1).result())


def test_a_routing_loop_is_bounded_and_a_mark_avoids_it(net):
    """Everything goes into the tunnel, also our own datagrams to the peer, which is a mistake in the host's routing."""
    pair = Pair(net, limits={"fwmark": 51})
    pair.introduce()
    pair.connected()
    ours, stock = pair.both
    ours.peer(stock, allowed=["0.0.0.0/0"], endpoint="4")
    ours.host.sh("ip", "route", "add", stock.host.ip4, "dev", ours.ifname)
    before, cpu = ours.show(stock)["tx_packets"], ours.cpu()
    assert not ours.reaches(stock)
    wait_for("what was looping to have grown too large",
             lambda: ours.show(stock)["tx_packets"] == ours.show(stock)["tx_packets"])
    sent = ours.show(stock)["tx_packets"] - before
    print(f"a ping was sealed {sent} times, {ours.cpu() - cpu:.2f} s of CPU")
    assert sent < 200
    ours.host.sh("ip", "route", "del", stock.host.ip4)
    ours.host.sh("ip", "route", "add", "default", "dev", ours.ifname, "table", 51)
    ours.host.sh("ip", "rule", "add", "not", "fwmark", 51, "table", 51)
    ours.host.sh("ip", "rule", "add", "table", "main", "suppress_prefixlength", 0)
    pair.connected()
    before = stock.show(ours)["rx_bytes"]
    assert not ours.reaches("203.0.113.1")  # nobody there, but the packet took the tunnel
    assert stock.show(ours)["rx_bytes"] > before


def test_an_endpoint_inside_the_tunnel_is_refused(net):
    pair = Pair(net, limits={"net4": "10.9.0.0/24", "net6": "fd09::/64"})
    for endpoint in ("10.9.0.2:51820", "[fd09::2]:51820"):
        with pytest.raises(LabError, match="inside the mesh"):
            pair.ours.peer(pair.stock, endpoint=endpoint)


@pytest.mark.parametrize("behind", ["ours", "stock"])
def test_persistent_keepalives_keep_the_way_through_nat_open(net, behind):
    pair = Pair(net)
    inside = pair.side(behind)
    outside = pair.other(inside)
    wireguard.masquerade(inside.host, timeout=2)
    pair.introduce(knows=[behind], keepalive=0)
    pair.connected(behind)
    port = outside.show(inside)["endpoint"]
    assert not port.startswith(inside.host.ip4 + ":")
    time.sleep(3.5)  # the mapping expires
    assert not outside.reaches(inside)
    wait_for("a new mapping, which the other side follows", lambda: inside.reaches(outside))
    assert outside.reaches(inside)
    inside.peer(outside, endpoint="4", keepalive=1)
    wait_for("a keepalive", lambda: outside.reaches(inside))
    endpoint = outside.show(inside)["endpoint"]
    time.sleep(4)
    assert outside.reaches(inside)
    assert outside.show(inside)["endpoint"] == endpoint


# A stranger's initiation with a right mac1 is enough to make a responder work: whitepaper 5.3.
FLOOD = """
import hashlib, os, socket, sys, time
public, address, burst, pause, seconds = bytes.fromhex(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:])
key = hashlib.blake2s(b"mac1----" + public).digest()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, 51820))
def message():
    body = bytes([1, 0, 0, 0]) + os.urandom(112)
    return body + hashlib.blake2s(body, key=key, digest_size=16).digest() + bytes(16)
messages = [message() for _ in range(int(burst))]
print("ready", flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end:
    for m in messages:
        try:
            s.send(m)
        except OSError:
            pass
    time.sleep(pause)
"""


@pytest.mark.parametrize("flooded, burst, pause", [("ours", 300, 0.1), ("stock", 2000, 0.05)])
def test_under_a_flood_a_cookie_is_demanded_and_the_handshake_succeeds_with_it(net, flooded, burst, pause):
    pair = Pair(net, limits={"rekey_timeout": 1000} if flooded == "stock" else None)
    victim = pair.side(flooded)
    initiator = pair.other(victim)
    pair.introduce(knows=[])
    capture = Capture(initiator.host)
    attacker = net.host("c").spawn(sys.executable, "-c", FLOOD, base64.b64decode(victim.public).hex(), victim.host.ip4,
                                   burst, pause, 60, stdout=subprocess.PIPE, text=True)
    attacker.stdout.readline()
    time.sleep(0.5)
    initiator.peer(victim, endpoint="4")
    wait_for("the tunnel", lambda: initiator.reaches(victim), 40)
    assert attacker.poll() is None
    attacker.terminate()
    found = capture.stop("the session in the capture", lambda found: any(message_type(p) == DATA for _, _, p in found))
    seen = [(source, message_type(p), p) for source, _, p in found]
    cookies = [len(p) for source, kind, p in seen if kind == COOKIE and source == victim.host.ip4]
    assert cookies and set(cookies) == {64}
    inits = [p for source, kind, p in seen if kind == INIT and source == initiator.host.ip4]
    assert inits[0][-16:] == bytes(16) and inits[-1][-16:] != bytes(16)
    if flooded == "ours":
        assert pair.ours.drops("hs_cookie") > 0


@pytest.mark.slow
def test_throughput_next_to_a_pair_of_stock_interfaces(net):
    """Figures only. Interleaved, so that both see the same machine."""
    a, b = net.host("a"), net.host("b")
    pairs, rows = {}, {}
    for i, (left, right) in enumerate(((Stock, Stock), (Ours, Stock), (Ours, Ours))):
        x, y = left(a, 1, port=51820 + i, subnet=7 + i).start(), right(b, 2, port=51820 + i, subnet=7 + i).start()
        x.peer(y, endpoint="4")
        y.peer(x, endpoint="4")
        wait_for("the tunnel", lambda x=x, y=y: x.reaches(y))
        pairs[f"{x.kind}-{y.kind}"] = x, y
    for _ in range(5):
        for name, (x, y) in pairs.items():
            for way, options in (("up", []), ("down", ["-R"])):
                before = x.cpu(), y.cpu()
                figures = Transfer(a, b, y.ip4, *options, seconds=5).result()
                gigabytes = figures["bytes"] / 1e9
                rows.setdefault((name, way), []).append((figures[way] / 1e9, (x.cpu() - before[0]) / gigabytes,
                                                         (y.cpu() - before[1]) / gigabytes, figures["retransmits"]))
    for (name, way), row in rows.items():
        rate, left, right, again = sorted(row)[len(row) // 2]
        print(f"{name} {way}: median {rate:.2f} Gbit/s ({min(row)[0]:.2f} to {max(row)[0]:.2f}), "
              f"CPU s/GB left {left:.2f} right {right:.2f}, retransmissions {again}")
