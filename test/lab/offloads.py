# SPDX-License-Identifier: AGPL-3.0-or-later
"""The rows of the offload matrix: what the data plane leaves to the kernel, all of it or with one part forced off.

`each` runs a test once per row; the option --offloads=ROW runs the whole lab with one. What the kernel does not do for
us we do ourselves, so every row must carry the same packets.
"""
import functools
import platform
import re
import subprocess

import pytest

import lab

PARTS = ("tun", "uso", "udp-gso", "udp-gro")
USO_SINCE = (6, 2)  # Linux with UDP super-packets across a TUN
ROWS = ("all", "none", *(f"no-{part}" for part in PARTS))

each = pytest.mark.parametrize("offloads", ROWS, indirect=True)
all_or_none = pytest.mark.parametrize("offloads", ["all", "none"], indirect=True)
all_and_slowly_none = pytest.mark.parametrize("offloads", ["all", pytest.param("none", marks=pytest.mark.slow)],
                                              indirect=True)


def setting(row):
    """The value of the configuration key `offloads`. None for all: it is the default, and older programs know no key."""
    if row == "all":
        return None
    return ",".join(part for part in PARTS if on(row, part)) or "none"


def on(row, part):
    """Does the row leave this part to the kernel? There is no UDP segmentation without what `tun` stands for."""
    return row not in ("none", f"no-{part}") and not (part == "uso" and row == "no-tun")


def assert_in_use(row, told):
    """What `stats` and `status` tell to be in use is what the row says, but for what an older kernel lacks. The parts."""
    used = set(PARTS) if told == "all" else set(told.split(",")) - {"none"}
    lacking = {part for part in PARTS if on(row, part)} - used
    kernel = tuple(map(int, re.match(r"(\d+)\.(\d+)", platform.release()).groups()))
    assert all(on(row, part) for part in used), (row, told)
    assert lacking <= ({"uso"} if kernel < USO_SINCE else set()), (row, told)
    return used


@functools.cache
def unknown():
    """Why no row but `all` can be run; None when they can."""
    listed = lab.sh(lab.BINARY, "help", "config").stdout
    if not any(line.split()[:1] == ["offloads"] for line in listed.splitlines()):
        return "the program has no setting `offloads`"
    answer = subprocess.run([lab.find_tool("wgpeer")], input="stats offloads=none\n", capture_output=True, text=True,
                            timeout=10, check=False).stdout
    return "wgpeer has no word `offloads`" if 'cannot use \\"offloads\\"' in answer else None
