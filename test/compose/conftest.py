# SPDX-License-Identifier: AGPL-3.0-or-later
import signal

import stack


def pytest_addoption(parser):
    parser.addoption("--break", choices=stack.BROKEN, dest="broken",
                     help="break the fallback on purpose: then it must be seen that those who need it reach nobody")


def pytest_configure():
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
