#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The grid: real nodes in every pair of kinds of places (nat.py), compared with what the textbook says (textbook.py).

    grid.py [--runs N] [--jobs N] [--resume] [KIND | KIND:KIND ...]
    grid.py --times [--runs N] [--jobs N] [--resume] [KIND:KIND ...]

A KIND stands for its whole row, a KIND:KIND for one pair; without any all are run. Every pair is a world of its own
(world.py), restarted for each run; the two sides take turns in beginning. A process of its own runs a pair, several at once.
--times runs some representative pairs (TIMES) so often that medians mean something. --resume leaves out what this very build
of the program was measured with before and had as it must.
What was measured goes into docs/reachability.json, where that of other pairs stays, and the tables of docs/reachability.md
are made of it all. Exit status 1: a pair had not what it must have, or had what textbook.LACKS says that it cannot have.
"""
import argparse
import concurrent.futures
import datetime
import hashlib
import itertools
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))

import grid_report  # noqa: E402
import textbook  # noqa: E402
from lab import BINARY, Lab, LabError, wait_for  # noqa: E402
from nat import KINDS  # noqa: E402
from probe import Probe  # noqa: E402
from textbook import DIRECT, GUESSED, LUCK, NONE, RELAY, TCP  # noqa: E402
from traffic import transfer  # noqa: E402
from wiretap import ask  # noqa: E402
from world import World, says  # noqa: E402

# Patience, in seconds: for the first answer; a direct path where there must be one, also by guessing ports, and where it is
# a matter of luck; the first answer after a gateway forgot everything.
FIRST, TO_DIRECT, TO_GUESS, LUCKY, AGAIN = 8, 12, 30, 2, 12
LOOKS = 3
EVERY, TIMES_FORGOTTEN = 30, 3  # seconds from one time that a gateway forgets to the next, and how often in a run
STEADY = 20  # so many answers while the way stays what it is
BULK, STALL = 200_000, 8  # bytes of TCP each way; seconds without any
RUNS = 3
# Pairs whose times are worth many runs: how many. In forty the share of those that guess in vain can be told.
TIMES = {("open", "open"): 20, ("port", "port"): 20, ("linux", "other"): 20, ("dual", "dual"): 20, ("open", "small"): 20,
         ("open", "sym"): 20, ("port", "sym"): 40, ("port", "cgn2"): 20, ("sym", "sym"): 20, ("port", "ip6"): 20,
         ("port", "noudp"): 20, ("noudp", "noudp"): 20, ("port", "proxy"): 20}


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
            self.probe.stop(patience=0)

    def meet(self):
        if not self.soon(lambda: self.probe.first() is not None, FIRST):
            return
        self.seen["first_ms"] = round(1000 * self.probe.first(), 1)
        self.wait_for_the_way()
        self.forget()
        self.look()
        self.exchange()

    def look(self):
        """By which way packets go, and what the node says of it; again when it says something else afterwards."""
        for _ in range(LOOKS):
            self.seen["says"] = self.says()
            self.seen["had"], _ = self.world.way(self.nodes[0], self.address)
            if self.says() == self.seen["says"]:
                break

    def soon(self, test, patience):
        try:
            return wait_for("it", test, patience, interval=0.01)
        except LabError:
            return None

    def says(self):
        return says(self.nodes[0], self.names[1])

    def is_right(self):
        """Does the node say that its way is of the kind that the pair must have? The other side's stream is UDP here."""
        return self.says() in ((RELAY, TCP) if self.must in (RELAY, TCP) else (DIRECT,))

    def wait_for_the_way(self):
        """A direct one; where there is none, the one by a relay, which is there when so many are answered."""
        if self.must in (RELAY, TCP):
            self.soon(self.probe.steadily(self.is_right, STEADY), TO_DIRECT)
            return
        vain = self.guessed_in_vain if self.must == GUESSED else lambda: False
        patience = {GUESSED: TO_GUESS, LUCK: LUCKY}.get(self.must, TO_DIRECT)
        if self.soon(lambda: self.is_right() or vain(), patience) and self.is_right():
            self.seen["direct_ms"] = round(1000 * (time.monotonic() - self.probe.began), 1)
            self.soon(lambda: says(self.nodes[1], self.names[0]) == DIRECT, TO_DIRECT if self.must == DIRECT else LUCKY)
            self.seen["both_ms"] = round(1000 * (time.monotonic() - self.probe.began), 1)

    def guessed_in_vain(self):
        peers = [p for node in self.nodes for p in ask(node, cmd="peers")["peers"] if p["name"] in self.names]
        return any("next attempt in" in (p["not_direct"] or "") for p in peers)

    def forget(self):
        """Where gateways forget, they do it every half minute from now on; what comes after this is done before the next time.
        How long it took until something was answered again, at most, and which part of the time the way was the right one."""
        places = [p for p in self.world.places.values() if p.kind.forgets]
        looks, again = [], []
        for n in range(TIMES_FORGOTTEN if places else 0):
            for place in places:
                place.forget()
            began = time.monotonic()
            if self.soon(lambda since=began: self.probe.answered(since=since), AGAIN):
                again.append(round(1000 * (time.monotonic() - began), 1))
            while n + 1 < TIMES_FORGOTTEN and time.monotonic() < began + EVERY:
                looks.append(self.is_right())
                time.sleep(0.2)
        if not places:
            return
        self.seen["share"] = round(sum(looks) / len(looks), 3)
        if len(again) == TIMES_FORGOTTEN:
            self.seen["again_ms"] = max(again)
        self.soon(self.probe.steadily(self.is_right, STEADY), TO_DIRECT)

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


def pairs_of(words, among=None):
    """The pairs that the command line names."""
    every = among or list(itertools.combinations_with_replacement(KINDS, 2))
    for kind in (k for word in words for k in word.split(":")):
        if kind not in KINDS:
            sys.exit(f"grid: there is no kind {kind}; there are {', '.join(KINDS)}")
    found = [p for p in every if not words or any(set(word.split(":")) == set(p) if ":" in word else word in p for word in words)]
    return found or sys.exit(f"grid: the times of {' '.join(words)} are not measured")


def build():
    """Which program it is: rows that one and the same was measured with need no new ones."""
    with open(BINARY, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:12]


def is_done(row, program, runs):
    """Was it measured with that program, so often, and had what it must?"""
    if not row or row.get("program") != program or grid_report.judge(row):
        return False
    return bool(row["lacks"]) or len(row["runs"]) >= runs


def run_all(runs, jobs):
    """Rows as they are measured. runs: how many, by pair."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us in the background
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        try:
            todo = [pool.submit(run_pair, *pair, n) for pair, n in runs.items()]
            for done in concurrent.futures.as_completed(todo):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # those under way clean up behind themselves
            raise


def arguments():
    parser = argparse.ArgumentParser(description="reachability of every pair of kinds of places")
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--runs", type=int, help=f"of each pair; else {RUNS}, or with --times what TIMES says")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--times", action="store_true", help="many runs of some pairs, for their times")
    parser.add_argument("--resume", action="store_true", help="only what this build was not measured with yet")
    parser.add_argument("--out", default=grid_report.FOLDER, help="folder of reachability.json and .md")
    return parser.parse_args()


def main():
    args = arguments()
    section = "times" if args.times else "pairs"
    runs = {pair: args.runs or (TIMES[pair] if args.times else RUNS) for pair in pairs_of(args.kinds, TIMES if args.times else None)}
    found, program, bad = grid_report.load(args.out), build(), 0
    rows, late = found[section], 0
    if args.resume:
        runs = {pair: n for pair, n in runs.items() if not is_done(rows.get(pair), program, n)}
    for n, row in enumerate(run_all(runs, args.jobs), 1):
        wrong = grid_report.judge(row)
        bad += bool(wrong)
        late += bool(grid_report.late(row))
        print(f"[{n}/{len(runs)}] {grid_report.line(row)}{''.join(f'  ! {w}' for w in wrong)}", flush=True)
        rows[row["a"], row["b"]] = row | {"program": program, "day": datetime.date.today().isoformat()}
        grid_report.save(args.out, found)
    print(f"{len(runs)} pairs, {bad} not as they must be; {late} had a first answer later than {grid_report.ANSWERED} ms")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
