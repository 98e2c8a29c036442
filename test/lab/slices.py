# SPDX-License-Identifier: AGPL-3.0-or-later
"""A part of a core for a process, so that this machine can send it more than it can carry."""
import os

from lab import wait_for

QUOTA_US = 1000  # the least there is: who waits for the next is hardly seen in a round trip


class Slice:
    """A control group of either kind. Made by root; close() when the process has ended."""

    def __init__(self, name, pid, percent):
        period = QUOTA_US * 100 // percent
        self.unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        self.path = os.path.join("/sys/fs/cgroup" if self.unified else "/sys/fs/cgroup/cpu", name)
        os.mkdir(self.path)
        if self.unified:
            self.write("cpu.max", f"{QUOTA_US} {period}")
        else:
            self.write("cpu.cfs_period_us", period)
            self.write("cpu.cfs_quota_us", QUOTA_US)
        self.write("cgroup.procs", pid)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as f:
            f.write(str(value))

    def close(self):
        wait_for("the control group to be empty", self.try_close, 20)

    def try_close(self):
        try:
            os.rmdir(self.path)
        except OSError:
            return False
        return True
