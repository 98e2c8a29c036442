# SPDX-License-Identifier: AGPL-3.0-or-later
"""Every machine of the stack reaches every other one, by the best way that its network leaves."""
import itertools

import pytest

import stack as compose

MACHINES = ("coordinator", *compose.PEERS)


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
def start(images):
    stacks = []

    def begin(config=None):
        try:
            stacks.append(compose.Stack(config))
        except compose.Unavailable as e:
            pytest.skip(str(e))
        stacks[-1].up()
        return stacks[-1]

    yield begin
    for s in stacks:
        s.close()


def peers(stack, name):
    """Who is known there; nobody while it starts."""
    result = stack.node(name, "peers", "--json", check=False, capture_output=True)
    return {p["name"]: p for p in compose.json.loads(result.stdout)["peers"]} if result.returncode == 0 else {}


def all_are_members(stack):
    for name in MACHINES:
        compose.wait_for(f"{name} to know the others", lambda n=name: len(peers(stack, n)) == len(MACHINES) - 1, 60)


def reaches(stack, a, b):
    return stack.node(a, "ping", "-c", 1, b, check=False, capture_output=True).returncode == 0


def test_all_reach_all_by_the_best_way_that_their_networks_leave(start):
    stack = start()
    all_are_members(stack)
    ways = {}
    for a, b in itertools.combinations(MACHINES, 2):
        compose.wait_for(f"{a} to reach {b}", lambda: reaches(stack, a, b), 15)
    for a, b in itertools.permutations(MACHINES, 2):
        def way(a=a, b=b):
            reaches(stack, a, b)
            ways[a, b] = peers(stack, a)[b]["path"]
            return ways[a, b] in best(a, b)

        compose.wait_for(f"{a} to reach {b} by {best(a, b)}", way, 15)
    for (a, b), way in ways.items():
        print(f"{a:>12} {b:<12} {way}")


def test_the_check_sees_that_the_relay_is_missing(start, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("relay: off\n")
    stack = start(config)
    all_are_members(stack)
    assert reaches(stack, "open", "home")
    assert not reaches(stack, "office", "home")
    assert not reaches(stack, "lost", "open")
