# SPDX-License-Identifier: AGPL-3.0-or-later
"""The unit's sandbox on a machine that systemd runs: as closed as it can be, and nothing that a node does is missing in it."""
import json
import re

import machine
from lab import wait_for
from test_exit import _try
from test_routes import call, serve


def exposure(box):
    said = box.say("systemd-analyze", "security", "--no-pager", "tunnelmesh.service", check=False)
    return float(re.search(r"Overall exposure level for tunnelmesh.service: ([0-9.]+)", said).group(1))


def test_the_sandbox_is_no_wider_than_the_decision_says(box):
    box.install(machine.package())
    assert exposure(box) <= 2.2


def test_a_node_does_all_that_it_does_outside_of_a_sandbox(net, box):
    hub, gate = net.mesh("hub", "gate")
    outside = net.host("outside")
    serve(outside)
    box.install(machine.package())
    config = box.path("/etc/tunnelmesh/config.yaml")
    box.run("groupadd", "-r", "vpn")
    box.run("useradd", "-m", "-G", "vpn", "somebody")
    config.write_text(config.read_text() + "\nsocket_group: vpn\ndns:\n  resolver: file\n")
    box.run("tunnelmesh", "join", hub.token(), "--name", "box")
    here, there = box.json("status"), gate.status()
    assert [here[k] for k in ("offloads", "steering", "aead")] == [there[k] for k in ("offloads", "steering", "aead")]

    # Members of socket_group ask, and change nothing that is root's.
    assert json.loads(box.say("setpriv", "--reuid=somebody", "--regid=somebody", "--init-groups", "tunnelmesh", "status", "--json"))["ok"]
    modes = {"/run/tunnelmesh": "755 root", "/run/tunnelmesh/tunnelmesh.sock": "660 vpn", "/var/lib/tunnelmesh": "700 root",
             "/var/lib/tunnelmesh/identity": "600 root", "/var/lib/tunnelmesh/node.json": "600 root"}
    assert {path: box.say("stat", "-c", "%a %G", path) for path in modes} == modes

    # Names of the mesh, by /etc/resolv.conf, which goes back to what it was.
    own = "nameserver 192.0.2.53\n"
    assert box.path("/etc/resolv.conf").read_text() != own
    assert box.say("getent", "ahostsv4", "gate.mesh").split()[0] == gate.status()["self"]["ip4"]

    # The way out through another node, with what closes the way beside it.
    gate.run("exit-node", "offer")
    hub.run("route", "approve", "gate", "exit")
    wait_for("the exit", lambda: box.run("tunnelmesh", "exit-node", "use", "gate", "--kill-switch", check=False).returncode == 0, 60)
    wait_for("the outside by the exit", lambda: (_try(call, box.host, outside.ip4) or [0])[0] == gate.host.ip4, 60)
    assert box.say("nft", "list", "tables") != ""
    box.run("tunnelmesh", "exit-node", "off")
    wait_for("the way as before", lambda: (_try(call, box.host, outside.ip4) or [0])[0] == box.host.ip4, 60)

    # A router, an exit node of its own, a capture, keys of ssh, the doctor.
    box.host.ip("link add lan0 type veth peer name lan1", "addr add 10.77.0.1/24 dev lan0", "link set lan0 up", "link set lan1 up")
    box.run("tunnelmesh", "route", "advertise", "10.77.0.0/24")
    box.run("tunnelmesh", "exit-node", "offer")
    for what in "10.77.0.0/24", "exit":
        wait_for("the offer", lambda: hub.run("route", "approve", "box", what, check=False).returncode == 0, 60)
    wait_for("the way behind it", lambda: any(r["net"] == "10.77.0.0/24" and r["reached"] for r in gate.status()["routing"]["networks"]), 60)
    assert box.json("status")["routing"]["trouble"] is None
    wait_for("its exit", lambda: hub.run("exit-node", "use", "box", check=False).returncode == 0, 60)
    wait_for("the outside by it", lambda: (_try(call, hub.host, outside.ip4) or [0])[0] == box.host.ip4, 60)
    hub.run("exit-node", "off")
    taken = box.run("sh", "-c", "(sleep 1; tunnelmesh ping hub -c 3 >/dev/null) & tunnelmesh capture hub --count 2 --for 30 --write /root/x.pcap --json; wait")
    assert json.loads(taken.stdout)["packets"] == 2
    assert [c for c in box.json("doctor")["checks"] if c["level"] == "problem"] == []

    before = box.pid()
    box.run("systemctl", "kill", "-s", "KILL", "tunnelmesh")
    wait_for("systemd to start it again", lambda: box.pid() not in (0, before), 30)
    wait_for("the tunnel", lambda: hub.ping("box", check=False).returncode == 0, 60)
    box.run("tunnelmesh", "down")
    assert box.path("/etc/resolv.conf").read_text() == own
    assert box.say("nft", "list", "ruleset") == "" and "tm0" not in box.say("ip", "link")


def test_names_are_given_to_the_resolver_of_the_system(net, box):
    hub, gate = net.mesh("hub", "gate")
    box.install(machine.package())
    config = box.path("/etc/tunnelmesh/config.yaml")
    config.write_text(config.read_text() + "\ndns:\n  resolver: resolved\n")
    box.run("systemctl", "start", "systemd-resolved")
    box.run("tunnelmesh", "join", hub.token(), "--name", "box")
    wait_for("a name by systemd-resolved", lambda: gate.status()["self"]["ip4"] in
             box.run("resolvectl", "query", "-4", "--legend=no", "gate.mesh", check=False).stdout, 60)
    assert box.path("/etc/resolv.conf").read_text() == "nameserver 192.0.2.53\n"
