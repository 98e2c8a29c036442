# SPDX-License-Identifier: AGPL-3.0-or-later
"""What `status` and `node list` say of nodes that were removed, restored, moved and cloned, and that no state sticks.
`pytest -s` prints the table."""
import os
import shutil

import pytest

from lab import Node, wait_for


def copy_of(node, host, name):
    """The same identity on another machine."""
    shutil.copytree(node.state, os.path.join(node.lab.dir, name), ignore=shutil.ignore_patterns("lock", "daemon.log"))
    copy = Node(host, name)
    node.lab.nodes.append(copy)
    return copy


def shown(hub, node):
    """The states in one row: what the node says of itself, and what the coordinator says of it."""
    link = node.status()["link"]
    listed = next((n for n in hub.json("node", "list")["nodes"] if n["name"] == "node"), None)
    return {"up": link["up"], "removed": link["removed"], "twin": link["twin"], "error": link["error"] or "",
            "listed": listed is not None, "online": bool(listed and listed["online"]),
            "twice": bool(listed and listed["twin_from"])}


def expect(hub, node, when, error=None, **wanted):
    row = {}

    def is_so():
        row.update(shown(hub, node))
        return all(row[k] == v for k, v in wanted.items())
    try:
        wait_for(f"{node.name}, {when}, to be {wanted}", is_so)
    finally:
        print(f"\n{when:34} {node.name:8} " + " ".join(f"{k}={str(v).lower()}" for k, v in row.items() if k != "error"),
              row.get("error", ""), end="")
    assert (error or "") in row["error"] and bool(error) == bool(row["error"]), row
    text = node.run("status").stdout
    assert ("no link to the coordinator" in text) == (not row["up"] and not row["removed"])
    assert ("`join` with a new token brings it back" in text) == row["removed"]
    assert not error or error in text


MEMBER = {"up": True, "removed": False, "twin": False, "listed": True, "online": True, "twice": False}


def test_a_clone_is_told_and_the_first_keeps_its_place(net):
    hub, node, other = net.mesh("hub", "node", "other")
    node.ping("other")
    clone = copy_of(node, net.host("clone"), "clone")
    clone.up()
    expect(hub, clone, "cloned: the copy", "runs with this node's identity", up=False, twin=True, removed=False)
    expect(hub, node, "cloned: the first", **MEMBER | {"twice": True})
    assert hub.status()["twins"] == 1 and node.status()["twins"] is None
    listed = hub.run("node", "list").stdout
    assert "online twice" in listed and clone.host.ip4 in listed and node.host.ip4 in listed
    assert "nodes whose identity two machines have: 1" in hub.run("status").stdout
    # Nobody takes the other's sessions: the first is reached, by its own address.
    wait_for("the tunnel", lambda: other.ping("node", check=False).returncode == 0)
    assert other.peer("node")["endpoint"].split(":51820")[0].strip("[]") in (node.host.ip4, node.host.ip6)
    assert clone.status()["peers"] == []
    assert hub.log().count("two machines run with the identity of one node") == 1
    assert node.log().count("linked to the coordinator") == 2
    # Giving the copy up does not touch the member.
    left = clone.run("leave", "-y")
    assert (left.stdout, left.stderr) == ('  left the mesh "home"\n', "")
    node.ping("hub")
    clone.join(hub.token())
    clone.ping("node")
    assert hub.peer("node") and hub.peer("clone")


def test_a_removed_node_says_so_and_can_leave_and_join(net):
    hub, node, other = net.mesh("hub", "node", "other")
    node.ping("other")
    hub.run("node", "remove", "node")
    wait_for("the node to be told", lambda: node.status()["link"]["removed"])
    expect(hub, node, "removed", "this node was removed from the mesh",
           up=False, removed=True, twin=False, listed=False)
    assert node.status()["peers"] == [] and other.ping("node", check=False).returncode != 0
    for asked in (("node", "list"), ("peers",), ("status", "hub"), ("ping", "hub")):
        refused = node.run(*asked, check=False)
        assert refused.returncode == 1 and "this node was removed from the mesh (join again with" in refused.stderr, asked
    node.down()
    node.up()
    expect(hub, node, "removed, after a restart", "not (or no longer) a member", up=False, removed=True, listed=False)
    left = node.run("leave", "-y")
    assert (left.stdout, left.stderr) == ('  left the mesh "home"\n', "")
    node.join(hub.token())
    expect(hub, node, "removed, joined again", **MEMBER)
    node.ping("other")


def test_a_moved_node_is_the_same_at_another_place(net):
    hub, node, other = net.mesh("hub", "node", "other")
    before = node.status()["self"]
    moved = copy_of(node, net.host("moved"), "moved")
    node.down()
    expect_offline = lambda: not next(n for n in hub.json("node", "list")["nodes"] if n["name"] == "node")["online"]
    wait_for("the coordinator to see it go", expect_offline)
    moved.up()
    expect(hub, moved, "moved to another machine", **MEMBER)
    assert moved.status()["self"] == before
    wait_for("the tunnel", lambda: other.ping("node", check=False).returncode == 0)


@pytest.mark.slow
def test_a_node_that_a_restored_mesh_knows_again_comes_back_by_itself(net):
    hub, node, other = net.mesh("hub", "node", "other")
    backup = os.path.join(net.dir, "hub.tar")
    hub.run("backup", backup)
    hub.run("node", "remove", "node")
    expect(hub, node, "removed", "was removed from the mesh", up=False, removed=True, listed=False)
    hub.down()
    hub.run("restore", "--replace", backup)
    hub.up()
    wait_for("the node to ask again, once a minute", lambda: node.status()["link"]["up"], 90, 1)
    expect(hub, node, "restored from before the removal", **MEMBER)
    wait_for("the tunnel", lambda: node.ping("other", check=False).returncode == 0)
    assert other.run("bench", "node", "-t", "1").returncode == 0
