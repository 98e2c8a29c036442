# SPDX-License-Identifier: AGPL-3.0-or-later
"""Ports are guessed where one side's NAT is hard and the other's easy, and fresh ones tried at one moment where both are easy and
answer for themselves what comes too early: real daemons, real gateways, a relay until then."""
import json

import pytest

from lab import LabError, wait_for
from nat import BARE
from probe import Probe
from wiretap import ask
from world import DIRECT, World, says

PATIENCE, CHANCES = 12, 3  # seconds; one guess in fifty finds nothing
MANY, FEW = 20, 40  # sockets: used in an attempt at least; afterwards at most, of which all but one go after half a minute


def sockets(node):
    """How many UDP sockets there are on the node's host."""
    return len(node.host.sh("ss", "-Huan").stdout.splitlines())


def note_ports(host):
    """From now on the host keeps in mind from which ports it sent UDP into the world."""
    host.sh("nft", "table inet lab_ports { set seen { type inet_service; flags dynamic; size 1024; }; "
                   "chain out { type filter hook output priority 0; oifname eth0 udp sport != 51820 add @seen { udp sport }; }; }")


def ports(host):
    """How many those are."""
    rows = json.loads(host.sh("nft", "-j", "list", "set", "inet", "lab_ports", "seen").stdout)["nftables"]
    return next(len(row["set"].get("elem", [])) for row in rows if "set" in row)


def meet(world):
    """Traffic from the easy side's until both are direct: whether they are."""
    easy, hard = world.nodes["easy"], world.nodes["hard"]
    probe = Probe(easy.host, world.address("hard"), rate=20)
    try:
        wait_for("a direct path", lambda: says(easy, "hard") == says(hard, "easy") == DIRECT, PATIENCE)
    except LabError:
        assert probe.first() is not None, "not even the relay works"
        return False
    finally:
        probe.stop()
    return True


@pytest.mark.parametrize("kind", ["sym", "cgn2"])
def test_a_hard_and_an_easy_nat_meet_by_guessing_and_keep_one_socket(net, kind):
    world = World(net, easy="port", hard=kind)
    world.settle()
    before = sockets(world.nodes["hard"])
    note_ports(world.nodes["hard"].host)
    for _ in range(CHANCES):
        if meet(world):
            break
        why = next(p for p in ask(world.nodes["hard"], cmd="peers")["peers"] if p["name"] == "easy")["not_direct"]
        assert "guess" in why and "next attempt in 5 min" in why
        world.restart()
    else:
        raise AssertionError(f"{CHANCES} attempts found nothing")
    assert ports(world.nodes["hard"].host) >= MANY
    wait_for("the others to be closed", lambda: sockets(world.nodes["hard"]) <= before + FEW)
    way, back = world.way(world.nodes["hard"], world.address("easy"))
    assert way == DIRECT and back == 30


def test_routers_that_answer_for_themselves_are_passed_also_after_both_nodes_have_started_anew(net):
    world = World(net, easy=BARE, hard=BARE)
    world.settle()
    for _ in range(CHANCES):
        if meet(world):
            break
        world.restart()
    else:
        raise AssertionError(f"{CHANCES} attempts found nothing at first")
    for forget in (False, True):
        for _ in range(CHANCES):  # both must send within the 20 ms of the line, which a machine that is busy may miss
            world.restart(forget)
            if meet(world):
                break
        else:
            raise AssertionError(f"{CHANCES} attempts found nothing where gateways {'forgot' if forget else 'still knew'} all")
        way, back = world.way(world.nodes["hard"], world.address("easy"))
        assert way == DIRECT and back == 30
