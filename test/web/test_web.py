# SPDX-License-Identifier: AGPL-3.0-or-later
"""The dashboard in a real browser: Chromium in the namespace of a member, driven by Playwright (*.test.mjs). `make web`
gets what it takes. TM_SHOTS=FOLDER keeps pictures of the pages there."""
import json
import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lab"))

import lab as lablib  # noqa: E402
import wires  # noqa: E402
from lab import wait_for  # noqa: E402

NET = "192.168.77.0/24"  # behind nas


def relayed(net, a, b):
    """No UDP between two hosts, so that they reach each other through the coordinator."""
    wires.rules(net.router, "apart", "".join(f"ip saddr {x.ip4} ip daddr {y.ip4} meta l4proto udp drop\n"
                                             f"ip6 saddr {x.ip6} ip6 daddr {y.ip6} meta l4proto udp drop\n"
                                             for x, y in ((a, b), (b, a))))


def make_mesh(net):
    hub = net.node("hub")
    hub.configure(dashboard={"admins": "[tag:admin]", "listen": f"[8080, '{hub.host.ip4}:8444']"})
    hub.init()
    nodes = {name: net.node(name) for name in ("desk", "laptop", "nas", "spare")}
    relayed(net, nodes["laptop"].host, nodes["nas"].host)
    token = hub.token("--uses", len(nodes))
    for node in nodes.values():
        node.join(token)
    hub.run("node", "tag", "desk", "--add", "admin")
    nodes["nas"].run("route", "advertise", NET)
    hub.run("client", "add", "phone", "--endpoint", "198.51.100.1:51820")
    return hub, nodes


def many(hub):
    """More than stand on a circle: the map is another then."""
    hub.host.sh("sh", "-ec", 'for i in $(seq 60); do "$@" client add "thing-$i" --endpoint 198.51.100.1:51820; done', "-",
                *hub.argv(), timeout=300)


def keep_talking(nodes):
    """What is not used for a while rests, and is no pair."""
    for a, b in (("desk", "nas"), ("laptop", "nas"), ("desk", "laptop")):
        address = wait_for(f"{b} at {a}", lambda a=a, b=b: nodes[a].peer(b))["ip4"]
        nodes[a].host.spawn("ping", "-q", "-i", 0.5, address, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def world():
    with lablib.watched_lab(lablib.is_sanitized()) as net:
        hub, nodes = make_mesh(net)
        keep_talking(nodes)
        members = hub.json("node", "list")["nodes"]
        told = {
            "base": "http://this.mesh",
            "address": next(m["ip4"] for m in members if m["coordinator"]),
            "hub": hub.host.argv(*hub.argv()),
            "ids": {m["name"]: m["id"] for m in members},
            "outside": f"{hub.host.ip4}:8444",
            "underlay": nodes["nas"].host.ip4,
            "chromium": lablib.find_program("chromium"),
            "shots": os.environ.get("TM_SHOTS", ""),
        }
        wait_for("the dashboard", lambda: nodes["desk"].host.sh(
            "curl", "-sf", "-o", "/dev/null", f"http://{told['address']}/", check=False).returncode == 0, 20)
        yield {**nodes, "hub": hub}, told


@pytest.mark.parametrize("viewer, script", [("laptop", "member"), ("desk", "looks"), ("desk", "admin"), ("hub", "outsider")])
def test_in_a_browser(world, viewer, script):
    nodes, told = world
    if script == "looks":
        many(nodes["hub"])
    program = [shutil.which("node"), "--test", "--test-reporter=spec", f"{HERE}/{script}.test.mjs"]
    env = {**os.environ, "TM_WEB": json.dumps(told)}
    ran = nodes[viewer].host.sh(*program, env=env, cwd=HERE, check=False, timeout=900)
    assert ran.returncode == 0, ran.stdout + ran.stderr
