# SPDX-License-Identifier: AGPL-3.0-or-later
"""Who is near a router, an exit or any other member, and is none himself: he has a route that leads there, and that is all he has."""
import pytest

from lab import Host, sh, wait_for
from test_exit import _try, exit_of, first_let_in, neighbour, use
from test_routes import Lan, await_routes, call, let_all, pings, routers_of, serve


def dual(near, host):
    """Both in both families."""
    number = host.ip4.split(".")[2]
    host.ip(f"addr add {host.ip6}/64 dev br0 nodad", f"route replace default via 2001:db8:{number}::1")
    near.ip6 = f"2001:db8:{number}::50"
    near.ip(f"addr add {near.ip6}/64 dev eth0 nodad")


def leads(near, host, *networks):
    """To these by that host."""
    for n in networks:
        near.ip(f"route replace {n} via {host.ip6 if ':' in n else host.ip4}")


def mesh_with_near(net, who):
    """hub, and two nodes; somebody is near the second or the third."""
    hub = net.node("hub", net.host("hub"))
    hub.init()
    hosts = {name: net.host(name) for name in ("gate", "laptop")}
    near = neighbour(net, hosts[who])
    dual(near, hosts[who])
    nodes = []
    for name, host in hosts.items():
        nodes.append(net.node(name, host))
        nodes[-1].join(hub.token())
    return hub, *nodes, near


def test_who_is_near_an_exit_calls_nobody_in_the_mesh(net):
    hub, gate, laptop, near = mesh_with_near(net, "gate")
    outside = net.host("outside")
    for host in (outside, laptop.host, gate.host):
        serve(host)
    let_all(hub, gate, laptop)
    exit_of(hub, gate)
    use(laptop, "gate")
    for address, mine in ((outside.ip4, gate.host.ip4), (outside.ip6, gate.host.ip6)):
        wait_for("the exit", lambda a=address, m=mine: (_try(call, laptop.host, a) or [0])[0] == m)
    mesh, me = laptop.status()["mesh"], laptop.status()["self"]
    leads(near, gate.host, mesh["net4"], mesh["net6"])
    for address in (me["ip4"], me["ip6"]):
        assert _try(call, near, address) is None and not pings(near, address)
    # Who is there himself and what he hosts does: a guest that goes out with his address.
    guest = Host(net, "guest")
    sh("ip", "link", "add", "guest0", "netns", gate.host.ns, "type", "veth", "peer", "name", "eth0", "netns", guest.ns)
    gate.host.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up",
                 "link set guest0 master docker0 up")
    gate.host.sh("sysctl", "-qw", "net.ipv4.conf.docker0.forwarding=1")
    gate.host.sh("nft", "table ip docker { chain post { type nat hook postrouting priority 100; ip saddr 172.17.0.0/16 oifname != docker0 masquerade; }\n}")
    guest.ip("addr add 172.17.0.2/16 dev eth0", "link set eth0 up", "route add default via 172.17.0.1")
    assert wait_for("the guest", lambda: _try(call, guest, me["ip4"]))[0] == gate.status()["self"]["ip4"]
    assert call(laptop.host, outside.ip4, 60000)[1] > 0
    # And that neighbour does once it is a network that may call: nothing else was in his way.
    number = gate.host.ip4.split(".")[2]
    around = f"2001:db8:{number}::40/122"
    gate.run("route", "advertise", "--no-snat", around)
    hub.run("route", "approve", "gate", around)
    wait_for("the neighbour", lambda: _try(call, near, me["ip6"]))


def test_virtual_machines_at_a_bridge_keep_their_network(net):
    """With br_netfilter their frames come to the rules of who forwards."""
    hub, gate, laptop, near = mesh_with_near(net, "gate")
    router = f"198.18.{gate.host.ip4.split('.')[2]}.1"
    assert pings(near, router)
    if gate.host.sh("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1",
                    check=False).returncode:
        pytest.skip("no br_netfilter")
    lan = Lan(net, gate)
    exit_of(hub, gate)
    routers_of(hub, gate)
    await_routes(laptop, "gate")
    wait_for("the printer", lambda: pings(laptop.host, "10.77.0.9"))
    assert pings(near, router)
    assert pings(near, f"2001:db8:{router.split('.')[2]}::1")
    # Nor where such a machine goes by another's exit.
    hub.run("route", "reject", "gate", "exit")
    gate.run("exit-node", "withdraw")
    exit_of(hub, laptop)
    use(gate, "laptop", "--kill-switch")
    wait_for("the exit", lambda: "tunnelmesh-tm0-exit" in gate.host.sh("nft", "list", "tables").stdout)
    assert pings(near, router)


def test_who_is_near_reaches_nothing_else_because_a_machine_forwards_for_the_mesh(net):
    hub, gate, laptop, near = mesh_with_near(net, "gate")
    lan = Lan(net, gate)
    serve(lan.printer)
    assert gate.host.sh("sysctl", "-n", "net.ipv4.conf.br0.forwarding", "net.ipv6.conf.all.forwarding").stdout.split() == ["0", "0"]
    exit_of(hub, gate)
    routers_of(hub, gate)
    await_routes(laptop, "gate")
    leads(near, gate.host, "10.77.0.0/24", "fd77:77::/64")
    wait_for("forwarding", lambda: gate.host.sh("sysctl", "-n", "net.ipv4.conf.br0.forwarding").stdout.strip() == "1")
    for address in ("10.77.0.9", "fd77:77::9"):
        wait_for("the printer", lambda a=address: _try(call, laptop.host, a))
        assert _try(call, near, address) is None and not pings(near, address)
    # Somebody makes the machine a router for all, as Docker does.
    gate.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    gate.host.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0")
    wait_for("the printer", lambda: _try(call, near, "10.77.0.9"))


def test_a_members_addresses_in_the_mesh_are_called_by_the_tunnel_and_from_the_machine_itself(net):
    hub, gate, laptop, near = mesh_with_near(net, "laptop")
    serve(laptop.host)
    me = laptop.status()["self"]
    guest = Host(net, "guest")
    sh("ip", "link", "add", "guest0", "netns", laptop.host.ns, "type", "veth", "peer", "name", "eth0", "netns", guest.ns)
    laptop.host.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up",
                   "link set guest0 master docker0 up")
    guest.ip("addr add 172.17.0.2/16 dev eth0", "link set eth0 up", "route add default via 172.17.0.1")
    leads(near, laptop.host, f"{me['ip4']}/32", f"{me['ip6']}/128")
    for address in (me["ip4"], me["ip6"]):
        for host in (hub.host, laptop.host):
            wait_for("a member", lambda h=host, a=address: _try(call, h, a))
        assert _try(call, near, address) is None and not pings(near, address)
    assert wait_for("the guest", lambda: _try(call, guest, me["ip4"]))[0] == "172.17.0.2"
    assert call(near, laptop.host.ip4)[0] == near.ip4, "what is not the mesh's is none of our business"
    # A network that members see calls them, and the one in front of it is one.
    number = laptop.host.ip4.split(".")[2]
    laptop.run("route", "advertise", "--no-snat", f"198.18.{number}.48/28")
    hub.run("route", "approve", "laptop", f"198.18.{number}.48/28")
    assert wait_for("the network", lambda: _try(call, near, me["ip4"]))[0] == near.ip4
    laptop.down()
    assert "tunnelmesh" not in laptop.host.sh("nft", "list", "tables").stdout


def test_a_provider_whose_addresses_are_of_the_meshs_range_is_reached_beside_it_and_calls_nobody_in_it(net):
    """RFC 6598, where most meshes take theirs: somebody in the same network, and somebody behind him."""
    hub, host = net.node("hub"), net.host("laptop")
    hub.init("--net4", "100.101.0.0/16")
    near, laptop = neighbour(net, host), net.node("laptop", host)
    laptop.join(hub.token())
    me, other = laptop.status()["self"]["ip4"], hub.status()["self"]["ip4"]
    host.ip("addr add 100.64.7.1/24 dev br0", "route add 100.72.0.0/16 via 100.64.7.50")
    near.ip("addr add 100.64.7.50/24 dev eth0", "addr add 100.72.0.9/32 dev lo", f"addr add {other}/32 dev lo",
            f"route add {me}/32 via 100.64.7.1")
    serve(host)
    serve(near)
    wait_for("the mesh", lambda: _try(call, hub.host, me))
    for theirs in ("100.64.7.50", "100.72.0.9"):
        assert wait_for(f"{theirs} to be reached", lambda a=theirs: _try(call, host, a))[0] == "100.64.7.1"
    assert call(near, "100.64.7.1")[0] == "100.64.7.50"
    forged = [(source, me) for source in ("100.64.7.50", "100.72.0.9", other)]
    for theirs in ("100.64.7.50", "100.72.0.9"):
        assert first_let_in(host, near, *forged, (theirs, "100.64.7.1")) == len(forged)
    assert call(hub.host, me)[0] == other, "and the member's own come by the tunnel"
