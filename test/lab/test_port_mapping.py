# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ports mapped by a real gateway, miniupnpd, in each of its protocols."""
import pytest

import wires
from home import Home
from lab import wait_for

LEASE_MS = 8000  # half of it is the shortest time between two renewals
PROTOCOLS = ("pcp", "nat-pmp", "upnp")


def mapping(node):
    """What the node says of its gateway's mapping."""
    ports = node.status()["port_mapping"]
    return ports[0] if ports else None


def endpoint(node):
    m = mapping(node)
    return m and m["endpoint"]


def left(node):
    return mapping(node)["left_s"]


def restrict(node, protocol):
    """Only that protocol gets out of the machine: miniupnpd cannot have PCP without NAT-PMP, or the other way round."""
    others = {"pcp": ("udp dport 1900 drop", "udp dport 5351 @th,64,8 0 drop"),
              "nat-pmp": ("udp dport 1900 drop", "udp dport 5351 @th,64,8 2 drop"),
              "upnp": ("udp dport 5351 drop",)}[protocol]  # without NAT-PMP it still has PCP for IPv6
    rules = "\n".join(["type filter hook output priority 0", *others])
    node.host.sh("nft", "-f", "-", input=f"table inet only {{\nchain out {{\n{rules}\n}}\n}}\n")


class Behind:
    """A node in a home of its own, whose router speaks one protocol."""

    def __init__(self, net, number, protocol):
        self.home, self.protocol = Home(net, number), protocol
        self.node = net.node(f"node{number}", self.home.host(f"node{number}"))
        self.node.configure(test_limits={"port_lease_ms": LEASE_MS})
        restrict(self.node, protocol)
        self.start()

    def start(self):
        self.home.start(upnp=self.protocol == "upnp", natpmp=self.protocol != "upnp")

    def is_mapped(self):
        return self.home.mapped() == {51820: f"{self.node.host.ip4}:51820"}


def test_a_port_is_mapped_used_renewed_made_again_and_given_back(net):
    hub, peer = net.node("hub"), net.node("peer", Home(net, 9, symmetric=True).host("peer"))
    hub.init()
    each = [Behind(net, n, p) for n, p in enumerate(PROTOCOLS, 1)]
    peer.join(hub.token())
    for b in each:
        b.node.join(hub.token())

    for b in each:
        at = wait_for("a mapping", lambda b=b: endpoint(b.node))
        m = mapping(b.node)
        assert at == f"{b.home.outside}:51820"
        assert m["protocol"] == b.protocol and m["gateway"] == b.home.gateway and not m["nested"], m
        assert b.is_mapped()
        assert f"reached at {at}" in b.node.run("status").stdout
        # Used: a symmetric translator finds no way to one like it without.
        peer.ping(b.node.name)
        assert peer.peer(b.node.name)["endpoint"] == at

    # Renewed twice: it goes on, although no lease of it lasts so long.
    for _ in range(2):
        for b in each:
            wait_for("some of the lease to pass", lambda b=b: left(b.node) < LEASE_MS / 1000 - 2, 20)
            wait_for("a renewal", lambda b=b: left(b.node) >= LEASE_MS / 1000 - 1, 20)
            assert b.is_mapped()

    # Made again after the gateway's restart.
    for b in each:
        b.home.stop()
        assert b.home.mapped() == {}
        b.start()
    for b in each:
        wait_for("the mapping to be back", b.is_mapped, 20)
        peer.ping(b.node.name)

    # After a crash the same one is taken over, and at a clean end it is given back.
    for b in each:
        b.node.kill9()
        assert b.is_mapped()
        b.node.up()
        assert wait_for("the mapping", lambda b=b: endpoint(b.node)) == f"{b.home.outside}:51820"
        assert b.is_mapped()
        b.node.down()
        assert b.home.mapped() == {}
        assert 'no port is mapped to us any more why="it was given back"' in b.node.log()


def test_what_was_mapped_before_a_crash_is_taken_back_when_another_port_is_listened_at(net):
    hub = net.node("hub")
    hub.init()
    for number, protocol in enumerate(PROTOCOLS, 1):
        b = Behind(net, number, protocol)
        b.node.configure(test_limits={"port_lease_ms": 7200_000})
        b.node.join(hub.token())
        wait_for("a mapping", b.is_mapped)
        b.node.kill9()
        b.node.configure(listen_port=51999)
        b.node.up()
        wait_for("the old mapping to go and the new one to come", lambda b=b: b.home.mapped() == {51999: f"{b.node.host.ip4}:51999"}, 20)
        b.node.down()
        assert b.home.mapped() == {}
        with open(b.node.host.path(b.node.state + "/undo"), encoding="ascii") as journal:
            assert journal.read() == ""


def test_a_gateway_without_an_address_outside_maps_nothing_and_that_is_said(net):
    home = Home(net, 1, wan="100.64.7.2/24")  # a provider that translates as well
    hub, node = net.node("hub"), net.node("node", home.host("node"))
    hub.init()
    home.start(upnp=True, natpmp=True)
    node.join(hub.token())
    wait_for("an answer", lambda: mapping(node)["problem"])
    assert mapping(node)["endpoint"] is None and home.mapped() == {}
    assert "no port is mapped to it" in node.run("status").stdout
    assert "no port can be mapped to us" in node.log()


@pytest.mark.parametrize("protocol", ["pcp", "upnp"])
def test_the_firewall_for_ipv6_gets_a_hole_and_loses_it(net, protocol):
    home = Home(net, 1)
    hub, node = net.node("hub"), net.node("node", home.host("node"))
    home.with_ipv6(node.host)
    hub.init()
    restrict(node, protocol)
    home.start(natpmp=protocol == "pcp", upnp=protocol == "upnp")
    wires.rules(node.host, "knocks", "udp dport 51820 udp length 10 counter name hits", hook="input")

    def knock():
        before = wires.hits(node.host, "knocks")
        net.router.sh("bash", "-c", f"echo x > /dev/udp/{node.host.ip6}/51820")
        return wires.hits(node.host, "knocks") > before

    node.join(hub.token())
    ports = wait_for("both", lambda: [p for p in node.status()["port_mapping"] if p["endpoint"]][1:])
    assert ports[0]["endpoint"] == f"[{node.host.ip6}]:51820" and ports[0]["protocol"] == protocol
    wait_for("a stranger's datagram to come in", knock)
    assert "accept" in home.holes()
    node.down()
    assert "accept" not in home.holes()


def test_it_is_switched_off_and_on_while_the_node_runs(net):
    home = Home(net, 1)
    hub, node = net.node("hub"), net.node("node", home.host("node")).configure(port_mapping="no")
    hub.init()
    home.start(upnp=True, natpmp=True)
    node.join(hub.token())
    assert node.status()["port_mapping"] is None
    node.configure(port_mapping="yes").run("reload")
    wait_for("a mapping", lambda: endpoint(node))
    node.configure(port_mapping="no").run("reload")
    wait_for("nothing to be mapped", lambda: home.mapped() == {})
    assert node.status()["port_mapping"] is None


def test_two_nodes_of_one_home_get_a_port_each_and_one_that_does_not_answer_delays_no_end(net):
    home = Home(net, 1)
    hub, a, b = net.node("hub"), net.node("a", home.host("a")), net.node("b", home.host("b"))
    hub.init()
    home.start(upnp=True, natpmp=True)
    for n in (a, b):
        n.join(hub.token())
        wait_for("a mapping", lambda: endpoint(n))
    assert sorted(home.mapped().values()) == [f"{a.host.ip4}:51820", f"{b.host.ip4}:51820"]
    home.stop()
    a.down()
    assert "the gateway does not answer" in a.log()


def test_two_machines_of_one_lan_find_each_other_though_the_router_turns_nothing_round(net):
    home = Home(net, 1)
    hub, a, b = net.node("hub"), net.node("a", home.host("a")), net.node("b", home.host("b"))
    hub.init()
    for n in (a, b):
        # What containers and virtual machines leave on a machine is nobody's way to it.
        n.host.sh("ip", "link", "add", "docker0", "type", "bridge")
        n.host.sh("ip", "addr", "add", "172.17.0.1/16", "dev", "docker0")
        n.host.sh("ip", "link", "set", "docker0", "up")
        n.join(hub.token())
    a.ping("b")
    assert a.peer("b")["endpoint"] == f"{b.host.ip4}:51820"
    tried = {t["endpoint"] for t in a.json("status", "b")["tried"]}
    assert f"{b.host.ip4}:51820" in tried and "172.17.0.1:51820" not in tried
