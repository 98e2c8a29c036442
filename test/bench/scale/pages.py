# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the pages of the dashboard cost in a large mesh: a real coordinator, a herd (herd.c) whose members tell of some pairs
each, and an administrator's machine that asks for each page, one after the other. Times are those of a request through the
tunnel, CPU seconds the coordinator's control thread's. One JSON line per page goes to --out, a table to stdout."""
import argparse
import os
import statistics
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "..", "..", "lab")]

from lab import Lab, wait_for  # noqa: E402
from rig import Book, Daemon, Herd, Meter  # noqa: E402

PARALLEL = 100


def fetch(node, url):
    """Seconds and bytes; the page must come."""
    out = node.host.sh("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total} %{size_download}", url).stdout
    code, seconds, size = out.split()
    assert code == "200", (url, out)
    return float(seconds), int(size)


def measure(book, size, hub, desk, what, url, times):
    hub.process.settle()
    fetch(desk, url)  # the first one makes its connection's keys, too
    meter, got = Meter(hub.process), []
    for _ in range(times):
        got.append(fetch(desk, url))
    used = meter.read()
    seconds = [s for s, _ in got]
    book.note(size, what, ms=1e3 * statistics.median(seconds), slowest_ms=1e3 * max(seconds), kb=got[0][1] / 1e3,
              control_ms=1e3 * used["control_s"] / times)


def herd_of(hub, herd, size, pairs):
    herd.say(f"token {hub.node.token('--uses', size)}")
    joined = herd.ask(f"join {size} {PARALLEL}", "joined", 900)
    assert joined and not joined["failed"], joined
    herd.quiet()
    before = hub.process.memory()
    for turn in range(3):  # three, so that there is a rate and a history
        herd.ask(f"report {pairs} {turn}", "reported", 60)
        hub.process.settle()
        time.sleep(1)
    return before


def told(hub):
    return hub.ask("report.list")["total"]["telling"]


def run(args, book):
    with Lab() as lab:
        hub_node, herd_host, desk = lab.node("hub"), lab.host("herd"), lab.node("desk")
        hub_node.configure(bench_port=0, dashboard={"admins": "[tag:admin]"})
        hub_node.init("--no-up", "--address", hub_node.host.ip4)
        hub = Daemon(hub_node)
        hub.start()
        desk.join(hub_node.token())
        hub_node.run("node", "tag", "desk", "--add", "admin")
        before = herd_of(hub, Herd(herd_host), args.size, args.pairs)
        wait_for("all to have told", lambda: told(hub) >= args.size, 60)
        book.note(args.size, "reports", pairs=args.size * args.pairs, mib=hub.process.memory() - before)
        members = hub.ask("node.list", after=0)["nodes"]
        base = f"http://{next(m['ip4'] for m in members if m['coordinator'])}"
        one = next(m["id"] for m in members if m["name"] == "herd-00007")
        for what, path in (("overview", "/"), ("nodes", "/nodes"), ("a node", f"/nodes/{one}"), ("map", "/map"),
                           ("map around one", f"/map?node={one}"), ("names", "/names"), ("events", "/events")):
            measure(book, args.size, hub, desk, what, base + path, args.times)
        hub.process.settle()
        book.note(args.size, "memory", mib=hub.process.memory(), peak_mib=hub.process.memory("VmHWM"))
        hub.stop()


def table(book):
    print("\n| page | ms | slowest | kB | control thread, ms |\n|---|---|---|---|---|")
    for rows in book.rows.values():
        for what, row in rows.items():
            if "kb" in row:
                print(f"| {what} | {row['ms']:.0f} | {row['slowest_ms']:.0f} | {row['kb']:.0f} | {row['control_ms']:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, nargs="?", default=1000)
    parser.add_argument("--pairs", type=int, default=5, help="that each member tells of")
    parser.add_argument("--times", type=int, default=10, help="each page is asked for")
    parser.add_argument("--out", default="build/bench/pages.jsonl")
    args = parser.parse_args()
    book = Book(args.out)
    run(args, book)
    table(book)


if __name__ == "__main__":
    main()
