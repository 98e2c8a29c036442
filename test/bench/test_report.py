# SPDX-License-Identifier: AGPL-3.0-or-later
"""The benchmark's plan, figures and pages, on made-up results; nothing is measured here."""
import argparse
import json
import os
import sys
import xml.etree.ElementTree

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bench  # noqa: E402
import charts  # noqa: E402
import names_report  # noqa: E402
import relay_report  # noqa: E402
import relays  # noqa: E402
import report  # noqa: E402

MACHINE = {"cpu": "Test CPU", "architecture": "x86_64", "cores": 2, "memory_gib": 4, "virtual": True, "features": ["avx2"],
           "kernel": "6.1.0", "system": "Debian"}


def results(*lines, plan=("raw", "tunnelmesh", "wireguard-go-new"), **run):
    """Results of the given lines: (contender, test, round, {figure: value})."""
    names = list(plan)
    first = {"kind": "run", "started": "2026-01-02T03:04:05+00:00", "rounds": 3, "seconds": 2, "repeats": 4,
             "complete": True, "reference": "wireguard-go-new", "machine": MACHINE, "plan": [[n, ["tcp1"]] for n in names],
             "left_out": {}, "foreign_limit": 0.12, "titles": {n: n.title() for n in names},
             "versions": {n: "1.2-3" for n in names}, "iperf3": "3.12", **run}
    records = [first]
    for name, test, n, figures in lines:
        records.append({"kind": "result", "contender": name, "test": test, "round": n, "repeats": 0,
                        "contaminated": False, "foreign": 0.0, **figures})
    return report.Results(json.dumps(r) for r in records)


def gbps(name, *values):
    return [(name, "tcp1", n, {"gbps": v}) for n, v in enumerate(values)]


def test_a_summary_is_the_median_with_the_range():
    r = results(*gbps("tunnelmesh", 9.0, 1.0, 5.0))
    assert r.summary("tunnelmesh", "tcp1", "gbps") == (5.0, 1.0, 9.0)
    assert r.summary("tunnelmesh", "tcp4", "gbps") is None
    assert r.summary("nobody", "tcp1", "gbps") is None


def test_a_ratio_is_the_median_of_the_ratios_within_each_round_and_not_the_ratio_of_the_medians():
    r = results(*gbps("tunnelmesh", 2.0, 30.0, 4.0), *gbps("raw", 1.0, 10.0, 100.0))
    assert r.ratio("tunnelmesh", "raw", "tcp1", "gbps") == 2.0
    assert 4.0 / 10.0 != 2.0


def test_rounds_in_which_one_of_the_two_failed_do_not_count_in_the_ratio():
    r = results(*gbps("tunnelmesh", 2.0, 9.0), ("raw", "tcp1", 0, {"gbps": 4.0}))
    assert r.ratio("tunnelmesh", "raw", "tcp1", "gbps") == 0.5
    assert r.ratio("tunnelmesh", "wireguard-go-new", "tcp1", "gbps") is None


def test_the_memory_is_that_of_the_larger_end():
    r = results(("tunnelmesh", "memory", 0, {"peak_kib": [1024, 3072]}))
    assert r.peak_mib("tunnelmesh") == (3.0, 3.0, 3.0)


def test_a_table_leaves_out_columns_without_any_value():
    text = report.table(["name", "empty", "full"], [["a", report.NONE, "1"], ["b", report.NONE, report.NONE]])
    assert text.splitlines() == ["| name | full |", "|---|--:|", "| a | 1 |", f"| b | {report.NONE} |"]


@pytest.mark.parametrize("value, text", [(0, "0"), (0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"),
                                         (566101.4, "566,101")])
def test_numbers_have_three_digits_and_no_exponents(value, text):
    assert charts.number(value) == text


def test_the_report_names_the_machine_what_was_repeated_left_out_and_failed():
    lines = [*gbps("raw", 40.0), *gbps("tunnelmesh", 10.0), *gbps("wireguard-go-new", 5.0)]
    r = results(*lines, left_out={"nebula-new": "the package was not fetched"})
    r.figures["raw"]["tcp1"][0].update(repeats=4, contaminated=True, foreign=0.5)
    r.failed.append({"contender": "tunnelmesh", "test": "pps64", "round": 1, "why": "load rate: exit 1\nnone arrived"})
    text = report.markdown(r, report.charts(r))
    for part in ("Test CPU", "6.1.0", "Of 3 measurements 1 were repeated", "1 stayed above the limit of 12 % of a core", "0.50 of a core",
                 "nebula-new was left out: the package was not fetched.", "failed in pps64 of round 2: none arrived",
                 "2.00×", "0.25×", "more than 12 % of a core"):
        assert part in text, part
    assert "exit 1" not in text


def test_the_report_of_a_run_without_a_single_success_is_still_a_page():
    text = report.markdown(results(), report.charts(results()))
    assert "# Benchmark" in text and "Of 0 measurements" in text


def test_variants_for_many_peers_have_their_own_table_and_no_bar():
    names = ("raw", "tunnelmesh", "tunnelmesh-1000p", "tunnelmesh-over6", "tunnelmesh-1w", "wireguard-go-new")
    r = results(*[line for n in names for line in gbps(n, 3.0)], plan=names)
    assert report.main_contenders(r, "tcp1") == ["raw", "tunnelmesh", "tunnelmesh-1w", "wireguard-go-new"]
    assert "Tunnelmesh-1000P" in report.peers(r) and "Tunnelmesh-1000P" not in report.throughput(r)
    assert "Tunnelmesh-Over6" in report.over_ipv6(r)


def test_what_the_packet_filter_costs_is_a_table_of_its_own():
    names = ("tunnelmesh", "tunnelmesh-0rules", "tunnelmesh-100rules")
    r = results(*gbps("tunnelmesh", 4.0, 8.0), *gbps("tunnelmesh-0rules", 4.0, 8.0), *gbps("tunnelmesh-100rules", 2.0, 4.0), plan=names)
    assert report.main_contenders(r, "tcp1") == ["tunnelmesh"]
    rows = report.packet_filter(r).splitlines()
    assert rows[2].startswith("| Tunnelmesh-0Rules | 6.00 (4.00–8.00) | –")
    assert "| 1.00× |" in rows[3] and "| 0.50× |" in rows[4]
    assert report.packet_filter(results(*gbps("tunnelmesh", 4.0))) == ""


def test_what_metrics_and_dashboard_cost_is_a_table_of_its_own():
    names = ("tunnelmesh", "tunnelmesh-unwatched", "tunnelmesh-watched")
    r = results(*gbps("tunnelmesh", 4.0), *gbps("tunnelmesh-unwatched", 4.0), *gbps("tunnelmesh-watched", 3.0), plan=names)
    assert report.main_contenders(r, "tcp1") == ["tunnelmesh"]
    rows = report.watched(r).splitlines()
    assert len(rows) == 4 and rows[2].startswith("| Tunnelmesh-Unwatched | 4.00 | –") and "| 0.75× |" in rows[3]
    assert report.watched(results(*gbps("tunnelmesh-unwatched", 4.0))) == ""


def relayed(name, test, *costs):
    return [(name, test, n, {"cpu_s_per_gb": c, "cpu_us_per_packet": 2 * c, "calls_per_gb": 1000 * c, "loss": 0.001 * n})
            for n, c in enumerate(costs)]


RELAY_NAMES = ("relay-tunnelmesh", "relay-coturn", "relay-tunnelmesh-tls", "relay-haproxy-tls")


def test_relays_have_a_page_of_their_own_and_each_is_compared_with_its_like():
    r = results(*relayed("relay-tunnelmesh", "relay-udp1420", 0.5, 0.6, 0.7), *relayed("relay-coturn", "relay-udp1420", 5.0, 3.0, 7.0),
                *relayed("relay-tunnelmesh-tls", "relay-stream", 2.0), *relayed("relay-haproxy-tls", "relay-stream", 1.0),
                ("relay-coturn", "relay-memory", 0, {"kib_per_pair": 34.5, "before_mib": 10.0}), plan=RELAY_NAMES)
    page = relay_report.markdown(r)
    assert "| **Relay-Tunnelmesh** | 0.60 (0.50–0.70) | 0.10× |" in page, "the median of the ratios of each round"
    assert "| **Relay-Tunnelmesh-Tls** | 2.00 | 2.00× |" in page, "to haproxy with TLS"
    assert "34.5" in page and "0.20 %" in page and "5,000" in page
    assert "Relay-Coturn" not in report.markdown(r, report.charts(r)), "the other page is about tunnels"


def test_a_relay_that_was_left_out_is_named_on_the_page_of_relays_alone():
    r = results(*relayed("relay-tunnelmesh", "relay-udp1420", 0.5), left_out={"relay-coturn-new": "its packages were not fetched"},
                plan=("raw", "tunnelmesh", "relay-tunnelmesh"))
    assert "its packages were not fetched" in relay_report.markdown(r)
    assert "its packages were not fetched" not in report.markdown(r, report.charts(r))


def answers(name, *rates):
    return [(name, "names", n, {"per_second": x, "cpu_us": 1e6 / x, "p50_us": 40.0, "p99_us": 2e7 / x, "loss": 0.0001 * n})
            for n, x in enumerate(rates)]


def test_what_answers_for_names_has_a_page_of_its_own_beside_unbound(tmp_path, monkeypatch, capsys):
    plan = ("names-tunnelmesh", "names-unbound")
    r = results(*answers(plan[0], 90000.0, 50000.0, 100000.0), *answers(plan[1], 100000.0, 100000.0, 200000.0), plan=plan,
                reference="names-unbound", load="dnsperf 2.10")
    page = names_report.markdown(r)
    assert "| **Names-Tunnelmesh** | 90,000 (50,000–100,000) | 0.50× | 11.1 (10.0–20.0) | 2.00× | 40.0 | 222 (200–400) | 2.00× | 0.02 % |" in page
    assert "| Names-Unbound | 100,000 (100,000–200,000) | – |" in page
    assert "dnsperf 2.10." in page and "iperf3" not in page and "5,000 questions" in page
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(x) + "\n" for x in [r.run] + [f for by in r.figures.values() for rounds in by.values()
                                                                     for f in rounds.values()]), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["report", str(path), "--out", str(tmp_path / "out")])
    report.main()
    assert os.listdir(tmp_path / "out") == ["names.md"] and "names.md" in capsys.readouterr().out
    assert (tmp_path / "out/names.md").read_text(encoding="utf-8") == page


def test_each_relay_is_measured_by_what_it_relays_and_its_memory_before_anything_else():
    plan = dict(bench.relay_plan())
    assert plan["relay-tunnelmesh"][0] == "relay-memory" and "relay-stream" not in plan["relay-tunnelmesh"]
    assert plan["relay-haproxy"] == ["stream-memory", "relay-stream", "relay-stream-100", "relay-stream120",
                                     "relay-stream120-single"]
    assert not any("before" in name for name in plan)


class Stub:
    """In place of whatever a measurement of a relay looks at: 2 s of CPU while it runs."""
    foreign, pid = 0.0, 1
    spent = [5.0, 3.0]

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def cpu(self):
        return self.spent.pop()

    def run(self, seconds):
        return {"sent": 100, "received": 80, "bytes": 8000, "seconds": seconds} if seconds == 4 else \
            {"sent": 10, "received": 10, "bytes": 1000, "seconds": seconds}


def test_a_relays_costs_are_those_of_what_arrived(monkeypatch):
    for name in ("Clients", "Process", "Meter"):
        monkeypatch.setattr(relays, name, Stub)
    monkeypatch.setattr(relays, "count_system_calls", lambda pid, load: (5, load()))
    figures = relays.RELAY_TESTS["relay-udp1420"].run(None, relays.Tunnel({}, [1], [], "datagrams"), 4)
    want = {"cpu_s_per_gb": 2 / 8000 * 1e9, "cpu_us_per_packet": 2 / 80 * 1e6, "calls_per_gb": 5 / 1000 * 1e9, "loss": 0.2,
            "gbps": 8000 * 8 / 4 / 1e9}
    assert {k: figures[k] for k in want} == pytest.approx(want)


def test_names_may_be_patterns_and_none_comes_twice():
    assert bench.chosen("b relay-*,b", ["a", "b", "relay-x", "relay-y"], "contender") == ["b", "relay-x", "relay-y"]
    assert bench.chosen("relay-* b", ["b", "relay-x", "relay-y"], "contender", ["b", "relay-y"]) == ["relay-x", "b"]
    with pytest.raises(SystemExit, match="no contender"):
        bench.chosen("b*", ["a", "b"], "contender", ["b"])


def test_the_other_build_is_not_meant_by_a_pattern_while_there_is_none():
    before = ["tunnelmesh-before", "relay-before", "relay-before-tcp", "relay-before-tls"]
    assert bench.needs_before() == before
    for only in ("all", "*"):
        names = [n for n, _ in bench.make_plan(argparse.Namespace(quick=False, only=only, tests=None), "wireguard-go")]
        assert names == [n for n in bench.CONTENDERS if n not in before]


def test_a_chart_is_well_formed_and_its_longest_bar_fits():
    rows = [("a & <b>", True, [(5.0, 4.0, 6.0), None]), ("c", False, [(1.0, 1.0, 1.0), (50.0, 2.0, 80.0)])]
    svg = xml.etree.ElementTree.fromstring(charts.bar_chart('"Title" & more', "note", ["one", "two"], rows, "Gbit/s"))
    space = "{http://www.w3.org/2000/svg}"
    bars = [e for e in svg.iter(space + "rect") if e.get("class").startswith("s") and float(e.get("height")) == charts.BAR]
    assert len(bars) == 3
    widths = sorted(float(b.get("width")) for b in bars)
    assert widths[1] / widths[0] == pytest.approx(5.0, rel=0.02) and widths[2] / widths[1] == pytest.approx(10.0, rel=0.02)
    right = [float(e.get("x2")) for e in svg.iter(space + "line")]
    assert max(right) <= charts.WIDTH - charts.MARGIN - charts.VALUE_WIDTH + 0.1


def test_what_is_no_result_is_refused():
    with pytest.raises(ValueError, match="does not begin"):
        report.Results(['{"kind": "result"}'])
    with pytest.raises(ValueError):
        report.Results(["no JSON"])


def test_each_contender_meets_every_position_when_there_are_as_many_rounds():
    plan = [(n, []) for n in "abcde"]
    for name in "abcde":
        positions = {[n for n, _ in bench.rotated(plan, i, 5)].index(name) for i in range(5)}
        assert positions == set(range(5))


def test_with_fewer_rounds_a_contender_still_meets_early_and_late_positions():
    plan = [(str(n), []) for n in range(15)]
    for name in map(str, range(15)):
        positions = [[n for n, _ in bench.rotated(plan, i, 5)].index(name) for i in range(5)]
        assert len(set(positions)) == 5 and max(positions) - min(positions) >= 10


@pytest.mark.parametrize("reference", ["wireguard-go", "wireguard-go-new"])
def test_the_default_run_stays_below_forty_minutes_and_knows_all_its_names(reference):
    plan = bench.default_plan(reference)
    assert len(plan) == len(dict(plan))
    assert all(name in bench.CONTENDERS and set(tests) <= bench.TESTS.keys() for name, tests in plan)
    assert 10 * 60 < bench.estimate_s(plan, 5, 2) < 40 * 60


def test_an_unknown_name_is_one_sentence_that_lists_the_known_ones():
    with pytest.raises(SystemExit, match='there is no test "tcp2"; there are: tcp1, pps64'):
        bench.chosen("tcp1,tcp2", ["tcp1", "pps64"], "test")
