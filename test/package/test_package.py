# SPDX-License-Identifier: AGPL-3.0-or-later
"""The Debian package on a machine that systemd runs: installed, upgraded while connections go on, removed, purged."""
import os

import pytest

import machine
from lab import wait_for
from test_coordinator_loss import Conversation

EVERYWHERE = ("/etc", "/usr", "/var/lib", "/run", "/lib/systemd", "/root", "/home", "/opt", "/srv", "/tmp")


class Installed:
    """What the lab's tests call a node, of a machine."""

    def __init__(self, box, name):
        self.box, self.host, self.name = box, box.host, name

    def ip4(self):
        return self.box.json("status")["self"]["ip4"]


def ours(files):
    return sorted(line for line in files if "tunnelmesh" in line or "multi-user.target.wants" in line)


def joined(box, net, deb):
    hub = net.node("hub")
    hub.init()
    box.install(deb)
    box.run("tunnelmesh", "join", hub.token(), "--name", "box")
    hub.ping("box")
    return hub


def test_nothing_runs_before_init_or_join_and_nothing_is_left_after_purge(net, box):
    before = box.files(*EVERYWHERE)
    box.install(machine.package())
    assert box.unit("ActiveState") == "inactive" and box.say("systemctl", "is-enabled", "tunnelmesh", check=False) == "disabled"
    box.run("tunnelmesh", "init", "--name", "box")
    box.run("tunnelmesh", "--state-dir", "/var/lib/tunnelmesh-work", "init", "--name", "work", "--tun", "tm1", "--listen-port", "51821",
            "--api-port", "8444")
    assert box.unit("ActiveState") == "active" and box.unit("ActiveState", "tunnelmesh@work") == "active"
    box.run("dpkg", "--remove", "tunnelmesh", timeout=120)
    assert box.run("pgrep", "-x", "tunnelmesh", check=False).stdout == ""
    assert "tm0" not in box.say("ip", "link") and "tm1" not in box.say("ip", "link")
    assert box.path("/var/lib/tunnelmesh/node.json").exists() and box.path("/etc/tunnelmesh/config.yaml").exists()
    # Installed once more it is the member that it was.
    box.install(machine.package())
    box.run("tunnelmesh", "up")
    assert box.json("status")["self"]["name"] == "box"
    box.run("dpkg", "--purge", "tunnelmesh", timeout=120)
    assert ours(box.files(*EVERYWHERE) - before) == []
    assert ours(before - box.files(*EVERYWHERE)) == []
    assert box.say("nft", "list", "ruleset") == "" and "tm0" not in box.say("ip", "link")
    assert box.say("ip", "rule") == net.host("plain").sh("ip", "rule").stdout.strip()


def test_an_upgrade_runs_the_new_program_and_keeps_what_the_administrator_changed(net, box, tmp_path):
    hub = joined(box, net, machine.package("0.0.1", tmp_path))
    config = box.path("/etc/tunnelmesh/config.yaml")
    config.write_text(config.read_text() + "\nmtu: 1300\n")
    program = os.stat(f"/proc/{hub_side_pid(box)}/exe").st_ino
    said = box.install(machine.package())
    assert "config.yaml" not in said
    wait_for("the new program", lambda: os.stat(f"/proc/{hub_side_pid(box)}/exe").st_ino != program, 60)
    assert box.unit("ActiveState") == "active" and box.json("status")["mtu"] == 1300
    wait_for("the tunnel", lambda: hub.ping("box", check=False).returncode == 0, 60)


def hub_side_pid(box):
    """The daemon's process as this machine numbers it."""
    inner = box.say("pgrep", "-xo", "tunnelmesh")
    return next(p for p in box.host.pids() if _inner_pid(p) == inner)


def _inner_pid(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(line.split()[-1] for line in f if line.startswith("NSpid:"))


def test_connections_through_the_tunnel_survive_an_upgrade(net, box, tmp_path):
    hub = joined(box, net, machine.package("0.0.1", tmp_path))
    if box.run("tunnelmesh", "help", "restart", check=False).returncode != 0:
        pytest.skip("this version stops and starts at an upgrade")
    there, here = Installed(box, "box"), hub
    speaks = Conversation(here, there, there.ip4())
    process = box.pid()
    box.install(machine.package())
    heard = speaks.rounds
    wait_for("the connection to go on", lambda: speaks.rounds > heard + 20, 60)
    speaks.end()
    assert box.pid() == process


def test_an_upgrade_starts_nothing_that_did_not_run(net, box, tmp_path):
    joined(box, net, machine.package("0.0.1", tmp_path))
    box.run("tunnelmesh", "down")
    box.install(machine.package())
    assert box.unit("ActiveState") == "inactive" and box.run("pgrep", "-x", "tunnelmesh", check=False).stdout == ""


def test_what_the_new_program_cannot_start_with_leaves_the_one_that_runs(net, box, tmp_path):
    joined(box, net, machine.package("0.0.1", tmp_path))
    if box.run("tunnelmesh", "help", "restart", check=False).returncode != 0:
        pytest.skip("this version stops and starts at an upgrade")
    process = box.pid()
    config = box.path("/etc/tunnelmesh/config.yaml")
    config.write_text(config.read_text() + "\nmtu: many\n")
    box.install(machine.package())
    assert box.pid() == process and box.unit("ActiveState") == "active"
