# SPDX-License-Identifier: AGPL-3.0-or-later
"""`netcheck` in places of which other programs have said what they are (test_nat_kinds.py)."""
import time

import pytest

from lab import find_program, wait_for
from nat import INDEPENDENT, KEPT, KINDS
from sites import Place, public_host

EASY = ["endpoint_independent"]
WORDS = {"independent": EASY, "address": ["address_dependent"], "address and port": ["address_and_port_dependent"]}
SMOKE = ("open", "port", "sym", "small")
LOOKED_AT = [k for k in KINDS if not KINDS[k].forgets]
kinds = pytest.mark.parametrize("name", [k if k in SMOKE else pytest.param(k, marks=pytest.mark.grid) for k in LOOKED_AT])


@pytest.fixture
def hub(net):
    """A coordinator with two addresses of each family."""
    host = public_host(net, "hub")
    a, b, n, _ = host.ip4.split(".")
    host.ip(f"addr add {a}.{b}.{n}.9/24 dev eth0", f"addr add {host.ip6}9/64 dev eth0 nodad")
    node = net.node("hub", host=host).configure(listen="[443]")
    node.init()
    return node


def joined(net, hub, place):
    node = net.node("x", host=place.host)
    if place.proxy:
        node.configure(proxy=place.proxy)
    node.join(hub.token())
    wait_for("the link", lambda: node.status()["link"]["up"])
    return node


def expected_udp(kind):
    return {"all": "works", "small": "short_only", "first": "first_only", "none": "no_answer"}[kind.udp]


@kinds
def test_what_stands_there_is_found_within_five_seconds(net, hub, name):
    kind = KINDS[name]
    node = joined(net, hub, Place(net, "x", name))
    begun = time.monotonic()
    found = node.json("netcheck")
    assert time.monotonic() - begun < 5
    family = found["ipv4" if "4" in kind.families else "ipv6"]
    print(family, found["verdict"])
    assert family["udp"] == expected_udp(kind)
    if kind.udp == "none":
        assert "UDP does not pass" in found["verdict"]
        return
    if kind.udp == "first":
        return
    assert family["mapping"] == (WORDS[kind.mapping] if kind.translates else EASY)
    assert family["filtering"] == WORDS[kind.filtering]
    assert family["translated"] == kind.translates and family["difficulty"] == ("easy" if kind.mapping == INDEPENDENT else "hard")
    assert family["port_kept"] == (kind.ports == KEPT or not kind.translates)
    assert [(r["name"], r["home"]) for r in found["relays"]] == [("hub", True)] and found["relays"][0]["rtt_ms"] < 1000
    assert found["http"] == "clean"
    # The same again, and for people.
    again = node.json("netcheck")
    assert again["ipv4"]["filtering"] == found["ipv4"]["filtering"]
    text = node.run("netcheck").stdout
    assert found["verdict"].split()[0] in text and max(map(len, text.splitlines())) <= 80


def test_while_the_coordinator_is_away_it_says_what_it_can(net, hub):
    node = joined(net, hub, Place(net, "x", "port"))
    hub.run("down")
    wait_for("the link to be lost", lambda: not node.status()["link"]["up"])
    # One that was under way already may have had an answer.
    found = wait_for("one that nobody answered", lambda: (f := node.json("netcheck"))["ipv4"]["udp"] == "no_answer" and f, 20)
    assert not found["link"]["up"]
    assert "no link to the coordinator" in found["verdict"] and found["link"]["error"] and found["http"] == "no_connection"


def test_without_a_network_it_is_one_sentence(net, hub):
    node = joined(net, hub, Place(net, "x", "open"))
    node.host.ip("link set eth0 down")
    wait_for("the link to be lost", lambda: not node.status()["link"]["up"], 30)
    begun = time.monotonic()
    found = node.json("netcheck")
    assert time.monotonic() - begun < 5 and "This machine has no network" in found["verdict"], found
    assert found["ipv4"]["udp"] == found["ipv6"]["udp"] == "no_address" and found["http"] == "no_connection"


def test_a_removed_node_says_that_it_was_removed(net, hub):
    node = joined(net, hub, Place(net, "x", "open"))
    hub.run("node", "remove", "x")
    wait_for("the removal to be told", lambda: node.status()["link"]["removed"])
    told = node.run("netcheck", check=False)
    assert told.returncode == 1 and "removed from the mesh" in told.stderr and "join again" in told.stderr and not told.stdout
    assert node.json("netcheck", check=False)["code"] == "no_link"


@pytest.mark.parametrize("hairpins", [True, False])
def test_hairpin_is_asked_for_with_full_alone(net, hub, hairpins):
    node = joined(net, hub, Place(net, "x", "full", hairpins=hairpins))
    assert node.json("netcheck")["ipv4"]["hairpin"] is None
    assert node.json("netcheck", "--full")["ipv4"]["hairpin"] is hairpins


PORTAL = """
import http.server
class Portal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://portal.example/login?from=" + self.path)
        self.end_headers()
http.server.HTTPServer(("", 8443), Portal).serve_forever()
"""


def test_a_captive_portal_is_told(net, hub):
    place = Place(net, "x", "linux")
    node = joined(net, hub, place)
    node.run("down")
    gateway = place.site.gateway
    gateway.spawn("/usr/bin/python3", "-c", PORTAL)
    wait_for("the portal", lambda: ":8443 " in gateway.sh("ss", "-Hltn").stdout)
    gateway.sh("nft", "-f", "-", input='''
        table ip portal {
            chain c { type nat hook prerouting priority dstnat - 1; iifname "lan" tcp dport 8443 redirect; }
            chain f { type filter hook forward priority 0; iifname "lan" drop; }
        }''')
    node.run("up")
    wait_for("the link to fail", lambda: node.status()["link"]["error"])
    found = node.json("netcheck")
    assert found["http"] == "sign_in" and "captive portal" in found["verdict"], found
    assert "browser" in found["advice"][0]


def test_the_coordinator_itself_has_nobody_to_ask(hub):
    found = hub.json("netcheck")
    assert found["ipv4"]["udp"] == "untried" and "This machine is the coordinator" in found["verdict"]


def test_strangers_get_no_answer_from_any_of_its_ports(net, hub):
    """coturn's client and stun-client: we answer members only."""
    host = public_host(net, "stranger")
    for port in (51820, 51830):
        found = host.sh(find_program("turnutils_natdiscovery"), "-m", "-p", port, hub.host.ip4, check=False, timeout=60).stdout
        assert "NAT with" not in found and "reflexive" not in found, found
