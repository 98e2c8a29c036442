# SPDX-License-Identifier: AGPL-3.0-or-later
"""The grid of `make labgrid`: its textbook, how it judges what it sees, and one pair in the ordinary run."""
import itertools
import os
import signal
import subprocess
import sys
import tempfile

import pytest

import grid
import grid_report
import textbook
from lab import PREFIX, sh, wait_for
from nat import KINDS
from textbook import DIRECT, GUESSED, HALF, LACKS, LUCK, NONE, RELAY, TCP

# Measured once with forty lines of Python that punch holes with one socket each, between gateways like ours: where they
# had a direct path (x), and where not (.).
PUNCHED = """
          open  firewall full  addr  port  linux other sym  noudp
open      x     x        x     x     x     x     x     x    .
firewall  x     x        x     x     x     x     x     .    .
full      x     x        x     x     x     x     x     x    .
addr      x     x        x     x     x     x     x     x    .
port      x     x        x     x     x     x     x     .    .
linux     x     x        x     x     x     x     x     .    .
other     x     x        x     x     x     x     x     .    .
sym       x     .        x     x     .     .     .     .    .
noudp     .     .        .     .     .     .     .     .    .
"""


def punched():
    lines = [line.split() for line in PUNCHED.strip().splitlines()]
    return {(row[0], b): cell == "x" for row in lines[1:] for b, cell in zip(lines[0], row[1:])}


def test_the_textbook_says_what_a_simple_puncher_found():
    for pair, direct in punched().items():
        assert (textbook.best(*pair) == DIRECT) == direct, pair


def test_the_textbook_does_not_ask_who_is_first():
    for a, b in itertools.product(KINDS, KINDS):
        assert textbook.best(a, b) == textbook.best(b, a) and textbook.needs(a, b) == textbook.needs(b, a)


def test_the_textbook_says_what_else_than_holes_there_is():
    for a, b, best in (("addr", "cgn2", LUCK), ("addr", "cgnsym", DIRECT), ("full", "cgn2", DIRECT), ("port", "cgn2", GUESSED),
                       ("sym", "cgn2", RELAY), ("port", "ip6", RELAY), ("dual", "ip6", DIRECT), ("first", "open", TCP)):
        assert textbook.best(a, b) == best, (a, b)


def test_what_carries_less_than_is_known_needs_that_to_be_found_out():
    for a, b, needed in (("open", "small", True), ("noudp", "small", True), ("noudp", "ip6", False), ("noudp", "open", False),
                         ("noudp", "dual", False), ("port", "ip6", False)):
        assert ("mtu" in textbook.needs(a, b)) == needed, (a, b)


def row(best, *runs, lacks=()):
    return {"a": "open", "b": "open", "best": best, "lacks": list(lacks), "runs": list(runs), "took_s": 1}


def run(had, data=True, says=None):
    return {"had": had, "says": says or had, "data": data}


@pytest.mark.parametrize("judged, wrong", [
    (row(DIRECT, run(DIRECT)), False),
    (row(DIRECT, run(DIRECT), run(RELAY)), True),
    (row(DIRECT, run(DIRECT, data=False)), True),
    (row(DIRECT, run(DIRECT, says="idle")), True),
    (row(RELAY, run(RELAY, says=DIRECT)), True),
    (row(GUESSED, run(DIRECT)), False),
    (row(GUESSED, *19 * [run(DIRECT)], run(RELAY)), False),
    (row(GUESSED, *19 * [run(DIRECT)], run(RELAY, data=False)), True),
    (row(GUESSED, *38 * [run(DIRECT)], *3 * [run(RELAY)]), True),
    (row(GUESSED, run(DIRECT), run(DIRECT), run(RELAY)), False),
    (row(GUESSED, run(RELAY)), True),
    (row(LUCK, run(HALF, says=DIRECT)), False),
    (row(DIRECT, run(HALF, says=DIRECT)), True),
    (row(LUCK, run(DIRECT), run(RELAY)), False),
    (row(LUCK, run(NONE)), True),
    (row(RELAY, run(DIRECT)), True),
    (row(TCP, run(TCP, says=RELAY)), False),
    (row(TCP, run(NONE, data=False)), True),
    (row(TCP, run(NONE, data=False), lacks=[TCP]), False),
    (row(TCP, run(TCP), lacks=[TCP]), True),
    (row(DIRECT, run(DIRECT, data=False), lacks=["mtu"]), False),
    (row(GUESSED, *2 * [run(DIRECT) | {"share": 0.4}], run(DIRECT) | {"share": 0.9}), True),
    (row(GUESSED, run(DIRECT) | {"share": 0.4}, *2 * [run(DIRECT) | {"share": 0.9}]), False),
])
def test_a_pair_must_have_its_best_unless_it_is_said_to_lack_something(judged, wrong):
    assert bool(grid_report.judge(judged)) == wrong


def test_an_error_counts_unless_something_is_lacking():
    assert grid_report.judge(row(DIRECT) | {"error": "no link"})
    assert not grid_report.judge(row(TCP, lacks=["proxy"]) | {"error": "no link"})


def test_a_kind_on_the_command_line_is_a_row_and_two_are_a_pair():
    assert len(grid.pairs_of([])) == len(KINDS) * (len(KINDS) + 1) // 2
    assert len(grid.pairs_of(["sym"])) == len(KINDS)
    assert grid.pairs_of(["sym:port"]) == [("port", "sym")] and grid.pairs_of(["port:port"]) == [("port", "port")]
    with pytest.raises(SystemExit):
        grid.pairs_of(["nonsense"])


@pytest.mark.parametrize("runs, cell", [
    ([run(DIRECT)], "D"), ([run(RELAY)], "R (D)"), ([run(RELAY), run(DIRECT)], "– (D)"), ([run(DIRECT, data=False)], "– (D)"), ([], "– (D)"),
])
def test_a_cell_says_what_a_pair_had_only_where_it_was_always_the_same(runs, cell):
    assert grid_report.sign(row(DIRECT, *runs), ("open", "open")) == cell


def page_in(folder):
    (folder / "reachability.md").write_text(f"head\n{grid_report.BEGIN}\nold\n{grid_report.END}\ntail\n")
    return grid_report.load(folder)


def test_what_is_measured_again_takes_the_place_of_what_was(tmp_path):
    found = page_in(tmp_path)
    found["pairs"] |= {("open", "sym"): row(DIRECT, run(DIRECT)) | {"b": "sym"}, ("sym", "sym"): row(RELAY, run(NONE)) | {"a": "sym", "b": "sym"}}
    grid_report.save(tmp_path, found)
    found = grid_report.load(tmp_path)
    found["pairs"]["open", "sym"] = row(DIRECT, run(NONE, data=False)) | {"b": "sym"}
    grid_report.save(tmp_path, found)
    page = (tmp_path / "reachability.md").read_text()
    assert page.startswith("head\n") and page.endswith(f"{grid_report.END}\ntail\n") and "old" not in page
    assert grid_report.load(tmp_path)["pairs"]["open", "sym"]["runs"] == [run(NONE, data=False)]
    assert "– (D)" in page and page.count(grid_report.BEGIN) == 1


def test_times_are_kept_beside_the_grid_and_shown_in_a_table_of_their_own(tmp_path):
    found = page_in(tmp_path)
    found["times"]["open", "open"] = row(DIRECT, *(run(DIRECT) | {"first_ms": ms, "direct_ms": ms + 50} for ms in (100, 150, 400)), run(RELAY))
    grid_report.save(tmp_path, found)
    assert grid_report.load(tmp_path) == found
    assert "| open and open | 4 | 3 | 150 | 400 | 400 | 2 | 200 | 450 |" in (tmp_path / "reachability.md").read_text()


def test_a_first_answer_that_comes_late_is_told_with_its_pair_and_judged_by_nobody(tmp_path):
    found = page_in(tmp_path)
    found["pairs"] |= {pair: row(DIRECT, *(run(DIRECT) | {"first_ms": ms} for ms in times)) | {"b": pair[1]}
                       for pair, times in ((("open", "open"), (grid_report.ANSWERED, 20)), (("open", "sym"), (grid_report.ANSWERED + 0.1, 300, 20)))}
    slow = found["pairs"]["open", "sym"]
    assert not grid_report.judge(slow) and "2 of 3 first answers later than 210 ms" in grid_report.line(slow)
    assert "later" not in grid_report.line(found["pairs"]["open", "open"])
    grid_report.save(tmp_path, found)
    assert "First answers later than 210 ms: 1 pairs, open and sym (2 of 3)." in (tmp_path / "reachability.md").read_text()
    del found["pairs"]["open", "sym"]
    grid_report.save(tmp_path, found)
    assert "First answers later than 210 ms: none." in (tmp_path / "reachability.md").read_text()


def test_the_page_says_when_and_with_how_many_builds_it_was_measured():
    day, other = {"program": "a", "day": "2026-01-02"}, {"program": "b", "day": "2026-01-03"}
    pairs = grid.pairs_of([])
    whole = {pair: row(DIRECT, run(DIRECT)) | day for pair in pairs}
    assert grid_report.measured(whole) == f"All {len(pairs)} pairs, {len(pairs)} runs, with one build of the program, on 2026-01-02."
    assert "with 2 builds of the program, from 2026-01-02 to 2026-01-03." in grid_report.measured(whole | {pairs[0]: row(DIRECT) | other})
    assert grid_report.measured({pairs[0]: whole[pairs[0]]}).startswith(f"1 of the {len(pairs)} pairs, 1 runs")


@pytest.mark.parametrize("kept, done", [
    (row(DIRECT, *2 * [run(DIRECT)]) | {"program": "this"}, True),
    (row(DIRECT, *2 * [run(DIRECT)]) | {"program": "another"}, False),
    (row(DIRECT, *2 * [run(DIRECT)]), False),
    (row(DIRECT, run(DIRECT)) | {"program": "this"}, False),
    (row(DIRECT, run(DIRECT), run(RELAY)) | {"program": "this"}, False),
    (row(TCP, run(NONE, data=False), lacks=[TCP]) | {"program": "this"}, True),
    (None, False),
])
def test_a_pair_is_measured_again_unless_this_program_had_what_it_must_in_so_many_runs(kept, done):
    assert grid.is_done(kept, "this", 2) == done


def test_times_are_those_of_pairs_that_are_in_the_grid_and_no_others_can_be_asked_for():
    assert set(grid.TIMES) <= set(grid.pairs_of([]))
    assert grid.pairs_of(["sym:port"], grid.TIMES) == [("port", "sym")] and len(grid.pairs_of([], grid.TIMES)) == len(grid.TIMES)
    with pytest.raises(SystemExit):
        grid.pairs_of(["cgn2:proxy"], grid.TIMES)


def test_what_lacks_is_needed_by_some_pair_of_the_textbook():
    assert set(LACKS) <= set().union(*(textbook.needs(a, b) for a in KINDS for b in KINDS))


def test_nodes_behind_an_address_restricted_and_a_symmetric_nat_are_direct_and_exchange_data():
    found = grid.run_pair("addr", "sym", 2)
    print(f"\n{grid_report.line(found)}")
    assert not grid_report.judge(found)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return f.read().split()


def left_of(pids):
    """Namespaces and directories of laboratories of these processes."""
    names = [line.split()[0] for line in sh("ip", "netns", "list").stdout.splitlines()]
    return ([n for n in names if any(n.startswith(f"{PREFIX}{pid}-") for pid in pids)] +
            [d for d in os.listdir(tempfile.gettempdir()) if d in [f"tunnelmesh-lab-{pid}" for pid in pids]])


def test_an_interrupted_grid_leaves_nothing_behind(tmp_path):
    (tmp_path / "reachability.md").write_text(f"{grid_report.BEGIN}\n{grid_report.END}\n")
    argv = [sys.executable, "-B", grid.__file__, "open:open", "port:sym", "--jobs", "2", "--out", tmp_path]
    p = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers = wait_for("two workers", lambda: len(c := children(p.pid)) == 2 and c)
    wait_for("their laboratories", lambda: all(len(left_of([w])) > 3 for w in workers))
    os.killpg(p.pid, signal.SIGINT)
    assert p.wait(timeout=30) != 0
    assert left_of(workers) == []
