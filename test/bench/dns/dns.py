#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""How many questions a second a node answers, and how fast, beside unbound and dnsmasq of Debian 12, in one run.

All three serve the same names at an address of one host (a namespace), one after the other, round by round; dnsperf asks there from the
same host, as a machine's programs do. First as fast as it can (100 questions outstanding: questions a second, median of the rounds),
then 5,000 a second (of which come the median and the 99th percentile of all rounds' answers, and what is lost). Everything shares this
machine's cores.
"""
import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../lab"))

from lab import Lab, find_program, sh, wait_for  # noqa: E402

PACE = 5000


class Ours:
    name = "tunnelmesh"

    def __init__(self, node):
        self.node, self.at = node, node.status()["self"]["ip4"]

    def cpu(self):
        with open(f"/proc/{self.node.pid()}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Other:
    def __init__(self, name, at, argv):
        self.name, self.at, self.argv, self.process = name, at, argv, None

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def unbound(folder, at, members):
    """One thread, as ours has one, and answers from memory."""
    data = "".join(f'local-data: "{n}.mesh. 5 A {a4}"\nlocal-data: "{n}.mesh. 5 AAAA {a6}"\n' for n, a4, a6 in members)
    path = f"{folder}/unbound.conf"
    with open(path, "w", encoding="ascii") as f:
        f.write(f'server:\nusername: ""\nchroot: ""\npidfile: ""\ndirectory: "{folder}"\nuse-syslog: no\nnum-threads: 1\ninterface: {at}\n'
                f'access-control: 0.0.0.0/0 allow\nlocal-zone: "mesh." static\n{data}remote-control:\ncontrol-enable: no\n')
    return Other("unbound", at, [find_program("unbound"), "-d", "-c", path])


def dnsmasq(folder, at, members):
    path = f"{folder}/dnsmasq.conf"
    with open(path, "w", encoding="ascii") as f:
        f.write(f"no-resolv\nno-hosts\nuser=root\nbind-interfaces\nlisten-address={at}\nlocal=/mesh/\nlocal-ttl=5\npid-file=\n"
                + "".join(f"host-record={n}.mesh,{a4},{a6}\n" for n, a4, a6 in members))
    return Other("dnsmasq", at, [find_program("dnsmasq"), "-k", "-C", path])


@contextlib.contextmanager
def running(host, contender):
    if isinstance(contender, Ours):
        yield
        return
    contender.process = host.spawn(*contender.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(contender.name, lambda: host.sh(find_program("dig"), f"@{contender.at}", "+short", "+time=1", "+tries=1", "hub.mesh",
                                                 check=False).stdout.strip())
        yield
    finally:
        contender.process.terminate()
        contender.process.wait(timeout=10)


def dnsperf(host, at, questions, seconds, *args):
    return host.sh(find_program("dnsperf"), "-s", at, "-d", questions, "-l", seconds, *args, timeout=seconds + 30).stdout


def fastest(host, contender, questions, seconds):
    before = contender.cpu()
    out = dnsperf(host, contender.at, questions, seconds)
    done = int(re.search(r"Queries completed:\s+(\d+)", out)[1])
    return float(re.search(r"Queries per second:\s+([\d.]+)", out)[1]), (contender.cpu() - before) / done * 1e6


def paced(host, contender, questions, seconds):
    """The times of all answers, in microseconds, and how many questions had none."""
    out = dnsperf(host, contender.at, questions, seconds, "-Q", PACE, "-v", "-q", 1000)
    times = [float(t) * 1e6 for t in re.findall(r"^> \w+ \S+ \S+ ([\d.]+)$", out, re.M)]
    return times, int(re.search(r"Queries lost:\s+(\d+)", out)[1])


def measure(lab, rounds, seconds):
    node = lab.node("hub")
    node.init()
    for name in ("laptop", "nas", "phone", "desk"):
        node.run("client", "add", name, "--endpoint", "192.0.2.1:51820")
    members = [(p["name"], p["ip4"], p["ip6"]) for p in node.json("peers")["peers"]]
    me = node.status()["self"]
    members.append((me["name"], me["ip4"], me["ip6"]))
    questions = f"{lab.dir}/questions"
    with open(questions, "w", encoding="ascii") as f:
        for name, *_ in members:
            f.write(f"{name}.mesh A\n{name}.mesh AAAA\n")
        f.write("nobody.mesh A\n")
    contenders = [Ours(node), unbound(lab.dir, "127.0.1.2", members), dnsmasq(lab.dir, "127.0.1.3", members)]
    figures = {c.name: ([], [], [], []) for c in contenders}
    for i in range(rounds):
        for c in contenders[i % 3:] + contenders[:i % 3]:
            with running(node.host, c):
                rate, cost = fastest(node.host, c, questions, seconds)
                times, lost = paced(node.host, c, questions, seconds)
            for to, what in zip(figures[c.name], (rate, cost, times, lost)):
                to.append(what)
    return figures


def report(figures):
    print(f"{'':12}{'questions/s':>14}{'CPU us each':>14}{'p50 us':>10}{'p99 us':>10}{'lost':>8}   (the last three at {PACE} a second)")
    for name, (rates, costs, times, lost) in figures.items():
        t = sorted(x for round_ in times for x in round_)
        print(f"{name:12}{statistics.median(rates):14.0f}{statistics.median(costs):14.1f}{t[len(t) // 2]:10.0f}{t[len(t) * 99 // 100]:10.0f}"
              f"{sum(lost):8}   {min(rates):.0f} to {max(rates):.0f}")
    print(f"load average {os.getloadavg()[0]:.2f}, {os.cpu_count()} cores, " + sh("uname", "-r").stdout.strip())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=3)
    args = p.parse_args()
    with Lab() as lab:
        report(measure(lab, args.rounds, args.seconds))


if __name__ == "__main__":
    main()
