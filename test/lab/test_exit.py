# SPDX-License-Identifier: AGPL-3.0-or-later
"""Another node's way to the internet: what an outside host sees, what the network around sees, and what is left of it."""
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

from lab import Host, LabError, sh, wait_for
from test_routes import call, pings, serve
from wiretap import inside

# The tunnel, STUN, the control link; and the words with the gateway about a port (PCP, UPnP).
OURS = {51820, 51830, 8443, 5351, 1900}


def _try(f, *args):
    try:
        return f(*args)
    except LabError:
        return None


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
    """Counts what leaves a host by an interface and is no message of the tunnel's nor the control link."""

    def __init__(self, host, dev="eth0"):
        with inside(host):
            self.s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.s.bind((dev, 3))
        self.s.settimeout(0.2)
        self.seen, self.over = [], False
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        while not self.over:
            try:
                p, (_, proto, kind, *_) = self.s.recvfrom(2048)
            except TimeoutError:
                continue
            if kind != socket.PACKET_OUTGOING:
                continue
            if proto == 0x0800 and p[9] == 2:
                continue  # groups on the link (IGMP)
            if proto == 0x0800 and p[9] in (6, 17):
                head = (p[0] & 15) * 4
                ports, to = struct.unpack("!HH", p[head:head + 4]), socket.inet_ntop(socket.AF_INET, p[16:20])
            elif proto == 0x86DD and p[6] in (6, 17):
                ports, to = struct.unpack("!HH", p[40:44]), socket.inet_ntop(socket.AF_INET6, p[24:40])
            elif proto == 0x86DD and p[6] == 58 and p[40] in (133, 134, 135, 136, 143):
                continue  # neighbours
            elif proto == 0x86DD and p[6] == 0:
                continue  # groups on the link (MLD)
            elif proto in (0x0800, 0x86DD):
                ports, to = None, p[16:20].hex()
            else:
                continue
            if ports is None or not OURS & set(ports):
                self.seen.append((to, ports))

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
    wire = Wire(laptop.host)
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
    begun = time.monotonic()
    assert _try(call, laptop.host, outside.ip6) is None and time.monotonic() - begun < 3, "refused at once, not lost"


def test_a_pause_is_one_and_ends(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.run("exit-node", "pause", "2s")
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    wait_for("the end of the pause", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)


@pytest.mark.parametrize("kill", [False, True])
def test_after_a_crash_all_is_as_it_was_or_all_is_held_back(net, kill):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.kill9()
    if not kill:
        assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
        assert call(laptop.host, outside.ip6)[0] == laptop.host.ip6
    else:
        assert _try(call, laptop.host, outside.ip4) is None and _try(call, laptop.host, outside.ip6) is None
    laptop.up()  # which uses it again
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
    laptop.kill9()
    assert "exit node" in laptop.run("exit-node", "off").stdout  # without a daemon
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert "8484" not in laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    laptop.up()
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    laptop.down()  # on purpose: nothing stays
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4


@pytest.mark.parametrize("kill", [False, True], ids=["plain", "kill-switch"])
def test_what_a_crash_has_left_cleanup_and_leave_take_away(net, kill):
    """The one but for what a kill switch is for, the other all of it: the next mesh begins with an open way."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    rules = lambda: laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    valid_mark = lambda: laptop.host.sh("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout
    clean, before = rules(), valid_mark()
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.kill9()
    assert "removed what a killed tunnelmesh left" in laptop.run("down", "--cleanup").stdout
    assert valid_mark() == before
    if kill:
        assert rules() != clean and _try(call, laptop.host, outside.ip4) is None
    else:
        assert rules() == clean and call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    laptop.run("leave", "--yes", check=False)
    assert rules() == clean and call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert not os.path.exists(laptop.state)


def test_strict_filters_and_callers_from_outside_are_served(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    before = laptop.host.sh("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout
    laptop.host.sh("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1")
    serve(laptop.host)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
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
    wire = Wire(laptop.host, "br0")
    _try(call, laptop.host, near.ip4)
    assert not wire.stop(), "not on this wire"
    use(laptop, "gate", "--allow-lan")
    wait_for("the neighbour, directly", lambda: (_try(call, laptop.host, near.ip4) or [0])[0] == host.ip4)
    assert call(laptop.host, outside.ip4)[0] == gate.host.ip4


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
