# SPDX-License-Identifier: AGPL-3.0-or-later
"""What rules decide about connections is counted once, for the rule that decided, and shown by the coordinator."""
import re

from lab import wait_for
from test_dashboard import Browser
from test_policy import ask, serve, write
from wiretap import udp_socket

POLICY = """rules:
  - {id: web, allow: tcp/8080, from: laptop, to: nas}
  - {id: echo, allow: udp/9000, from: laptop, to: nas}
  - {id: no, deny: udp/9001, from: any, to: nas}
  - {id: unused, allow: tcp/22, from: any, to: any}
  - {id: pages, allow: tcp/80, from: laptop, to: hub}
"""
# While an administrator looks at all nodes, they report every other second.
DEADLINE = 60


def told(hub, administrator):
    """How often each rule decided, "" being the lack of one."""
    assert administrator.status("/nodes") == 200
    policy = hub.json("filter", "list")
    return {r["id"]: r["hits"] for r in policy["rules"]} | {"": policy["counted"]["no_rule"]}


def talk(s, to, times):
    for _ in range(times):
        s.sendto(b"x", to)
        assert s.recv(9) == b"hello"


def test_a_connection_counts_once_for_the_rule_that_decided(net):
    hub, nas, laptop = net.node("hub").configure(dashboard={"admins": "[tag:admin]"}), net.node("nas"), net.node("laptop")
    hub.init()
    for n in (nas, laptop):
        n.join(hub.token())
    hub.run("node", "tag", "laptop", "--add", "admin")
    administrator, there = Browser(laptop, hub), serve(nas)["ip4"]
    hub.run("filter", "set", write(net, POLICY))
    wait_for("all to go by the policy", lambda: not hub.json("filter", "list")["holders"]["others"])
    wait_for("the tag to be known", lambda: administrator.status("/policy") == 200)
    laptop.ping("nas")
    with udp_socket(laptop.host) as allowed, udp_socket(laptop.host) as refused:
        allowed.settimeout(10)
        assert ask(laptop, there, 8080, timeout=10) == "hello"
        talk(allowed, (there, 9000), 5)
        refused.sendto(b"x", (there, 9001))  # denied, at the laptop already
        refused.sendto(b"x", (there, 9002))  # of which no rule speaks
        want = {"web": 1, "echo": 1, "no": 1, "unused": 0, "": 1}
        wait_for("both ends to report", lambda: want.items() <= told(hub, administrator).items(), DEADLINE, 0.5)

        # More of the same connection is no other one. When the node tells of the next one, it has told of all before.
        talk(allowed, (there, 9000), 5)
        assert ask(laptop, there, 8080, timeout=10) == "hello"
        want["web"] = 2
        wait_for("the next connection to be reported", lambda: told(hub, administrator)["web"] >= 2, DEADLINE, 0.5)
        assert want.items() <= told(hub, administrator).items()
    rows = hub.run("filter", "list").stdout.splitlines()
    assert rows[1].split()[:3] == ["RULE", "ACTION", "HITS"]
    assert [r.split()[:3] for r in rows[2:6]] == [["web", "allow", "2"], ["echo", "allow", "1"], ["no", "deny", "1"], ["unused", "allow", "0"]]
    assert any(r.endswith("denied because no rule speaks of it: 1") for r in rows)
    assert re.search(r'<tr id="r-web">.*<td class="number">2</td>', administrator.ask("/policy")[1])
