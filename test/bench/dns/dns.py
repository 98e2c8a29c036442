#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many questions a second a node answers, and how fast, beside unbound and dnsmasq of Debian 12, in one run.

All three serve the same names, one after the other, round by round; names_report.py says how they are asked, and makes the page of the
result, JSON lines as those of bench.py.
"""
import argparse
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

import bed as bedlib  # noqa: E402
from bed import Meter  # noqa: E402
from bench import FOREIGN_LIMIT, machine  # noqa: E402
from contenders import CONTENDERS  # noqa: E402
from lab import Lab, find_program, sh, wait_for  # noqa: E402
from names_report import OUTSTANDING, PACE, TEST  # noqa: E402

RESULTS = os.path.join(bedlib.ROOT, "build/bench/names/run.jsonl")
ROUNDS, SECONDS = 5, 3  # of a complete run, at least


class Ours:
    name, title = "names-tunnelmesh", "TunnelMesh"

    def __init__(self, node):
        self.at, self.pid = node.status()["self"]["ip4"], node.pid()

    def version(self):
        return CONTENDERS["tunnelmesh"].version()


class Other:
    def __init__(self, program, at, argv, asked):
        self.name, self.title = f"names-{program}", program
        self.at, self.argv, self.asked, self.pid = at, argv, asked, None

    def version(self):
        """Of the first line of what the program says of itself."""
        return re.search(r"[Vv]ersion (\S+)", sh(self.argv[0], self.asked).stdout)[1]


def cpu(pid):
    return bedlib.process_times()[pid][1]


def unbound(folder, at, members):
    """One thread, as ours has one, and answers from memory."""
    data = "".join(f'local-data: "{n}.mesh. 5 A {a4}"\nlocal-data: "{n}.mesh. 5 AAAA {a6}"\n' for n, a4, a6 in members)
    path = f"{folder}/unbound.conf"
    with open(path, "w", encoding="ascii") as f:
        f.write(f'server:\nusername: ""\nchroot: ""\npidfile: ""\ndirectory: "{folder}"\nuse-syslog: no\nnum-threads: 1\ninterface: {at}\n'
                f'access-control: 0.0.0.0/0 allow\nlocal-zone: "mesh." static\n{data}remote-control:\ncontrol-enable: no\n')
    return Other("unbound", at, [find_program("unbound"), "-d", "-c", path], "-V")


def dnsmasq(folder, at, members):
    path = f"{folder}/dnsmasq.conf"
    with open(path, "w", encoding="ascii") as f:
        f.write(f"no-resolv\nno-hosts\nuser=root\nbind-interfaces\nlisten-address={at}\nlocal=/mesh/\nlocal-ttl=5\npid-file=\n"
                + "".join(f"host-record={n}.mesh,{a4},{a6}\n" for n, a4, a6 in members))
    return Other("dnsmasq", at, [find_program("dnsmasq"), "-k", "-C", path], "--version")


@contextlib.contextmanager
def running(host, contender):
    if isinstance(contender, Ours):
        yield
        return
    process = host.spawn(*contender.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    contender.pid = process.pid
    try:
        wait_for(contender.title, lambda: host.sh(find_program("dig"), f"@{contender.at}", "+short", "+time=1", "+tries=1", "hub.mesh",
                                                  check=False).stdout.strip())
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def dnsperf(host, at, questions, seconds, *args):
    return host.sh(find_program("dnsperf"), "-s", at, "-d", questions, "-l", seconds, *args, timeout=seconds + 30).stdout


def fastest(host, contender, questions, seconds):
    before = cpu(contender.pid)
    out = dnsperf(host, contender.at, questions, seconds, "-q", OUTSTANDING)
    done = int(re.search(r"Queries completed:\s+(\d+)", out)[1])
    return {"per_second": float(re.search(r"Queries per second:\s+([\d.]+)", out)[1]), "cpu_us": (cpu(contender.pid) - before) / done * 1e6}


def paced(host, contender, questions, seconds):
    out = dnsperf(host, contender.at, questions, seconds, "-Q", PACE, "-v", "-q", 1000)
    times = sorted(float(t) * 1e6 for t in re.findall(r"^> \w+ \S+ \S+ ([\d.]+)$", out, re.M))
    lost = int(re.search(r"Queries lost:\s+(\d+)", out)[1])
    return {"p50_us": times[len(times) // 2], "p99_us": times[len(times) * 99 // 100], "loss": lost / (lost + len(times))}


def measure(node, contender, questions, seconds, repeats):
    """A round of one of them, again while strangers use the machine. The quietest attempt counts."""
    best = None
    for attempt in range(1 + repeats):
        started = time.monotonic()
        with Meter([node.pid()]) as meter, running(node.host, contender):
            figures = fastest(node.host, contender, questions, seconds) | paced(node.host, contender, questions, seconds)
        figures["foreign"] = meter.foreign / (time.monotonic() - started)
        if best is None or figures["foreign"] < best["foreign"]:
            best = figures
        if best["foreign"] <= FOREIGN_LIMIT:
            break
    return best | {"repeats": attempt, "contaminated": best["foreign"] > FOREIGN_LIMIT}


def make_mesh(lab):
    """A node of five names, and (name, IPv4, IPv6) of each."""
    node = lab.node("hub")
    node.init()
    for name in ("laptop", "nas", "phone", "desk"):
        node.run("client", "add", name, "--endpoint", "192.0.2.1:51820")
    return node, [(p["name"], p["ip4"], p["ip6"]) for p in (*node.json("peers")["peers"], node.status()["self"])]


def run_all(lab, args, write):
    node, members = make_mesh(lab)
    questions = f"{lab.dir}/questions"
    with open(questions, "w", encoding="ascii") as f:
        f.write("".join(f"{name}.mesh A\n{name}.mesh AAAA\n" for name, *_ in members) + "nobody.mesh A\n")
    contenders = [Ours(node), unbound(lab.dir, "127.0.1.2", members), dnsmasq(lab.dir, "127.0.1.3", members)]
    write("run", started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"), rounds=args.rounds, seconds=args.seconds,
          repeats=args.repeats, complete=args.rounds >= ROUNDS and args.seconds >= SECONDS, reference="names-unbound", machine=machine(),
          plan=[[c.name, [TEST]] for c in contenders], left_out={}, foreign_limit=FOREIGN_LIMIT,
          titles={c.name: c.title for c in contenders}, versions={c.name: c.version() for c in contenders},
          load="dnsperf " + sh("dpkg-query", "-W", "-f", "${Version}", "dnsperf").stdout)
    for i in range(args.rounds):
        for c in contenders[i % 3:] + contenders[:i % 3]:
            write("result", contender=c.name, test=TEST, round=i, **measure(node, c, questions, args.seconds, args.repeats))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=ROUNDS)
    p.add_argument("--seconds", type=int, default=SECONDS)
    p.add_argument("--repeats", type=int, default=4, help="of a measurement, while other programs use the machine")
    p.add_argument("--out", default=RESULTS)
    args = p.parse_args()
    os.makedirs(os.path.dirname(args.out), exist_ok=True)
    with Lab() as lab, open(args.out, "w", encoding="utf-8", buffering=1) as f:
        run_all(lab, args, lambda kind, **fields: f.write(json.dumps({"kind": kind, **fields}) + "\n"))
    print(f"results: {os.path.relpath(args.out)}")


if __name__ == "__main__":
    main()
