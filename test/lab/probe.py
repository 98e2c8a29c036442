# SPDX-License-Identifier: AGPL-3.0-or-later
"""A steady stream of echo requests through a tunnel: which came back, when, and how long nothing did."""
import collections
import os
import select
import socket
import struct
import threading
import time

from wiretap import checksum, inside

ECHO, ECHO_REPLY = 8, 0
LATE = 2.0  # s: what comes back after that is lost

Report = collections.namedtuple("Report", "sent lost first stall stalled_at rtt_ms")


class Probe:
    """Sends `rate` echo requests a second to an IPv4 address from a host, from now until stop()."""

    def __init__(self, host, address, rate=10, size=64):
        with inside(host):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.socket.setblocking(False)
        self.address, self.every, self.size = address, 1 / rate, size
        self.id = int.from_bytes(os.urandom(2), "big")
        self.sent, self.back = [], {}  # time by number; time by number
        self.ending = threading.Event()
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        due = self.began
        while not self.ending.is_set():
            now = time.monotonic()
            if now >= due:
                self.send(now)
                due = max(due + self.every, now - 1)
            if select.select([self.socket], [], [], max(0, min(due - time.monotonic(), 0.05)))[0]:
                self.receive()

    def send(self, now):
        n = len(self.sent)
        head = struct.pack("!BBHHH", ECHO, 0, 0, self.id, n & 0xFFFF)
        body = struct.pack("!I", n).ljust(self.size, b"p")
        packet = head[:2] + struct.pack("!H", checksum(head + body)) + head[4:] + body
        self.sent.append(now)
        try:
            self.socket.sendto(packet, (self.address, 0))
        except OSError:
            pass  # no route while the network changes: that one is lost

    def receive(self):
        try:
            packet, source = self.socket.recvfrom(4096)
        except OSError:
            return
        at = 4 * (packet[0] & 15)
        kind, _, _, ident, _ = struct.unpack_from("!BBHHH", packet, at)
        if kind == ECHO_REPLY and ident == self.id and source[0] == self.address:
            n = struct.unpack_from("!I", packet, at + 8)[0]
            self.back.setdefault(n, time.monotonic())

    # --- what was seen so far ---

    def answered(self, count=1, since=0.0):
        """Have so many of those that were sent after a moment come back?"""
        return sum(self.sent[n] >= since for n in list(self.back)) >= count

    def steadily(self, test, count):
        """A test that is true when another one has been while so many requests were sent and answered."""
        since = None

        def holds():
            nonlocal since
            if not test():
                since = None
            elif since is None:
                since = time.monotonic()
            return since is not None and self.answered(count, since)
        return holds

    def first(self):
        """Seconds from the first request to the first answer to any; None: none came."""
        return min(self.back.values()) - self.sent[0] if self.back else None

    def losses(self, begin, end):
        """How many of those sent in between did not come back in time."""
        return sum(begin <= t < end and (n not in self.back or self.back[n] - t > LATE) for n, t in enumerate(self.sent))

    def stall(self, begin, end):
        """(seconds, when it began): the longest time between two answers, or an answer and an end."""
        times = [begin, *sorted(t for t in list(self.back.values()) if begin <= t < end), end]
        return max((b - a, a) for a, b in zip(times, times[1:]))

    def stop(self, patience=LATE):
        """Ends it when what is under way has had its time, or so many seconds; a Report of all."""
        end = time.monotonic()
        deadline = end + patience
        self.every = 3600
        while len(self.back) < len(self.sent) and time.monotonic() < deadline:
            self.ending.wait(0.02)
        self.ending.set()
        self.thread.join()
        self.socket.close()
        stall, at = self.stall(self.began, end)
        rtts = sorted(1000 * (t - self.sent[n]) for n, t in self.back.items())
        return Report(len(self.sent), self.losses(0, end + 1), self.first(), stall, at - self.began,
                      rtts[len(rtts) // 2] if rtts else None)


class Stream:
    """One TCP connection through a tunnel on which `rate` chunks a second are sent and what arrives is compared."""

    CHUNK = 4000

    def __init__(self, sender, receiver, address, rate=20, port=7999):
        with inside(receiver):
            listening = socket.create_server((address, port))
        with listening:
            listening.settimeout(20)
            with inside(sender):
                self.out = socket.create_connection((address, port), timeout=20)
            self.into, _ = listening.accept()
        self.every, self.sent, self.received, self.broken = 1 / rate, 0, 0, None
        self.out.settimeout(150)
        self.into.settimeout(0.05)
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.write, self.read)]
        for t in self.threads:
            t.start()

    @classmethod
    def text(cls, n):
        return struct.pack("!Q", n) * (cls.CHUNK // 8)

    def write(self):
        try:
            while not self.ending.wait(self.every):
                self.out.sendall(self.text(self.sent))
                self.sent += 1
        except OSError as e:
            self.broken = self.broken or f"writing: {e}"

    def read(self):
        have = b""
        while not self.broken and not (self.ending.is_set() and self.received == self.sent):
            try:
                got = self.into.recv(1 << 16)
            except socket.timeout:
                continue
            except OSError as e:
                self.broken = f"reading: {e}"
                return
            have += got
            while len(have) >= self.CHUNK and have.startswith(self.text(self.received)):
                have, self.received = have[self.CHUNK:], self.received + 1
            if len(have) >= self.CHUNK or not got:
                self.broken = "it ended" if not got else f"chunk {self.received} is not what was sent"

    def stop(self, patience=120):
        """Everything that was sent must arrive; why it did not, None if it did."""
        self.ending.set()
        deadline = time.monotonic() + patience
        for t in self.threads:
            t.join(max(0, deadline - time.monotonic()))
        if any(t.is_alive() for t in self.threads):
            self.broken = self.broken or f"stands still after {self.received} of {self.sent} chunks"
        self.out.close()
        self.into.close()
        return self.broken
