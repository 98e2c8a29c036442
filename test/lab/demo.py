# SPDX-License-Identifier: AGPL-3.0-or-later
"""The demonstration: three machines on three subnets become one mesh, in front of your eyes, in a minute.

The machines are network namespaces behind a router namespace; nothing outside them is touched. With --keep everything is
left running and the last lines say how to look around; --stop ends what was left.
"""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import lab as lablib

KEPT = "demo"
BOLD, DIM, OFF = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


def step(title):
    print(f"\n{BOLD}== {title}{OFF}", flush=True)


def proves(text):
    print(f"{DIM}   -> {text}{OFF}", flush=True)


def show(node, *args):
    print(f"{node.name}$ tunnelmesh {' '.join(args)}", flush=True)
    out = node.run(*args).stdout.rstrip()
    print("\n".join("   " + line for line in out.splitlines()), flush=True)
    return out


def ping_everywhere(nodes):
    for family in ("-4", "-6"):
        for a in nodes:
            for b in nodes:
                if a is b:
                    continue
                reply = a.json("ping", b.name, "-c", 3, "-i", 0.2, family)
                print(f"   {a.name:>6} -> {b.name:<6} {reply['ip']:<28} {reply['received']}/{reply['sent']} "
                      f"average {reply['rtt_avg_ms']:.2f} ms")


def transfer(a, b):
    server = b.host.spawn("iperf3", "-s", "-1", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = a.peer(b.name)["ip4"]
    lablib.wait_for("iperf3 to listen", lambda: ":5201" in b.host.sh("ss", "-tln").stdout)
    result = json.loads(a.host.sh("iperf3", "-c", address, "-t", "3", "-J").stdout)
    server.wait(timeout=10)
    bits = result["end"]["sum_received"]["bits_per_second"]
    print(f"   {a.name} -> {b.name} over the mesh: {bits / 1e9:.2f} Gbit/s through the encrypted tunnel")


def marker_is_invisible(router, a, b):
    """Sends a word through the tunnel while the router listens on all its links."""
    word = "plaintext-marker-4711"
    capture = os.path.join(a.lab.dir, "capture")
    dump = router.spawn("tcpdump", "-i", "any", "-U", "-w", capture, "-s", "0", stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL)
    lablib.wait_for("tcpdump to start", lambda: os.path.exists(capture) and os.path.getsize(capture) > 0)
    a.host.sh("ping", "-c", "3", "-i", "0.2", "-p", word.encode().hex()[:32], a.peer(b.name)["ip4"])
    packets = lablib.wait_for("packets in the capture", lambda: os.path.getsize(capture) > 500)
    dump.terminate()
    dump.wait(timeout=10)
    with open(capture, "rb") as f:
        data = f.read()
    print(f"   the router saw {len(data)} bytes of traffic; the word sent through the tunnel occurs in it "
          f"{data.count(word[:8].encode())} times")
    return packets and word[:8].encode() not in data


def stop_cleanly(nodes):
    for node in nodes:
        node.down()
        links = node.host.sh("ip", "-brief", "link").stdout
        rules = node.host.sh("ip", "route").stdout
        if "tm0" in links or "tm0" in rules or node.host.pids():
            raise lablib.LabError(f"{node.name} left something behind:\n{links}{rules}{node.host.pids()}")
    print("   no interface, route or process of theirs is left")


def run(lab, keep):
    step("Three machines: hub (198.18.1.2), laptop (198.18.2.2) and nas (198.18.3.2), each on its own subnet behind a router")
    hub, laptop, nas = (lab.node(n) for n in ("hub", "laptop", "nas"))
    nodes = [hub, laptop, nas]

    step("hub creates the mesh")
    print("hub$ sudo tunnelmesh init --name hub")
    print("\n".join("   " + line for line in hub.init().stdout.rstrip().splitlines()))
    proves("one command made the mesh: identity, addresses, coordinator, first node")

    step("laptop and nas join with a token, one command each")
    for node in nodes[1:]:
        token = hub.token()
        started = time.monotonic()
        print(f"{node.name}$ sudo tunnelmesh join {token[:12]}...")
        print("\n".join("   " + line for line in node.join(token).stdout.rstrip().splitlines()))
        node.ping("hub")
        print(f"   first ping answered {time.monotonic() - started:.2f} s after pressing return")
    proves("no config file, no account, no third-party server; each token works once")

    step("Everybody reaches everybody, over IPv4 and IPv6")
    ping_everywhere(nodes)
    proves("six directions, two address families, direct encrypted tunnels")

    step("What the mesh looks like from the laptop")
    show(laptop, "status")
    show(laptop, "peers")

    step("Bulk data")
    transfer(laptop, nas)

    step("What the network between them sees")
    if not marker_is_invisible(lab.router, laptop, nas):
        raise lablib.LabError("plaintext was visible on the wire")
    proves("only WireGuard-compatible ciphertext crosses the wire")

    step("A node is removed: it is cut off at once")
    show(hub, "node", "remove", "nas")
    lablib.wait_for("nas to be cut off", lambda: laptop.ping("nas", check=False).returncode != 0)
    proves("revocation ends live sessions at every peer")

    if keep:
        at = f"sudo nsenter --net=/run/netns/{laptop.host.ns}"
        print(f"\n{BOLD}Left running.{OFF} Look around on the laptop, for example:\n"
              f"  {at} {' '.join(laptop.argv('status'))}\n  {at} ping {laptop.peer('hub')['ip4']}\n"
              f"Stop it and clean up with:\n  make demo STOP=1")
        return
    step("Stopping the machines")
    stop_cleanly(nodes)


def end_strays(lab):
    """A program that was being started when the interrupt came is in nobody's list, and perhaps in no namespace yet."""
    known = {p.pid for p in lab.processes}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
            if parent == os.getpid() and int(pid) not in known:
                os.kill(int(pid), signal.SIGKILL)


def main():
    if "--stop" in sys.argv[1:]:
        print(f"removed {lablib.remove_lab(KEPT)} namespaces")
        return 0
    keep = "--keep" in sys.argv[1:]
    # SIGTERM and SIGHUP unwind like Ctrl-C, so that cleaning up happens in one place.
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    lablib.remove_lab(KEPT)
    lab = lablib.Lab(KEPT if keep else None)
    done = False
    try:
        run(lab, keep)
        done = True
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted: cleaning up")
        return 130
    except lablib.LabError as e:
        print(f"\nthe demonstration failed: {e}", file=sys.stderr)
        for node in lab.nodes:
            print(f"--- log of {node.name}\n{node.log()[-3000:]}", file=sys.stderr)
        return 1
    finally:
        if not (done and keep):
            for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(s, signal.SIG_IGN)
            end_strays(lab)
            lab.close()


if __name__ == "__main__":
    sys.exit(main())
