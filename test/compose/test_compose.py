# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every machine of the stack reaches every other one, by the best way that its network leaves."""
import concurrent.futures
import contextlib
import itertools
import json

import pytest

import stack as compose

MACHINES = ("coordinator", *compose.PEERS)
JOBS, PATIENCE = 8, 60  # pings at a time; s until all have found their ways
SHUT = {"office", "proxied"}  # no datagram gets out of there


def best(a, b):
    """What the path from a to b is, as a says, when all is well: the kinds that count as right."""
    if a in SHUT or (a == "coordinator" and b in SHUT):
        return {"tcp"}
    if b in SHUT or ("lost" in (a, b) and "coordinator" not in (a, b)):
        return {"relay"}  # the relay has another way to b; or to a, who has one to the coordinator alone
    if "symmetric" in (a, b) and {a, b} & {"home", "flat"}:
        return {"direct", "relay"}  # ports have to be guessed, which takes a while
    return {"direct"}


@pytest.fixture(scope="module")
def images():
    try:
        compose.build_images()
    except compose.Unavailable as e:
        pytest.skip(str(e))


@pytest.fixture
def start(images, request, tmp_path):
    """Starts a stack, in which something is broken if that is said, here or on the command line."""
    stacks = []

    def begin(broken=request.config.getoption("broken")):
        config = tmp_path / "config.yaml"
        config.write_text(compose.BROKEN.get(broken, ""))
        try:
            stacks.append(compose.Stack(config if broken else None))
        except compose.Unavailable as e:
            pytest.skip(str(e))
        stacks[-1].up()
        return stacks[-1]

    yield begin
    for s in stacks:
        s.close()


def peers(stack, name):
    """Who is known there; nobody while it starts."""
    result = stack.node(name, "peers", "--json", check=False)
    return {p["name"]: p for p in json.loads(result.stdout)["peers"]} if result.returncode == 0 else {}


def all_are_members(stack):
    for name in MACHINES:
        compose.wait_for(f"{name} to know the others", lambda n=name: len(peers(stack, n)) == len(MACHINES) - 1, 60)


def way(stack, a, b):
    """By which a reaches b, as a says after a ping that was answered."""
    return peers(stack, a)[b]["path"] if stack.node(a, "ping", "-c", 1, b, check=False).returncode == 0 else "none"


def ways(stack):
    """{pair: way}, once all are the best ones, or have had time to become so."""
    found, left = {}, list(itertools.permutations(MACHINES, 2))

    def all_are_best():
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            found.update(zip(left, pool.map(lambda pair: way(stack, *pair), left)))
        left[:] = [pair for pair in left if found[pair] not in best(*pair)]
        return not left

    with contextlib.suppress(compose.LabError):
        compose.wait_for("the best ways", all_are_best, PATIENCE)
    for (a, b), w in found.items():
        print(f"{a:>12} {b:<12} {w}{'' if w in best(a, b) else '   must be ' + ' or '.join(sorted(best(a, b)))}")
    return found


def wrong(found):
    return {pair for pair, w in found.items() if w not in best(*pair)}


def test_all_reach_all_by_the_best_way_that_their_networks_leave(start):
    stack = start()
    all_are_members(stack)
    assert not wrong(ways(stack))


def test_without_the_relay_those_who_need_it_are_seen_to_reach_nobody_and_the_others_are_well(start):
    stack = start(broken="relay")
    all_are_members(stack)
    found = ways(stack)
    needed = {pair for pair in found if not best(*pair) & {"direct"}}
    assert wrong(found) - {pair for pair in found if len(best(*pair)) > 1} == needed
    assert all(found[pair] == "none" for pair in needed)
