# SPDX-License-Identifier: AGPL-3.0-or-later
"""Tests of real daemons mostly wait, so several run at a time (pytest-xdist's -n). Some are marked `alone`, because they
count what a machine can do or look at all of it: nothing else of the same tree runs meanwhile.

Two locks that go with the process that holds them. Whoever runs is in the room, together with others or alone; the gate
before it is shut while somebody waits to be alone, or he would wait as long as there is always one more.
"""
import contextlib
import fcntl
import os

import pytest

HERE = os.path.dirname(__file__)


def pytest_configure(config):
    config.addinivalue_line("markers", "alone(why): nothing else of `make lab` runs meanwhile, and why not")


@contextlib.contextmanager
def locked(folder, how):
    fd = os.open(os.path.join(HERE, folder), os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    how = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
    with contextlib.ExitStack() as room:
        with locked("lab", how):
            room.enter_context(locked("bench", how))
        yield
