# SPDX-License-Identifier: AGPL-3.0-or-later
"""ICMP errors and the filter: those about what policy let begin arrive, from whoever is on the way, without a rule of their own; forged ones
do not. Of no rule here speaks ICMP, and of what is built in only the echo."""
import contextlib
import errno
import select
import socket
import struct

import pytest

import wireguard
from lab import wait_for
from test_policy import mesh_with_network, serve_at
from test_policy_packets import raw_piece
from test_policy_scan import put
from wiretap import checksum, drops, inside, udp_socket

IP_MTU_DISCOVER, IP_RECVERR, IPV6_MTU_DISCOVER, IPV6_RECVERR, PMTUDISC_DO = 10, 11, 23, 25, 2
# What Linux makes of them, as (errno, type, code).
UNREACHABLE_PORT = {4: (errno.ECONNREFUSED, 3, 3), 6: (errno.ECONNREFUSED, 1, 4)}
TOO_BIG = {4: (errno.EMSGSIZE, 3, 4), 6: (errno.EMSGSIZE, 2, 0)}
TIME_EXCEEDED = {4: (errno.EHOSTUNREACH, 11, 0), 6: (errno.EHOSTUNREACH, 3, 0)}
NARROW = 1300  # of the network behind the node; the tunnel takes more


def version(address):
    return 6 if ":" in address else 4


def told(node, address, port, size=1, ttl=64, patience=2):
    """The ICMP error that a datagram brings about: what it is, what it says besides, who sent it. None: nobody does."""
    six = version(address) == 6
    with udp_socket(node.host, socket.AF_INET6 if six else socket.AF_INET) as s:
        level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        for option, value in ((IPV6_RECVERR if six else IP_RECVERR, 1), (IPV6_MTU_DISCOVER if six else IP_MTU_DISCOVER, PMTUDISC_DO),
                              (socket.IPV6_UNICAST_HOPS if six else socket.IP_TTL, ttl)):
            s.setsockopt(level, option, value)
        s.sendto(bytes(size), (address, port))
        poll = select.poll()
        poll.register(s, 0)  # errors alone
        if not poll.poll(1000 * patience):
            return None
        (_, _, data), = s.recvmsg(2000, 512, socket.MSG_ERRQUEUE)[1]
    number, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", data[:16])
    who = socket.inet_ntop(socket.AF_INET6, data[24:40]) if six else socket.inet_ntop(socket.AF_INET, data[20:24])
    return (number, kind, code), info, who


def test_errors_about_what_is_allowed_arrive_from_whoever_is_on_the_way(net):
    hub, nas, laptop = mesh_with_network(net)
    put(net, hub, (hub, nas, laptop), "rules:\n  - {allow: udp/9000-9001, from: laptop, to: ['route:10.77.0.0/24', 'route:fd77:77::/64']}\n"
                                      "  - {allow: udp/9001, from: laptop, to: nas}\n")
    me = nas.status()["self"]
    laptop.ping("nas")
    for printer, router in (("10.77.0.9", me["ip4"]), ("fd77:77::9", me["ip6"])):
        f = version(printer)
        wait_for("the error of a closed port", lambda: told(laptop, printer, 9001))
        assert told(laptop, printer, 9001) == (UNREACHABLE_PORT[f], 0, printer)
        assert told(laptop, router, 9001) == (UNREACHABLE_PORT[f], 0, router)
        assert told(laptop, printer, 9000, ttl=1) == (TIME_EXCEEDED[f], 0, router)
        assert told(laptop, printer, 9002, patience=0.3) is None  # denied: it came to nobody
    nas.host.ip(f"link set lan0 mtu {NARROW}")
    for printer, router in (("10.77.0.9", me["ip4"]), ("fd77:77::9", me["ip6"])):
        assert told(laptop, printer, 9000, size=1340) == (TOO_BIG[version(printer)], NARROW, router)
    assert "stray" not in drops(laptop) and "stray" not in drops(nas)


# --- forged ---

def quote(source, sport, to, dport):
    """The beginning of a datagram, as an error about it has it."""
    udp = struct.pack("!HHHH", sport, dport, 8, 0)
    if version(source) == 4:
        return raw_piece(source, to, 0, 0, udp, False)
    return struct.pack("!IHBB", 6 << 28, 8, socket.IPPROTO_UDP, 64) + b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (source, to)) + udp


def error(node, to, kind, code, about):
    """Sends an ICMP error from there, as only its administrator can."""
    message = struct.pack("!BBHI", kind, code, 0, 0) + about
    family, proto = (socket.AF_INET, socket.IPPROTO_ICMP) if version(to) == 4 else (socket.AF_INET6, socket.IPPROTO_ICMPV6)
    if version(to) == 4:
        message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    with inside(node.host):
        s = socket.socket(family, socket.SOCK_RAW, proto)
    with s:
        s.sendto(message, (to, 0))


@contextlib.contextmanager
def nodes(net):
    """A coordinator, who answers it and who would like to; these keep back themselves what is forged."""
    hub, nas, thief = net.mesh("hub", "nas", "thief")
    put(net, hub, (hub, nas, thief), "rules:\n  - {allow: udp/9000, from: hub, to: nas}\n")
    for node in (nas, thief):
        hub.ping(node.name)
        node.addresses = node.status()["self"]
    yield hub, nas, thief, lambda who: drops(who)


@contextlib.contextmanager
def devices(net):
    """The same with stock WireGuard, which keeps back nothing, so that the coordinator's node has to."""
    hub = net.node("hub")
    hub.init()
    nas, thief = (wireguard.Client(net.host(name), hub.run("client", "add", name).stdout).start() for name in ("nas", "thief"))
    try:
        put(net, hub, (hub,), "rules:\n  - {allow: udp/9000, from: hub, to: nas}\n")
        me = hub.status()["self"]["ip4"]
        for device in (nas, thief):
            wait_for("the device to be answered", lambda d=device: d.reaches(me), 20)
            device.addresses = vars(device)
        yield hub, nas, thief, lambda who: drops(hub)
    finally:
        wireguard.end(net)


@pytest.mark.parametrize("f", ["ip4", "ip6"])
@pytest.mark.parametrize("peers", [nodes, devices])
def test_forged_errors_end_nothing(net, peers, f):
    with peers(net) as (hub, nas, thief, dropped):
        forge(hub, nas, thief, dropped, f)


def forge(hub, nas, thief, dropped, f):
    serve_at(nas.host)
    there, its, me = nas.addresses[f], thief.addresses[f], hub.status()["self"][f]
    refused, redirect = (3, 5) if f == "ip4" else (1, 137)
    code = UNREACHABLE_PORT[version(me)][2]
    with udp_socket(hub.host, socket.AF_INET if f == "ip4" else socket.AF_INET6) as s:
        s.settimeout(5)
        s.connect((there, 9000))
        s.send(b"x")
        assert s.recv(100) == b"hello"
        port = s.getsockname()[1]
        real = quote(me, port, there, 9000)
        for who, kind, about, why in ((nas, refused, quote(me, port, there, 9001), "about a port that it is not"),
                                      (nas, refused, quote(me, 1, there, 9000), "about a flow that there is not"),
                                      (nas, refused, quote(its, port, there, 9000), "about somebody else's, who is told nothing"),
                                      (nas, refused, quote(there, 9000, me, port), "about what came from him himself"),
                                      (nas, refused, real[:len(real) - 8], "about nothing that has ports"),
                                      (nas, redirect, real, "a redirect"),
                                      (thief, refused, real, "from somebody who is not on the way")):
            before = dropped(who)
            error(who, me, kind, code, about)
            wait_for(f"it to be dropped: {why}", lambda w=who, b=before: sum(dropped(w).get(k, 0) - b.get(k, 0) for k in ("stray", "filtered")) == 1)
        s.send(b"x")
        assert s.recv(100) == b"hello"  # and nobody told the socket anything
        error(nas, me, refused, code, real)
        wait_for("the one that is real", lambda: s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED)
