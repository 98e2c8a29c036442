# SPDX-License-Identifier: AGPL-3.0-or-later
"""While all the ways between two nodes live, the one that they have chosen stays: lines that jitter and lose some packets
change nothing."""
import itertools
import re
import time

import pytest

from lab import wait_for
from probe import Probe
from textbook import DIRECT, RELAY
from world import World, says

RATE, STEADY = 100, 100  # packets a second; so many answers in a row before it counts
SOON, MINUTES = 15, 2
LINE, SEED = {"jitter": 4, "loss": 1}, 1
LATE = 1  # a better way that was found late


def uses(node, name):
    """What the node decided to send by to another, decision by decision: the way, and whether another one as well."""
    return re.findall(rf"path: [0-9a-f]+ use (\S+(?: by \S+)?)( and \S+)? \(.*peer={name}\b", node.log())


def changes(decisions):
    ways = [way for way, _ in decisions]
    return sum(x != y for x, y in itertools.pairwise(ways))


@pytest.mark.slow
@pytest.mark.parametrize("kinds, way", [(("dual", "dual"), DIRECT), (("port", "linux"), DIRECT), (("sym", "sym"), RELAY)])
def test_the_chosen_way_stays_while_nothing_happens_but_jitter_and_some_loss(net, kinds, way):
    """IPv4 and IPv6 are as good as each other, and so is the relay nearly; a stream to it stands by."""
    world = World(net, a=kinds[0], b=kinds[1])
    for node in world.nodes.values():
        node.configure(log_level="debug")
    world.restart()
    for place in world.places.values():
        place.line.set(seed=SEED, **LINE)
    a, address = world.nodes["a"], world.address("b")
    probe = Probe(a.host, address, rate=RATE)
    try:
        wait_for(f"steady answers by the way {way}", probe.steadily(lambda: says(a, "b") == way, STEADY), SOON)
        before = {name: len(uses(node, other)) for (name, node), other in zip(world.nodes.items(), "ba")}
        assert before["a"]
        time.sleep(60 * MINUTES)  # that is what happens
        found = {name: uses(node, other)[before[name] - 1:] for (name, node), other in zip(world.nodes.items(), "ba")}
        assert says(a, "b") == way
    finally:
        report = probe.stop()
    print(f"\n{kinds}: " + ", ".join(f"{name} changed its way {changes(d)} times in {MINUTES} min and was in doubt "
                                     f"{sum(bool(also) for _, also in d)} times" for name, d in found.items()) + f"; {report}")
    assert all(changes(d) <= LATE for d in found.values()), found
