# SPDX-License-Identifier: AGPL-3.0-or-later
"""A running node is replaced by the program that is installed now: the tunnel stays, and what cannot go well is refused or
tidied up."""
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import statistics
import time

import pytest

from lab import BINARY, alive, is_sanitized, wait_for
from test_coordinator_loss import Conversation
from test_exit import _try, mesh_with_exit, use
from test_first_mesh import assert_clean
from test_relay import cut
from test_routes import call
from wiretap import ask, inside


ENDS_AT_ONCE = "#!/bin/sh\n[ $1 = restart ]\n"  # and promises otherwise when it is asked before


def install(node, content=None):
    """A program at a place of the node's own, as packages do it: another file takes the place of the one before."""
    path = os.path.join(node.lab.dir, node.name + "-program")
    if content is None:
        shutil.copyfile(BINARY, path + ".new")
    else:
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(content)
    os.chmod(path + ".new", 0o755)
    os.replace(path + ".new", path)
    return path


def installed(node):
    node.binary = install(node)
    return node


def index_of(node):
    return json.loads(node.host.sh("ip", "-j", "link", "show", "tm0").stdout)[0]["ifindex"]


def files_open(pid):
    """What is no socket: one too many of it would be there for ever. But for the map's, which is open once there is something to keep."""
    held = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            held.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sorted(f for f in held if f.startswith("/") and "/netmap.db" not in f)


def runs_file(node):
    """Which file the daemon runs: a number that another one does not have."""
    return os.stat(f"/proc/{node.pid()}/exe").st_ino


def mesh_of_installed(net, *names):
    nodes = [installed(net.node(n)) for n in names]
    nodes[0].init()
    for n in nodes[1:]:
        n.join(nodes[0].token())
    return nodes


@pytest.mark.parametrize("which", ["node", "hub"])
def test_a_restart_changes_the_program_and_keeps_process_interface_and_connections(net, which):
    nodes = {n.name: n for n in mesh_of_installed(net, "hub", "node", "other")}
    me, other = nodes[which], nodes["other"]
    me.ping("other")
    speaks = Conversation(me, other, other.status()["self"]["ip4"])
    answers = Conversation(other, me, me.status()["self"]["ip4"])
    with inside(me.host):  # what is bound to an interface loses it for good when that goes
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"tm0")
    me.host.sh("ip", "route", "add", "192.0.2.0/24", "dev", "tm0")  # somebody's, which would go with it
    pid, index, program = me.pid(), index_of(me), runs_file(me)
    files = files_open(pid)
    for _ in range(2):
        install(me)
        assert me.status()["program_replaced"]
        answer = me.json("restart")
        assert (answer["pid"], answer["kept"]) == (pid, True)
        assert me.pid() == pid and index_of(me) == index and not me.status()["program_replaced"]
        assert runs_file(me) != program
        program = runs_file(me)
        heard = (speaks.rounds, answers.rounds)
        wait_for("the connections to go on", lambda: speaks.rounds > heard[0] + 5 and answers.rounds > heard[1] + 5, 60)
        wait_for("the link", lambda: me.status()["link"]["up"])
        wait_for("the files that were open before", lambda: files_open(pid) == files)
    assert me.host.sh("ip", "route", "show", "192.0.2.0/24").stdout.strip()
    bound.sendto(b"x", (other.status()["self"]["ip4"], 9))
    bound.close()
    speaks.end()
    answers.end()
    assert me.host.pids().count(pid) == 1
    if which == "hub":
        late = net.node("late")
        late.join(me.token())
        late.ping("other")
    me.down()
    assert_clean(me.host)


def test_a_restart_applies_settings_that_need_one_and_makes_another_device_where_it_must(net):
    hub, node = net.mesh("hub", "node")
    index = index_of(node)
    node.configure(mtu=1300).down()
    node.up()  # with a configuration of its own from here on
    index = index_of(node)
    node.configure(mtu=1350)
    node.run("restart")
    assert node.status()["mtu"] == 1350 and index_of(node) == index
    node.configure(workers=node.status()["workers"] + 1)
    node.run("restart")
    assert index_of(node) != index
    node.configure(tun="tm7")
    node.run("restart")
    assert node.status()["tun"] == "tm7" and "tm0" not in node.host.sh("ip", "link").stdout
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)
    node.configure(mtu="many")
    pid = node.pid()
    refused = node.run("restart", check=False)
    assert refused.returncode == 1 and "mtu" in refused.stderr and "the one that runs was left alone" in refused.stderr
    assert node.pid() == pid
    node.ping("hub")


def test_what_cannot_be_run_leaves_the_program_that_was_there(net):
    hub, node = mesh_of_installed(net, "hub", "node")
    node.ping("hub")
    talk, index, program = Conversation(node, hub, hub.status()["self"]["ip4"]), index_of(node), runs_file(node)
    os.chmod(node.binary, 0o644)
    node.binary = BINARY  # from which it is asked
    refused = node.run("restart", check=False)
    assert refused.returncode == 1 and "cannot be run" in refused.stderr
    os.chmod(os.path.join(net.dir, "node-program"), 0o755)
    os.unlink(os.path.join(net.dir, "node-program"))
    refused = node.run("restart", check=False)
    assert refused.returncode == 1 and "cannot be run" in refused.stderr
    install(node, "#!/bin/sh\necho no, not here\nexit 3\n")
    refused = node.run("restart", check=False)
    assert refused.returncode == 1 and "exited with status 3: no, not here" in refused.stderr and "the one that runs goes on" in refused.stderr
    install(node, "#!/bin/sh\nexec sleep 1000\n")
    refused = node.run("restart", check=False)
    assert refused.returncode == 1 and "did not finish in time" in refused.stderr
    install(node, "#!/bin/sh\necho this is no program >$0\n")  # which is not seen before it is tried
    node.run("restart")
    assert runs_file(node) == program and index_of(node) == index
    talk.end()
    node.ping("hub")


def test_a_database_that_the_next_program_refuses_leaves_the_one_that_has_it(net):
    """Whoever asks: what is wrong with the database is found out by the program that is to read it."""
    hub, node = mesh_of_installed(net, "hub", "node")
    pid, program = hub.pid(), runs_file(hub)
    with open(hub.state + "/mesh.db", "r+b") as db:  # "Database File Format", 1.3; the daemon has a lock, and has read it
        db.seek(60)
        version = db.read(4)
        db.seek(60)
        db.write((99).to_bytes(4, "big"))
    refused = hub.json("restart", check=False)
    assert not refused["ok"] and "from a newer TunnelMesh" in refused["error"]
    asked = ask(hub, cmd="replace")
    assert asked["code"] == "not_replaced" and "from a newer TunnelMesh" in asked["error"]
    assert hub.pid() == pid and runs_file(hub) == program
    node.ping("hub")
    with open(hub.state + "/mesh.db", "r+b") as db:
        db.seek(60)
        db.write(version)
    hub.run("restart")
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)


def test_a_program_that_ends_at_once_leaves_nothing_and_the_next_start_works(net):
    hub, node = mesh_of_installed(net, "hub", "node")
    pid = node.pid()
    install(node, ENDS_AT_ONCE)
    node.binary = BINARY
    failed = node.run("restart", check=False)
    assert failed.returncode == 1 and "has ended instead of coming up again" in failed.stderr
    wait_for("its end", lambda: not alive(pid))
    assert_clean(node.host)
    node.up()
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)


def test_with_an_exit_node_nothing_leaves_past_it_and_after_a_crash_all_is_tidied_up(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    install(laptop)
    laptop.down()
    laptop.binary = os.path.join(net.dir, "laptop-program")
    laptop.up()
    use(laptop, "gate")

    def by_gate():
        return (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4
    wait_for("the exit", by_gate)
    laptop.run("restart")
    wait_for("the exit", by_gate, 20)
    install(laptop, ENDS_AT_ONCE)
    laptop.binary = BINARY
    assert laptop.run("restart", check=False).returncode == 1
    wait_for("its end", lambda: laptop.host.pids() == [])
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    laptop.run("down", "--cleanup")
    assert "8484" not in laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    laptop.up()
    wait_for("the exit", by_gate, 20)


def set_version(node, version):
    with contextlib.closing(sqlite3.connect(node.state + "/mesh.db")) as db:
        db.execute(f"PRAGMA user_version = {version}")


def test_a_database_of_a_newer_program_is_refused_with_a_sentence_and_left_alone(net):
    hub, node = net.mesh("hub", "node")
    hub.down()
    set_version(hub, 99)
    refused = hub.run("up", check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "the mesh database is from a newer TunnelMesh: its version is 99" in refused.stderr and "use the newer program" in refused.stderr
    assert_clean(hub.host)
    with contextlib.closing(sqlite3.connect(hub.state + "/mesh.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
        assert db.execute("SELECT count(*) FROM node").fetchone() == (2,)


@pytest.mark.slow
@pytest.mark.skipif(is_sanitized(), reason="of a sanitizer's program times say nothing")
@pytest.mark.parametrize("which, between", [("node", "node"), ("hub", "hub"), ("hub", "node")], ids=["member", "coordinator", "relay"])
def test_how_long_a_restart_holds_up_what_goes_through_the_tunnel(net, which, between):
    """Of 20 the median: the longest time without an answer to a ping each 10 ms, and the longest round of a connection."""
    nodes = {n.name: n for n in mesh_of_installed(net, "hub", "node", "other")}
    me, one, other = nodes[which], nodes[between], nodes["other"]
    if which != between:
        cut(net, one, other)  # and what they say goes by the coordinator
    wait_for("the tunnel", lambda: one.ping("other", check=False).returncode == 0)
    assert one.peer("other")["path"] == ("direct" if which == between else "relay")
    address = other.status()["self"]["ip4"]
    pings, rounds = [], []
    for _ in range(20):
        talk = Conversation(one, other, address)
        ping = one.host.spawn("ping", "-D", "-n", "-i", "0.01", address, stdout=-1, text=True)
        wait_for("the connection", lambda: talk.rounds > 20, 60)
        talk.longest, begun = 0, time.time()
        install(me)
        me.run("restart")
        heard = talk.rounds
        wait_for("the connection to go on", lambda: talk.rounds > heard + 50, 60)
        ping.terminate()
        at = [float(line[1:].split("]")[0]) for line in ping.communicate()[0].splitlines() if "bytes from" in line]
        pings.append(max(b - a for a, b in zip(at, at[1:]) if b > begun))
        talk.end()
        rounds.append(talk.longest)
    print(f"\nrestart of {which}, {between} to other, 20 times: pings {1000 * statistics.median(pings):.0f} ms without an answer (at most "
          f"{1000 * max(pings):.0f}), a connection {1000 * statistics.median(rounds):.0f} ms (at most {1000 * max(rounds):.0f})")
