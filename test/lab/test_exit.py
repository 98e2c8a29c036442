# SPDX-License-Identifier: AGPL-3.0-or-later
"""Another node's way to the internet: what an outside host sees, what the network around sees, and what is left of it."""
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from lab import Host, LabError, sh, wait_for
from test_routes import call, pings, serve, tables
from wiretap import inside

TUNNEL, CONTROL = (51820, 51830), 8443
PORTS_OF_GATEWAYS = {5351, 1900}  # words with the gateway about a port (PCP, UPnP)


def _try(f, *args):
    try:
        return f(*args)
    except LabError:
        return None


def is_refused(host, address):
    """Somebody said no, instead of silence."""
    try:
        call(host, address)
    except LabError as e:
        return "Error" in str(e) and "timed out" not in str(e)
    return False


def exit_of(hub, node):
    node.run("exit-node", "offer")
    hub.run("route", "approve", node.name, "exit")


def use(node, name, *args):
    wait_for("the exit to be known", lambda: node.run("exit-node", "use", name, *args, check=False).returncode == 0)


def mesh_with_exit(net):
    """hub, exit, laptop; and a host of the internet."""
    hub, gate, laptop = net.mesh("hub", "gate", "laptop")
    outside = net.host("outside")
    serve(outside)
    exit_of(hub, gate)
    wait_for("the outside", lambda: _try(call, laptop.host, outside.ip4))
    return hub, gate, laptop, outside


class Wire:
    """What leaves a host by an interface and is neither the tunnel, from the daemon's ports to members', nor the control
    link to the coordinator, nor what keeps the link itself going."""

    def __init__(self, host, *members, dev="eth0"):
        self.members = {getattr(m.host, f) for m in members for f in ("ip4", "ip6")}
        with inside(host):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.s.bind((dev, 3))
        self.s.settimeout(0.2)
        self.seen, self.over = [], False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _is_ours(self, proto, to, ports):
        if proto == 17:
            return ports[1] in PORTS_OF_GATEWAYS or ports[0] in TUNNEL and ports[1] in TUNNEL and to in self.members
        return proto == 6 and ports[1] == CONTROL and to in self.members

    def _read(self):
        while not self.over:
            try:
                p, (_, kind, how, *_) = self.s.recvfrom(2048)
            except TimeoutError:
                continue
            if how != socket.PACKET_OUTGOING or kind not in (0x0800, 0x86DD):
                continue
            if kind == 0x0800:
                proto, body, to = p[9], p[(p[0] & 15) * 4:], socket.inet_ntop(socket.AF_INET, p[16:20])
            else:
                proto, body, to = p[6], p[40:], socket.inet_ntop(socket.AF_INET6, p[24:40])
            if proto == 2 or proto == 0 or (proto == 58 and body[0] in (133, 134, 135, 136, 143)):
                continue  # groups and neighbours on the link
            ports = struct.unpack("!HH", body[:4]) if proto in (6, 17) else None
            if not self._is_ours(proto, to, ports):
                self.seen.append((to, proto, ports))

    def stop(self):
        self.over = True
        self.thread.join()
        self.s.close()
        return self.seen


def test_the_outside_sees_the_exits_addresses_and_the_wire_nothing_but_the_tunnel(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    use(laptop, "gate")
    wait_for("the outside by IPv4", lambda: _try(call, laptop.host, outside.ip4))
    wait_for("the outside by IPv6", lambda: _try(call, laptop.host, outside.ip6))
    wire = Wire(laptop.host, hub, gate)
    try:
        for address, mine in ((outside.ip4, gate.host.ip4), (outside.ip6, gate.host.ip6)):
            assert call(laptop.host, address)[0] == mine
            assert call(laptop.host, address, 60000)[1] > 0
            assert pings(laptop.host, address)
        hub.down()  # and nothing changes while the coordinator is away
        hub.up()
        assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
        gate.down()  # nor while the exit is: then nothing leaves
        assert not pings(laptop.host, outside.ip4) and _try(call, laptop.host, outside.ip6) is None
        gate.up()
        wait_for("the exit to be back", lambda: pings(laptop.host, outside.ip4), 20)
    finally:
        seen = wire.stop()
    assert not seen
    assert "goes through gate" in laptop.run("status").stdout

    laptop.run("exit-node", "off")
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert "8484" not in laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    assert not laptop.host.sh("ip", "route", "show", "table", 8484, check=False).stdout


def test_without_ipv6_at_the_exit_there_is_none(net):
    hub, gate, laptop = net.mesh("hub", "gate", "laptop")
    outside = net.host("outside")
    serve(outside)
    gate.host.sh("ip", "-6", "route", "del", "default")
    exit_of(hub, gate)
    use(laptop, "gate")
    wait_for("the outside", lambda: _try(call, laptop.host, outside.ip4))
    assert laptop.status()["routing"]["exit"] | {"id": 0} == {
        "id": 0, "name": "gate", "ip4": True, "ip6": False, "allow_lan": False, "kill_switch": False, "paused_s": 0, "trouble": None}
    assert is_refused(laptop.host, outside.ip6)


def test_nothing_passes_while_the_laptop_roams(net):
    """Another network, a moment with none, and one whose server hands out routes: the exit is found again by itself."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    wire = Wire(laptop.host, hub, gate)
    talking = laptop.host.spawn("ping", "-n", "-i", "0.05", outside.ip4)
    six = laptop.host.spawn("ping", "-6", "-n", "-i", "0.05", outside.ip6)
    try:
        laptop.host.move()
        wait_for("the exit from the other address", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
        gateway = laptop.host.sh("ip", "-o", "route", "show", "default").stdout.split()[2]
        gateway6 = laptop.host.sh("ip", "-6", "-o", "route", "show", "default").stdout.split()[2]
        laptop.host.ip("route del default", f"route del ::/0 via {gateway6}")
        wait_for("the silence", lambda: not pings(laptop.host, outside.ip4))
        assert not pings(laptop.host, gateway), "nor is the network around open meanwhile"
        laptop.host.ip(f"route add 128.0.0.0/1 via {gateway} dev eth0", f"route add 0.0.0.0/1 via {gateway} dev eth0",
                       f"route add default via {gateway} dev eth0", f"route add ::/0 via {gateway6} dev eth0")
        wait_for("the exit again", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
        wait_for("and by IPv6", lambda: (_try(call, laptop.host, outside.ip6) or [0])[0] == gate.host.ip6, 20)
    finally:
        seen = wire.stop()
        talking.terminate()
        six.terminate()
    assert not seen


@pytest.mark.parametrize("family", [4, 6])
def test_an_exit_whose_network_has_one_family_alone(net, family):
    hub, gate, laptop, outside = mesh_with_exit(net)
    for host in (gate.host, laptop.host):
        host.sh("ip", "-6" if family == 4 else "-4", "route", "del", "default")
    wait_for("the offer to follow", lambda: hub.json("route", "list")["routes"] and all(
        r["ip6" if family == 4 else "ip4"] is False for r in hub.json("route", "list")["routes"] if r["net"] == "exit"), 20)
    use(laptop, "gate")
    there, not_there = (outside.ip4, outside.ip6) if family == 4 else (outside.ip6, outside.ip4)
    seen_as = gate.host.ip4 if family == 4 else gate.host.ip6
    wire = Wire(laptop.host, hub, gate)
    try:
        wait_for("the exit", lambda: (_try(call, laptop.host, there) or [0])[0] == seen_as, 20)
        assert is_refused(laptop.host, not_there)
    finally:
        seen = wire.stop()
    assert not seen


def test_it_leads_to_the_internet_and_not_into_the_exits_own_home(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    printer = Host(net, "printer")
    sh("ip", "link", "add", "home0", "netns", gate.host.ns, "type", "veth", "peer", "name", "eth0", "netns", printer.ns)
    gate.host.ip("addr add 2001:db8:99::1/64 dev home0 nodad", "addr add 203.0.113.1/24 dev home0", "link set home0 up")
    printer.ip("addr add 2001:db8:99::9/64 dev eth0 nodad", "addr add 203.0.113.9/24 dev eth0", "link set eth0 up",
               "route add default via 203.0.113.1", "route add default via 2001:db8:99::1")
    serve(printer)
    serve(gate.host)
    use(laptop, "gate")
    wait_for("the outside by IPv6", lambda: (_try(call, laptop.host, outside.ip6) or [0])[0] == gate.host.ip6)
    wait_for("the exit itself", lambda: _try(call, laptop.host, gate.status()["self"]["ip4"]))
    for address in ("2001:db8:99::9", "203.0.113.9", gate.host.ip4, gate.host.ip6, "203.0.113.1"):
        wait_for(f"{address} to be refused", lambda a=address: _try(call, laptop.host, a) is None)
        assert not pings(laptop.host, address)
    assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
    # By name it is reached.
    gate.run("route", "advertise", "203.0.113.0/24")
    hub.run("route", "approve", "gate", "203.0.113.0/24")
    wait_for("the printer", lambda: _try(call, laptop.host, "203.0.113.9"))


def test_a_pause_is_one_and_ends(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.run("exit-node", "pause", "1h")
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    laptop.run("exit-node", "pause", "1s")
    wait_for("the end of the pause", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)


MARKED = """
import socket, sys
to, port, mark = sys.argv[1], int(sys.argv[2]), int(sys.argv[3], 0)
s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 36, mark)
s.settimeout(5)
try:
    s.sendto(b"of another tunnel", (to, port))
    print(s.recv(100).decode())
except OSError as e:
    print(e.errno)
"""


def other_vpn(host):
    for family in ("-4", "-6"):
        host.sh("ip", family, "rule", "add", "pref", 5210, "fwmark", "0x80000/0xff0000", "lookup", "main")


def test_another_vpn_goes_on_beside_it_and_opens_nothing(net):
    """As Tailscale has it: a mark of its sockets, and a rule ahead of everything that leads it out."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    far = outside.spawn("/usr/bin/python3", "-c", RESOLVER.replace("53", "41641"), stdout=subprocess.PIPE)
    assert far.stdout.readline() == b"bound\n"
    other_vpn(laptop.host)
    use(laptop, "gate", "--kill-switch")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)

    def marked(to, mark="0x80000"):
        return laptop.host.sh("python3", "-c", MARKED, to, 41641, mark, timeout=20).stdout.strip()

    for to, mine in ((outside.ip4, f"::ffff:{laptop.host.ip4}"), (outside.ip6, laptop.host.ip6)):
        assert marked(to) == f"asked from {mine}"
    assert marked(outside.ip4, mark="0x40000") == f"asked from ::ffff:{gate.host.ip4}", "of another mark: as everybody"
    wire = Wire(laptop.host, hub, gate)
    try:
        # A firewall that writes that mark to everybody's packets, as those do that spread a load, leads nobody out.
        laptop.host.sh("nft", "table inet theirs { chain out { type route hook output priority mangle; meta mark set 0x80000; }; }")
        assert _try(call, laptop.host, outside.ip4) is None and _try(call, laptop.host, outside.ip6) is None
        laptop.host.sh("nft", "delete table inet theirs")
        assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
    finally:
        seen = wire.stop()
    assert not seen
    laptop.kill9()
    assert marked(outside.ip4) == f"asked from ::ffff:{laptop.host.ip4}", "nor does what holds everything back end the other VPN"
    assert _try(call, laptop.host, outside.ip4) is None


def test_strict_filters_and_callers_from_outside_are_served(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    gate.host.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1")
    before = laptop.host.sh("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout
    laptop.host.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1")
    serve(laptop.host)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    net.router.ip("neigh flush all")  # who asks for the machine's hardware is answered, too
    # Whoever calls this machine's own address is answered from there.
    assert call(outside, laptop.host.ip4)[0] == outside.ip4
    assert call(outside, laptop.host.ip6)[0] == outside.ip6
    laptop.run("exit-node", "off")
    wait_for("the setting to be as before",
             lambda: laptop.host.sh("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout == before)


def neighbour(net, host):
    """A second host in the same network as this one: behind a switch of its own interface's."""
    n = Host(net, "neighbour")
    sh("ip", "link", "add", "near", "netns", host.ns, "type", "veth", "peer", "name", "eth0", "netns", n.ns)
    number = host.ip4.split(".")[2]
    host.ip("link add br0 type bridge", "link set near master br0 up", "link set eth0 master br0", "link set br0 up",
            "addr flush dev eth0", f"addr add {host.ip4}/24 dev br0", f"route add default via 198.18.{number}.1")
    host.bridges_only()
    n.ip(f"addr add 198.18.{number}.50/24 dev eth0", "link set eth0 up")
    n.ip4 = f"198.18.{number}.50"
    return n


def test_the_network_around_is_reached_only_if_that_is_allowed(net):
    hub, gate = net.mesh("hub", "gate")
    outside, host = net.host("outside"), net.host("laptop")
    near = neighbour(net, host)
    laptop = net.node("laptop", host)
    laptop.join(hub.token())
    serve(outside)
    serve(near)
    exit_of(hub, gate)
    wait_for("the neighbour", lambda: _try(call, laptop.host, near.ip4))
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    wire = Wire(laptop.host, hub, gate, dev="br0")
    _try(call, laptop.host, near.ip4)
    seen = wire.stop()
    assert not seen, "not on this wire"
    use(laptop, "gate", "--allow-lan")
    wait_for("the neighbour, directly", lambda: (_try(call, laptop.host, near.ip4) or [0])[0] == host.ip4)
    assert call(laptop.host, outside.ip4)[0] == gate.host.ip4


SEND = """
import socket, struct, sys
to, dev, how, wait = *sys.argv[1:4], sys.argv[4:]
family = socket.AF_INET6 if ":" in to else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
index = socket.if_nametoindex(dev)
if how == "device":
    s.setsockopt(socket.SOL_SOCKET, 25, dev.encode())
elif how == "unicast_if" and family == socket.AF_INET:
    s.setsockopt(socket.IPPROTO_IP, 50, struct.pack("!I", index))
elif how == "unicast_if":
    s.setsockopt(socket.IPPROTO_IPV6, 76, struct.pack("!I", index))
s.settimeout(5)
try:
    if how == "tcp":
        s = socket.create_connection((to, 53), timeout=5)
        s.sendall(b"who is this?")
    elif how == "pktinfo" and family == socket.AF_INET:
        s.sendmsg([b"who is this?"], [(socket.IPPROTO_IP, 8, struct.pack("@I4s4s", index, b"", b""))], 0, (to, 53))
    elif how == "pktinfo":
        s.sendmsg([b"who is this?"], [(socket.IPPROTO_IPV6, 50, struct.pack("@16sI", b"", index))], 0, (to, 53))
    else:
        s.sendto(b"who is this?", (to, 53))
    if wait:
        print(s.recv(100).decode())
except OSError as e:
    print(e.errno)
"""


def test_neither_sockets_nor_routes_lead_past_it(net):
    """As systemd-resolved asks the network's server, and as a network that is not honest hands out routes."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    router = laptop.host.ip4.rsplit(".", 1)[0] + ".1"
    near = laptop.host.ip4.rsplit(".", 1)[0] + ".99"
    ways = [(to, how) for to in (outside.ip4, outside.ip6, router, near, "8.8.8.8") for how in ("device", "unicast_if", "pktinfo")]

    def all_ways():
        for to, how in ways:
            laptop.host.sh("python3", "-c", SEND, to, "eth0", how)
        for to in ("130.1.2.3", "203.0.113.99", outside.ip4):
            laptop.host.sh("python3", "-c", SEND, to, "eth0", "plain")

    before = Wire(laptop.host, hub, gate)
    all_ways()
    assert {to for to, _, _ in before.stop()} >= {outside.ip4, outside.ip6, router}
    use(laptop, "gate", "--kill-switch")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    wire = Wire(laptop.host, hub, gate)
    try:
        laptop.host.ip(f"route add 128.0.0.0/2 via {router} dev eth0", f"route add {outside.ip4}/32 via {router} dev eth0",
                       "route add 203.0.113.0/24 dev eth0")
        all_ways()
        assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
        laptop.kill9()
        all_ways()
    finally:
        seen = wire.stop()
    assert not seen
    laptop.run("exit-node", "off")
    after = Wire(laptop.host, hub, gate)
    all_ways()
    assert {to for to, _, _ in after.stop()} >= {outside.ip4, outside.ip6, router}
    assert not tables(laptop.host)  # that of a node that runs went with it


RESOLVER = """
import socket, threading
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind(("::", 53))
t = socket.create_server(("::", 53), family=socket.AF_INET6, dualstack_ipv6=True)
def tcp():
    while True:
        c, who = t.accept()
        c.recv(100)
        c.sendall(b"asked from " + who[0].encode())
        c.close()
threading.Thread(target=tcp, daemon=True).start()
print("bound", flush=True)
while True:
    _, who = u.recvfrom(100)
    u.sendto(b"asked from " + who[0].encode(), who)
"""


def test_names_are_asked_of_the_exits_resolver_whoever_asks_and_whomever(net):
    """A resolver of the network around, one that a socket is bound to as systemd-resolved does, one of both families."""
    hub, gate, laptop = net.node("hub"), net.node("gate"), net.node("laptop")
    outside = net.host("outside")
    resolver = outside.spawn("/usr/bin/python3", "-c", RESOLVER, stdout=subprocess.PIPE)
    assert resolver.stdout.readline() == b"bound\n"
    conf = f"{gate.state}.resolv.conf"
    with open(conf, "w", encoding="ascii") as f:
        f.write(f"nameserver 127.0.0.1\nnameserver {outside.ip4}\nnameserver {outside.ip6}\n")
    gate.host.private_mounts(f"mount --bind {conf} /etc/resolv.conf")
    hub.init()
    for node in (gate, laptop):
        node.join(hub.token())
    exit_of(hub, gate)
    use(laptop, "gate")
    router = laptop.host.ip4.rsplit(".", 1)[0] + ".1"

    def ask(to, how):
        return laptop.host.sh("python3", "-c", SEND, to, "eth0", how, "wait", timeout=20).stdout.strip()

    by4, by6 = f"asked from ::ffff:{gate.host.ip4}", f"asked from {gate.host.ip6}"
    wait_for("the resolver of the exit", lambda: ask("192.168.7.1", "plain") == by4)
    wait_for("and by IPv6", lambda: ask("fd99::1", "plain") == by6)
    wire = Wire(laptop.host, hub, gate)
    try:
        for to, how, wanted in (("192.168.7.1", "tcp", by4), ("10.0.0.1", "plain", by4), (router, "unicast_if", by4), (router, "pktinfo", by4),
                                ("9.9.9.9", "unicast_if", by4), ("fd99::1", "tcp", by6), ("2001:db8::53", "unicast_if", by6),
                                (outside.ip4, "plain", by4)):
            assert ask(to, how) == wanted, (to, how)
        assert ask("fe80::1", "unicast_if").isdigit(), "refused, so that another one is asked"
        assert "asked" not in ask(router, "device"), "nor does it reach the one that it named"
        # Nor do those of another VPN, which may be the one that all programs here ask.
        other_vpn(laptop.host)
        for to, wanted in (("192.168.7.1", by4), (router, by4), (outside.ip4, by4), (outside.ip6, by6)):
            marked = lambda to=to: laptop.host.sh("python3", "-c", MARKED, to, 53, "0x80000", timeout=20).stdout.strip()
            wait_for(f"the mark to be known, for {to}", lambda: marked() == wanted)
        # A server in the internet that somebody has chosen is asked itself.
        assert "asked" not in ask("203.0.113.53", "tcp")
    finally:
        seen = wire.stop()
    assert not seen
    # A network behind a member has its own, and so has the mesh.
    me = laptop.status()["self"]["ip4"]
    assert "asked" not in ask(me, "tcp")
    laptop.run("exit-node", "off")
    assert "asked" not in ask("192.168.7.1", "tcp")


def test_a_published_port_of_a_container_is_answered_from_where_it_was_called(net):
    """As Docker does it, by destination NAT to a bridge."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    guest = Host(net, "guest")
    laptop.host.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up")
    sh("ip", "link", "add", "veth0", "netns", laptop.host.ns, "type", "veth", "peer", "name", "eth0", "netns", guest.ns)
    laptop.host.ip("link set veth0 master docker0 up")
    guest.ip("addr add 172.17.0.2/16 dev eth0", "link set eth0 up", "route add default via 172.17.0.1")
    serve(guest)
    laptop.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    laptop.host.sh("nft", "-f", "-", input=(
        "table ip docker {\n chain pre { type nat hook prerouting priority -100; iifname != docker0 tcp dport 7777 dnat to 172.17.0.2:7777; }\n"
        " chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }\n}\n"))
    assert wait_for("the container", lambda: _try(call, outside, laptop.host.ip4))[0] == outside.ip4
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    assert call(outside, laptop.host.ip4)[0] == outside.ip4
    assert call(outside, laptop.host.ip4, 60000)[1] > 0
    # The container itself goes out by the exit, and this machine reaches it.
    assert call(guest, outside.ip4)[0] == gate.host.ip4
    assert call(laptop.host, "172.17.0.2")[0] == "172.17.0.1"


def first_let_in(host, near, *ends):
    """Somebody near sends a datagram from each first to each second address: which of them a program gets as its first. What is
    let in and comes later arrived by the same wire."""
    with inside(host):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.bind(("", 9999))
        s.settimeout(5)
        near.sh("python3", "-c", "import socket,sys\nfor i in range(0,len(sys.argv)-1,2):\n"
                " s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n s.bind((sys.argv[i+1],443))\n"
                " s.sendto(str(i//2).encode(),(sys.argv[i+2],9999))\n s.close()\n", *(e for pair in ends for e in pair))
        return int(s.recv(100))


def test_who_is_near_cannot_call_the_tunnels_address_past_the_tunnel(net):
    hub, gate = net.mesh("hub", "gate")
    outside, host = net.host("outside"), net.host("laptop")
    near = neighbour(net, host)
    laptop = net.node("laptop", host)
    laptop.join(hub.token())
    serve(outside)
    exit_of(hub, gate)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.host.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.br0.rp_filter=1")
    me = laptop.status()["self"]["ip4"]
    near.ip(f"route add {me}/32 via {host.ip4}", f"addr add {outside.ip4}/32 dev lo")
    assert first_let_in(host, near, (outside.ip4, me), (outside.ip4, host.ip4)) == 1


def test_what_a_manager_takes_away_comes_back(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    for command in (["ip", "rule", "del", "pref", 5382], ["ip", "-6", "rule", "del", "pref", 5382],
                    ["ip", "route", "flush", "table", 8484]):
        laptop.host.sh(*command)
        wait_for("the exit again", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4
                 and (_try(call, laptop.host, outside.ip6) or [0])[0] == gate.host.ip6)


def test_an_exit_that_is_taken_back_holds_everything_and_says_so(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    hub.run("route", "reject", "gate", "exit")
    wait_for("the sentence", lambda: "not approved" in (laptop.status()["routing"]["exit"]["trouble"] or ""))
    assert _try(call, laptop.host, outside.ip4) is None
    assert laptop.peer("hub")["path"] == "direct" and laptop.status()["link"]["up"]
    laptop.run("exit-node", "off")
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4


def test_mistakes_are_told_in_one_sentence(net):
    hub, gate, laptop = net.mesh("hub", "gate", "laptop")
    for name, said in (("nobody", "no node"), ("laptop", "its own exit"), ("gate", "does not offer")):
        r = laptop.run("exit-node", "use", name, check=False)
        assert r.returncode == 1 and said in r.stderr, r.stderr
    gate.run("exit-node", "offer")
    wait_for("the offer to be known", lambda: "not approved" in laptop.run("exit-node", "use", "gate", check=False).stderr)
    assert laptop.run("exit-node", "pause", "5m", check=False).returncode == 1
    assert laptop.run("exit-node", "pause", "soon", check=False).returncode == 2
    assert laptop.run("exit-node", "off").stdout


def test_with_dockers_own_rules_containers_go_through_it_and_published_ports_are_answered(net):
    """The real daemon, whose chains drop what they do not know; a namespace at its bridge is the container."""
    if not shutil.which("dockerd"):
        pytest.skip("Docker is not installed")
    hub, gate, laptop, outside = mesh_with_exit(net)
    own = os.path.join(net.dir, "docker")  # sockets below it have room for 108 bytes of path, and in tmp_path not always
    docker = laptop.host.spawn("unshare", "--mount", "dockerd", "--data-root", f"{own}/data", "--exec-root", f"{own}/exec",
                               "-p", f"{own}/pid", "-H", f"unix://{own}/docker.sock",
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for("Docker's bridge", lambda: "172.17.0.1" in laptop.host.sh("ip", "-4", "-o", "addr", "show", "docker0", check=False).stdout
                 and laptop.host.sh("iptables", "-t", "nat", "-S", "DOCKER", check=False).returncode == 0, 40)
        guest = Host(net, "guest")
        sh("ip", "link", "add", "veth0", "netns", laptop.host.ns, "type", "veth", "peer", "name", "eth0", "netns", guest.ns)
        laptop.host.ip("link set veth0 master docker0 up")
        guest.ip("addr add 172.17.0.2/16 dev eth0", "link set eth0 up", "route add default via 172.17.0.1")
        serve(guest)
        # As `docker run -p 7777:7777` says it.
        for rule in ("-t nat -A DOCKER ! -i docker0 -p tcp --dport 7777 -j DNAT --to-destination 172.17.0.2:7777",
                     "-t filter -A DOCKER ! -i docker0 -o docker0 -d 172.17.0.2 -p tcp --dport 7777 -j ACCEPT"):
            laptop.host.sh("iptables", *rule.split())
        assert wait_for("the container", lambda: _try(call, outside, laptop.host.ip4))[0] == outside.ip4
        use(laptop, "gate")
        wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
        wire = Wire(laptop.host, hub, gate)
        try:
            assert wait_for("the exit for the container", lambda: _try(call, guest, outside.ip4))[0] == gate.host.ip4
        finally:
            seen = wire.stop()
        assert not seen
        assert call(outside, laptop.host.ip4)[0] == outside.ip4
    finally:
        docker.send_signal(signal.SIGTERM)
        docker.wait(30)
