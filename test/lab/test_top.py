# SPDX-License-Identifier: AGPL-3.0-or-later
"""`top` on a terminal: what it shows, what its keys do, and that the terminal is as before however it ends."""
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from lab import wait_for

PAGE, BACK = b"\033[?1049h", b"\033[?1049l"


class Screen:
    """A pseudo terminal with `top` on it, as a job of its own."""

    def __init__(self, node, *args, rows=30, columns=120):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(node.host.argv(*node.argv("top", "-i", 0.2, *args)), stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, preexec_fn=self.own_terminal)
        node.lab.processes.append(self.process)
        self.text = b""

    def own_terminal(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536)
        return self.text

    def shows(self, pattern):
        """It is on a page that was painted after the last call, or will be."""
        found = wait_for(pattern, lambda: re.search(pattern.encode(), self.read(), re.S))
        self.text = b""
        return found

    def type(self, keys):
        os.write(self.master, keys)

    def ends(self, status=0):
        """It has ended so, and nothing of it is left on the terminal."""
        deadline = time.monotonic() + 10
        while self.process.poll() is None:  # it may wait for somebody to read
            assert time.monotonic() < deadline, "top did not end"
            select.select([self.master], [], [], 0.05)
            self.read()
        assert self.process.returncode == status
        text = self.read()
        assert BACK in text and b"\033[?25h" in text and PAGE not in text.rsplit(BACK, 1)[1]
        assert termios.tcgetattr(self.slave) == self.before
        return text.rsplit(BACK, 1)[1].decode()

    def close(self):
        os.close(self.master)
        os.close(self.slave)


def asks(pid):
    """It has a connection, as it has while it waits for an answer."""
    with contextlib.suppress(FileNotFoundError):  # that was an answer
        return any(os.readlink(f.path).startswith("socket:") for f in os.scandir(f"/proc/{pid}/fd"))


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


def test_it_shows_sorts_filters_and_follows_the_size_of_the_terminal(net):
    hub, nas, _ = net.mesh("hub", "nas", "desk")
    hub.ping("nas")
    with contextlib.closing(Screen(hub)) as screen:
        screen.shows(r"hub.*mesh.*2 direct.*by traffic.*NAME.*nas")
        hub.host.spawn("ping", "-q", "-i", 0.05, "-s", 1000, nas.status()["self"]["ip4"], stdout=subprocess.DEVNULL)
        screen.shows(r"nas[^\n]*direct[^\n]*kbit/s")
        screen.type(b"n")
        screen.shows(r"by name.*desk[^\n]*\n[^\n]*nas")
        screen.type(b"i")
        screen.shows(r"by name \(inverted\).*nas[^\n]*\n[^\n]*desk")
        screen.type(b"/de")
        screen.shows(r"only those with: de_\033")
        screen.type(b"\n")
        assert b"nas" not in screen.shows(r"only those with de.*\033\[J").group()
        screen.resize(30, 40)
        screen.shows(r"not shown: .*ENDPOINT")
        screen.type(b"q")
        assert screen.ends() == ""


def test_the_terminal_is_as_before_however_it_ends(net):
    hub, = net.mesh("hub")
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        with contextlib.closing(Screen(hub)) as screen:
            screen.shows("NAME")
            screen.process.send_signal(sig)
            screen.ends()
    with contextlib.closing(Screen(hub)) as screen:
        screen.shows("NAME")
        screen.process.send_signal(signal.SIGTSTP)
        wait_for("it to stop", lambda: is_stopped(screen.process.pid))
        assert screen.read().endswith(BACK) and termios.tcgetattr(screen.slave) == screen.before
        screen.process.send_signal(signal.SIGCONT)
        screen.shows(re.escape(PAGE.decode()) + ".*NAME")
        screen.type(b"\x03")  # as a person types it
        screen.ends()
    daemon = hub.pid()
    for keys in (b"q", b"\x03"):
        with contextlib.closing(Screen(hub)) as screen:
            screen.shows("NAME")
            os.kill(daemon, signal.SIGSTOP)
            wait_for("a question that nobody answers", lambda: asks(screen.process.pid))
            screen.type(b"n")
            screen.shows("by name")
            screen.type(keys)
            assert screen.ends() == ""
            os.kill(daemon, signal.SIGCONT)
    with contextlib.closing(Screen(hub)) as screen:
        screen.shows("NAME")
        hub.kill9()
        assert re.search("tunnelmesh (is not running|stopped before)", screen.ends(1))
