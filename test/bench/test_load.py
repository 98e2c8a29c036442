# SPDX-License-Identifier: AGPL-3.0-or-later
"""The load program counts what it says it counts."""
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bed as bedlib  # noqa: E402
from lab import LabError, wait_for  # noqa: E402
from measure import run_load  # noqa: E402
from wiretap import udp_socket  # noqa: E402

pytestmark = pytest.mark.alone("counts what this machine can do")

PORT = 7799


@pytest.fixture
def bed():
    with bedlib.Bed((4, 6)) as b:
        for address in (b.b.ip4, b.b.ip6):  # until the neighbours know each other
            wait_for("a ping", lambda a=address: b.a.sh("ping", "-c1", "-W1", a, check=False).returncode == 0)
        yield b


def drop(bed, share):
    """Host b loses a share, in percent, of what it receives by UDP."""
    which = f"numgen random mod 100 < {share}" if share < 100 else ""
    bed.b.sh("nft", "-f", "-", input=f"""
        table inet lossy {{
            chain in {{
                type filter hook input priority filter
                meta l4proto udp {which} drop
            }}
        }}""")


@pytest.mark.parametrize("family", ["ip4", "ip6"])
def test_without_loss_every_datagram_arrives(bed, family):
    # A window that every queue on the way has room for, even when the receiver does not run for a while.
    figures = run_load(bed, "rate", getattr(bed.b, family), 0.1, "--window", 128)
    assert figures["received"] == figures["sent"] > 0 and figures["loss"] == 0
    assert figures["gbps"] == pytest.approx(figures["pps"] * 64 * 8e-9, rel=0.01)


def test_loss_is_counted_and_does_not_close_the_window(bed):
    drop(bed, 20)
    figures = run_load(bed, "rate", bed.b.ip4, 0.3)
    assert 0.15 < figures["loss"] < 0.25
    assert figures["stalls"] < figures["sent"] / 1024 / 2, "most windows open again without a stall"


def test_strangers_datagrams_are_not_counted(bed):
    load = subprocess.Popen([bedlib.LOAD, "rate", "--from", bed.a.ns, "--to", bed.b.ns, "--address", bed.b.ip4, "--port",
                             str(PORT), "--seconds", "0.3"], stdout=subprocess.PIPE, text=True)
    with udp_socket(bed.a) as s:
        while load.poll() is None:
            s.sendto(bytes(64), (bed.b.ip4, PORT))
    figures = json.loads(load.communicate()[0])
    assert 0 < figures["received"] <= figures["sent"]


def test_lost_round_trips_are_counted_apart(bed):
    drop(bed, 5)
    figures = run_load(bed, "latency", bed.b.ip4, 0.6)
    assert figures["lost"] >= 1 and figures["round_trips"] > 1
    assert figures["min_us"] <= figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]


def test_when_nothing_arrives_it_says_so_and_ends(bed):
    drop(bed, 100)
    with pytest.raises(LabError, match="none of .* arrived"):
        run_load(bed, "rate", bed.b.ip4, 0.1)
    with pytest.raises(LabError, match="none of .* answered"):
        run_load(bed, "latency", bed.b.ip4, 0.1)


def test_mistakes_on_the_command_line_are_one_sentence():
    for args, why in ((["rate", "--address", "nowhere"], "is not an IP address"),
                      (["rate", "--address", "::1", "--bytes", "8"], "is not a number from 16 to 9000"),
                      (["rate", "--address", "::1", "--seconds", "nan"], "is not a number"),
                      (["rate", "--address", "::1", "--from", "no-such-namespace"], "No such file"),
                      (["fly", "--address", "::1"], "usage:"), (["rate"], "usage:")):
        r = subprocess.run([bedlib.LOAD, *args], capture_output=True, text=True, timeout=10)
        assert r.returncode != 0 and why in r.stderr, (args, r.stderr)
