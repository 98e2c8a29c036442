# SPDX-License-Identifier: AGPL-3.0-or-later
"""What must not stop anything: a daemon that runs or does not, damaged files, full disks, a clock that was set back."""
import glob
import os
import re

import pytest

from lab import kept, wait_for
from mistakes import fill, small_disk, stopped_mesh


def test_up_beside_a_running_daemon_is_fine_and_starts_no_second_one(net):
    hub = net.node("hub")
    hub.init()
    pid = hub.pid()
    assert hub.json("up") == {"schema": 1, "ok": True, "started": False, "pid": pid}
    assert hub.host.pids() == [pid]


def test_down_without_a_daemon_is_fine(net):
    hub = net.node("hub")
    hub.init("--no-up")
    assert hub.json("down") == {"schema": 1, "ok": True, "stopped": False}


@pytest.mark.parametrize("damage", [b"", b"{garbage", b'{"v":1}', os.urandom(500)],
                         ids=["empty", "garbled", "incomplete", "random"])
@pytest.mark.parametrize("name", ["netmap.db", "clock"])
def test_a_node_starts_in_spite_of_a_damaged(net, name, damage):
    hub, node = stopped_mesh(net)
    with open(os.path.join(node.state, name), "wb") as f:
        f.write(damage)
    node.up()
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)
    if name == "netmap.db":
        assert "the file of the network map is unusable" in node.log()
    node.down()
    assert contents(os.path.join(node.state, name)) != damage


def test_a_full_disk_does_not_stop_a_running_node(net):
    hub, node = net.node("hub"), net.node("node")
    disk = small_disk(net, node, 4096)
    hub.init()
    node.join(hub.token())
    names = lambda: {name for (name,) in kept(node, "SELECT name FROM member")}
    wait_for("the map to be written", lambda: "hub" in names())
    free = fill(node, disk)
    # Each change is one more reason to write; what fits into the log's last page is still logged.
    for old, new in (("hub", "one"), ("one", "two")):
        hub.run("node", "rename", old, new)
        wait_for("the node to hear of it", lambda: node.peer(new))
        node.ping(new)
    wait_for("the warning", lambda: "the network map cannot be written" in node.log())
    assert "two" not in names()
    free()
    hub.run("node", "rename", "two", "three")
    wait_for("the map to be written again", lambda: "three" in names())


def contents(path):
    with open(path, "rb") as f:
        return f.read()


FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def a_year_ago():
    """The environment of a process whose wall clock was set back; its monotonic clock is the kernel's."""
    assert FAKETIME, "the Debian package faketime is missing"
    return {**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME": "-365d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.plain("must preload its own runtime before any other library")
@pytest.mark.parametrize("who", ["node", "hub"])
def test_a_clock_that_was_set_back_a_year_does_not_cut_anybody_off(net, who):
    """Peers remember the time of our last handshake and drop older ones (TAI64N): the clock file bridges it."""
    nodes = dict(zip(("hub", "node"), net.mesh("hub", "node")))
    hub, node = nodes["hub"], nodes["node"]
    node.ping("hub")
    nodes[who].down()
    nodes[who].run("up", env=a_year_ago())
    other = "hub" if who == "node" else "node"
    wait_for("the tunnel", lambda: nodes[who].ping(other, check=False).returncode == 0)
    nodes[other].ping(who)
    assert re.search(r"system clock is behind the last known time.*behind_s=315[0-9]{5}", nodes[who].log())
    wait_for("the control link", lambda: node.status()["link"]["up"])
    # Coming back to the right time is no worse.
    nodes[who].down()
    nodes[who].up()
    wait_for("the tunnel", lambda: nodes[who].ping(other, check=False).returncode == 0)
    third = net.node("third")
    third.join(hub.token())
    third.ping("node")


@pytest.mark.slow
def test_a_full_disk_does_not_stop_the_clock_from_being_reserved_later(net):
    hub = net.node("hub")
    disk = small_disk(net, hub, 4096)
    wall = os.path.join(net.dir, "wall-clock")
    set_wall = {**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": wall, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with open(wall, "w", encoding="ascii") as f:
        f.write("+0\n")
    hub.run("init", "--name", "hub", env=set_wall)
    clock = hub.host.path(hub.state + "/clock")
    before = contents(clock)
    free = fill(hub, disk)
    with open(wall, "w", encoding="ascii") as f:
        f.write("+2h\n")  # far beyond what was reserved
    wait_for("the check of the clock once a minute", lambda: "the clock is not saved, trying again" in hub.log(), 90, 1)
    assert contents(clock) == before
    free()
    wait_for("the next check", lambda: contents(clock) != before, 90, 1)
