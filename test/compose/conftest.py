# SPDX-License-Identifier: AGPL-3.0-or-later
import signal


def pytest_configure():
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
