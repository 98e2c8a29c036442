# SPDX-License-Identifier: AGPL-3.0-or-later
"""The memory of both daemons during a long TCP transfer, to see whether it grows."""
import argparse
import os
import signal
import sys
import time

from bed import Bed, memory_kb
from contenders import CONTENDERS
from lab import LabError
from measure import Transfer


def watch(bed, tunnel, minutes, interval, streams):
    """Prints a line per interval; [(seconds, resident KiB of a, of b)]."""
    seconds = round(minutes * 60)
    transfer = Transfer(bed, tunnel.address[4], seconds, "-P", streams, "-i", max(1, min(60, seconds)))
    started, series = time.monotonic(), []
    print("    s   a: RSS     peak   b: RSS     peak  KiB", flush=True)
    try:
        while transfer.client.poll() is None:
            now = [memory_kb(pid) for pid in tunnel.pids]
            passed = time.monotonic() - started
            series.append((passed, now[0][0], now[1][0]))
            print(f"{passed:5.0f} {now[0][0]:8} {now[0][1]:8} {now[1][0]:8} {now[1][1]:8}", flush=True)
            if passed > seconds + 2 * interval + 20:
                raise LabError("iperf3 does not end")
            time.sleep(max(0, min(interval, started + seconds + 1 - time.monotonic())) or 0.2)
    except BaseException:
        transfer.stop()
        raise
    print(f"{transfer.result()['gbps']:.2f} Gbit/s")
    return series


def summarise(series, warm_up):
    """What each side grew by after the warm-up, in a sentence per side."""
    after = [s for s in series if s[0] >= warm_up] or series[-1:]
    for side, name in ((1, "a"), (2, "b")):
        first, last, top = after[0][side], after[-1][side], max(s[side] for s in after)
        yield f"{name}: {first} KiB at {after[0][0]:.0f} s, {last} KiB at {after[-1][0]:.0f} s, at most {top} KiB"


def main():
    p = argparse.ArgumentParser(prog="rss", description=__doc__)
    p.add_argument("--minutes", type=float, default=30)
    p.add_argument("--interval", type=float, default=10, help="seconds between two samples (10)")
    p.add_argument("--streams", type=int, default=1)
    p.add_argument("--warm-up", type=float, default=60, help="seconds that do not count in the summary (60)")
    p.add_argument("--grow-max", type=int, metavar="KIB", help="fail when a side grows by more after the warm-up")
    p.add_argument("--contender", default="tunnelmesh", choices=[n for n in CONTENDERS if n != "raw"])
    args = p.parse_args()
    if not (args.minutes * 60 >= 1 and args.interval > 0 and 1 <= args.streams <= 128):
        p.error("a second at least, a positive interval, 1 to 128 streams")
    if os.geteuid() != 0:
        raise SystemExit("rss: it makes network namespaces and needs root")
    contender = CONTENDERS[args.contender]
    if contender.missing():
        raise SystemExit(f"rss: {contender.missing()}")
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        with Bed(contender.outer) as bed:
            series = watch(bed, contender.up(bed), args.minutes, args.interval, args.streams)
    except KeyboardInterrupt:
        print("\ninterrupted; everything is cleaned up")
        return 130
    except LabError as e:
        print(f"rss: {e}", file=sys.stderr)
        return 1
    print("\n".join(summarise(series, args.warm_up)))
    after = [s for s in series if s[0] >= args.warm_up] or series[-1:]
    grown = max(after[-1][side] - after[0][side] for side in (1, 2))
    if args.grow_max is not None and grown > args.grow_max:
        print(f"rss: it grew by {grown} KiB, more than {args.grow_max}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
