# SPDX-License-Identifier: AGPL-3.0-or-later
"""A part of a core for a process, so that this machine can send it more than it can carry."""
import contextlib
import os
import re

from lab import LabError, alive, wait_for

QUOTA_US = 1000  # the least there is: who waits for the next is hardly seen in a round trip
NAME = "tunnelmesh-"


class NoSlices(LabError):
    """This machine does not give parts of a core; why is in the sentence."""


class Slice:
    """A control group of either kind, for a process of the lab of that tag, which gets one core as well: the kernel hands
    a quota out to cores, and what one of them has got the others lack, so threads on two of them would take it from each
    other by chance. Made by root; after close() the process has all of its time again, on all cores."""

    def __init__(self, tag, pid, percent):
        period = QUOTA_US * 100 // percent
        self.pid, self.cores = pid, os.sched_getaffinity(pid)
        self.unified, self.root = find_root()
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
            self.pin({min(self.cores)})
        except BaseException:
            self.close()
            raise

    def pin(self, cores):
        with contextlib.suppress(FileNotFoundError):  # it has ended
            for thread in os.listdir(f"/proc/{self.pid}/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread), cores)

    def remove_leftovers(self):
        """Of labs whose process is gone; what was in them the next lab has ended."""
        for name in os.listdir(self.root):
            m = re.fullmatch(NAME + r"(\d+)", name)
            if m and not alive(int(m.group(1))):
                with contextlib.suppress(OSError):
                    os.rmdir(os.path.join(self.root, name))

    def close(self):
        self.pin(self.cores)
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


def find_root(top="/sys/fs/cgroup"):
    """(Is it a tree of version 2, the folder whose groups may have a part of a core.)"""
    controllers = os.path.join(top, "cgroup.controllers")
    if not os.path.exists(controllers):
        root = os.path.join(top, "cpu")
        if not os.path.isdir(root):
            raise NoSlices("control groups that share CPU time are not mounted on this machine")
        return False, root
    with open(controllers, encoding="ascii") as f:
        if "cpu" not in f.read().split():
            raise NoSlices("no control group of this machine (or container) may share CPU time: the controller cpu is elsewhere")
    try:
        write(top, "cgroup.subtree_control", "+cpu")  # no change where it is on
    except OSError as e:
        raise NoSlices(f"control groups here cannot be told to share CPU time: {e.strerror}") from e
    return True, top


def write(group, name, value):
    with open(os.path.join(group, name), "w", encoding="ascii") as f:
        f.write(str(value))
