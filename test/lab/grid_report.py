# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the grid found: judged, kept in docs/reachability.json, and shown in docs/reachability.md."""
import json
import os

from nat import KINDS
from textbook import DIRECT, GUESSED, HALF, LACKS, LUCK, NONE, RELAY, TCP, best, met

FOLDER = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../docs"))
MISSES = 0.05  # of the runs may guess in vain, but one always may; then there is a relay
BEGIN, END = "<!-- made by test/lab/grid_report.py: begin -->", "<!-- end -->"
ANSWERED = 210  # ms: two round trips through a relay, which are 80 each, and 50 for everything else
SIGNS = {DIRECT: "D", GUESSED: "G", LUCK: "D/R", RELAY: "R", TCP: "T"}


def complete(row, run):
    """Did a run have all that it must?"""
    return met(row["best"], run["had"]) and run["data"]


def is_enough(row):
    """Did so many runs have all that they must?"""
    whole = [complete(row, run) for run in row["runs"]]
    may_miss = max(1, MISSES * len(whole)) if row["best"] == GUESSED and any(whole) else 0
    return len(whole) - sum(whole) <= may_miss


def agrees(run):
    """Does a node say what the wire says? Whose own UDP passes is not told that the other side's does not."""
    may_say = {TCP: (RELAY, TCP), HALF: (DIRECT, RELAY), NONE: (run["says"],)}
    return run["says"] in may_say.get(run["had"], (run["had"],))


def judge(row):
    """What is wrong with a pair, in words; nothing if all is as it must be, or as it is said to lack."""
    if "error" in row:
        return [] if row["lacks"] else [row["error"]]
    wrong = [f"says {run['says']}, but it was {run['had']}" for run in row["runs"] if not agrees(run)]
    if row["lacks"] and is_enough(row):
        return wrong + [f"has what textbook.LACKS says that it lacks: {', '.join(row['lacks'])}"]
    wrong += ["no data by a relay" for run in row["runs"] if row["best"] == GUESSED and not row["lacks"] and not run["data"]]
    if not row["lacks"] and not is_enough(row):
        bad = next(run for run in row["runs"] if not complete(row, run))
        wrong.append(f"must be {row['best']}: {bad}")
    shares = figures(row["runs"], "share")
    if shares and quantile(shares, 0.5) < 0.5:
        wrong.append(f"had its way for {100 * quantile(shares, 0.5):.0f} % of the time in which gateways forget")
    return wrong


def late(row):
    """How many of its first answers came later than two round trips through a relay and 50 ms."""
    return sum(ms > ANSWERED for ms in figures(row["runs"], "first_ms"))


def figures(runs, what):
    return sorted(run[what] for run in runs if what in run)


def quantile(values, part):
    return values[min(len(values) - 1, int(part * len(values)))] if values else None


def line(row):
    """One pair in one line."""
    had = "/".join(sorted({run["had"] for run in row["runs"]})) or NONE
    text = f"{row['a']} x {row['b']}: {had}, best {row['best']}"
    for what in ("first_ms", "direct_ms", "again_ms"):
        values = figures(row["runs"], what)
        text += f", {what[:-3]} {quantile(values, 0.5):.0f} ms" if values else ""
    text += f", {late(row)} of {len(row['runs'])} first answers later than {ANSWERED} ms" if late(row) else ""
    shares = figures(row["runs"], "share")
    text += f", {100 * shares[0]:.0f} % of the time" if shares else ""
    if not all(run["data"] for run in row["runs"]):
        text += ", no data"
    return text + (f" (lacks {', '.join(row['lacks'])})" if row["lacks"] else "") + f" [{row['took_s']} s]"


# --- files ---

SECTIONS = ("pairs", "times")


def load(folder):
    """{section: {pair: row}}: "pairs", the grid, and "times", some of its pairs so often that their times can be told."""
    try:
        with open(os.path.join(folder, "reachability.json"), encoding="utf-8") as f:
            kept = json.load(f)
    except FileNotFoundError:
        kept = {}
    return {section: {(row["a"], row["b"]): row for row in kept.get(section, [])} for section in SECTIONS}


def in_order(rows):
    order = list(KINDS)
    return [rows[pair] for pair in sorted(rows, key=lambda p: (order.index(p[0]), order.index(p[1])))]


def save(folder, found):
    """Both files, each whole or not at all."""
    parts = [f'"{section}": [\n' + ",\n".join(map(json.dumps, in_order(found[section]))) + "\n]" for section in SECTIONS]
    replace(os.path.join(folder, "reachability.json"), "{" + ",\n".join(parts) + "}\n")
    page = os.path.join(folder, "reachability.md")
    with open(page, encoding="utf-8") as f:
        before, rest = f.read().split(BEGIN)
    replace(page, before + BEGIN + "\n" + tables(found) + END + rest.split(END, 1)[1])


def replace(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


# --- tables ---

def sign(row, pair):
    """A cell: what they had; in brackets what they must have and do not."""
    if not row:
        return ""
    must = SIGNS[best(*pair)]
    if row["runs"] and "error" not in row and is_enough(row):
        return must
    had = {run["had"] if run["data"] else NONE for run in row["runs"]}
    return f"{SIGNS.get(min(had), '–') if len(had) == 1 and had != {NONE} else '–'} ({must})"


def measured(rows):
    """When, and with what."""
    if not rows:
        return ""
    days, programs = ({row.get(what, "unknown") for row in rows.values()} for what in ("day", "program"))
    every = len(KINDS) * (len(KINDS) + 1) // 2
    runs = sum(len(row["runs"]) for row in rows.values())
    return (f"{'All' if len(rows) == every else f'{len(rows)} of the'} {every} pairs, {runs} runs, "
            f"with {'one build' if len(programs) == 1 else f'{len(programs)} builds'} of the program, "
            + (f"on {min(days)}." if len(days) == 1 else f"from {min(days)} to {max(days)}."))


def grid_table(rows):
    order = list(KINDS)
    yield "| | " + " | ".join(f"`{k}`" for k in order) + " |"
    yield "|---" * (len(order) + 1) + "|"
    for i, a in enumerate(order):
        cells = [sign(rows.get((a, b)), (a, b)) if j >= i else "" for j, b in enumerate(order)]
        yield f"| `{a}` {KINDS[a].title} | " + " | ".join(cells) + " |"


def p50_p95(values):
    """Two cells."""
    return [f"{quantile(values, part):.0f}" if values else "" for part in (0.5, 0.95)]


def kinds_table(rows):
    yield "| kind | first answer, p50 | p95 | direct without guessing, p50 | p95 | by guessing, p50 | p95 | runs |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind in KINDS:
        runs = {guessed: [run for pair, row in rows.items() if kind in pair and (row["best"] == GUESSED) == guessed for run in row["runs"]]
                for guessed in (False, True)}
        every = runs[False] + runs[True]
        cells = [c for values in (figures(every, "first_ms"), figures(runs[False], "direct_ms"), figures(runs[True], "direct_ms"))
                 for c in p50_p95(values)]
        yield f"| {KINDS[kind].title} | " + " | ".join(cells) + f" | {len(every)} |"


def late_line(rows):
    """Which pairs were answered late; that is told and judged by nobody, as the machine may have been busy."""
    pairs = [f"{row['a']} and {row['b']} ({late(row)} of {len(row['runs'])})" for row in in_order(rows) if late(row)]
    if rows:
        yield f"First answers later than {ANSWERED} ms: {f'{len(pairs)} pairs, ' + ', '.join(pairs) if pairs else 'none'}."


def shares_line(rows):
    """How much of the time pairs have their way while a gateway forgets everything each half minute."""
    for best in SIGNS:
        shares = sorted(share for row in rows.values() if row["best"] == best for share in figures(row["runs"], "share"))
        if shares:
            yield (f"- {SIGNS[best]}, while a gateway forgets everything each half minute: {100 * quantile(shares, 0.5):.0f} % of the "
                   f"time (median of {len(shares)} runs; {100 * shares[0]:.0f} % at least)")


def times_table(rows):
    """Of pairs that were run so often that it means something."""
    if not rows:
        return
    yield f"| pair | runs | of these direct | first answer, p50 | p95 | longest | within {ANSWERED} ms | direct, p50 | p95 |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in in_order(rows):
        first, runs = figures(row["runs"], "first_ms"), row["runs"]
        cells = [f"{row['a']} and {row['b']}", len(runs), sum(run["had"] == DIRECT for run in runs), *p50_p95(first),
                 f"{max(first):.0f}" if first else "", sum(ms <= ANSWERED for ms in first), *p50_p95(figures(runs, "direct_ms"))]
        yield "| " + " | ".join(map(str, cells)) + " |"


def lacks_list(rows):
    for what, why in LACKS.items():
        n = sum(what in row["lacks"] for row in rows.values())
        if n:
            yield f"- {why} ({n} pairs)"


def tables(found):
    rows = found["pairs"]
    parts = ["\n".join(p) for p in ([measured(rows)], grid_table(rows), kinds_table(rows), late_line(rows), shares_line(rows),
                                    [measured(found["times"])], times_table(found["times"]), lacks_list(rows))]
    return "\n" + "\n\n".join(p for p in parts if p) + "\n\n"
