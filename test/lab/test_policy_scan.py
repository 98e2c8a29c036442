# SPDX-License-Identifier: AGPL-3.0-or-later
"""What nmap finds of a node, before and after each kind of rule."""
import xml.etree.ElementTree as xml

from lab import find_program, wait_for
from test_policy import mesh_with_network, says, serve, write

OPEN, CLOSED, FILTERED, MAYBE = "open", "closed", "filtered", "open|filtered"
PORTS = ("tcp/8080", "tcp/8081", "tcp/8089", "udp/9000", "udp/9001")  # both first of tcp and the first of udp are served
LOOK = ("-n", "-T4", "--max-retries", 1, "--initial-rtt-timeout", "300ms", "--max-rtt-timeout", "600ms", "-oX", "-")


def nmap(node, *args):
    return xml.fromstring(node.host.sh(find_program("nmap"), *LOOK, *args).stdout)


def scan(node, address, ports=PORTS):
    """(state, why) of each port."""
    kinds = {kind: ",".join(p.split("/")[1] for p in ports if p.startswith(kind)) for kind in ("tcp", "udp")}
    listed = ",".join(f"{kind[0].upper()}:{list}" for kind, list in kinds.items() if list)
    how = [flag for flag, kind in (("-sS", "tcp"), ("-sU", "udp")) if kinds[kind]]
    found = nmap(node, "-Pn", *(["-6"] if ":" in address else []), *how, "-p", listed, address)
    states = {f"{p.get('protocol')}/{p.get('portid')}": p.find("state") for p in found.iter("port")}
    return {p: (states[p].get("state"), states[p].get("reason")) for p in ports}


def states(node, address, ports=PORTS):
    return tuple(state for state, _ in scan(node, address, ports).values())


def is_up(node, address):
    """By echo requests alone."""
    return nmap(node, "-sn", "-PE", address).find("host/status") is not None


def put(net, hub, nodes, rules):
    """A policy that holds at all of these, when this returns."""
    assert says(hub, "set", write(net, rules))[0] == 0
    now = hub.json("filter", "list")["version"]
    for node in nodes:
        wait_for(f"{node.name} to put it in force", lambda n=node: n.status()["policy"]["in_force"] == now)


def test_a_scan_sees_what_each_kind_of_rule_says(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    hub.run("node", "tag", "nas", "--add", "server")
    hub.run("node", "tag", "laptop", "--add", "ops")
    address, v6 = map(serve(nas).get, ("ip4", "ip6"))
    laptop.ping("nas")
    nodes = hub, nas, laptop

    # Before: the rule of a new mesh. A port of nobody is refused by the host itself.
    assert states(laptop, address) == (OPEN, OPEN, CLOSED, OPEN, CLOSED)
    put(net, hub, nodes, "rules: []\n")
    assert states(laptop, address) == (FILTERED, FILTERED, FILTERED, MAYBE, MAYBE)
    assert is_up(laptop, address)  # builtin:ping

    # One port by names of nodes, and of nobody else.
    put(net, hub, nodes, "rules:\n  - {allow: tcp/8080, from: laptop, to: nas}\n")
    assert states(laptop, address, PORTS[:2]) == (OPEN, FILTERED)
    assert states(laptop, v6, PORTS[:2]) == (OPEN, FILTERED)
    assert states(hub, address, PORTS[:1]) == (FILTERED,)

    # A range, by tags.
    put(net, hub, nodes, "rules:\n  - {allow: tcp/8081-8089, from: tag:ops, to: tag:server}\n")
    assert states(laptop, address, ("tcp/8080", "tcp/8081", "tcp/8089", "tcp/8090")) == (FILTERED, OPEN, CLOSED, FILTERED)

    # UDP, by a group.
    put(net, hub, nodes, "groups: {admins: [tag:ops]}\nrules:\n  - {allow: udp/9000-9001, from: group:admins, to: any}\n")
    # That a port is closed is told by an ICMP error, which needs no rule.
    assert states(laptop, address, PORTS[2:]) == (FILTERED, OPEN, CLOSED)

    # What is denied is silent, what is rejected is told.
    put(net, hub, nodes, "rules:\n  - {allow: any, from: any, to: any}\n"
                         "  - {deny: [tcp/8080, udp/9000, ping], from: tag:ops, to: tag:server}\n")
    assert states(laptop, address) == (FILTERED, OPEN, CLOSED, MAYBE, CLOSED)
    assert not is_up(laptop, address) and is_up(hub, address)
    put(net, hub, nodes, "rules:\n  - {allow: any, from: any, to: any}\n"
                         "  - {reject: [tcp/8080, udp/9000, ping], from: tag:ops, to: tag:server}\n")
    found = scan(laptop, address)
    assert found["tcp/8080"] == (CLOSED, "reset") and found["udp/9000"] == (FILTERED, "admin-prohibited")
    assert (found["tcp/8081"][0], found["udp/9001"][0]) == (OPEN, CLOSED)
    assert not is_up(laptop, address)


def test_a_scan_sees_of_a_network_behind_a_node_what_its_rules_say(net):
    hub, nas, laptop = mesh_with_network(net)
    put(net, hub, (hub, nas, laptop), "rules:\n  - {allow: tcp/8080-8081, from: laptop, to: 'route:10.77.0.0/24'}\n"
                                      "  - {deny: tcp/8081, from: any, to: 'route:10.77.0.0/24'}\n")
    assert states(laptop, "10.77.0.9", PORTS[:3]) == (OPEN, FILTERED, FILTERED)
    assert states(laptop, nas.status()["self"]["ip4"], PORTS[:1]) == (FILTERED,)
    put(net, hub, (hub, nas, laptop), "rules:\n  - {reject: tcp/8080, from: any, to: 'route:10.77.0.0/24'}\n")
    assert scan(laptop, "10.77.0.9", PORTS[:1])["tcp/8080"] == (CLOSED, "reset")
