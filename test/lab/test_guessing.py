# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ports are guessed where one side's NAT is hard and the other's easy: real daemons, real gateways, a relay until then."""
import pytest

from lab import LabError, wait_for
from probe import Probe
from wiretap import ask
from world import DIRECT, World, says

PATIENCE, CHANCES = 12, 3  # seconds; one guess in fifty finds nothing
MANY, FEW = 60, 40  # sockets: during an attempt at least; afterwards at most, of which all but one go after half a minute


def sockets(node):
    """How many UDP sockets there are on the node's host."""
    return len(node.host.sh("ss", "-Huan").stdout.splitlines())


def meet(world):
    """Traffic from the easy side's until both are direct; the most sockets that the hard side had, None: they are not."""
    easy, hard = world.nodes["easy"], world.nodes["hard"]
    most = 0

    def direct():
        nonlocal most
        most = max(most, sockets(hard))
        return says(easy, "hard") == says(hard, "easy") == DIRECT

    probe = Probe(easy.host, world.address("hard"), rate=20)
    try:
        wait_for("a direct path", direct, PATIENCE, interval=0.02)
    except LabError:
        assert probe.first() is not None, "not even the relay works"
        return None
    finally:
        probe.stop()
    return most


@pytest.mark.parametrize("kind", ["sym", "cgn2"])
def test_a_hard_and_an_easy_nat_meet_by_guessing_and_keep_one_socket(net, kind):
    world = World(net, easy="port", hard=kind)
    world.settle()
    before = sockets(world.nodes["hard"])
    for _ in range(CHANCES):
        most = meet(world)
        if most:
            break
        why = next(p for p in ask(world.nodes["hard"], cmd="peers")["peers"] if p["name"] == "easy")["not_direct"]
        assert "guess" in why and "next attempt in 5 min" in why
        world.restart()
    assert most, f"{CHANCES} attempts found nothing"
    assert most >= before + MANY
    wait_for("the others to be closed", lambda: sockets(world.nodes["hard"]) <= before + FEW)
    way, back = world.way(world.nodes["hard"], world.address("easy"))
    assert way == DIRECT and back == 30
