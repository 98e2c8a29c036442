# SPDX-License-Identifier: AGPL-3.0-or-later
"""The line emulator (tools/line) does what it is told, measured by what arrives: else no test that uses it says anything."""
import re
import socket
import struct
import time

import pytest

from lab import Host, LabError, wait_for
from wires import Line
from wiretap import udp_socket

pytestmark = pytest.mark.alone("proves the distances that all others are measured by")

A, B, PORT, HEADERS = "198.18.0.1", "198.18.0.2", 9000, 14 + 20 + 8


class Ends:
    """Two hosts with a line between them, and nothing on it that the test does not send: neither IPv6 nor ARP."""

    def __init__(self, net):
        self.a, self.b = (Host(net, name) for name in "ab")
        for h in (self.a, self.b):
            h.sh("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        self.line = Line(self.a, "w", self.b, "w")
        for h, own, last in ((self.a, A, 1), (self.b, B, 2)):
            h.sh("ip", "link", "set", "w", "address", f"02:00:00:00:00:0{last}")
            h.sh("ip", "addr", "add", own + "/24", "dev", "w")
        for h, there, last in ((self.a, B, 2), (self.b, A, 1)):
            h.sh("ip", "neigh", "add", there, "lladdr", f"02:00:00:00:00:0{last}", "dev", "w", "nud", "permanent")
        self.sender, self.receiver = udp_socket(self.a), udp_socket(self.b, address=(B, PORT))
        self.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.receiver.settimeout(0)

    def seen(self):
        return self.line.stats()["a"]

    def send(self, count, size=100):
        """Sends numbered datagrams; the numbers of those that came, in their order, once nothing is under way."""
        before = self.seen()["in"]
        for n in range(count):
            self.sender.sendto(struct.pack("!I", n).ljust(size, b"."), (B, PORT))
            if n % 100 == 99:  # the device's own queue is no part of what is told
                wait_for("the line to take them", lambda k=n: self.seen()["in"] == before + k + 1)
        wait_for("the line to be empty",
                 lambda: self.seen()["in"] == before + count and not self.seen()["flying"])
        return list(self.arrived())

    def arrived(self):
        while True:
            try:
                yield struct.unpack("!I", self.receiver.recv(4096)[:4])[0]
            except BlockingIOError:
                return

    def round_trips(self, count):
        out = self.a.sh("ping", "-n", "-c", count, "-i", 0.02, B).stdout
        return [float(t) for t in re.findall(r"time=([\d.]+)", out)]


@pytest.fixture
def ends(net):
    return Ends(net)


def within(count, expected, trials):
    """Is a binomial count no further than five standard deviations from what is expected?"""
    p = expected / trials
    return abs(count - expected) <= 5 * (trials * p * (1 - p)) ** 0.5


def test_a_line_that_was_told_nothing_hands_on_everything_in_order(ends):
    assert ends.send(1000) == list(range(1000))
    assert ends.seen() == {"in": 1000, "out": 1000, "lost": 0, "full": 0, "down": 0, "twice": 0, "corrupt": 0, "early": 0,
                           "flying": 0}


@pytest.mark.parametrize("there, back", [(20, 20), (50, 5)])
def test_a_round_trip_takes_what_both_directions_were_told(ends, there, back):
    ends.line.set(a={"delay": there}, b={"delay": back})
    least = min(ends.round_trips(10))
    print(f"\n{there} + {back} ms: {least} ms")
    assert there + back <= least < there + back + 1


def test_jitter_varies_the_delay_and_keeps_the_order(ends):
    ends.line.set(delay=20, jitter=10, seed=1)
    times = ends.round_trips(40)
    assert min(times) >= 20 and max(times) - min(times) > 5
    assert ends.send(1000) == list(range(1000))


def test_what_reorders_overtakes_and_nothing_is_lost(ends):
    ends.line.set(delay=5, reorder=10, seed=1)
    got = ends.send(1000)
    assert sorted(got) == list(range(1000)) and got != sorted(got)
    assert within(ends.seen()["early"], 100, 1000)


def rows_lost(got, count):
    """Lengths of the rows of datagrams that are missing."""
    rows, last = [], -1
    for n in [*got, count]:
        if n > last + 1:
            rows.append(n - last - 1)
        last = n
    return rows


@pytest.mark.parametrize("burst", [1, 5])
def test_so_many_are_lost_as_it_was_told_and_in_rows_of_such_a_length(ends, burst):
    ends.line.set(loss=10, burst=burst, seed=7)
    got = ends.send(5000)
    rows = rows_lost(got, 5000)
    lost, mean = 5000 - len(got), sum(rows) / len(rows)
    print(f"\n10 % in rows of {burst}: {lost} of 5000 in rows of {mean:.2f}")
    assert lost == ends.seen()["lost"]
    assert abs(lost - 500) < 5 * (5000 * 0.1 * 0.9 * (2 * burst - 1)) ** 0.5
    assert (1.0 <= mean < 1.3) if burst == 1 else (4 < mean < 6.2)


def test_the_same_seed_gives_the_same_fate_again(ends):
    ends.line.set(loss=20, twice=10, seed=3)
    first = ends.send(300)
    ends.line.set(seed=3)
    assert ends.send(300) == first
    ends.line.set(seed=4)
    assert ends.send(300) != first


def test_copies_come_and_corrupt_ones_do_not(ends):
    ends.line.set(twice=10, corrupt=20, seed=1)
    got = ends.send(2000)
    seen = ends.seen()
    assert within(seen["twice"], 200, 2000) and within(seen["corrupt"], 0.2 * seen["out"], seen["out"])
    # The checksums find nearly all; a wrong address of Ethernet is not among what can be wrong.
    assert seen["out"] - seen["corrupt"] <= len(got) < seen["out"] - 0.8 * seen["corrupt"]


def test_a_rate_takes_its_time_and_what_does_not_fit_its_queue_is_lost(ends):
    ends.line.set(rate=4000, queue=1 << 20)
    began = time.monotonic()
    assert ends.send(90, size=1000) == list(range(90))
    assert time.monotonic() - began >= 89 * (1000 + HEADERS) * 8 / 4e6
    ends.line.set(queue=10 * (1000 + HEADERS))
    got = ends.send(90, size=1000)
    assert 10 <= len(got) < 80 and got[:10] == list(range(10))
    assert ends.seen()["full"] == 90 - len(got)


def test_one_direction_can_be_down_and_comes_back(ends):
    ends.line.set(a={"down": 1})
    assert ends.send(10) == [] and ends.seen()["down"] == 10
    assert ends.line.stats()["b"]["down"] == 0
    ends.line.set(a={"down": 0})
    assert ends.send(10) == list(range(10))


def test_what_is_not_understood_is_said_and_changes_nothing(ends):
    with pytest.raises(LabError, match="not understood: colour=1"):
        ends.line.set(loss=100, colour=1)
    assert len(ends.send(10)) == 10


@pytest.mark.slow
def test_a_line_that_was_told_nothing_carries_a_gigabit(ends):
    server = ends.b.spawn("iperf3", "-s", "-1")
    wait_for("iperf3 to listen", lambda: ":5201 " in ends.b.sh("ss", "-Hltn").stdout)
    out = ends.a.sh("iperf3", "-c", B, "-t", 3, "-f", "m").stdout
    rate = float(re.search(r"([\d.]+) Mbits/sec\s+receiver", out).group(1))
    server.wait(timeout=10)
    print(f"\n{rate} Mbit/s")
    assert rate > 1000
