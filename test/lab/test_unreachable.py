# SPDX-License-Identifier: AGPL-3.0-or-later
"""A peer that cannot be reached: `status NAME` and `ping` say what was tried and what came of it."""
import json
import signal
import subprocess

import wires
from lab import wait_for


def cut_off(net, name):
    """The hub, which relays nothing, another node, and one that everybody reaches but that one; UDP between the two
    does not pass."""
    hub, other, node = (net.node(n) for n in ("hub", "other", name))
    hub.configure(relay="use").init()
    for member in (other, node):
        member.join(hub.token())
    wires.rules(net.router, "cut", f"""
        ip saddr {other.host.ip4} ip daddr {node.host.ip4} udp dport 51820 drop
        ip saddr {node.host.ip4} ip daddr {other.host.ip4} udp dport 51820 drop
        ip6 saddr {other.host.ip6} ip6 daddr {node.host.ip6} udp dport 51820 drop
        ip6 saddr {node.host.ip6} ip6 daddr {other.host.ip6} udp dport 51820 drop""")
    return hub, other, node


def test_every_address_that_was_tried_is_named_with_what_came_of_it(net):
    _, other, nas = cut_off(net, "nas")
    said = other.ping("nas", check=False)
    assert said.returncode == 1 and said.stdout.count("no reply") == 1
    for address in (f"{nas.host.ip4}:51820", f"[{nas.host.ip6}]:51820"):
        assert address in said.stdout, said.stdout

    def results():
        return {t["endpoint"]: t["result"] for t in other.json("status", "nas")["tried"]}

    # Asked again and again: between two rounds all are known not to answer.
    wait_for("all to be given up", lambda: set(results().values()) == {"no_answer"}, 30)
    assert set(results()) == {f"{nas.host.ip4}:51820", f"[{nas.host.ip6}]:51820"}
    assert "no address of nas" in other.run("status", "nas").stdout
    answer = json.loads(other.run("ping", "nas", "-c", 1, "--json", check=False).stdout)
    assert answer["code"] == "no_reply" and len(answer["tried"]) == 2 and "nas" in answer["hint"]


def test_an_interrupted_ping_tells_of_the_packet_that_was_out(net):
    _, other, nas = cut_off(net, "nas")

    def sent():
        return json.loads(other.host.sh("ip", "-s", "-j", "link", "show", "tm0").stdout)[0]["stats64"]["tx"]["packets"]

    before = sent()
    ping = other.host.spawn(*other.argv("ping", "nas"), stdout=subprocess.PIPE, text=True)
    wait_for("a packet to leave", lambda: sent() > before)
    ping.send_signal(signal.SIGINT)
    assert "1 sent, 0 received, 100 % lost" in ping.communicate(timeout=30)[0]
    assert ping.returncode == 1


def test_a_peer_that_is_reached_is_shown_with_the_way_in_use(net):
    hub, nas = net.mesh("hub", "nas")
    hub.ping("nas")
    shown = hub.json("status", "nas")
    assert [t["endpoint"] for t in shown["tried"] if t["result"] == "in_use"] == [shown["peer"]["endpoint"]]
    assert {m["endpoint"] for m in shown["mine"]} >= {f"{hub.host.ip4}:51820"}
    assert hub.run("status", "nobody", check=False).returncode == 1
    assert "this machine itself" in hub.run("status", "hub", check=False).stderr


def test_two_without_a_common_address_family_are_told_so(net):
    hub = net.node("hub").configure(relay="use")
    hub.init()
    four, six = net.node("four"), net.node("six")
    four.host.sh("ip", "-6", "addr", "flush", "dev", "eth0", "scope", "global")
    six.host.sh("ip", "-4", "addr", "flush", "dev", "eth0")
    four.host.sh("ip", "-6", "route", "del", "default")
    for node in (four, six):
        node.join(hub.token())
    for node, other, family in ((four, "six", 6), (six, "four", 4)):
        said = node.ping(other, check=False).stdout
        assert "no route from here" in said and f"{other} has IPv{family} addresses only" in said, said
