# SPDX-License-Identifier: AGPL-3.0-or-later
"""Backups: of a coordinator that runs, brought back after a loss, elsewhere, and when more has happened since."""
import os
import shutil
import stat
import tarfile

from lab import Node, wait_for


def backup(node, name="backup.tar"):
    path = os.path.join(node.lab.dir, f"{node.name}-{name}")
    node.run("backup", path)
    return path


def lose(node):
    """The machine is gone with all it had."""
    node.kill9()
    shutil.rmtree(node.state)


def linked(node):
    return node.status()["link"]["up"]


def test_a_backup_of_a_running_coordinator_loses_no_member(net):
    hub, a, b = net.mesh("hub", "a", "b")
    a.ping("b")
    path = backup(hub)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with tarfile.open(path) as tar:
        assert sorted(tar.getnames()) == ["backup.json", "clock", "identity", "mesh.db", "node.json"]
    assert not os.path.exists(hub.state + "/mesh.db.copy")
    members = hub.json("node", "list")["nodes"]
    lose(hub)
    hub.run("restore", path)
    hub.up()
    for node in (a, b):
        wait_for(f"{node.name} to be linked", lambda node=node: linked(node))
        assert "removed" not in node.log()
        hub.ping(node.name)
    a.ping("b")
    again = hub.json("node", "list")["nodes"]
    assert [(n["id"], n["name"], n["ip4"]) for n in again] == [(n["id"], n["name"], n["ip4"]) for n in members]
    assert hub.status()["link"]["up"]


def test_a_backup_of_a_stopped_coordinator_serves_too(net):
    hub, a = net.mesh("hub", "a")
    hub.down()
    path = backup(hub)
    shutil.rmtree(hub.state)
    hub.run("restore", path)
    hub.up()
    wait_for("a to be linked", lambda: linked(a))
    hub.ping("a")


def test_a_coordinator_moves_to_another_machine_with_its_address(net):
    hub, a, b = net.mesh("hub", "a", "b")
    path = backup(hub)
    hub.down()
    # The same namespace stands for the same address; everything else is another machine's.
    new = Node(hub.host, "new")
    net.nodes.append(new)
    out = new.run("restore", path).stdout
    assert "the coordinator" in out and "must not run any more" in out
    new.up()
    for node in (a, b):
        wait_for(f"{node.name} to be linked", lambda node=node: linked(node))
        new.ping(node.name)
    c = net.node("c")
    c.join(new.token())
    c.ping("a")


def test_what_happened_after_the_backup_is_undone_and_everybody_is_told(net):
    hub, a, gone = net.mesh("hub", "a", "gone")
    path = backup(hub)
    hub.run("node", "remove", "gone")
    late = net.node("late")
    late.join(hub.token())
    a.ping("late")
    lose(hub)
    out = hub.run("restore", path).stdout
    assert "removed since is a member again" in out
    hub.up()
    wait_for("late to be told", lambda: late.status()["link"]["removed"])
    wait_for("a to be linked", lambda: linked(a))
    wait_for("a to know", lambda: sorted(p["name"] for p in a.status()["peers"]) == ["gone", "hub"])
    gone.down()  # it asks again every minute; this is sooner
    gone.up()
    wait_for("the one that was removed to be back", lambda: linked(gone))
    gone.ping("a")
    # Another newcomer gets the address that "late" had, and a version of the map that "late" would have known.
    next_one = net.node("next")
    next_one.join(hub.token())
    a.ping("next")


def test_restore_changes_nothing_when_it_refuses(net):
    hub, a = net.mesh("hub", "a")
    path = backup(hub)
    of_a = backup(a)

    def refused(node, *args):
        r = node.run("restore", *args, check=False)
        assert r.returncode == 1 and r.stderr.count("\n") == 1, r
        return r.stderr
    assert "tunnelmesh down" in refused(hub, path)
    hub.down()
    before = sorted((f, os.stat(f"{hub.state}/{f}").st_mtime_ns) for f in os.listdir(hub.state) if f != "lock")
    assert "already" in refused(hub, path)
    assert "not a TunnelMesh backup" in refused(hub, "--replace", hub.state + "/identity")
    with open(path, "rb") as f:
        whole = f.read()
    bent = os.path.join(net.dir, "bent.tar")
    for bad in (whole[:-2000], whole.replace(b"SQLite format 3", b"SQLite format 4")):
        with open(bent, "wb") as f:
            f.write(bad)
        assert "damaged" in refused(hub, "--replace", bent)
    assert before == sorted((f, os.stat(f"{hub.state}/{f}").st_mtime_ns) for f in os.listdir(hub.state) if f != "lock")
    hub.up()
    hub.ping("a")
    # What it was is kept when it is told to become another one.
    hub.down()
    a.down()
    hub.run("restore", "--replace", of_a)
    assert sorted(os.listdir(hub.state + "/replaced")) == sorted(
        f for f, _ in before if f in ("identity", "node.json", "mesh.db", "netmap.db", "tls.pem"))
    assert "earlier restore" in refused(hub, "--replace", path)
    aside = sorted(os.listdir(hub.state + "/replaced"))
    assert hub.state + "/replaced" in hub.run("leave", "-y").stderr
    assert os.listdir(hub.state) == ["replaced"] and sorted(os.listdir(hub.state + "/replaced")) == aside


def test_a_plain_node_is_restored_as_itself(net):
    hub, a = net.mesh("hub", "a")
    address = a.status()["self"]["ip4"]
    path = backup(a)
    lose(a)
    a.run("restore", path)
    a.up()  # a session of its own: who restarts is the one who begins
    assert a.status()["self"]["ip4"] == address
    a.ping("hub")
    assert len(hub.json("node", "list")["nodes"]) == 2


def test_what_a_restore_put_aside_is_taken_back_as_the_guide_says(net):
    hub, a = net.mesh("hub", "a")
    before = a.status()["self"]
    of_hub = backup(hub)
    hub.down()
    a.down()
    a.run("restore", "--replace", of_hub)
    a.up()
    assert a.status()["self"]["name"] == "hub"
    a.down()
    aside = a.state + "/replaced"
    for name in os.listdir(a.state):
        if name.startswith(("identity", "node.json", "netmap.db", "mesh.db")):
            os.unlink(f"{a.state}/{name}")
    for name in os.listdir(aside):
        shutil.move(f"{aside}/{name}", a.state)
    os.rmdir(aside)
    hub.up()
    a.up()
    assert a.status()["self"] == before
    wait_for("a to be linked", lambda: linked(a))
    a.ping("hub")
