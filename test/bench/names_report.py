# SPDX-License-Identifier: AGPL-3.0-or-later
"""The page about names: how fast a node answers questions for them, beside servers that do nothing else."""
from results import NONE, cell, count, environment, is_names, quality, table, times, whole

TEST = "names"
OUTSTANDING = 100
PACE = 5000

METHOD = """\
- One host, in a network namespace: a node with five names of both families, and the others with the same ones, one after the other. One
  thread each, as ours has one for this, and answers from memory. dnsperf asks from the same host, as a machine's programs do, for every
  name by A and AAAA, and for one that nobody has.
- Questions a second: as fast as dnsperf can, {outstanding} of them unanswered at any time. CPU is the process's meanwhile, user and system, for each
  answer. What is asked shares the cores with who asks.
- Times and losses: at {pace:,} questions a second, of all answers; what takes 5 s is lost.
- One interleaved run: each round starts at another place of the list. Figures are medians of {rounds}, with (smallest–largest); ratios
  are medians of the ratios within each round."""


def figures(r):
    heads = ["questions", "a second", "vs. unbound", "CPU µs each", "vs. unbound", "p50 µs", "p99 µs", "p99 vs. unbound", "lost, at most"]
    rows = []
    for n in r.contenders(TEST):
        versus = [NONE if n == r.reference else times(r.ratio(n, r.reference, TEST, k)) for k in ("per_second", "cpu_us", "p99_us")]
        rows.append([f"**{r.title(n)}**" if n == "names-tunnelmesh" else r.title(n),
                     cell(r.summary(n, TEST, "per_second"), whole), versus[0], cell(r.summary(n, TEST, "cpu_us")), versus[1],
                     cell(r.summary(n, TEST, "p50_us")), cell(r.summary(n, TEST, "p99_us")), versus[2],
                     f"{max(r.values(n, TEST, 'loss').values()):.2%}".replace("%", " %")])
    return table(heads, rows)


def markdown(r):
    names = [n for n, _ in r.run["plan"] if is_names(n)]
    parts = ["<!-- Written by test/bench/report.py. Do not edit: run `make dnsbench`. -->", "# Names", environment(r, names), figures(r),
             "## How it was measured",
             METHOD.format(outstanding=OUTSTANDING, pace=PACE, rounds=count(r.run["rounds"], "round")), quality(r, names)]
    return "\n\n".join(p for p in parts if p) + "\n"
