# SPDX-License-Identifier: AGPL-3.0-or-later
"""The wire of an exit node's user while something happens to the coordinator, to the exit or to himself, and his programs go on: the tunnel, the
control link, and nothing else of either family."""
import contextlib
import subprocess

import pytest

from lab import wait_for
from test_exit import Wire, _try, mesh_with_exit, use
from test_routes import call

# Programs that do not care who answers: names asked of any server, calls that are begun and given up.
TALK = """
import socket, sys, time
while True:
    for to in sys.argv[1:]:
        for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 443), (socket.SOCK_STREAM, 7777)):
            with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, kind) as s:
                s.setblocking(False)
                try:
                    s.connect((to, port))
                    s.send(b"who is this?")
                except OSError:
                    pass
    time.sleep(0.05)
"""


@contextlib.contextmanager
def talking(host, *addresses):
    """To these, and to the router of the network around as those do that ask its resolver."""
    net = host.ip4.split(".")[2]
    argv = [("ping", "-n", "-q", "-i", "0.05", a) for a in addresses]
    argv.append(("/usr/bin/python3", "-c", TALK, *addresses, f"198.18.{net}.1", f"2001:db8:{net}::1", "8.8.8.8"))
    programs = [host.spawn(*a, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for a in argv]
    try:
        yield
        assert all(p.poll() is None for p in programs)
    finally:
        for p in programs:
            p.terminate()


def restart(node):
    node.down()
    node.up()


def die(node):
    node.kill9()
    node.up()


def roam(node):
    node.host.move()


EVENTS = {"the coordinator restarts": [(0, restart)], "the exit restarts": [(1, restart)], "its user roams": [(2, roam)],
          "the coordinator dies": [(0, die)], "the exit dies": [(1, die)], "all at once": [(0, restart), (1, restart), (2, roam)]}
SLOW = {"the coordinator dies", "the exit dies", "all at once"}


@pytest.mark.parametrize("events", [pytest.param(e, id=name.replace(" ", "-"), marks=[pytest.mark.slow] * (name in SLOW)) for name, e in EVENTS.items()])
def test_the_wire_shows_the_tunnel_alone_while(net, events):
    hub, gate, laptop, outside = mesh_with_exit(net)

    def by_the_exit():
        return all((_try(call, laptop.host, a) or [0])[0] == seen for a, seen in (
            (outside.ip4, gate.host.ip4), (outside.ip6, gate.host.ip6)))

    with talking(laptop.host, outside.ip4, outside.ip6):
        bare = Wire(laptop.host, hub, gate)
        try:
            wait_for("all of it to be seen without an exit", lambda: {
                (to, port) for to, _, ports in list(bare.seen) for port in [ports and ports[1]]} >= {
                (a, port) for a in (outside.ip4, outside.ip6) for port in (None, 53, 443, 7777)})
        finally:
            bare.stop()
        use(laptop, "gate")
        wait_for("the exit by both families", by_the_exit)
        wire = Wire(laptop.host, hub, gate)
        try:
            for who, happens in events:
                happens((hub, gate, laptop)[who])
            # With a handshake begun anew and calls that give up, a quarter of a minute where nobody else needs the machine.
            wait_for("the exit again", by_the_exit, 90)
        finally:
            seen = wire.stop()
            print(f"\nseen beside the tunnel: {seen}")  # also when the exit is not back
    assert not seen
