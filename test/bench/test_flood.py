# SPDX-License-Identifier: AGPL-3.0-or-later
"""The measurement of handshakes under floods itself: a small flood of each kind."""
import json
import os
import subprocess
import sys

import pytest

from lab import is_sanitized

pytestmark = pytest.mark.alone("counts what this machine can do")

FLOOD = os.path.join(os.path.dirname(__file__), "flood", "flood.py")


@pytest.mark.skipif(is_sanitized(), reason="the flood beside it is not built with the sanitizer")
def test_a_small_flood_of_each_kind_is_seen_and_named():
    r = subprocess.run([sys.executable, "-B", FLOOD, "--rate", "1000", "--tries", "1"], text=True, capture_output=True,
                       timeout=200)
    assert r.returncode == 0, r.stdout + r.stderr
    rows = {row["kind"]: row["drops_per_s"] for row in map(json.loads, r.stdout.splitlines())}
    assert rows["garbage"]["hs_mac1"] and rows["cookies"]["hs_unexpected"] and rows["responses"]["hs_unexpected"]
    assert rows["initiations"].keys() & {"hs_decrypt", "hs_cookie"}
