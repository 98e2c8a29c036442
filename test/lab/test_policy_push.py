# SPDX-License-Identifier: AGPL-3.0-or-later
"""Policies pushed to many nodes under traffic: when one is in force everywhere, what it ends, what goes on, and that no packet is
judged by half of one. How long it takes is printed, and with fifty nodes asserted: less than a second, as a rule."""
import select
import socket
import statistics
import struct
import threading
import time

import pytest

from lab import wait_for
from test_thirty_nodes import join_at_once
from wiretap import ask, inside

pytestmark = pytest.mark.alone("fifty daemons, against the clock")

KEPT, ODD, EVEN = 7001, 7002, 7003  # UDP: allowed by all policies, and by every other one each
ROUNDS = 6
TOGETHER = 600  # datagrams a second of all nodes


def policy(nodes, allowed, denied):
    """Rules by names for each pair, as a mesh grows them, and one that denies."""
    rows = [f"  - {{allow: udp/{KEPT}-{EVEN}, from: {a.name}, to: {b.name}}}" for a, b in ring(nodes)]
    return "\n".join([f"# {allowed}", "rules:", *rows, f"  - {{deny: udp/{denied}, from: any, to: any}}", ""])


def ring(nodes):
    return list(zip(nodes, nodes[1:] + nodes[:1]))


class Traffic:
    """Each node sends to the next one in the ring, to all three ports in turn. Datagrams of a node are numbered across its
    ports."""

    def __init__(self, nodes):
        own = {n: ask(n, cmd="status")["self"]["ip4"] for n in nodes}
        self.senders, self.receivers = [], {}
        self.heard = [{KEPT: [], ODD: [], EVEN: []} for _ in nodes]  # numbers, by who sent them, in the order of arrival
        self.at = [{} for _ in nodes]  # when the last came, by port
        self.sent, self.every, self.stopping = [0] * len(nodes), 3 * len(nodes) / TOGETHER, threading.Event()
        for i, (a, b) in enumerate(ring(nodes)):
            with inside(b.host):
                for port in (KEPT, ODD, EVEN):
                    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    s.bind((own[b], port))
                    s.setblocking(False)
                    self.receivers[s] = (i, port)
            with inside(a.host):
                out = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
            for s, port in zip(out, (KEPT, ODD, EVEN)):
                s.connect((own[b], port))
            self.senders.append(out)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            for i, out in enumerate(self.senders):
                for s in out:
                    s.send(struct.pack("!I", self.sent[i]))
                    self.sent[i] += 1
            due = max(due + self.every, time.monotonic())
            self.take(due)
        self.take(time.monotonic() + 1)  # what is still under way

    def take(self, until):
        while (left := until - time.monotonic()) > 0:
            for s in select.select(list(self.receivers), [], [], left)[0]:
                i, port = self.receivers[s]
                self.heard[i][port].append(struct.unpack("!I", s.recv(16))[0])
                self.at[i][port] = time.monotonic()

    def all_hear(self, port, since):
        return all(h[port] and h[port][-1] >= s for h, s in zip(self.heard, since))

    def stop(self):
        self.stopping.set()
        self.thread.join(30)
        for s in [*self.receivers, *(s for out in self.senders for s in out)]:
            s.close()


def push(hub, text, n):
    """Seconds until all nodes say that it is in force."""
    begun = time.monotonic()
    assert ask(hub, cmd="policy.set", text=text)["ok"]
    everywhere = {"linked": n, "in_force": n, "others": []}
    wait_for("it to be in force everywhere", lambda: ask(hub, cmd="policy.get")["holders"] == everywhere, 20, 0.005)
    return time.monotonic() - begun


@pytest.mark.parametrize("n", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_a_policy_is_in_force_as_a_whole_and_ends_only_what_it_denies(net, n):
    nodes = join_at_once(net, n)
    push(nodes[0], policy(nodes, ODD, EVEN), n)
    traffic, took, ended, turns = Traffic(nodes), [], [], []
    try:
        for a, b in ring(nodes):
            wait_for(f"{a.name} to reach {b.name} directly", lambda a=a, b=b: ask(a, cmd="peers", node=ask(b, cmd="status")["self"]["id"])[
                "peers"][0]["path"] == "direct", 30)
        steady = list(traffic.sent)
        wait_for("all to be heard", lambda: traffic.all_hear(KEPT, steady) and traffic.all_hear(ODD, steady), 30)
        for turn in range(ROUNDS):
            old, new = (ODD, EVEN) if turn % 2 == 0 else (EVEN, ODD)
            turns.append((old, new, list(traffic.sent)))
            begun = time.monotonic()
            took.append(push(nodes[0], policy(nodes, new, old), n))
            wait_for("all to be heard by the other port", lambda s=list(traffic.sent), p=new: traffic.all_hear(p, s), 20)
            ended.append(max(0, *(at[old] - begun for at in traffic.at)))
    finally:
        traffic.stop()
    turns.append((None, None, traffic.sent))
    for i in range(n):
        for (old, new, first), (_, _, after) in zip(turns, turns[1:]):
            by = {p: [x for x in traffic.heard[i][p] if first[i] <= x < after[i]] for p in (old, new)}
            assert not by[old] or max(by[old]) < min(by[new]), f"{nodes[i].name}: both ports at once"
        kept = [x for x in traffic.heard[i][KEPT] if x >= steady[i]]
        assert kept == list(range(kept[0], kept[-1] + 1, 3)) and kept[0] - steady[i] < 3, f"{nodes[i].name} lost some"
        assert traffic.sent[i] - kept[-1] <= 3
    print(f"\n{n} nodes, {ROUNDS} policies: in force everywhere after {statistics.median(took):.3f} s (median; at most {max(took):.3f}), "
          f"the last of what is denied after {statistics.median(ended):.3f} s (at most {max(ended):.3f})")
    assert n < 50 or statistics.median(took) < 1, took
