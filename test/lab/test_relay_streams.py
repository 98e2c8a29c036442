# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nodes from which no UDP comes out reach each other through the coordinator's port: in clear, in TLS, by a proxy."""
import os

from lab import wait_for
from test_ways_out import PASSWORDS, PROXY_PORT, TINYPROXY, USER, environment, only_to, serve


def without_udp(host):
    host.sh("nft", "table inet noudp { chain o { type filter hook output priority 0; oif lo accept; "
            "meta l4proto udp oif eth0 drop; }; chain i { type filter hook input priority 0; "
            "meta l4proto udp iif eth0 drop; }; }")


def reaches(a, b):
    return a.ping(b.name, check=False).returncode == 0


def reach_each_other(nodes, timeout=30):
    for a in nodes:
        for b in nodes:
            if a is not b:
                wait_for(f"{a.name} to reach {b.name}", lambda a=a, b=b: reaches(a, b), timeout, 0.1)


def says_why(node, name, why):
    """The path goes through the hub by TCP; the reason is in `status`, and at the end of `ping`."""
    wait_for(f"{node.name} to say why {name} is not reached directly", lambda: why in (node.peer(name)["not_direct"] or ""), 30)
    assert node.peer(name)["relay"] == "hub"
    for words in (("status", name), ("ping", name, "-c", 1)):
        text = " ".join(node.run(*words).stdout.split())
        assert "relay via hub" in text and f"no direct path: {why}" in text, text


def tried_once(node, name):
    tried = [(t["endpoint"], t["path"]) for t in node.json("status", name)["tried"]]
    assert len(tried) == len(set(tried)), tried


def test_nodes_without_udp_reach_each_other_the_coordinator_and_those_with(net, hub_at_443):
    hub = hub_at_443
    a, b, c = (net.node(name).configure(log_level="debug") for name in "abc")
    for node in (a, b):
        without_udp(node.host)
    for node in (a, b, c):
        node.join(hub.token())
    reach_each_other([a, b, c, hub])
    says_why(a, "c", "UDP does not pass here")
    says_why(c, "a", "UDP does not pass where it is")
    says_why(hub, "a", "UDP does not pass where it is")
    # The relay starts anew: streams, registrations and paths come back by themselves.
    hub.down()
    wait_for("all to notice", lambda: not any(node.status()["link"]["up"] for node in (a, b, c)))
    hub.up()
    reach_each_other([a, b, c, hub])
    for node in (a, b, c, hub):
        for name in {"a", "b", "c", "hub"} - {node.name}:
            tried_once(node, name)


def test_nodes_that_get_out_by_tls_or_a_proxy_only_reach_each_other(net, hub_at_443):
    hub = hub_at_443
    guard, a, b = net.host("guard"), net.node("a").configure(log_level="debug"), net.node("b").configure(log_level="debug")
    serve(net, guard, "tinyproxy", TINYPROXY, [PROXY_PORT], "-d", "-c")
    only_to(a.host, (guard.ip4, PROXY_PORT))
    a.join(hub.token(), env=environment(https_proxy=f"http://{USER}:{PASSWORDS['tinyproxy']}@{guard.ip4}:{PROXY_PORT}"))
    # 443 only, and only what begins like TLS.
    only_to(b.host, (hub.host.ip4, 443))
    net.router.sh("nft", f"table inet box {{ chain f {{ type filter hook forward priority 0; "
                  f"ip saddr {b.host.ip4} tcp dport 443 @ih,0,24 0x474554 reject with tcp reset; }}; }}")
    b.join(hub.token(), env=environment())
    assert a.status()["link"]["proxy"] and b.status()["link"]["tls"]
    reach_each_other([a, b, hub])
    assert os.path.exists(os.path.join(hub.state, "tls.pem"))
