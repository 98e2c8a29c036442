# SPDX-License-Identifier: AGPL-3.0-or-later
"""The scale measurement itself: a small herd goes through all of it."""
import json
import os
import subprocess
import sys

import pytest

from lab import is_sanitized

pytestmark = pytest.mark.alone("counts what this machine can do")

SCALE = os.path.join(os.path.dirname(__file__), "scale", "scale.py")


@pytest.mark.skipif(is_sanitized(), reason="the herd beside it is not built with the sanitizer")
def test_a_small_herd_joins_is_told_and_comes_back(tmp_path):
    out = tmp_path / "scale.jsonl"
    r = subprocess.run([sys.executable, "-B", SCALE, "40", "--idle", "1", "--rtt", "40", "--out", str(out)], text=True,
                       capture_output=True, timeout=120)
    assert r.returncode == 0, r.stdout + r.stderr
    rows = {row["what"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert rows["all join, 100 at once"]["failed"] == 0
    returns = [row for what, row in rows.items() if what.startswith("restart")]
    assert len(returns) == 4
    assert all(row["back"] == row["of"] > 40 for row in returns), returns
    assert rows["STUN question of all, first"]["answered"] == rows["STUN question of all, first"]["asked"]
    assert rows["a node: memory"]["mib"] > 1
