# SPDX-License-Identifier: AGPL-3.0-or-later
"""Packets that filters stumble over, real ones between real hosts: pieces, extension headers, a way that changes under a connection, and
one who opens as many flows as he can."""
import contextlib
import socket
import struct
import subprocess
import time

import pytest

import wires
from lab import wait_for
from probe import Probe, Stream
from test_policy import serve
from test_policy_push import push
from test_policy_scan import FILTERED, MAYBE, nmap, put
from test_thirty_nodes import join_at_once
from traffic import memory_peak
from wiretap import checksum, drops, inside, udp_socket

RULES = "rules:\n  - {allow: [tcp/8080, udp/9000], from: hub, to: nas}\n"


def pair(net):
    """Two nodes, the second of which serves; what of it the first may ask for is in RULES."""
    hub, nas = net.mesh("hub", "nas")
    own = serve(nas)
    hub.ping("nas")
    put(net, hub, (hub, nas), RULES)
    return hub, nas, own


def asked(node, address, port, size=1, headers=None):
    """What comes back for a datagram of this size; headers: destination options before it."""
    with udp_socket(node.host, socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.settimeout(2 if port == 9000 else 0.3)
        if headers:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, headers)
        s.sendto(bytes(size), (address, port))
        try:
            return s.recv(100)
        except TimeoutError:
            return None


def test_a_scan_by_what_no_honest_host_sends_finds_nothing(net):
    hub, _, own = pair(net)

    def found(*how):
        ports = nmap(hub, "-Pn", "-p", "8080,8081", *how, own["ip4"]).iter("port")
        return {p.get("portid"): p.find("state").get("state") for p in ports}
    # An ACK is answered by the host where it could be the midst of a connection that is allowed.
    assert found("-sA") == {"8080": "unfiltered", "8081": FILTERED}
    assert found("-sS", "-f") == {"8080": FILTERED, "8081": FILTERED}  # pieces that hide the flags
    for kind in ("-sN", "-sX"):
        assert found(kind) == {"8080": MAYBE, "8081": MAYBE}
    assert drops(hub)["stray"] >= 4 and drops(hub)["piece"] >= 2


def raw_piece(own, to, ident, at, data, more, proto=socket.IPPROTO_UDP):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), ident, (0x2000 if more else 0) | at // 8, 64, proto, 0,
                       socket.inet_aton(own), socket.inet_aton(to))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + data


def raw_piece6(own, to, ident, at, data, more, proto=socket.IPPROTO_UDP):
    own, to = (socket.inet_pton(socket.AF_INET6, a) for a in (own, to))
    return struct.pack("!IHBB16s16sBBHI", 6 << 28, 8 + len(data), 44, 64, own, to, proto, 0, at | more, ident) + data


def test_pieces_of_what_is_allowed_pass_and_tricks_with_pieces_do_not(net):
    hub, _, own = pair(net)
    for family in ("ip4", "ip6"):
        assert asked(hub, own[family], 9000, 5000) == b"hello"
        assert asked(hub, own[family], 9001, 5000) is None
    before = drops(hub)["piece"]
    assert before >= 2 * 3  # those behind the first ones, which were denied
    udp, tcp = struct.pack("!HHHH", 7000, 9000, 48, 0) + bytes(40), struct.pack("!HHIIBBHHH", 7000, 8080, 1, 0, 0x50, 2, 1000, 0, 0)
    whole, again = [(0, udp[:24], True), (24, udp[24:], False)], (8, udp[8:], False)
    tricks = [  # what is sent, in this order; how many of it pass
        (whole[::-1], 1),  # the first comes late
        (whole[1:], 0),  # or never
        ([whole[0], again, whole[1]], 1),  # one lies over the first
        ([whole[0], whole[0], whole[1]], 1),
        ([(0, tcp[:8], True, socket.IPPROTO_TCP), (8, tcp[8:], False, socket.IPPROTO_TCP)], 0)]  # too small to have its flags
    me = hub.status()["self"]
    for family, kind, piece in (("ip4", socket.AF_INET, raw_piece), ("ip6", socket.AF_INET6, raw_piece6)):
        with inside(hub.host):
            out = socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with out:
            for ident, (packets, passing) in enumerate(tricks, 1001):
                for p in packets:
                    out.sendto(piece(me[family], own[family], ident, *p), (own[family], 0))
                before += len(packets) - passing
                wait_for(f"{before} pieces to be dropped", lambda n=before: drops(hub)["piece"] == n, 3)


def test_extension_headers_hide_nothing(net):
    hub, _, own = pair(net)
    padding = bytes([0, 0, 1, 4, 0, 0, 0, 0])  # destination options: nothing, in six bytes
    assert asked(hub, own["ip6"], 9000, headers=padding) == b"hello"
    before = drops(hub).get("filtered", 0)
    assert asked(hub, own["ip6"], 9001, headers=padding) is None
    assert drops(hub)["filtered"] == before + 1


def test_a_connection_goes_on_when_its_way_becomes_direct(net):
    hub, a, b = net.mesh("hub", "a", "b")
    put(net, hub, (hub, a, b), "rules:\n  - {allow: tcp/7999, from: a, to: b}\n")
    wires.rules(net.router, "direct", "".join(f"{v} saddr {x} {v} daddr {y} meta l4proto udp drop\n" for v, x, y in (
        ("ip", a.host.ip4, b.host.ip4), ("ip6", a.host.ip6, b.host.ip6), ("ip", b.host.ip4, a.host.ip4),
        ("ip6", b.host.ip6, a.host.ip6))))
    address = b.status()["self"]["ip4"]
    wait_for("a to reach b", lambda: a.ping("b", check=False).returncode == 0, 30)
    probe, stream = Probe(a.host, address, rate=50), Stream(a.host, b.host, address)
    try:
        assert a.peer("b")["path"] == "relay"
        wires.no_rules(net.router, "direct")
        wait_for("the way to be direct", lambda: a.peer("b")["path"] == b.peer("a")["path"] == "direct", 60)
        wait_for("answers by it", lambda since=time.monotonic(): probe.answered(20, since))
    finally:
        report = probe.stop()
        broken = stream.stop()
    assert broken is None and report.lost == 0
    assert not {"filtered", "stray"} & {*drops(a), *drops(b)}


FLOWS, OTHERS, EACH = 2_000_000, 50, 10  # of the thief; of other nodes, each
THIEF = """
import socket, struct, sys
address, ports = sys.argv[1], range(20000, 60000)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
for to in ports:
    for of in ports:
        s.sendto(struct.pack("!HHHH", of, to, 8, 0), (address, 0))
"""


def open_flow(node, server, address):
    """One of UDP that was answered; its socket there, and who it is to the server."""
    s = udp_socket(node.host)
    s.settimeout(5)
    s.sendto(b"ask", (address, 9000))
    _, who = server.recvfrom(10)
    server.sendto(b"answer", who)
    assert s.recv(10) == b"answer"
    s.settimeout(1)
    return s, who


def still_passes(server, s, who):
    """The server's node may begin nothing: what arrives did so by its flow. One that the flood displaces in a queue is sent again."""
    for _ in range(5):
        server.sendto(b"still", who)
        with contextlib.suppress(TimeoutError):
            return s.recv(10) == b"still"
    return False


@pytest.mark.slow
@pytest.mark.alone("fifty-three daemons, of which one gets all that another can send")
def test_one_opens_two_million_flows_and_fifty_others_keep_ten_each(net):
    hub, nas, thief, *others = nodes = join_at_once(net, 3 + OTHERS)
    push(hub, f"rules:\n  - {{allow: udp, from: any, to: {nas.name}}}\n", len(nodes))
    address = nas.status()["self"]["ip4"]
    # What arrives is counted and goes no further, so that nobody answers.
    wires.rules(nas.host, "flood", 'iifname "tm*" udp dport 20000-60000 counter name hits drop', hook="input")
    server = udp_socket(nas.host, address=(address, 9000))
    server.settimeout(5)
    flows = [open_flow(node, server, address) for node in others for _ in range(EACH)]
    begun, flood = time.monotonic(), thief.host.spawn("/usr/bin/python3", "-c", THIEF, address, stdout=subprocess.DEVNULL)
    # Theirs are silent for a quarter of it, and none is lost; nor is the thief refused.
    for n in (FLOWS * quarter // 4 for quarter in range(1, 5)):
        wait_for(f"{n} flows", lambda n=n: wires.hits(nas.host, "flood") >= n, 150, 0.2)
        assert [who for s, who in flows if not still_passes(server, s, who)] == []
    took = time.monotonic() - begun
    assert flood.poll() is None
    flood.kill()
    print(f"\n{FLOWS} flows of one peer beside {len(flows)} of {OTHERS} others in {took:.0f} s; "
          f"memory of the node: {memory_peak(nas.pid())} KiB; dropped: {drops(nas)}")
    assert "filtered" not in drops(nas)
