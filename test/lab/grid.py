#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The grid: real nodes in every pair of kinds of places (nat.py), compared with what the textbook says (textbook.py).

    grid.py [--runs N] [--jobs N] [KIND | KIND:KIND ...]

A KIND stands for its whole row, a KIND:KIND for one pair; without any all are run. Every pair is a world of its own
(world.py), restarted for each run; the two sides take turns in beginning. A process of its own runs a pair, several at once.
What was measured goes into docs/reachability.json, where that of other pairs stays, and the tables of docs/reachability.md
are made of it all. Exit status 1: a pair had not what it must have, or had what textbook.LACKS says that it cannot have.
"""
import argparse
import concurrent.futures
import itertools
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

import grid_report  # noqa: E402
import textbook  # noqa: E402
from lab import Lab, LabError, wait_for  # noqa: E402
from nat import KINDS  # noqa: E402
from probe import Probe  # noqa: E402
from textbook import DIRECT, GUESSED, NONE  # noqa: E402
from traffic import transfer  # noqa: E402
from world import World, says  # noqa: E402

# Patience, in seconds: for the first answer; a direct path where there must be one, also by guessing ports, and where there
# should be none; the first answer after a gateway forgot everything.
FIRST, TO_DIRECT, TO_GUESS, NO_DIRECT, AGAIN = 8, 12, 30, 2, 12
STEADY = 20  # so many answers while the way stays what it is
BULK, STALL = 200_000, 8  # bytes of TCP each way; seconds without any


class Run:
    """One meeting of two idle nodes; what came of it is in `seen`."""

    def __init__(self, world, first, other, must):
        self.world, self.names, self.must = world, (first, other), must
        self.nodes = [world.nodes[n] for n in self.names]
        self.address = world.address(other)
        self.seen = {"had": NONE, "says": NONE, "data": False}
        self.probe = Probe(self.nodes[0].host, self.address, rate=20)
        try:
            self.meet()
        finally:
            self.probe.stop()

    def meet(self):
        if not self.soon(lambda: self.probe.first() is not None, FIRST):
            return
        self.seen["first_ms"] = round(1000 * self.probe.first(), 1)
        self.wait_for_direct()
        self.forget()
        self.seen["had"], _ = self.world.way(self.nodes[0], self.address)
        self.seen["says"] = says(self.nodes[0], self.names[1])
        self.exchange()

    def soon(self, test, patience):
        try:
            return wait_for("it", test, patience, interval=0.01)
        except LabError:
            return None

    def wait_for_direct(self):
        patience = {DIRECT: TO_DIRECT, GUESSED: TO_GUESS}.get(self.must, NO_DIRECT)
        if self.soon(lambda: says(self.nodes[0], self.names[1]) == DIRECT, patience):
            self.seen["direct_ms"] = round(1000 * (time.monotonic() - self.probe.began), 1)

    def forget(self):
        """Where gateways forget, they do it once now."""
        places = [p for p in self.world.places.values() if p.kind.forgets]
        if not places:
            return
        for place in places:
            place.forget()
        began = time.monotonic()
        if self.soon(lambda: self.probe.answered(since=began), AGAIN):
            self.seen["again_ms"] = round(1000 * (time.monotonic() - began), 1)
        self.soon(self.probe.steadily(lambda: says(self.nodes[0], self.names[1]) == DIRECT, STEADY), TO_DIRECT)

    def exchange(self):
        try:
            transfer(self.nodes[0].host, self.nodes[1].host, self.address, up=BULK, down=BULK, stall=STALL)
            self.seen["data"] = True
        except LabError as e:
            self.seen["error"] = str(e).splitlines()[0][:200]


def run_pair(a, b, runs):
    """What came of a pair of kinds: a row of the report."""
    lacks = textbook.lacking(a, b)
    row = {"a": a, "b": b, "best": textbook.best(a, b), "lacks": lacks, "runs": []}
    began = time.monotonic()
    try:
        with Lab() as net:
            world = World(net, a=a, b=b)
            world.settle()
            for i in range(1 if lacks else runs):
                if i:
                    world.restart()
                row["runs"].append(Run(world, *("ab", "ba")[i % 2], row["best"]).seen)
    except (LabError, OSError) as e:
        row["error"] = str(e).splitlines()[0][:300]
    row["took_s"] = round(time.monotonic() - began, 1)
    return row


def pairs_of(words):
    """The pairs that the command line names."""
    order = list(KINDS)
    every = list(itertools.combinations_with_replacement(order, 2))
    if not words:
        return every
    for kind in (k for word in words for k in word.split(":")):
        if kind not in KINDS:
            sys.exit(f"grid: there is no kind {kind}; there are {', '.join(KINDS)}")
    return [p for p in every if any(set(word.split(":")) == set(p) if ":" in word else word in p for word in words)]


def run_all(pairs, runs, jobs):
    """Rows as they are measured."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        try:
            todo = [pool.submit(run_pair, a, b, runs) for a, b in pairs]
            for done in concurrent.futures.as_completed(todo):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # those under way clean up behind themselves
            raise


def main():
    parser = argparse.ArgumentParser(description="reachability of every pair of kinds of places")
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", default=grid_report.FOLDER, help="folder of reachability.json and .md")
    args = parser.parse_args()
    pairs = pairs_of(args.kinds)
    rows, bad = grid_report.load(args.out), 0
    for n, row in enumerate(run_all(pairs, args.runs, args.jobs), 1):
        wrong = grid_report.judge(row)
        bad += bool(wrong)
        print(f"[{n}/{len(pairs)}] {grid_report.line(row)}{''.join(f'  ! {w}' for w in wrong)}", flush=True)
        rows[row["a"], row["b"]] = row
        grid_report.save(args.out, rows)
    print(f"{len(pairs)} pairs, {bad} not as they must be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
