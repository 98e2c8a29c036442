# SPDX-License-Identifier: AGPL-3.0-or-later
"""Traffic that is checked byte by byte (tools/transfer, tools/datagrams), and tunnels to send it through."""
import itertools
import json
import subprocess

from lab import LabError, find_tool, wait_for
from wireguard import Ours

PORTS = itertools.count(7000)
HEADERS = {4: 28, 6: 48}  # IP and UDP


def family(address):
    return 6 if ":" in address else 4


def words(**given):
    return [f"{k}={v}" for k, v in given.items() if v is not None]


def start(host, tool, role, **given):
    """A tool that is ready: a receiver listens."""
    p = host.spawn(find_tool(tool), role, *words(**given), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, text=True)
    if role == "receive" and p.stdout.readline() != "listening\n":
        raise LabError(f"{tool}: {p.communicate()[1]}")
    return p


def finish(process, timeout):
    out, err = process.communicate(timeout=timeout)
    return [json.loads(line) for line in out.splitlines()], err, process.returncode


class Transfer:
    """TCP: `up` bytes from sender to receiver and `down` bytes back, at once, over each of some streams."""

    def __init__(self, sender, receiver, address, up=0, down=0, streams=1, seed=1, stall=60, **more):
        self.what = f"{streams} x {up} bytes to {address}, {down} back"
        self.patience = 60 + stall + streams * (up + down) / 4e6
        self.port = next(PORTS)
        self.receiver = start(receiver, "transfer", "receive", at=address, port=self.port, streams=streams, stall=stall)
        self.sender = start(sender, "transfer", "send", to=address, port=self.port, streams=streams, up=up,
                            down=down, seed=seed, stall=stall, **more)

    def running(self):
        return self.sender.poll() is None

    def result(self):
        """What the sender saw of each stream; fails unless everything arrived unchanged in both directions."""
        sent, error, code = finish(self.sender, self.patience)
        if code:
            self.receiver.kill()  # it may wait for streams that never were
        received, error2, code2 = finish(self.receiver, self.patience)
        if code or code2:
            raise LabError(f"{self.what}: {error}{error2}\nsender: {sent}\nreceiver: {received}")
        return sent


def transfer(*args, **kw):
    return Transfer(*args, **kw).result()


def datagrams(sender, receiver, address, mtu=1420, gro=None, least=0, most=None, **more):
    """UDP datagrams of all sizes least..most (what the MTU takes); the two reports in one. Fails if one is changed."""
    port = next(PORTS)
    most = mtu - HEADERS[family(address)] if most is None else most
    receiving = start(receiver, "datagrams", "receive", at=address, port=port, gro=gro)
    sending = start(sender, "datagrams", "send", to=address, port=port, least=least, most=most, **more)
    sent, error, code = finish(sending, 600)
    received, error2, code2 = finish(receiving, 60)
    if code or code2:
        raise LabError(f"datagrams to {address}: {error}{error2}\nsender: {sent}\nreceiver: {received}")
    return received[0] | {"sent": sent[0]["sent"], "stalls": sent[0]["stalls"], "supers_sent": sent[0]["supers"],
                          "expected_sizes": most - least + 1}


def all_arrived(report):
    """Nothing lost, nothing twice, every size seen."""
    return (report["received"] == report["sent"] and report["duplicates"] == 0 and not report["stalls"] and
            report["sizes"] >= report["expected_sizes"])


def all_datagrams(a, b, to_b, to_a, mtu=1420, segments=64):
    """Every size in both directions, one by one and as super-packets, to receivers that take them joined or not."""
    for sender, receiver, address in ((a, b, to_b), (b, a, to_a)):
        for gso, gro in ((None, None), (segments, None), (segments, 1)):
            report = datagrams(sender, receiver, address, mtu=mtu, gso=gso, gro=gro)
            assert all_arrived(report), (address, gso, gro, report)


def tunnel(net, right=Ours, family="4", mtu=1420, wire=1500, **ours):
    """An interface of ours on host a and another on host b that know each other, and a session between them."""
    a = Ours(net.host("a", wire), 1, mtu=mtu, **ours).start()
    b = right(net.host("b", wire), 2, mtu=mtu, **(ours if right is Ours else {})).start()
    a.peer(b, endpoint=family)
    b.peer(a, endpoint=family)
    wait_for("the tunnel", lambda: a.reaches(b), 20)
    return a, b


def memory_peak(pid):
    """The most memory a process has had resident so far, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
