# SPDX-License-Identifier: AGPL-3.0-or-later
"""The clients of the relays' benchmark: what they send comes through every relay that this machine has, and what does not
come is missed."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import relays  # noqa: E402
from bed import Bed  # noqa: E402
from lab import LabError, is_sanitized  # noqa: E402
from relays import RELAYS, Clients  # noqa: E402

pytestmark = pytest.mark.alone("counts what this machine can do")

PAIRS = 3
GENTLE = {"pairs": PAIRS, "burst": 4, "rate": 4000}


@pytest.fixture
def bed():
    with Bed() as b:
        yield b


def up(bed, name):
    relay = RELAYS[name]
    if relay.missing():
        pytest.skip(relay.missing())
    if isinstance(relay, relays.OurRelay):
        relay = relays.OurRelay(name, streams=relay.streams, tls=relay.tls, clients=2 * PAIRS)
    return relay.up(bed)


@pytest.mark.parametrize("name", [n for n, c in RELAYS.items() if "before" not in n])
def test_all_that_is_sent_comes_through(bed, name):
    relay = up(bed, name)
    for size, burst in ((120, 4), (1420, 4), (1420, 40)):  # clients who come again are welcome
        with Clients(bed, relay, bytes=size, **GENTLE | {"burst": burst}) as clients:
            figures = clients.run(0.1)
        assert figures["received"] == figures["sent"] > 0 and figures["bytes"] == size * figures["received"]
        assert figures["sent"] + figures["held_back"] + figures["late"] == 400


@pytest.mark.parametrize("name", ["relay-tunnelmesh", "relay-coturn"])
def test_what_is_lost_is_not_counted(bed, name):
    with Clients(bed, up(bed, name), bytes=1420, **GENTLE | {"rate": 16000}) as clients:
        # where they arrive: a sender is told of what its own host drops, and coturn gives a client up for that
        bed.a.sh("nft", "table inet lossy { chain in { type filter hook input priority 0; "
                 "meta l4proto udp numgen random mod 100 < 20 drop; }; }")
        figures = clients.run(0.5)
        assert 0 < figures["received"] < figures["sent"]


@pytest.mark.skipif(is_sanitized(), reason="it makes many system calls of its own")
def test_a_relay_of_trains_makes_fewer_system_calls_than_there_are_messages(bed):
    tunnel = up(bed, "relay-tunnelmesh")
    with Clients(bed, tunnel, pairs=1, bytes=1420, burst=32, rate=20000) as clients:
        calls, figures = relays.count_system_calls(tunnel.pids[0], lambda: clients.run(0.3))
    if calls is None:
        pytest.skip("perf does not count system calls here")
    assert 0 < calls < figures["received"] / 2


def test_who_is_no_member_is_told_in_a_sentence(bed):
    tunnel = up(bed, "relay-tunnelmesh")
    with pytest.raises(LabError, match="too few members"):
        Clients(bed, tunnel, pairs=PAIRS + 1)


def test_mistakes_on_the_command_line_are_one_sentence():
    for words, why in ((["to=moon"], "wants turn, member, stream or proxy"), (["to=turn"], "at= wants HOST:PORT"),
                       (["to=turn", "at=192.0.2.1:1", "bytes=9"], "bytes= from 32"), (["x"], "not of the form")):
        r = subprocess.run([relays.LOAD, *words], capture_output=True, text=True, timeout=10)
        assert r.returncode != 0 and why in r.stderr, (words, r.stderr)
