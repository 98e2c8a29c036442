# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is left of an exit node's use when the daemon ends, however it does, and beside a second mesh."""
import os
import pathlib
import signal

import pytest

from lab import alive, wait_for
from test_exit import Wire, _try, exit_of, mesh_with_exit, use
from test_routes import call, tables


@pytest.mark.parametrize("kill", [False, True])
def test_after_a_crash_all_is_as_it_was_or_all_is_held_back(net, kill):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.kill9()
    if not kill:
        assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
        assert call(laptop.host, outside.ip6)[0] == laptop.host.ip6
    else:
        assert _try(call, laptop.host, outside.ip4) is None and _try(call, laptop.host, outside.ip6) is None
    laptop.up()  # which uses it again
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
    laptop.kill9()
    assert "exit node" in laptop.run("exit-node", "off").stdout  # without a daemon
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert "8484" not in laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    laptop.up()
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    laptop.down()  # on purpose: nothing stays
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4


def test_a_guard_that_an_older_kernel_leaves_is_taken_away(net):
    """Before Linux 5.12 a table of nftables has no owner whom it follows: what a killed daemon left refuses everything."""
    hub, gate, laptop, outside = mesh_with_exit(net)

    def left():
        laptop.host.sh("nft", "-f", "-", input=(
            "table inet tunnelmesh-tm0-exit {\n chain leaves { type filter hook output priority 0; policy drop; }\n}\n"
            "table arp tunnelmesh-tm0-exit {\n chain asks { type filter hook input priority 0; }\n}\n"))

    def is_gone():
        return tables(laptop.host) <= {"tunnelmesh-tm0-own"} and call(laptop.host, outside.ip4)[0] == laptop.host.ip4

    use(laptop, "gate")
    for by in ("down", "down --cleanup", "exit-node off", "up"):
        wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
        laptop.kill9()
        left()
        if by == "up":  # of one that uses none
            pathlib.Path(laptop.host.path(laptop.state), "routes").unlink()
            laptop.up()
        else:
            assert "removed what a killed tunnelmesh" in laptop.run(*by.split()).stdout, by
        assert is_gone(), by
        if by != "up":
            laptop.up()
        if by == "exit-node off":
            use(laptop, "gate")


@pytest.mark.parametrize("kill", [False, True], ids=["plain", "kill-switch"])
def test_what_a_crash_has_left_cleanup_and_leave_take_away(net, kill):
    """The one but for what a kill switch is for, the other all of it: the next mesh begins with an open way."""
    hub, gate, laptop, outside = mesh_with_exit(net)
    rules = lambda: laptop.host.sh("ip", "rule").stdout + laptop.host.sh("ip", "-6", "rule").stdout
    valid_mark = lambda: laptop.host.sh("sysctl", "-n", "net.ipv4.conf.all.src_valid_mark").stdout
    clean, before = rules(), valid_mark()
    use(laptop, "gate", *(["--kill-switch"] if kill else []))
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    laptop.kill9()
    assert "removed what a killed tunnelmesh left" in laptop.run("down", "--cleanup").stdout
    assert valid_mark() == before
    if kill:
        assert rules() != clean and _try(call, laptop.host, outside.ip4) is None
    else:
        assert rules() == clean and call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    laptop.run("leave", "--yes", check=False)
    assert rules() == clean and call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert not os.path.exists(laptop.state)


def test_a_kill_switch_holds_at_every_end_but_the_ones_that_are_wanted(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    use(laptop, "gate", "--kill-switch")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    wire = Wire(laptop.host, hub, gate)

    def ends(by):
        pid = laptop.pid()
        by(pid)
        wait_for("the end", lambda: not alive(pid))
        assert _try(call, laptop.host, outside.ip4) is None and _try(call, laptop.host, outside.ip6) is None

    try:
        ends(lambda pid: os.kill(pid, signal.SIGTERM))  # a restart, an update, a shutdown
        laptop.up()
        wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
        ends(lambda pid: laptop.host.ip("link del tm0"))
        # A file that nobody can read any more is no reason to open.
        routes = pathlib.Path(laptop.host.path(laptop.state), "routes")
        kept = routes.read_bytes()
        routes.write_bytes(b"us")
        laptop.up()
        assert _try(call, laptop.host, outside.ip4) is None
        ends(lambda pid: os.kill(pid, signal.SIGTERM))
        routes.write_bytes(kept)
        laptop.up()
        wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4, 20)
    finally:
        seen = wire.stop()
    assert not seen
    laptop.down()
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert "tunnelmesh" not in laptop.host.sh("nft", "list", "tables").stdout


def test_a_second_mesh_leaves_the_firsts_exit_alone_and_cannot_use_one_itself(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    other = net.node("other", net.host("other"))
    other.init("--net4", "10.99.0.0/16")  # a range that hub cannot have drawn
    other_gate = net.node("othergate", net.host("othergate"))
    other_gate.join(other.token())
    exit_of(other, other_gate)
    use(laptop, "gate", "--kill-switch")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    wire = Wire(laptop.host, hub, gate, other, other_gate)
    second = net.node("second", laptop.host)
    second.join(other.token(), "--tun", "tm9", "--listen-port", "51830")
    wait_for("the other mesh", lambda: second.ping("other", check=False).returncode == 0)
    r = wait_for("the refusal", lambda: next((r for r in [second.run("exit-node", "use", "othergate", check=False)]
                                              if "another tunnelmesh" in r.stderr), None))
    assert r.returncode == 1 and "tm0" in r.stderr
    assert second.status()["routing"]["exit"] is None
    second.run("exit-node", "off")
    assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
    second.down()
    assert call(laptop.host, outside.ip4)[0] == gate.host.ip4
    assert not wire.stop()


def test_neither_start_nor_end_of_a_second_mesh_opens_what_the_first_holds(net):
    hub, gate, laptop, outside = mesh_with_exit(net)
    other = net.node("other", net.host("other"))
    other.init("--net4", "10.99.0.0/16")  # a range that hub cannot have drawn
    exit_of(other, other)
    use(laptop, "gate", "--kill-switch")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    second = net.node("second", laptop.host)
    second.join(other.token(), "--tun", "tm9", "--listen-port", "51830")
    wait_for("its tunnel to be known", lambda: "tm9" in laptop.host.sh("nft", "list", "table", "inet", "tunnelmesh-tm0-held").stdout)
    laptop.kill9()
    wire = Wire(laptop.host, hub, gate, other)
    second.down()
    second.up()
    wait_for("the other mesh", lambda: second.ping("other", check=False).returncode == 0)
    assert _try(call, laptop.host, outside.ip4) is None and _try(call, laptop.host, outside.ip6) is None
    r = wait_for("the refusal", lambda: next((r for r in [second.run("exit-node", "use", "other", check=False)] if "another" in r.stderr), None))
    assert "by tm0, lets nothing leave without its exit node" in r.stderr
    second.run("exit-node", "off")
    second.kill9()
    second.run("down", "--cleanup")
    assert "by tm0" in second.run("exit-node", "off").stderr
    second.up()
    second.down()
    assert _try(call, laptop.host, outside.ip4) is None
    assert not wire.stop()
    assert "held back for its exit node" in laptop.run("down").stdout  # whose it was
    assert call(laptop.host, outside.ip4)[0] == laptop.host.ip4
    assert "tunnelmesh" not in laptop.host.sh("nft", "list", "tables").stdout
