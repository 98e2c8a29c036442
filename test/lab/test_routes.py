# SPDX-License-Identifier: AGPL-3.0-or-later
"""Networks behind nodes: a LAN that no member is in but its routers, and a host there that knows nothing of the mesh."""
import json
import os
import statistics
import threading
import time

import pytest

from lab import Host, LabError, sh, wait_for

NET = "10.77.0.0/24"
NET6 = "fd77:77::/64"


class Lan:
    """A switch, a host on it that answers, and routers that have an interface there."""

    def __init__(self, net, *routers, default=True):
        self.switch, self.printer = Host(net, "switch"), Host(net, "printer")
        self.switch.bridges_only()
        self.switch.ip("link add br0 type bridge", "link set br0 up")
        self.attach(self.printer, "eth0", 9)
        for i, router in enumerate(routers):
            self.attach(router.host, "lan0", i + 1)
        if default:
            self.printer.ip("route add default via 10.77.0.1", "route add default via fd77:77::1")

    def attach(self, host, dev, last):
        port = f"p{last}"
        sh("ip", "link", "add", port, "netns", self.switch.ns, "type", "veth", "peer", "name", dev, "netns", host.ns)
        self.switch.ip(f"link set {port} master br0 up")
        host.ip(f"addr add 10.77.0.{last}/24 dev {dev}", f"addr add fd77:77::{last}/64 dev {dev} nodad", f"link set {dev} up")


def routers_of(hub, *nodes, args=(), nets=(NET, NET6)):
    for node in nodes:
        node.run("route", "advertise", *nets, *args)
        for n in nets:
            hub.run("route", "approve", node.name, n)


def let_all(hub, *nodes):
    """Else the policy keeps back what is to be kept back by something else."""
    hub.run("filter", "add", "allow", "any", "--from", "any", "--to", "members")
    now = hub.json("filter", "list")["version"]
    for node in (hub, *nodes):
        wait_for(f"{node.name} to put it in force", lambda n=node: n.status()["policy"]["in_force"] == now)


def networks(node):
    return {r["net"]: r for r in node.status()["routing"]["networks"]}


def await_routes(node, via, nets=(NET, NET6)):
    wait_for(f"{node.name} to know the way to {nets}", lambda: all(
        networks(node).get(n, {}).get("reached") and networks(node)[n]["via"] == via for n in nets))


def tables(host):
    """Of nftables."""
    return {line.split()[-1] for line in host.sh("nft", "list", "tables").stdout.splitlines()}


def pings(host, address, *args):
    return host.sh("ping", "-c", 1, "-W", 1, *args, address, check=False).returncode == 0


def serve(host, family="-4"):
    """A TCP server that says from where it is called. One that is cut off in the middle keeps nobody else waiting."""
    code = ("import socket,threading\n"
            "s=socket.create_server(('::',7777),family=socket.AF_INET6,dualstack_ipv6=True)\n"
            "def answer(c,a):\n"
            " with c:\n"
            "  d=c.recv(1<<20)\n"
            "  c.sendall(b'y'*int(d[5:]) if d[:5]==b'fetch' else a[0].encode()+b' '+str(len(d)).encode())\n"
            "while True:\n"
            " threading.Thread(target=answer,args=s.accept(),daemon=True).start()\n")
    host.spawn("python3", "-c", code)


def call(host, address, size=10):
    """(how it was seen, how much arrived)"""
    code = ("import socket,sys\n"
            "c=socket.create_connection((sys.argv[1],7777),timeout=5)\n"
            "c.sendall(b'x'*int(sys.argv[2]))\n"
            "print(c.recv(1000).decode())\n")
    who, n = host.sh("python3", "-c", code, address, size).stdout.split()
    return who.replace("::ffff:", ""), int(n)


def fetch(host, address, size):
    """How much came of what was asked for."""
    code = ("import socket,sys\n"
            "c=socket.create_connection((sys.argv[1],7777),timeout=5)\n"
            "c.sendall(b'fetch'+sys.argv[2].encode())\n"
            "print(sum(iter(lambda: len(c.recv(1<<20)), 0)))\n")
    return int(host.sh("python3", "-c", code, address, size).stdout)


def test_members_reach_a_network_behind_a_node_and_it_sees_the_router(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    lan = Lan(net, nas, default=False)
    before = nas.host.sh("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").stdout
    assert not pings(laptop.host, "10.77.0.9")
    routers_of(hub, nas)
    await_routes(laptop, "nas")
    serve(lan.printer)
    for address in ("10.77.0.9", "fd77:77::9"):
        wait_for(f"{address} to answer", lambda a=address: pings(laptop.host, a))
    # Without a route back to the mesh, it answers what comes from the router's own address.
    assert wait_for("the server", lambda: _try(call, laptop.host, "10.77.0.9"))[0] == "10.77.0.1"
    assert call(laptop.host, "fd77:77::9", 1000)[0] == "fd77:77::1"
    # What all share is as it was.
    assert nas.host.sh("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").stdout == before

    # Withdrawn, it is gone for all, and the router's host is as it was.
    nas.run("route", "withdraw", NET, NET6)
    wait_for("the network to go", lambda: not networks(laptop))
    assert not laptop.host.sh("ip", "route", "show", "proto", 84).stdout
    wait_for("forwarding to end", lambda: nas.host.sh("sysctl", "-n", "net.ipv4.conf.lan0.forwarding").stdout.strip() == "0")
    assert tables(nas.host) == {"tunnelmesh-tm0-own"}  # which all members have
    assert not pings(laptop.host, "10.77.0.9")


def test_a_network_whose_members_are_not_to_be_seen_calls_nobody(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    lan = Lan(net, nas)
    serve(laptop.host)
    serve(lan.printer)
    let_all(hub, nas, laptop)
    routers_of(hub, nas)
    await_routes(laptop, "nas")
    wait_for("the server", lambda: _try(call, laptop.host, "10.77.0.9"))
    me = laptop.status()["self"]
    for address in (me["ip4"], me["ip6"]):
        assert _try(call, lan.printer, address) is None and not pings(lan.printer, address)
    assert call(laptop.host, "fd77:77::9", 60000)[1] > 0


def _try(f, *args):
    try:
        return f(*args)
    except LabError:
        return None


def test_without_snat_the_network_sees_the_members_and_may_call_them(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    lan = Lan(net, nas)
    routers_of(hub, nas, args=["--no-snat"])
    hub.run("filter", "add", "allow", "any", "--from", "route:10.77.0.0/24,route:fd77:77::/64", "--to", "members")
    await_routes(laptop, "nas")
    serve(lan.printer)
    serve(laptop.host)
    me = laptop.status()["self"]
    assert wait_for("the server", lambda: _try(call, laptop.host, "10.77.0.9"))[0] == me["ip4"]
    assert wait_for("the member", lambda: _try(call, lan.printer, me["ip4"]))[0] == "10.77.0.9"
    assert wait_for("the member", lambda: _try(call, lan.printer, me["ip6"]))[0] == "fd77:77::9"


def test_segments_fit_the_tunnel_both_ways(net):
    """Those of a container of a member, too: neither end of its connection has the tunnel's interface."""
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    lan, guest = Lan(net, nas), Host(net, "guest")
    sh("ip", "link", "add", "guest0", "netns", laptop.host.ns, "type", "veth", "peer", "name", "eth0", "netns", guest.ns)
    laptop.host.ip("addr add 172.17.0.1/16 dev guest0", "addr add fd17::1/64 dev guest0 nodad", "link set guest0 up")
    laptop.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    laptop.host.sh("nft", "table inet docker { chain post { type nat hook postrouting priority 100; oifname tm0 masquerade; }; }")
    guest.ip("addr add 172.17.0.2/16 dev eth0", "addr add fd17::2/64 dev eth0 nodad", "link set eth0 up",
             "route add default via 172.17.0.1", "route add default via fd17::1")
    routers_of(hub, nas)
    await_routes(laptop, "nas")
    # Nobody may say that a packet is too long: only smaller segments help.
    for host in (nas.host, lan.printer, laptop.host, guest):
        host.sh("nft", "-f", "-", input="table inet quiet {\nchain in {\ntype filter hook input priority 0;\n"
                "icmp type destination-unreachable drop\nicmpv6 type packet-too-big drop\n}\n}\n")
    serve(lan.printer)
    wait_for("the server", lambda: _try(call, laptop.host, "10.77.0.9"))
    for host in (laptop.host, guest):
        for address in ("10.77.0.9", "fd77:77::9"):
            assert call(host, address, 60000)[1] > 0
            assert fetch(host, address, 60000) == 60000
    seen = nas.host.sh("nft", "list", "ruleset").stdout
    assert seen.count("maxseg size set rt mtu") == 2


def test_where_a_machine_is_in_such_a_network_itself_its_own_counts(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    Lan(net, nas)
    laptop.host.ip("link add home type veth peer name home1", "addr add 10.77.0.50/24 dev home", "link set home up",
                   "link set home1 up")
    routers_of(hub, nas, nets=(NET,))
    row = wait_for("the conflict", lambda: networks(laptop).get(NET))
    assert not row["reached"] and row["conflict"] == NET and row["conflict_if"] == "home"
    assert "10.77.0.0/24 behind nas is not reached: this machine has 10.77.0.0/24 itself, on home" in laptop.run("status").stdout
    assert laptop.log().count("this machine has its own there") == 1
    assert not laptop.host.sh("ip", "route", "show", "proto", 84).stdout
    # It leaves that network.
    laptop.host.ip("link del home")
    await_routes(laptop, "nas", (NET,))
    wait_for("an answer", lambda: pings(laptop.host, "10.77.0.9"))


def test_what_carries_the_mesh_is_not_led_into_it(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    laptop.configure(routes={"accept": "all"})
    laptop.down()
    laptop.up()
    laptop.host.sh("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    for node, name in ((hub, "coordinator"), (nas, "router")):
        number = node.host.ip4.split(".")[2]
        around = f"198.18.{number}.0/24"
        wait_for("a path by IPv4", lambda: laptop.ping("nas", check=False).returncode == 0
                 and (laptop.peer("nas")["endpoint"] or "").startswith("198.18."), 20)
        nas.run("route", "advertise", around)
        hub.run("route", "approve", "nas", around)
        row = wait_for(f"the network of the {name}", lambda n=around: networks(laptop).get(n))
        assert not row["reached"] and row["conflict"].startswith(node.host.ip4) and not row["conflict_if"]
        assert "the mesh itself is reached by" in laptop.run("status").stdout
        assert laptop.status()["link"]["up"] and laptop.ping("nas").stdout
        nas.run("route", "withdraw", around)


def test_a_machine_that_accepts_no_routes_has_none(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    Lan(net, nas)
    laptop.configure(routes={"accept": "none"})
    laptop.down()
    laptop.up()
    routers_of(hub, nas, nets=(NET,))
    wait_for("the approval to be known", lambda: laptop.json("route", "list")["routes"])
    assert not networks(laptop) and not pings(laptop.host, "10.77.0.9")
    laptop.configure(routes={"accept": "private"})
    laptop.run("reload")
    await_routes(laptop, "nas", (NET,))
    wait_for("an answer", lambda: pings(laptop.host, "10.77.0.9"))


class Stall:
    """Pings without a pause, and the longest time without an answer."""

    def __init__(self, host, address):
        self.p = host.spawn("ping", "-D", "-i", "0.02", "-W", "1", address, stdout=-1, text=True)
        self.times = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        for line in self.p.stdout:
            if "bytes from" in line:
                self.times.append(time.monotonic())

    def since(self, begun):
        """None: nothing was answered since."""
        after = [t for t in self.times if t > begun]
        return max(b - a for a, b in zip([begun] + after, after)) if after else None

    def stop(self):
        self.p.terminate()
        self.thread.join()


@pytest.mark.parametrize("runs", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_when_a_router_dies_another_takes_over_and_keeps_what_it_took(net, runs):
    hub, a, b, laptop = net.mesh("hub", "a", "b", "laptop")
    Lan(net, a, b, default=False)
    routers_of(hub, a, b, args=["--ha"], nets=(NET,))
    await_routes(laptop, "a", (NET,))
    wait_for("an answer", lambda: pings(laptop.host, "10.77.0.9"))
    stall, took = Stall(laptop.host, "10.77.0.9"), []
    active, other = a, b
    try:
        for _ in range(runs):
            wait_for("answers", lambda: stall.since(time.monotonic() - 0.3))
            time.sleep(1)
            begun = time.monotonic()
            active.host.sh("ip", "link", "set", "eth0", "down")
            wait_for("the other to take over", lambda: networks(laptop)[NET]["via"] == other.name, 5)
            wait_for("answers by the other", lambda: stall.since(time.monotonic() - 0.2), 5)
            took.append(stall.since(begun))
            n = active.host.ip4.split(".")[2]
            active.host.ip("link set eth0 up", f"route replace default via 198.18.{n}.1",
                           f"addr replace {active.host.ip6}/64 dev eth0 nodad", f"route replace default via 2001:db8:{n}::1")
            wait_for("it to be back", lambda: active.status()["link"]["up"], 20)
            wait_for("it to answer", lambda: laptop.ping(active.name, check=False).returncode == 0, 20)
            assert networks(laptop)[NET]["via"] == other.name, "nobody takes back what works"
            active, other = other, active
    finally:
        stall.stop()
    print(f"stalls of {runs}: median {statistics.median(took):.2f} s, longest {max(took):.2f} s")
    assert statistics.median(took) < 2


def test_a_router_that_crashes_leaves_nothing_that_the_next_start_does_not_take_back(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    Lan(net, nas)
    routers_of(hub, nas)
    await_routes(laptop, "nas")
    wait_for("an answer", lambda: pings(laptop.host, "10.77.0.9"))
    forwarding = lambda: nas.host.sh("sysctl", "-n", "net.ipv4.conf.lan0.forwarding").stdout.strip()
    assert forwarding() == "1" and "tunnelmesh-tm0" in tables(nas.host)
    nas.kill9()
    laptop.kill9()
    assert not laptop.host.sh("ip", "route", "show", "proto", 84).stdout  # they went with the interface
    assert not tables(nas.host)  # and the rules with the process
    nas.up()
    laptop.up()
    wait_for("an answer again", lambda: pings(laptop.host, "10.77.0.9"), 20)
    nas.down()
    assert forwarding() == "0"
    # And so after a crash, when it is no router any more at the next start.
    nas.up()
    wait_for("forwarding", lambda: forwarding() == "1", 20)
    nas.kill9()
    hub.run("route", "reject", "nas", NET)
    hub.run("route", "reject", "nas", NET6)
    nas.up()
    wait_for("the settings to be as before", lambda: forwarding() == "0", 20)


def test_a_router_that_crashed_is_none_after_cleanup_and_its_networks_stay_with_the_mesh_it_leaves(net):
    hub, nas = net.mesh("hub", "nas")
    Lan(net, nas)
    routers_of(hub, nas)
    settings = lambda: nas.host.sh("sysctl", "-n", "net.ipv4.conf.lan0.forwarding", "net.ipv4.conf.tm0.forwarding", check=False).stdout.split()
    wait_for("forwarding", lambda: settings() == ["1", "1"])
    nas.kill9()
    assert settings() == ["1"]
    assert "removed what a killed tunnelmesh left" in nas.run("down", "--cleanup").stdout
    assert settings() == ["0"]
    nas.up()
    wait_for("forwarding", lambda: settings() == ["1", "1"])
    # Docker comes, and wants it for all interfaces: then it is Docker's.
    nas.host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nas.run("route", "withdraw", NET)
    journal = os.path.join(nas.state, "settings")
    wait_for("nothing to be taken back any more", lambda: "ipv4" not in open(journal, encoding="ascii").read())
    assert settings()[0] == "1"
    nas.run("leave", "--yes")
    assert not os.path.exists(nas.state)


def test_a_firewall_that_lets_nothing_through_is_seen_and_said(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    Lan(net, nas)
    nas.host.sh("iptables-nft", "-P", "FORWARD", "DROP")  # as Docker does
    nas.host.sh("iptables-nft", "-N", "DOCKER-USER")
    nas.host.sh("iptables-nft", "-I", "FORWARD", "-j", "DOCKER-USER")
    routers_of(hub, nas, nets=(NET,))
    text = wait_for("the sentence", lambda: nas.status()["routing"]["trouble"])
    assert "ip filter FORWARD" in text and "DOCKER-USER" in text
    await_routes(laptop, "nas", (NET,))
    assert not pings(laptop.host, "10.77.0.9")
    for command in [part for part in text.split("`") if part.startswith("iptables ")]:
        nas.host.sh("iptables-nft", *command.split()[1:])
    wait_for("an answer", lambda: pings(laptop.host, "10.77.0.9"))
    # Looked at again, as whenever something is new in this machine's network, it is nothing to be told any more.
    nas.host.ip("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0")
    wait_for("no more to be said", lambda: not nas.status()["routing"]["trouble"])


def test_mistakes_are_told_in_one_sentence(net):
    hub, nas, other = net.mesh("hub", "nas", "other")
    for nets, said in ((["lan"], "not a network"), (["10.77.0.9/24"], "10.77.0.0/24"), (["0.0.0.0/0"], "exit-node"),
                       ([hub.status()["mesh"]["net4"]], "mesh itself"), (["127.0.0.0/8"], "loopback"),
                       (["224.0.0.0/8"], "multicast"), (["fe80::/64"], "link-local")):
        r = nas.run("route", "advertise", *nets, check=False)
        assert r.returncode == 2 and said in r.stderr, (nets, r.stderr)
        assert not nas.json("route", "list")["routes"]
    assert nas.run("route", "withdraw", NET, check=False).returncode == 1
    r = nas.run("route", "approve", "nas", NET, check=False)
    assert r.returncode == 1 and "not the mesh's coordinator" in r.stderr
    routers_of(hub, nas, nets=(NET,))
    other.run("route", "advertise", NET)
    r = hub.run("route", "approve", "other", NET, check=False)
    assert r.returncode == 1 and "nas leads to 10.77.0.0/24 already" in r.stderr and "--ha" in r.stderr
    assert json.loads(hub.run("route", "list", "--json").stdout)["routes"]
