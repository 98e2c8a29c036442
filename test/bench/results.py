# SPDX-License-Identifier: AGPL-3.0-or-later
"""One result of bench.py, read and summed up, and what the pages made of it have in common."""
import json
import re
import statistics
from collections import defaultdict

from charts import number

NONE = "–"
OURS = "tunnelmesh"


def is_variant(name):
    """Does it only differ in the number of peers or rules, the outer IP version or who looks? Those have tables of their own."""
    return re.search(r"-(\d+p|\d+rules|over6|unwatched|watched)$", name) is not None


def is_relay(name):
    return name.startswith("relay-")


def is_names(name):
    """Does it answer questions for names?"""
    return name.startswith("names-")


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


def environment(r, names):
    """The machine, and the versions of what was measured on it."""
    m = r.run["machine"]
    where = "virtual machine" if m["virtual"] else "machine"
    features = f" ({', '.join(m['features'])})" if m["features"] else ""
    load = r.run.get("load") or f"iperf3 {r.run['iperf3']}"
    lines = [f"{m['system']}, Linux {m['kernel']} ({m['architecture']}), {where} with {m['cores']} cores of {m['cpu']}{features} "
             f"and {m['memory_gib']} GiB; {r.run['started'][:10]}; "
             f"{count(r.run['rounds'], 'round')}, {r.run['seconds']} s per measurement; {load}.",
             "", "| program | version |", "|---|---|"]
    seen = set()
    for name in names:
        version = r.run["versions"][name]
        if name != "raw" and (r.short(name), version) not in seen:
            lines.append(f"| {r.title(name)} | `{version}` |")
        seen.add((r.short(name), version))
    return "\n".join(lines)


def limit(r):
    """Of what other programs may use meanwhile, of a core."""
    return f"{r.run['foreign_limit']:.0%}".replace("%", " %")


def quality(r, names):
    """How clean the run was, and what did not work."""
    all_results = [f for n in names for rounds in r.figures[n].values() for f in rounds.values() if "repeats" in f]
    repeated = sum(f["repeats"] > 0 for f in all_results)
    dirty = [f for f in all_results if f["contaminated"]]
    text = (f"Of {len(all_results)} measurements {repeated} were repeated because other programs used the machine; "
            f"{len(dirty)} stayed above the limit of {limit(r)} of a core after all repeats"
            + (f" (the worst: {max(f['foreign'] for f in dirty):.2f} of a core)." if dirty else "."))
    lines = [text]
    lines += [f"- {r.title(name)} was left out: {why}." for name, why in r.run["left_out"].items()
              if is_relay(name) == any(map(is_relay, names))]
    lines += [f"- {r.title(f['contender'])} failed in {f['test']} of round {f['round'] + 1}: {f['why'].splitlines()[-1]}"
              for f in r.failed if f["contender"] in names]
    rounds = r.run["rounds"]
    for name in names:
        counts = [len(done) for done in r.figures[name].values()]
        if counts and min(counts) < rounds:
            lines.append(f"- {r.title(name)}: its medians are of {min(counts)} rounds, not {rounds}.")
    return "\n".join(lines)
