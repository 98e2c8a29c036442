# SPDX-License-Identifier: AGPL-3.0-or-later
import os
import signal


def pytest_configure():
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
