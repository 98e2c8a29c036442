# SPDX-License-Identifier: AGPL-3.0-or-later
"""Relays that restart or never come back, the coordinator's among them: who talked through one goes on through it or
another, also where no UDP passes, and nobody has to be told. Figures are printed."""
import statistics
import time

import pytest

from lab import wait_for
from probe import Probe, Stream
from test_relay_streams import reach_each_other, without_udp
from world import World

pytestmark = pytest.mark.alone("compares what arrives beside what a relay can carry")

RATE = 100  # packets a second


def relay_of(node, name):
    """Whose relay leads to that peer; None: none, or nobody knows whose."""
    return (node.peer(name) or {}).get("relay")


def offer(hub, node):
    """The node relays from now on, and all know it."""
    node.configure(relay="offer")
    node.down()
    node.up()
    hub.run("node", "tag", node.name, "--add", "relay")
    wait_for(f"{node.name} to relay", lambda: (node.status()["relay"] or {}).get("allowed"), 20)


def answers(probe, what, timeout):
    """Waits until a packet that is sent from now on is answered; after how many seconds."""
    begun = time.monotonic()
    wait_for(what, lambda: probe.answered(1, begun), timeout, 0.01)
    return time.monotonic() - begun


# --- the coordinator comes back ---

AWAY = 8  # s: longer than it takes for waits between attempts to grow


@pytest.mark.parametrize("runs", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_without_udp_all_is_well_soon_after_the_coordinator_listens_again(net, runs):
    hub, a, b = net.mesh("hub", "a", "b")
    for node in (a, b):
        without_udp(node.host)
    address = a.peer("b")["ip4"]
    reach_each_other([a, b])
    probe, stream, took = Probe(a.host, address, rate=RATE), Stream(a.host, b.host, address), []
    try:
        for _ in range(runs):
            answers(probe, "answers before", 20)
            hub.kill9()
            time.sleep(AWAY)  # that long it is away
            hub.up()
            took.append(answers(probe, "answers after the coordinator's return", 12))
    finally:
        probe.stop()
    broken = stream.stop()
    print(f"\nback after {sorted(round(t, 2) for t in took)} s, p50 {statistics.median(took):.2f} s; TCP: {broken or 'whole'}")
    assert not broken


# --- the coordinator never comes back ---

KINDS = {"sym": {"a": "sym", "b": "sym"}, "noudp": {"a": "noudp", "b": "noudp"}, "mixed": {"a": "noudp", "b": "sym"}}


@pytest.mark.parametrize("kinds", KINDS)
def test_when_the_coordinator_dies_for_good_the_second_relay_takes_over(net, kinds):
    world = World(net, second="open", idle="sym", **KINDS[kinds])
    hub, second, a, b = world.hub, *(world.nodes[n] for n in ("second", "a", "b"))
    offer(hub, second)
    world.settle()
    wait_for("all to be known to the second relay", lambda: second.status()["relay"]["members"] >= 4, 20)  # the coordinator, too
    address = world.address("b")
    probe = Probe(a.host, address, rate=RATE)
    try:
        wait_for("answers", lambda: probe.answered(100), 20)
        stream = Stream(a.host, b.host, address)
        begun = time.monotonic()
        hub.kill9()
        wait_for("the second relay to carry them", lambda: {relay_of(a, "b"), relay_of(b, "a")} == {"second"}, 30)
        wait_for("answers by it", probe.steadily(lambda: True, 200), 20)
        ended = time.monotonic()  # what is under way then is looked at when it has had its time
        # Who has said nothing so far is reached at once, and who starts now knows whom to ask.
        asked = time.monotonic()
        assert a.ping("idle", check=False).returncode == 0
        asked = time.monotonic() - asked
        b.kill9()
        b.up()
        back = answers(probe, "b to answer after its restart without the coordinator", 20)
    finally:
        probe.stop()
    broken = stream.stop()
    lost, (stall, _) = probe.losses(begun, ended), probe.stall(begun, ended)
    print(f"\n{kinds}: {lost} packets lost, {1000 * stall:.0f} ms without an answer; idle one answered after {asked:.2f} s; "
          f"one that restarted after {back:.2f} s; TCP: {broken or 'whole'}")
    assert not broken
    assert lost <= RATE and stall <= 3
    assert not a.status()["link"]["up"]


# --- a relay that is no coordinator ---

@pytest.mark.parametrize("kinds", ["sym", "noudp"])
def test_a_relay_that_is_killed_and_restarted_has_its_members_again(net, kinds):
    """The coordinator relays nothing here."""
    world = World(net, settings={"relay": "use"}, second="open", **KINDS[kinds])
    second, a, b = (world.nodes[n] for n in ("second", "a", "b"))
    offer(world.hub, second)
    address = world.address("b")
    probe = Probe(a.host, address, rate=RATE)
    took = []
    try:
        wait_for("answers", lambda: probe.answered(100), 30)
        stream = Stream(a.host, b.host, address)
        for _ in range(3):
            second.kill9()
            second.up()
            took.append(answers(probe, "answers after the relay's restart", 20))
            wait_for("answers", probe.steadily(lambda: True, 100), 10)
    finally:
        probe.stop()
    broken = stream.stop()
    print(f"\n{kinds}: answers {[round(t, 2) for t in took]} s after the relay was up again; TCP: {broken or 'whole'}")
    assert not broken
