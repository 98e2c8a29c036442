# SPDX-License-Identifier: AGPL-3.0-or-later
"""A machine whose disk is full or read-only, or where something is not there yet, is the one that somebody has to reach:
whoever is in a mesh starts, and says what it goes without."""
import os
import re

from lab import kept, wait_for
from mistakes import fill, read_only, small_disk


def remembers(node, *names):
    wait_for(f"{node.name} to keep its map", lambda: {n for (n,) in kept(node, "SELECT name FROM member")} >= set(names))


def test_a_node_starts_on_a_full_disk(net):
    hub, node = net.node("hub"), net.node("node")
    disk = small_disk(net, node, 4096)
    hub.init()
    node.join(hub.token())
    node.down()
    free = fill(node, disk)
    os.unlink(node.host.path(node.state + "/clock"))
    os.unlink(node.host.path(node.state + "/lock"))
    fill_the_rest = node.host.path(disk + "/more")
    with open(fill_the_rest, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(512))
        except OSError:
            pass
    node.up()
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)
    hub.ping("node")
    free()
    node.down()
    assert os.path.getsize(node.host.path(node.state + "/clock")) > 0, "saved as soon as there is room"


def test_a_coordinator_starts_on_a_full_disk_and_refuses_changes_until_there_is_room(net):
    hub, node = net.node("hub"), net.node("node")
    disk = small_disk(net, hub, 4096)
    hub.init()
    node.join(hub.token())
    hub.down()
    free = fill(hub, disk)
    hub.up()
    wait_for("the node to be linked", lambda: node.status()["link"]["up"])
    hub.ping("node")
    refused = hub.run("node", "rename", "node", "other", check=False)
    assert refused.returncode == 1 and "nothing was changed" in refused.stderr
    free()
    hub.run("node", "rename", "node", "other")


def test_a_node_starts_in_a_read_only_directory_and_finds_its_peers_without_the_coordinator(net):
    hub, node, other = net.mesh("hub", "node", "other")
    remembers(node, "hub", "node", "other")
    node.ping("other")
    node.down()
    hub.down()
    read_only(node)
    started = node.run("up")
    assert re.search(r"cannot open the log .*: Read-only file system: nothing is logged", started.stderr)
    wait_for("the tunnel", lambda: node.ping("other", check=False).returncode == 0)
    # What stops it, and who asks whether it runs, need no writable disk either.
    assert node.json("up")["started"] is False
    assert "stopped" in node.down().stdout
    assert "not running" in node.run("status", check=False).stderr
    assert node.host.pids() == []
    # Its socket cannot be made in there, and no log is there that would say why.
    inside, advice = ("--socket", node.state + "/tunnelmesh.sock"), "name another path, in /run, with --socket"
    assert advice in node.run("up", *inside).stderr
    assert advice in node.run("status", *inside, check=False).stderr
    node.run("down", *inside)
