# SPDX-License-Identifier: AGPL-3.0-or-later
"""Beside the program of the last release (TUNNELMESH_OLDER, which `make versions` builds): both work in one mesh, and a
coordinator is brought from one to the other and back."""
import contextlib
import os
import sqlite3

import pytest

from lab import BINARY, wait_for
from test_coordinator_loss import Conversation

OLDER = os.environ.get("TUNNELMESH_OLDER", "")
pytestmark = pytest.mark.skipif(not os.access(OLDER, os.X_OK),
                                reason="TUNNELMESH_OLDER names no program of an earlier version: `make versions` builds one")


def older(node):
    node.binary = OLDER
    return node


def newer(node):
    node.binary = BINARY
    return node


def linked(node):
    return node.status()["link"]["up"]


def reaches(a, b):
    return a.ping(b.name, check=False).returncode == 0


def all_reach_all(*nodes):
    for a in nodes:
        wait_for(f"{a.name}'s link", lambda a=a: linked(a), 30)
    for a in nodes:
        for b in nodes:
            if a is not b:
                wait_for(f"{a.name} to reach {b.name}", lambda a=a, b=b: reaches(a, b), 30)


def version_of(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


@pytest.mark.parametrize("which", ["hub", "node", "both"])
def test_nodes_of_both_versions_work_together(net, which):
    """Who is older; and all go on when the others have been away."""
    names = {"hub": ["hub"], "node": ["a"], "both": ["hub", "a"]}[which]
    hub, a, b = (older(net.node(n)) if n in names else net.node(n) for n in ("hub", "a", "b"))
    hub.init()
    for node in (a, b):
        node.join(hub.token())
    all_reach_all(hub, a, b)
    a.run("node", "list")
    hub.run("node", "rename", "b", "bee")
    b.name = "bee"
    wait_for("the new name", lambda: reaches(a, b), 30)
    for node in (hub, a, b):
        node.down()
        node.up()
    all_reach_all(hub, a, b)
    hub.run("node", "remove", "bee")
    wait_for("its removal", lambda: a.peer("bee") is None, 30)


def test_a_coordinator_is_upgraded_under_traffic_and_can_go_back_to_what_was_kept(net):
    hub, a, b = older(net.node("hub")), older(net.node("a")), net.node("b")
    hub.init()
    for node in (a, b):
        node.join(hub.token())
    all_reach_all(hub, a, b)
    unused = hub.token()
    members = [(n["id"], n["name"], n["ip4"]) for n in hub.json("node", "list")["nodes"]]
    talk = Conversation(a, b, b.status()["self"]["ip4"])
    to_hub = Conversation(b, hub, hub.status()["self"]["ip4"])
    newer(hub).run("restart")
    assert hub.json("version")["daemon"] == hub.json("version")["version"]
    assert [(n["id"], n["name"], n["ip4"]) for n in hub.json("node", "list")["nodes"]] == members
    newer(a).run("restart")
    all_reach_all(hub, a, b)
    for t in (talk, to_hub):
        heard = t.rounds
        wait_for("the connection to go on", lambda t=t, heard=heard: t.rounds > heard + 5, 60)
        t.end()
    late = net.node("late")
    late.join(unused)
    all_reach_all(hub, late)

    hub.down()
    kept = hub.state + "/mesh.db.before"
    if not os.path.exists(kept):
        return  # both have the same format
    assert version_of(kept) < version_of(hub.state + "/mesh.db") and kept in hub.log()
    refused = older(hub).run("up", check=False)
    assert refused.returncode == 1 and "from a newer TunnelMesh" in refused.stderr
    for name in ("mesh.db", "mesh.db-wal", "mesh.db-shm"):
        if os.path.exists(os.path.join(hub.state, name)):
            os.unlink(os.path.join(hub.state, name))
    os.rename(kept, hub.state + "/mesh.db")
    hub.up()
    assert [(n["id"], n["name"], n["ip4"]) for n in hub.json("node", "list")["nodes"]] == members
    all_reach_all(hub, a)
