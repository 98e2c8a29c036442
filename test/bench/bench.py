# SPDX-License-Identifier: AGPL-3.0-or-later
"""Measures TunnelMesh, the bare link and peers from Debian packages, interleaved, and writes JSON lines.

Round by round every contender is brought up in fresh namespaces, measured, and ended; each round starts elsewhere in the
list, so that a machine that changes with time favours nobody. report.py makes the report of the result.
"""
import argparse
import datetime
import fnmatch
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import bed as bedlib
from bed import Bed, memory_kb, sh
import contenders
import measure
from contenders import TunnelMesh
from lab import BINARY, LabError
from relays import LOAD as RELAY_LOAD, RELAY_TESTS, RELAYS, Relay, relay_plan

FOREIGN_LIMIT = 0.12  # cores used by processes outside the test, above which a measurement is repeated
FAILURES = 3          # exit status of a run that went to its end, with contenders that failed
BRING_UP = 1.5        # seconds for one contender to come and go, for the estimate

CONTENDERS = contenders.CONTENDERS | RELAYS
TESTS = measure.TESTS | RELAY_TESTS
ALL = list(measure.TESTS)
FEW = ["tcp1", "tcp4", "pps64", "latency", "latency-load"]
SCALE = ["tcp1", "pps64"]
OVER6 = ["tcp1", "pps64", "latency"]
FILTER = ["tcp1", "tcp4", "udp1400", "pps64"]
WATCHED = ["tcp1", "tcp4", "pps64"]


def default_plan(reference):
    """[(contender, tests)]: everything for us, the link and the reference; the main figures for the others."""
    plan = [("raw", ALL), ("tunnelmesh", ALL), (reference, ALL),
            ("tunnelmesh-avx2", ["tcp1", "tcp4"]), ("tunnelmesh-1w", ["tcp1", "tcp4"]),
            ("tunnelmesh-0rules", FILTER), ("tunnelmesh-100rules", FILTER),
            ("tunnelmesh-unwatched", WATCHED), ("tunnelmesh-watched", WATCHED),
            ("tunnelmesh-over6", OVER6), (f"{reference}-over6", OVER6)]
    if reference != "wireguard-go":
        plan.append(("wireguard-go", FEW))
    plan += [(name, FEW) for name in ("nebula-new", "nebula", "tinc", "fastd", "openvpn")]
    for peers in ("1p", "100p", "1000p"):  # the first to compare with: memory depends on the tests, too
        plan += [(f"tunnelmesh-{peers}", SCALE), (f"{reference}-{peers}", SCALE)]
    return plan + relay_plan()


def quick_plan(reference):
    return [(name, ["tcp1", "pps64", "latency"]) for name in ("raw", "tunnelmesh", reference)]


def chosen(value, known, what, by_name_only=()):
    """The names of a comma- or space-separated list, in which * stands for any text, checked."""
    found = {}
    for name in re.split(r"[,\s]+", value.strip()):
        names = [n for n in fnmatch.filter(known, name) if n == name or n not in by_name_only]
        if not names:
            raise SystemExit(f"bench: there is no {what} \"{name}\"; there are: {', '.join(known)}")
        found |= dict.fromkeys(names)
    return list(found)


def needs_before():
    """The contenders that are another build, while none is named: nobody means these who did not say so."""
    return [n for n, c in CONTENDERS.items() if getattr(c, "binary", None) == contenders.BEFORE and c.missing()]


def usual_tests(contender):
    """Of a variant of ours: it is measured like what it is a variant of."""
    if isinstance(contender, Relay):
        return list(RELAY_TESTS)
    return ALL if isinstance(contender, TunnelMesh) else FEW


def make_plan(args, reference):
    plan = quick_plan(reference) if args.quick else default_plan(reference)
    if args.only:
        usual = dict(default_plan(reference))
        names = chosen("*" if args.only == "all" else args.only, CONTENDERS, "contender", needs_before())
        plan = [(n, usual.get(n) or usual_tests(CONTENDERS[n])) for n in names]
    if args.tests:
        tests = ALL if args.tests == "all" else chosen(args.tests, TESTS, "test")
        plan = [(name, tests) for name, _ in plan]
    return plan


def rotated(plan, round_number, rounds):
    """Over all rounds each contender meets positions all along the list, all of them when rounds are enough."""
    start = round_number * max(1, round(len(plan) / rounds)) % len(plan)
    return plan[start:] + plan[:start]


def estimate_s(plan, rounds, seconds):
    return rounds * sum(BRING_UP + sum(TESTS[t].duration(seconds) for t in tests) for _, tests in plan)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as f:
        text = f.read()
    model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.M)
    flags = flags.group(1).split() if flags else []
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_kib = int(f.readline().split()[1])
    release = platform.freedesktop_os_release()
    return {"cpu": model.group(1) if model else platform.machine(), "architecture": platform.machine(),
            "cores": os.cpu_count(), "memory_gib": round(memory_kib / (1 << 20)), "virtual": "hypervisor" in flags,
            "features": [f for f in ("avx2", "avx512f", "aes", "asimd") if f in flags],
            "kernel": platform.release(), "system": release.get("PRETTY_NAME", "")}


class Run:
    def __init__(self, args):
        self.seconds, self.rounds, self.repeats = args.seconds, args.rounds, args.repeats
        self.out = open(args.out, "w", encoding="utf-8", buffering=1)
        self.failures = 0

    def write(self, kind, **fields):
        self.out.write(json.dumps({"kind": kind, **fields}) + "\n")

    def measure(self, bed, tunnel, test):
        """One measurement, repeated while strangers use the machine. The quietest attempt counts."""
        best = None
        for attempt in range(1 + self.repeats):
            TESTS[test].prepare(bed, tunnel)
            started = time.monotonic()
            figures = TESTS[test].run(bed, tunnel, self.seconds)
            figures["foreign"] /= time.monotonic() - started
            if best is None or figures["foreign"] < best["foreign"]:
                best = figures
            if best["foreign"] <= FOREIGN_LIMIT or attempt == self.repeats:
                break
            time.sleep(1)
        return {**best, "repeats": attempt, "contaminated": best["foreign"] > FOREIGN_LIMIT}

    def contender(self, name, tests, **where):
        """Brings one up, measures it, ends it. Whatever goes wrong is a line of the result, and the run goes on."""
        with Bed(CONTENDERS[name].outer) as bed:
            test = "bring-up"
            try:
                tunnel = CONTENDERS[name].up(bed)
                for test in tests:
                    if TESTS[test].possible(tunnel):
                        figures = self.measure(bed, tunnel, test)
                        if tunnel.helper and tunnel.helper.poll() is not None:
                            raise LabError("the program that belongs to it has ended")
                        self.write("result", contender=name, test=test, **where, **figures)
                        say(f"  {test} {brief(test, figures)}")
                if tunnel.pids:
                    kib = [memory_kb(pid) for pid in tunnel.pids]
                    self.write("result", contender=name, test="memory", **where, rss_kib=[k[0] for k in kib],
                               peak_kib=[k[1] for k in kib])
            except (LabError, OSError, subprocess.SubprocessError, KeyError, ValueError) as e:
                self.failures += 1
                why = str(e).replace(bed.dir + "/", "").strip() or type(e).__name__
                self.write("failed", contender=name, test=test, **where, why=why, log=bed.logs()[-4000:])
                say(f"  FAILED in {test}: {why.splitlines()[-1]}")

    def all(self, plan):
        for n in range(self.rounds):
            for position, (name, tests) in enumerate(rotated(plan, n, self.rounds)):
                say(f"\nround {n + 1}/{self.rounds}  {name}")
                self.contender(name, tests, round=n, position=position)
        say("\n")


def brief(test, figures):
    """The figure that says most, for the screen."""
    if "p50_us" in figures:
        return f"{figures['p50_us']:.2f} us"
    if "kib_per_pair" in figures:
        return f"{figures['kib_per_pair']:.1f} KiB"
    if "calls_per_gb" in figures:
        return f"{figures['cpu_s_per_gb']:.2f} s/GB"
    if test.startswith("pps"):
        return f"{figures['pps'] / 1000:.0f} kpps"
    return f"{figures['gbps']:.2f} Gbit/s"


def say(text):
    print(text, end="", flush=True)


def read_arguments():
    p = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, help="rounds over all contenders (5)")
    p.add_argument("--seconds", type=int, help="length of one measurement (2)")
    p.add_argument("--repeats", type=int, help="at most, of a measurement that other programs disturbed (4)")
    p.add_argument("--only", metavar="NAMES", help="contenders, or all; see --list")
    p.add_argument("--tests", metavar="NAMES", help="measurements, or all")
    p.add_argument("--quick", action="store_true", help="a smoke test: one round of one second, three contenders")
    p.add_argument("--list", action="store_true", help="list contenders and measurements")
    p.add_argument("--out", metavar="FILE", help="where the results go (build/bench/DATE.jsonl)")
    args = p.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 5)
    args.seconds = args.seconds or (1 if args.quick else 2)
    if args.repeats is None:
        args.repeats = 1 if args.quick else 4
    if not (1 <= args.rounds <= 100 and 1 <= args.seconds <= 600 and 0 <= args.repeats <= 100):
        p.error("rounds are 1 to 100, seconds 1 to 600, repeats 0 to 100")
    return args


def list_all():
    print("contenders:")
    for name, c in CONTENDERS.items():
        print(f"  {name:<24} {c.title}" + (f" ({c.missing()})" if c.missing() else ""))
    print("measurements:\n  " + " ".join(TESTS))


def newest_wireguard_go():
    return "wireguard-go" if CONTENDERS["wireguard-go-new"].missing() else "wireguard-go-new"


def main():
    args = read_arguments()
    if args.list:
        list_all()
        return 0
    if os.geteuid() != 0:
        raise SystemExit("bench: it makes network namespaces and needs root: run `make bench`")
    for path, how in ((BINARY, "make build"), (bedlib.LOAD, "make bench"), (RELAY_LOAD, "make bench")):
        if not os.access(path, os.X_OK):
            raise SystemExit(f"bench: {os.path.relpath(path)} is not built; `{how}` does that")
    os.makedirs(os.path.join(bedlib.ROOT, "build/bench"), exist_ok=True)
    started = datetime.datetime.now().astimezone()
    args.out = args.out or os.path.join(bedlib.ROOT, f"build/bench/{started:%Y%m%d-%H%M%S}.jsonl")

    reference = newest_wireguard_go()
    plan = make_plan(args, reference)
    left_out = {name: CONTENDERS[name].missing() for name, _ in plan if CONTENDERS[name].missing()}
    plan = [(name, tests) for name, tests in plan if name not in left_out]
    for name, why in left_out.items():
        print(f"{name} is left out: {why}")
    if not plan:
        raise SystemExit("bench: nothing is left to measure")
    estimate = estimate_s(plan, args.rounds, args.seconds)
    print(f"{len(plan)} contenders, rounds: {args.rounds}; takes about "
          + (f"{estimate:.0f} s" if estimate < 100 else f"{estimate / 60:.0f} min")
          + ", longer if other programs use this machine")

    # SIGTERM and SIGHUP unwind like Ctrl-C, so that cleaning up happens in one place.
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    run = Run(args)
    run.write("run", started=started.isoformat(timespec="seconds"), rounds=args.rounds, seconds=args.seconds,
              repeats=args.repeats,
              complete=not (args.quick or args.only or args.tests) and args.rounds >= 5, reference=reference,
              machine=machine(), plan=plan, left_out=left_out, foreign_limit=FOREIGN_LIMIT,
              titles={name: CONTENDERS[name].title for name, _ in plan},
              versions={name: CONTENDERS[name].version() for name, _ in plan},
              iperf3=sh("iperf3", "--version").stdout.split()[1])
    try:
        run.all(plan)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is cleaned up. What was measured is in " + os.path.relpath(args.out))
        return 130
    print(f"results: {os.path.relpath(args.out)}" + (f"; {run.failures} failures" if run.failures else ""))
    return FAILURES if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
