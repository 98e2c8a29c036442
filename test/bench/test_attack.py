# SPDX-License-Identifier: AGPL-3.0-or-later
"""What strangers and members can cost: the measurement itself, made small, and the bounds that hold on any machine."""
import json
import os
import subprocess
import sys

import pytest

from lab import is_sanitized

ATTACK = os.path.join(os.path.dirname(__file__), "scale", "attack.py")

pytestmark = [pytest.mark.alone("counts what this machine can do"),
              pytest.mark.skipif(is_sanitized(), reason="the herd beside it is not built with the sanitizer")]


def attack(tmp_path, *args):
    """Its rows, by what was measured."""
    out = tmp_path / "attack.jsonl"
    r = subprocess.run([sys.executable, "-B", ATTACK, *map(str, args), "--out", str(out)], text=True, capture_output=True,
                       timeout=400)
    assert r.returncode == 0, r.stdout + r.stderr
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_members_and_strangers_are_held_to_their_bounds(tmp_path):
    rows = attack(tmp_path, "first-message", "member", "candidates", "--guests", 100, "--seconds", 2)
    first = {r["what"]: r for r in rows if r["what"].startswith("first message")}
    assert all(r["through"] == 100 for what, r in first.items() if what.startswith("first message,")), first
    assert first["first messages without their end"]["kib_each"] < 64
    for r in rows:
        if r["what"].startswith("one member's"):
            # A burst of 2,000 and 200 a second, over all its links; 2 s were measured, on a machine that may be slow.
            assert r["answers_a_second"] * 2 < 2000 + 200 * 10, r
        if r["what"].startswith("candidates"):
            assert r["to_each_a_second"] < 10, r
    alone = next(r for r in rows if r["what"] == "one member's messages")
    assert alone["descriptors"] < 10


def test_everybody_joins_beside_strangers_who_knock_or_live_next_door(tmp_path):
    for r in attack(tmp_path, "connects", "neighbour", "--warm", 2):
        assert r["joined"] == 10, r
        # Who greets with a good handshake competes with those who join; all others are hardly noticed.
        assert "greets" in r["what"] or r["links"] < 2 * r["links_needed"], r


@pytest.mark.slow  # a mesh of a thousand is made first
def test_one_member_that_comes_and_goes_costs_the_others_nothing(tmp_path):
    rows = {r["what"]: r for r in attack(tmp_path, "--size", 1000, "--seconds", 5, "--warm", 2)}  # all there is
    calm, flapping = rows["nobody flaps"], rows["one member flaps"]
    assert flapping["a_node_written_kb"] == 0
    assert flapping["comes_a_second"] > 10
    assert flapping["a_node_cpu_ms_a_second"] < calm["a_node_cpu_ms_a_second"] + 10
