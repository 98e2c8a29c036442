# SPDX-License-Identifier: AGPL-3.0-or-later
"""Makes the report, Markdown with SVG charts, of one result of bench.py: by default the newest in build/bench."""
import argparse
import glob
import json
import os
import re
import statistics
import sys
from collections import defaultdict

from charts import bar_chart, number

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
NONE = "–"
VERSUS = "vs. wireguard-go"
OURS = "tunnelmesh"

METHOD = """\
- Two network namespaces on one machine, joined by a veth pair of MTU 1500 that is set to behave like a network card
  (`ethtool -K tso off tx-udp-segmentation off gso on gro on`): no packet larger than the MTU crosses it. Inside every tunnel the
  MTU is 1420.
- Both ends of the tunnel and the load share the machine's cores. Throughput is therefore a limit of the whole machine's CPU, and
  the CPU seconds per gigabyte of the tunnel's processes (both ends, user and system time) say more than the Gbit/s.
- One interleaved run: each round brings every contender up anew, measures it for {seconds} s per test, and ends it; each round
  starts at another place of the list. Figures are medians of {rounds}, with (smallest–largest); ratios are medians of the
  ratios within each round.
- TCP: iperf3 with CUBIC. UDP and latency: `test/bench/load.c`, at most 1024 datagrams in flight, or one datagram at a time between
  two blocking sockets. "64 B" is UDP payload; "1400 B" the whole IP packet. Under load: while one TCP stream takes all it can.
- A measurement during which processes outside the test (and the hypervisor) used more than {limit} of a core is repeated ({repeats} at
  most); the quietest attempt counts.
- Raw is the link without a tunnel and without encryption. No kernel WireGuard is measured; a real network card, several machines,
  loss and distance are not either."""


class Results:
    """The lines of one run. figures[contender][test][round] is what was measured."""

    def __init__(self, lines):
        records = [json.loads(line) for line in lines if line.strip()]
        if not records or records[0].get("kind") != "run":
            raise ValueError("it does not begin with the description of a run")
        self.run = records[0]
        self.failed = [r for r in records if r["kind"] == "failed"]
        self.figures = defaultdict(lambda: defaultdict(dict))
        for r in records:
            if r["kind"] == "result":
                self.figures[r["contender"]][r["test"]][r["round"]] = r
        self.reference = self.run["reference"]

    def contenders(self, test):
        """Names with results of a test, in the run's order."""
        return [name for name, _ in self.run["plan"] if self.figures[name].get(test)]

    def values(self, name, test, key):
        """{round: value}"""
        rounds = self.figures[name].get(test, {}) if name in self.figures else {}
        return {n: r[key] for n, r in rounds.items() if r.get(key) is not None}

    def summary(self, name, test, key, scale=1.0):
        """(median, min, max) or None"""
        v = [x * scale for x in self.values(name, test, key).values()]
        return (statistics.median(v), min(v), max(v)) if v else None

    def ratio(self, name, other, test, key):
        """Median of the ratios within each round in which both were measured, or None."""
        mine, theirs = self.values(name, test, key), self.values(other, test, key)
        v = [mine[n] / theirs[n] for n in mine.keys() & theirs.keys() if theirs[n]]
        return statistics.median(v) if v else None

    def peak_mib(self, name):
        """The larger end's peak memory, as summary()."""
        v = [max(peaks) / 1024 for peaks in self.values(name, "memory", "peak_kib").values()]
        return (statistics.median(v), min(v), max(v)) if v else None

    def title(self, name):
        return self.run["titles"].get(name, name)

    def row_title(self, name):
        return f"**{self.title(name)}**" if name == OURS else self.title(name)

    def label(self, name):
        """Short, for charts: the program with its version; what else the title says only where two would be alike."""
        if name == "raw" or name.startswith(OURS):
            return self.title(name).split(":")[0]
        short = self.short(name)
        alike = [n for n, _ in self.run["plan"] if not is_variant(n) and self.short(n) == short]
        return short if len(alike) < 2 else f"{short}, {self.title(name).split(', ')[-1]}"

    def short(self, name):
        program = re.split(r",| of | as | without | over ", self.title(name))[0]
        return f"{program} {re.split('[-+]', self.run['versions'].get(name, ''))[0]}"


def cell(summary, form=number):
    if summary is None:
        return NONE
    median, low, high = map(form, summary)
    return median if low == high else f"{median} ({low}–{high})"


def whole(value):
    return f"{value:,.0f}"


def times(ratio):
    return NONE if ratio is None else f"{ratio:.{2 if ratio >= 0.1 else 3}f}×"


def count(n, thing):
    return f"{n} {thing}" + ("" if n == 1 else "s")


def table(heads, rows):
    """A Markdown table; columns without any value are left out."""
    used = [i for i in range(len(heads)) if i == 0 or any(row[i] != NONE for row in rows)]
    lines = ["| " + " | ".join(heads[i] for i in used) + " |",
             "|" + "|".join(["---"] + ["--:"] * (len(used) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row[i] for i in used) + " |" for row in rows])


def is_variant(name):
    """Does it only differ in the number of peers or the outer IP version? Those have tables of their own."""
    return re.search(r"-(\d+p|over6)$", name) is not None


def main_contenders(r, test):
    return [n for n in r.contenders(test) if not is_variant(n)]


def throughput(r):
    tests = [("tcp1", "1 stream →"), ("tcp1-back", "1 stream ←"), ("tcp4", "4 streams →"), ("tcp4-back", "4 streams ←"),
             ("tcp-both", "both ways"), ("tcp1-ipv6", "IPv6, 1 stream"), ("tcp4-ipv6", "IPv6, 4 streams")]
    heads = ["TCP, Gbit/s"] + [h for _, h in tests] + [VERSUS, "vs. raw"]
    rows = [[r.row_title(n)] + [cell(r.summary(n, t, "gbps")) for t, _ in tests]
            + [times(r.ratio(n, r.reference, "tcp1", "gbps")), times(r.ratio(n, "raw", "tcp1", "gbps"))]
            for n in main_contenders(r, "tcp1")]
    return table(heads, rows)


def cost(r):
    heads = ["CPU s per GB", "tunnel, 1 stream", "tunnel, 4 streams", "whole machine, 1 stream", VERSUS,
             "retransmits, 1 stream", "retransmits, 4 streams", "peak memory, MiB"]
    rows = []
    for n in main_contenders(r, "tcp1"):
        own = n != "raw"
        rows.append([r.row_title(n), cell(r.summary(n, "tcp1", "cpu_s_per_gb")) if own else NONE,
                     cell(r.summary(n, "tcp4", "cpu_s_per_gb")) if own else NONE,
                     cell(r.summary(n, "tcp1", "all_cpu_s_per_gb")),
                     times(r.ratio(n, r.reference, "tcp1", "cpu_s_per_gb")) if own else NONE,
                     cell(r.summary(n, "tcp1", "retransmits"), whole), cell(r.summary(n, "tcp4", "retransmits"), whole),
                     cell(r.peak_mib(n))])
    return table(heads, rows)


def packets(r):
    heads = ["UDP", "64 B, kpackets/s", "IPv6 64 B, kpackets/s", "1400 B, Gbit/s", "IPv6 1400 B, Gbit/s", "tunnel CPU µs per 64 B",
             f"64 B {VERSUS}", "64 B vs. raw"]
    rows = [[r.row_title(n), cell(r.summary(n, "pps64", "pps", 1e-3)), cell(r.summary(n, "pps64-ipv6", "pps", 1e-3)),
             cell(r.summary(n, "udp1400", "gbps")), cell(r.summary(n, "udp1400-ipv6", "gbps")),
             cell(r.summary(n, "pps64", "cpu_us_per_packet")) if n != "raw" else NONE,
             times(r.ratio(n, r.reference, "pps64", "pps")), times(r.ratio(n, "raw", "pps64", "pps"))]
            for n in main_contenders(r, "pps64")]
    return table(heads, rows)


def latency(r):
    heads = ["round trip, µs", "idle p50", "idle p99", "IPv6 idle p50", "under load p50", "under load p99",
             f"idle p50 {VERSUS}", f"load p99 {VERSUS}"]
    rows = [[r.row_title(n)] + [cell(r.summary(n, t, k)) for t, k in (
                ("latency", "p50_us"), ("latency", "p99_us"), ("latency-ipv6", "p50_us"), ("latency-load", "p50_us"),
                ("latency-load", "p99_us"))]
            + [times(r.ratio(n, r.reference, "latency", "p50_us")), times(r.ratio(n, r.reference, "latency-load", "p99_us"))]
            for n in main_contenders(r, "latency")]
    return table(heads, rows)


def peers(r):
    """Ours and the reference with 1, 100 and 1,000 configured peers; empty when not measured."""
    measured = r.contenders("tcp1")
    names = [f"{base}-{n}p" for base in (OURS, r.reference) for n in (1, 100, 1000)]
    names = [n for n in names if n in measured]
    if not names:
        return ""
    heads = ["configured peers", "TCP 1 stream, Gbit/s", "64 B, kpackets/s", "peak memory, MiB"]
    return table(heads, [[r.title(n), cell(r.summary(n, "tcp1", "gbps")), cell(r.summary(n, "pps64", "pps", 1e-3)),
                          cell(r.peak_mib(n))] for n in names])


def over_ipv6(r):
    names = [n for n in r.contenders("tcp1") if n.endswith("-over6")]
    if not names:
        return ""
    heads = ["outer IPv6", "TCP 1 stream, Gbit/s", "64 B, kpackets/s", "idle p50, µs"]
    return table(heads, [[r.title(n), cell(r.summary(n, "tcp1", "gbps")), cell(r.summary(n, "pps64", "pps", 1e-3)),
                          cell(r.summary(n, "latency", "p50_us"))] for n in names])


def quality(r):
    """How clean the run was, and what did not work."""
    all_results = [f for tests in r.figures.values() for rounds in tests.values() for f in rounds.values() if "repeats" in f]
    repeated = sum(f["repeats"] > 0 for f in all_results)
    dirty = [f for f in all_results if f["contaminated"]]
    text = (f"Of {len(all_results)} measurements {repeated} were repeated because other programs used the machine; "
            f"{len(dirty)} stayed above the limit after all repeats"
            + (f" (the worst: {max(f['foreign'] for f in dirty):.2f} of a core)." if dirty else "."))
    lines = [text]
    lines += [f"- {r.title(name)} was left out: {why}." for name, why in r.run["left_out"].items()]
    lines += [f"- {r.title(f['contender'])} failed in {f['test']} of round {f['round'] + 1}: {f['why'].splitlines()[-1]}"
              for f in r.failed]
    rounds = r.run["rounds"]
    for name, _ in r.run["plan"]:
        counts = [len(done) for done in r.figures[name].values()]
        if counts and min(counts) < rounds:
            lines.append(f"- {r.title(name)}: its medians are of {min(counts)} rounds, not {rounds}.")
    return "\n".join(lines)


def environment(r):
    m = r.run["machine"]
    where = "virtual machine" if m["virtual"] else "machine"
    features = f" ({', '.join(m['features'])})" if m["features"] else ""
    lines = [f"{m['system']}, Linux {m['kernel']} ({m['architecture']}), {where} with {m['cores']} cores of {m['cpu']}{features} "
             f"and {m['memory_gib']} GiB; {r.run['started'][:10]}; "
             f"{count(r.run['rounds'], 'round')}, {r.run['seconds']} s per measurement; iperf3 {r.run['iperf3']}.",
             "", "| program | version |", "|---|---|"]
    seen = set()
    for name, _ in r.run["plan"]:
        version = r.run["versions"][name]
        if name != "raw" and (r.short(name), version) not in seen:
            lines.append(f"| {r.title(name)} | `{version}` |")
        seen.add((r.short(name), version))
    return "\n".join(lines + ["", f"Ratios \"{VERSUS}\" are to {r.title(r.reference)}."])


def charts(r):
    """{file name: (alternative text, SVG)}"""
    def chart(title, note, series, unit, parts, test, raw=True):
        rows = [(r.label(n), n.startswith(OURS), [p(n) for p in parts])
                for n in main_contenders(r, test) if raw or n != "raw"]
        return title, bar_chart(title, note, series, rows, unit)

    def of(test, key, scale=1.0):
        return lambda n: r.summary(n, test, key, scale)

    rounds = f"median of {count(r.run['rounds'], 'round')}; the thin line is the range"
    found = {}
    if main_contenders(r, "tcp1"):
        found["throughput.svg"] = chart("TCP throughput", f"more is better; {rounds}", ["1 stream", "4 streams"], "Gbit/s",
                                        [of("tcp1", "gbps"), of("tcp4", "gbps")], "tcp1", raw=False)
        found["cpu.svg"] = chart("CPU time of the tunnel, both ends", f"less is better; one TCP stream; {rounds}", ["1 stream"],
                                 "s per GB", [of("tcp1", "cpu_s_per_gb")], "tcp1", raw=False)
    if main_contenders(r, "pps64"):
        found["pps64.svg"] = chart("Small packets: UDP with 64 bytes", f"more is better; {rounds}", ["64 B"], "k packets/s",
                                   [of("pps64", "pps", 1e-3)], "pps64")
    for test, title, name in (("latency", "Round trip when idle", "latency.svg"),
                              ("latency-load", "Round trip under one TCP stream at full speed", "latency-load.svg")):
        if main_contenders(r, test):
            found[name] = chart(title, f"less is better; {rounds}", ["p50", "p99"], "µs",
                                [of(test, "p50_us"), of(test, "p99_us")], test)
    return found


def markdown(r, pictures):
    def picture(name):
        return f"![{pictures[name][0]}]({name})" if name in pictures else ""

    limit = f"{r.run['foreign_limit']:.0%}".replace("%", " %")
    parts = ["<!-- Written by test/bench/report.py. Do not edit: run `make bench`. -->", "# Benchmark", environment(r),
             "## Throughput", picture("throughput.svg"), throughput(r) if main_contenders(r, "tcp1") else "",
             "## CPU, memory, retransmissions", picture("cpu.svg"), cost(r) if main_contenders(r, "tcp1") else "",
             "## Packets", picture("pps64.svg"), packets(r) if main_contenders(r, "pps64") else "",
             "## Latency", picture("latency.svg"), picture("latency-load.svg"),
             latency(r) if main_contenders(r, "latency") else ""]
    for title, body in (("## Many peers", peers(r)), ("## Over IPv6", over_ipv6(r))):
        parts += [title, body] if body else []
    parts += ["## How it was measured", METHOD.format(seconds=r.run["seconds"], rounds=count(r.run["rounds"], "round"), limit=limit,
                                                                      repeats=count(r.run["repeats"], "time")), quality(r)]
    return "\n\n".join(p for p in parts if p) + "\n"


def newest():
    files = sorted(glob.glob(os.path.join(ROOT, "build/bench/*.jsonl")))
    if not files:
        raise SystemExit("report: there is no result in build/bench; `make bench` makes one")
    return files[-1]


def main():
    p = argparse.ArgumentParser(prog="report", description=__doc__)
    p.add_argument("results", nargs="?", help="JSON lines written by bench.py")
    p.add_argument("--out", metavar="DIR", help="docs/benchmarks for a complete run, else build/bench/report")
    args = p.parse_args()
    path = args.results or newest()
    try:
        with open(path, encoding="utf-8") as f:
            results = Results(f)
    except (OSError, ValueError, KeyError) as e:
        raise SystemExit(f"report: {path} is not a result of bench.py: {e}") from None

    out = args.out or os.path.join(ROOT, "docs/benchmarks" if results.run["complete"] else "build/bench/report")
    os.makedirs(out, exist_ok=True)
    pictures = charts(results)
    for name, (_, svg) in pictures.items():
        with open(os.path.join(out, name), "w", encoding="utf-8") as f:
            f.write(svg)
    report = os.path.join(out, "report.md")
    with open(report, "w", encoding="utf-8") as f:
        f.write(markdown(results, pictures))
    print(f"report: {os.path.relpath(report)} and {count(len(pictures), 'chart')} beside it")


if __name__ == "__main__":
    sys.exit(main())
