# SPDX-License-Identifier: AGPL-3.0-or-later
import os
import signal
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "../lab")]

import lab as lablib  # noqa: E402
import machine  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: a mark of the lab's, whose helpers are used here")
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture
def net():
    with lablib.watched_lab(False) as l:
        yield l


@pytest.fixture(scope="session")
def debian():
    """A Debian 12 in a folder, which machines begin with."""
    return machine.make_root()


@pytest.fixture
def box(net, debian):
    """A machine of the lab that was booted by its own systemd."""
    with machine.Machine(net.host("box"), debian) as m:
        yield m
