# SPDX-License-Identifier: AGPL-3.0-or-later
"""What a user or a machine gets wrong: one sentence that says what and what to do, and nothing lost.

Each row of test_mistakes_*.py prepares a situation and names the command that must be refused in it. What is checked for
every row: the exit status, exactly one line on standard error, the same in JSON, nothing on standard output; afterwards the
state directory, the interfaces and the processes are as before. `pytest -s` prints the sentences.
"""
import errno
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

FAILED, USAGE = 1, 2
# Told to be tried out by the daemon, which may write these before it gives up.
OF_A_DAEMON = {"lock", "daemon.log", "clock"}
NO_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


class Attempt:
    """A command that must be refused, and what may change by it."""

    def __init__(self, node, *args, wrap=(), may_change=(), then=None):
        self.node, self.args, self.wrap = node, args, wrap
        self.may_change, self.then = set(may_change), then

    def run(self, *more):
        argv = [*self.wrap, *self.node.argv(*more, *self.args)]
        return self.node.host.sh(*argv, check=False, stdin=subprocess.DEVNULL)

    def world(self):
        host = self.node.host
        links = [l["ifname"] for l in json.loads(host.sh("ip", "-j", "link").stdout)]
        return {"interfaces": links, "processes": host.pids(), **tree(host.path(self.node.state))}

    def changes(self, before):
        """Names of what is not as it was. A daemon that said why it does not start may need a moment to be gone."""
        deadline = time.monotonic() + 10
        while ("processes" in before.keys() - self.may_change and self.node.host.pids() != before["processes"] and
               time.monotonic() < deadline):
            time.sleep(0.02)
        now = self.world()
        return sorted(k for k in before.keys() | now.keys()
                      if before.get(k) != now.get(k) and k not in self.may_change)


def tree(path):
    """Modes and contents of a directory and what is in it; empty when there is none."""
    if not os.path.isdir(path):
        return {}
    found = {".": oct(os.stat(path).st_mode)}
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        empty_wal = name == "mesh.db-wal" and os.path.getsize(file) == 0  # SQLite's way to say that there is none
        if os.path.isfile(file) and not empty_wal:
            with open(file, "rb") as f:
                found[name] = (oct(os.stat(file).st_mode), hashlib.sha256(f.read()).hexdigest())
    return found


class Rows(list):
    """What a file's test of mistakes is parametrized with: prepare(net), which returns an Attempt; what must be said."""

    def add(self, prepare, says, status, name):
        self.append(pytest.param(prepare, says, status, id=name))

    def row(self, says, status=FAILED):
        """Of the function that prepares; its name is the row's."""
        def add(prepare):
            self.add(prepare, says, status, prepare.__name__.replace("_", "-"))
            return prepare
        return add


def assert_one_sentence(stderr, says):
    assert stderr.startswith("tunnelmesh: ") and stderr.endswith("\n") and stderr.count("\n") == 1, stderr
    assert re.search(says, stderr), f"{stderr!r} does not say {says!r}"
    assert len(stderr) < 420, "longer than anybody reads"
    assert ") (" not in stderr, "two parentheses"


def assert_refused(net, prepare, says, status):
    attempt = prepare(net)
    before = attempt.world()
    plain = attempt.run()
    print(plain.stderr, end="")
    assert (plain.returncode, plain.stdout) == (status, "")
    assert_one_sentence(plain.stderr, says)
    assert attempt.changes(before) == []

    again = attempt.run("--json")
    answer = json.loads(again.stdout)
    assert again.returncode == status
    assert answer["ok"] is False and f"tunnelmesh: {answer['error']}" in plain.stderr
    assert (answer["hint"] or "") in plain.stderr
    assert attempt.changes(before) == []
    if attempt.then:
        attempt.then()


# --- situations that several need ---

def hub_and_guest(net, *init):
    hub = net.node("hub")
    hub.init(*init)
    return hub, net.node("guest")


def join(guest, token, *args, **kw):
    return Attempt(guest, "join", token, "--name", "guest", *args, **kw)


def stopped_mesh(net):
    hub, node = net.mesh("hub", "node")
    node.down()
    return hub, node


def release(process):
    process.stdin.close()
    process.wait(timeout=10)


def damage(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def small_disk(net, node, kib):
    """The node's state directory lies on a disk of its own of this size."""
    disk = node.state + ".disk"
    os.mkdir(disk)
    node.host.private_mounts(f"mount -t tmpfs -o mode=755,size={kib}k none {disk}")
    node.state = disk + "/state"
    return disk


def fill(node, disk, leave_kib=0):
    """Fills the disk up to leave_kib; returns what frees it again."""
    ballast = node.host.path(disk + "/ballast")
    with open(ballast, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError as e:
            assert e.errno == errno.ENOSPC
        f.truncate(f.tell() - leave_kib * 1024)
    return lambda: os.unlink(ballast)


def read_only(node):
    if not os.path.exists(node.state):
        os.mkdir(node.state, 0o700)
    node.host.private_mounts(f"mount --bind {node.state} {node.state}; mount -o remount,bind,ro {node.state}")
