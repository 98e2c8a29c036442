# SPDX-License-Identifier: AGPL-3.0-or-later
"""A part of a core for a process, so that this machine can send it more than it can carry."""
import contextlib
import os
import re

from lab import alive, wait_for

QUOTA_US = 1000  # the least there is: who waits for the next is hardly seen in a round trip
NAME = "tunnelmesh-"


class Slice:
    """A control group of either kind, for a process of the lab of that tag. Made by root; after close() the process has
    all of its time again."""

    def __init__(self, tag, pid, percent):
        period = QUOTA_US * 100 // percent
        self.unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        self.root = "/sys/fs/cgroup" if self.unified else "/sys/fs/cgroup/cpu"
        self.remove_leftovers()
        self.path = os.path.join(self.root, f"{NAME}{tag}")
        os.mkdir(self.path)
        try:
            if self.unified:
                write(self.path, "cpu.max", f"{QUOTA_US} {period}")
            else:
                write(self.path, "cpu.cfs_period_us", period)
                write(self.path, "cpu.cfs_quota_us", QUOTA_US)
            write(self.path, "cgroup.procs", pid)
        except BaseException:
            self.close()
            raise

    def remove_leftovers(self):
        """Of labs whose process is gone; what was in them the next lab has ended."""
        for name in os.listdir(self.root):
            m = re.fullmatch(NAME + r"(\d+)", name)
            if m and not alive(int(m.group(1))):
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(self.root, name))

    def close(self):
        wait_for("the control group to be empty", self.try_close, 20)

    def try_close(self):
        with contextlib.suppress(OSError):
            with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as f:
                for pid in f.read().split():
                    write(self.root, "cgroup.procs", pid)
        try:
            os.rmdir(self.path)
        except OSError:
            return False
        return True


def write(group, name, value):
    with open(os.path.join(group, name), "w", encoding="ascii") as f:
        f.write(str(value))
