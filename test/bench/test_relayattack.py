# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is kept beside an attack: the arithmetic, and the measurement itself made small."""
import importlib.util
import json
import os
import subprocess
import sys

import pytest

from lab import is_sanitized

pytestmark = pytest.mark.alone("counts what this machine can do")

ATTACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay", "attack.py")
spec = importlib.util.spec_from_file_location("relayattack", ATTACK)
attack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(attack)


def rows(*rates):
    return [{"up": up, "down": down} for up, down in rates]


def test_each_window_is_compared_with_its_neighbours_in_time():
    # The machine becomes half as fast meanwhile: of what there was nothing was taken.
    assert attack.kept(rows((100, 80), (50, 40), (50, 40)), rows((75, 60), (50, 40)))["kept"] in range(97, 104)
    # And here half of one direction was.
    found = attack.kept(rows((100, 100), (100, 100), (100, 100)), rows((50, 100), (50, 100)))
    assert found == {"kept": 75, "up": 50, "down": 100}


def test_one_bad_window_is_not_what_is_told():
    control = rows(*[(100, 100)] * 6)
    assert attack.kept(control, rows((100, 100), (100, 100), (1, 1), (100, 100), (100, 100)))["kept"] == 100


def test_a_control_without_traffic_is_no_division_by_nothing():
    assert attack.kept(rows((0, 0), (0, 0)), rows((1, 1)))["kept"] > 100


@pytest.mark.slow
@pytest.mark.skipif(is_sanitized(), reason="what a sanitizer's program hands on is no measure")
def test_garbage_takes_nothing_from_those_who_want_little():
    env = os.environ | {"ROUNDS": "1", "SECONDS_EACH": "1", "WISH_KBIT": "2000", "RATE": "50000"}
    r = subprocess.run([sys.executable, "-B", ATTACK, "garbage"], text=True, capture_output=True, timeout=200, env=env)
    assert r.returncode == 0, r.stdout + r.stderr
    found = [json.loads(line) for line in r.stdout.splitlines() if '"kept"' in line]
    assert [row["wish"] for row in found] == ["some", "all"]
    assert found[0]["kept"] > 80, r.stdout
