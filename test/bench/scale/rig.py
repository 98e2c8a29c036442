# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the scale measurements share: a herd to talk to, a daemon's counters, a cable that takes its time."""
import contextlib
import json
import os
import queue
import socket
import subprocess
import threading
import time

from lab import BINARY, LabError, find_tool, wait_for

HERD = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../../build/ci/test/bench/scale/herd"))


class Herd:
    """The load generator in a host's namespace (herd.c has its commands)."""

    def __init__(self, host):
        self.process = host.spawn(HERD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.events, self.early = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("ready", 10)

    def _read(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put({"ev": "dead"})

    def say(self, text):
        self.process.stdin.write(text + "\n")

    def wait(self, ev, timeout):
        """The next event of that kind; None when it does not come in time. Others stay for who waits for them."""
        deadline = time.monotonic() + timeout
        for event in self.early:
            if event["ev"] == ev:
                self.early.remove(event)
                return event
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if event["ev"] == "dead":
                raise LabError("the herd ended")
            if event["ev"] == ev:
                return event
            self.early.append(event)

    def ask(self, text, ev, timeout=60):
        self.say(text)
        return self.wait(ev, timeout)

    def stats(self):
        return self.ask("stats", "stats", 120)

    def quiet(self, timeout=120):
        """Until everybody has the newest map and no more is said."""
        last = None

        def still():
            nonlocal last
            before, last = last, self.stats()
            return before and last["behind"] == 0 and last["messages"] == before["messages"] and last
        return wait_for("the herd to be quiet", still, timeout, 0.3)


class Process:
    """Counters of a running process, from /proc."""

    def __init__(self, pid):
        self.pid = pid

    def threads(self):
        """CPU seconds by thread; the first one is the control thread."""
        seconds = {}
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                seconds["control" if task == str(self.pid) else task] = int(f.read().split()[0]) / 1e9
        return seconds

    def cpu(self):
        return sum(self.threads().values())

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def written(self):
        """Bytes that it caused to be written to a disk."""
        with open(f"/proc/{self.pid}/io", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("write_bytes"))

    def memory(self, field="VmRSS"):
        """MiB"""
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith(field))

    def forget_peak(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as f:
            f.write("5")

    def settle(self, timeout=60):
        """Until it does next to nothing."""
        last = None

        def still():
            nonlocal last
            before, last = last, self.cpu()
            return before is not None and last - before < 0.003
        wait_for("a process to come to rest", still, timeout, 0.5)


class Meter:
    """What a process used over a stretch."""

    def __init__(self, process):
        self.process = process
        self.begun, self.threads, self.written = time.monotonic(), process.threads(), process.written()

    def read(self):
        now = self.process.threads()
        return {"wall_s": time.monotonic() - self.begun,
                "cpu_s": sum(v - self.threads.get(k, 0) for k, v in now.items()),
                "control_s": now["control"] - self.threads["control"],
                "written_kb": (self.process.written() - self.written) / 1e3}


class Book:
    """Where the figures go."""

    def __init__(self, path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.file = open(path, "w", encoding="utf-8")
        self.rows = {}

    def note(self, size, what, **figures):
        self.rows.setdefault(size, {})[what] = figures
        self.file.write(json.dumps({"size": size, "what": what} | figures) + "\n")
        self.file.flush()
        shown = {k: round(v, 3) if isinstance(v, float) else v for k, v in figures.items()}
        print(f"{time.strftime('%H:%M:%S')} {size:6} {what:28} {shown}", flush=True)


class Knocks:
    """Connections of strangers who say nothing (test/lab/tools/knock.c), while it is open; `did` afterwards."""

    def __init__(self, host, **words):
        self.process = host.spawn(find_tool("knock"), *[f"{k}={v}" for k, v in words.items()], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.did = None

    def __enter__(self):
        if self.process.stdout.readline() != "ready\n":
            raise LabError("nobody knocks")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        text = self.process.stdout.read()
        self.process.wait(timeout=10)
        self.did = json.loads(text) if text else None


@contextlib.contextmanager
def slow_cable(a, b, name, address_a, address_b, ms):
    """A cable between two hosts on which everything takes ms milliseconds."""
    p = subprocess.Popen([find_tool("line"), a.ns, name, b.ns, name, f"delay={1000 * ms}"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    try:
        if p.stdout.readline() != "ready\n":
            raise LabError("the slow cable could not be laid")
        for host, address in ((a, address_a), (b, address_b)):
            host.sh("ip", "addr", "add", address + "/24", "dev", name)
            host.sh("ip", "link", "set", name, "txqueuelen", 20000)
        yield
    finally:
        p.stdin.close()
        p.wait(timeout=10)


class Daemon:
    """A node started by hand, so that it can be measured from its first moment."""

    def __init__(self, node):
        self.node, self.process = node, None

    def start(self, timeout=120):
        """Seconds until it answers."""
        begun = time.monotonic()
        self.child = self.node.host.spawn(*self.node.argv("up", "--foreground"), stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL)
        self.process = Process(self.child.pid)

        def answers():
            if self.child.poll() is not None:
                raise LabError(f"{self.node.name} ended at its start")
            with contextlib.suppress(OSError):
                return self.ask("version")
        wait_for(f"{self.node.name} to answer", answers, timeout, 0.005)
        return time.monotonic() - begun

    def ask(self, cmd, timeout=60, **fields):
        """The answer to one request on its control socket."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(self.node.state + ".sock")
            s.sendall(json.dumps({"cmd": cmd} | fields).encode() + b"\n")
            with s.makefile("rb") as f:
                return json.loads(f.read())

    def stop(self, timeout=60):
        self.child.terminate()
        self.child.wait(timeout=timeout)
