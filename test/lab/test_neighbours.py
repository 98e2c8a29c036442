# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nodes that share a gateway: two hosts of one LAN, and two homes of one provider."""
import pytest

from lab import wait_for
from nat import KINDS
from probe import Probe
from sites import HOME, Site, public_host
from textbook import DIRECT, RELAY
from traffic import transfer
from world import API_PORT, LINE, says

PATIENCE = 10
BULK = 200_000  # bytes of TCP each way


def hub(net):
    node = net.node("hub", public_host(net, "hub", manner=LINE)).configure(api_port=API_PORT)
    node.init()
    return node


def meet(net, coordinator, hosts):
    """Two nodes that have exchanged packets, and the address of the second."""
    nodes = [net.node(name, host) for name, host in zip("ab", hosts)]
    for node in nodes:
        node.join(coordinator.token())
    address = coordinator.peer("b")["ip4"]
    probe = Probe(nodes[0].host, address, rate=20)
    try:
        wait_for("an answer", lambda: probe.answered(10), PATIENCE)
    finally:
        print(f"\n{probe.stop()}")
    return nodes, address


def endpoints(nodes):
    return [node.peer(other)["endpoint"] for node, other in zip(nodes, "ba")]


@pytest.mark.parametrize("hairpins", [False, True])
def test_two_hosts_of_one_lan_are_direct_inside_it_whether_the_gateway_hairpins_or_not(net, hairpins):
    coordinator = hub(net)
    site = Site(net, "home", KINDS["port"], hairpins=hairpins, manner=LINE)
    nodes, address = meet(net, coordinator, [site.host("a"), site.host("b")])
    wait_for("the way through the LAN", lambda: endpoints(nodes) == [f"{n.host.ip4}:51820" for n in reversed(nodes)], PATIENCE)
    transfer(nodes[0].host, nodes[1].host, address, up=BULK, down=BULK)


@pytest.mark.parametrize("hairpins", [True, False])
def test_two_homes_of_one_provider_are_direct_where_it_hairpins_and_else_have_a_relay(net, hairpins):
    coordinator = hub(net)
    provider = Site(net, "isp", KINDS["port"], hairpins=hairpins, manner=LINE)
    homes = [Site(net, f"home-{name}", HOME, behind=provider) for name in "ab"]
    nodes, address = meet(net, coordinator, [home.host(name) for home, name in zip(homes, "ab")])
    wait_for("its way", lambda: says(nodes[0], "b") == (DIRECT if hairpins else RELAY), PATIENCE)
    if hairpins:
        assert all(e.startswith(provider.outsides[0]) for e in endpoints(nodes)), endpoints(nodes)
    transfer(nodes[0].host, nodes[1].host, address, up=BULK, down=BULK)
