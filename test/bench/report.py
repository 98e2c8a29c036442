# SPDX-License-Identifier: AGPL-3.0-or-later
"""Makes the report, Markdown with SVG charts, of one result of bench.py: by default the newest in build/bench. What was
measured of relays and of what answers questions for names are pages of their own (relay_report.py, names_report.py)."""
import argparse
import glob
import os
import sys

import names_report
import relay_report
from charts import bar_chart
from results import NONE, OURS, Results, cell, count, environment, is_names, is_relay, is_variant, limit, quality, table, times, whole

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
VERSUS = "vs. wireguard-go"
PAGES = {"relays.md": (is_relay, relay_report.markdown), "names.md": (is_names, names_report.markdown)}

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


FIGURES = {"tcp1": ("gbps", 1, "TCP 1 stream, Gbit/s"), "tcp4": ("gbps", 1, "TCP 4 streams, Gbit/s"),
           "udp1400": ("gbps", 1, "UDP 1400 B, Gbit/s"), "pps64": ("pps", 1e-3, "64 B, kpackets/s")}


def beside_the_first(r, what, versus, names, tests):
    """Variants of ours by the ratio to the first of them; empty when it or all others were not measured."""
    first = names[0]
    names = [n for n in names if n in r.contenders("tcp1")]
    if first not in names or len(names) < 2:
        return ""
    heads = [what] + [h for test in tests for h in (FIGURES[test][2], versus)]
    rows = [[r.title(n)] + [c for test in tests for key, scale, _ in (FIGURES[test],) for c in (
                cell(r.summary(n, test, key, scale)), NONE if n == first else times(r.ratio(n, first, test, key)))] for n in names]
    return table(heads, rows)


def packet_filter(r):
    """Ours with no policy, with the one of a new mesh and with many rules, and what the latter cost."""
    return beside_the_first(r, "rules", "vs. none", [f"{OURS}-0rules", OURS, f"{OURS}-100rules"], ["tcp1", "tcp4", "udp1400", "pps64"])


def watched(r):
    """Ours with metrics and dashboard switched off, and with both asked for each second."""
    return beside_the_first(r, "metrics and dashboard", "vs. off", [f"{OURS}-unwatched", f"{OURS}-watched"], ["tcp1", "tcp4", "pps64"])


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

    names = [n for n, _ in r.run["plan"] if not is_relay(n)]
    parts = ["<!-- Written by test/bench/report.py. Do not edit: run `make bench`. -->", "# Benchmark", environment(r, names),
             f"Ratios \"{VERSUS}\" are to {r.title(r.reference)}.",
             "## Throughput", picture("throughput.svg"), throughput(r) if main_contenders(r, "tcp1") else "",
             "## CPU, memory, retransmissions", picture("cpu.svg"), cost(r) if main_contenders(r, "tcp1") else "",
             "## Packets", picture("pps64.svg"), packets(r) if main_contenders(r, "pps64") else "",
             "## Latency", picture("latency.svg"), picture("latency-load.svg"),
             latency(r) if main_contenders(r, "latency") else ""]
    for title, body in (("## Many peers", peers(r)), ("## Packet filter", packet_filter(r)),
                        ("## Metrics and the dashboard", watched(r)), ("## Over IPv6", over_ipv6(r))):
        parts += [title, body] if body else []
    parts += ["## How it was measured", METHOD.format(seconds=r.run["seconds"], rounds=count(r.run["rounds"], "round"), limit=limit(r),
                                                                      repeats=count(r.run["repeats"], "time")), quality(r, names)]
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
    written = []

    def write(name, text):
        with open(os.path.join(out, name), "w", encoding="utf-8") as f:
            f.write(text)
        written.append(name)

    pictures = charts(results)
    for name, (_, svg) in pictures.items():
        write(name, svg)
    measured = [name for name, _ in results.run["plan"]]
    if not all(is_relay(name) or is_names(name) for name in measured):
        write("report.md", markdown(results, pictures))
    for page, (belongs, made) in PAGES.items():
        if any(map(belongs, measured)):
            write(page, made(results))
    print(f"report: {' '.join(written)} in {os.path.relpath(out)}")


if __name__ == "__main__":
    sys.exit(main())
