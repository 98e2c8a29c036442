# SPDX-License-Identifier: AGPL-3.0-or-later
"""`capture`: Wireshark's own program reads what went inside of a tunnel; who may look, and how it ends."""
import os
import re
import signal
import struct
import subprocess
import time

from lab import sh, wait_for
from wiretap import udp_socket


class Captured:
    """`capture` on a node, which has begun."""

    def __init__(self, node, *args):
        self.node, before = node, begun(node)
        self.process = node.host.spawn(*node.argv("capture", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for("the capture to begin", lambda: begun(node) > before or self.process.poll() is not None)

    def end(self, sig=signal.SIGINT):
        """Its status and what it printed, on both streams."""
        if sig:
            self.process.send_signal(sig)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


def begun(node):
    return node.log().count("packets are captured peer=")


def over(node):
    return node.log().count("packets are not captured any more")


def has_taken(pid, sig):
    """The signal that it was sent is not on its way any more."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        pending = re.findall(r"^S..Pnd:\s*(\S+)", f.read(), re.M)
    return len(pending) == 2 and not any(int(v, 16) >> sig - 1 & 1 for v in pending)


def packets(path):
    """What the blocks of packets in a file say: kept bytes, length."""
    with open(path, "rb") as f:
        data = f.read()
    at, found = 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            found.append(struct.unpack_from("<II", data, at + 20))
        at += length
    assert at == len(data)  # the last one is whole
    return found


def read(path, *fields):
    """What tshark says of each packet."""
    out = sh("tshark", "-n", "-r", path, "-T", "fields", *(x for f in fields for x in ("-e", f)), timeout=60).stdout
    return [line.split("\t") for line in out.splitlines()]


def test_wireshark_reads_what_went_both_ways(net):
    hub, nas, desk = net.mesh("hub", "nas", "desk")
    desk.ping("hub")
    path = os.path.join(net.dir, "x.pcapng")
    capture = Captured(hub, "nas", "-w", path)
    own, peer = hub.status()["self"], hub.peer("nas")
    hub.host.sh("ping", "-c", 3, "-i", 0.2, "-s", 1000, peer["ip4"])
    hub.host.sh("ping", "-c", 2, "-i", 0.2, peer["ip6"])
    hub.ping("desk")  # of no interest here
    assert capture.end() == (0, "", "tunnelmesh: 10 packets\n")
    assert os.stat(path).st_mode & 0o777 == 0o600
    rows = read(path, "frame.time_epoch", "frame.interface_name", "frame.packet_flags_direction", "ip.src", "ip.dst", "ipv6.src", "icmp.type",
                "icmpv6.type", "frame.len", "icmp.checksum.status")
    assert len(rows) == 10 and {r[1] for r in rows} == {"tm0"}
    four = [(r[3], r[4], r[6], str(int(r[2], 0))) for r in rows if r[3]]
    assert four == 3 * [(own["ip4"], peer["ip4"], "8", "2"), (peer["ip4"], own["ip4"], "0", "1")]
    assert [(r[5], r[7]) for r in rows if r[5]] == 2 * [(own["ip6"], "128"), (peer["ip6"], "129")]
    assert all(r[8] == "1028" for r in rows if r[3])
    assert all(abs(float(r[0]) - time.time()) < 60 for r in rows) and rows == sorted(rows, key=lambda r: float(r[0]))
    short = os.path.join(net.dir, "short.pcapng")
    capture = Captured(hub, "nas", "-w", short, "-b", 40, "-c", 2)
    hub.host.sh("ping", "-c", 1, "-s", 1000, peer["ip4"])
    assert capture.end(sig=None)[0] == 0
    assert packets(short) == [(40, 1028)] * 2
    again = hub.run("capture", "nas", "-w", short, check=False)
    assert again.returncode == 1 and f"{short} is there already" in again.stderr


def test_lines_say_what_passes_and_why_the_rest_does_not(net):
    hub, nas = net.mesh("hub", "nas")
    hub.run("filter", "add", "deny", "udp/9", "--from", "any", "--ttl", "10m")
    capture = Captured(hub, "nas")
    own, peer = hub.status()["self"]["ip4"], hub.peer("nas")["ip4"]
    with udp_socket(hub.host, address=(own, 7)) as there, udp_socket(nas.host, address=(peer, 4000)) as s:
        there.settimeout(5)
        s.sendto(b"x" * 9, (own, 9))
        s.sendto(b"x" * 100, (own, 7))
        there.recv(200)
    status, out, err = capture.end()
    assert status == 0 and "2 packets" in err
    first, second = out.splitlines()
    assert re.fullmatch(rf"  \d\d:\d\d:\d\d\.\d{{6}}  in   UDP {peer}:4000 > {own}:9, 37 bytes, dropped: denied by policy", first)
    assert re.fullmatch(rf"  \d\d:\d\d:\d\d\.\d{{6}}  in   UDP {peer}:4000 > {own}:7, 128 bytes", second)


def test_it_ends_as_it_was_told_to_and_with_either_side(net):
    hub, nas = net.mesh("hub", "nas")
    capture = Captured(hub, "nas", "--for", "1s")
    hub.ping("nas")
    status, out, err = capture.end(sig=None)
    assert status == 0 and "ICMP" in out and "2 packets" in err
    capture = Captured(hub, "nas", "-w", "-")
    capture.end(signal.SIGKILL)
    wait_for("the daemon to see that nobody looks any more", lambda: over(hub) == 2)
    many = [Captured(hub, "nas") for _ in range(4)]
    refused = hub.run("capture", "nas", check=False)
    assert refused.returncode == 1 and "as many capture already as may at one time" in refused.stderr
    hub.down()
    for capture in many:
        status, _, err = capture.end(sig=None)
        assert status == 0 and "0 packets" in err
    hub.up()
    for name, said in (("nobody", 'there is no node "nobody" in this mesh'), ("hub", "that is this machine itself")):
        refused = hub.run("capture", name, check=False)
        assert refused.returncode == 1 and said in refused.stderr


def test_only_root_may_look_and_what_nobody_reads_is_counted(net):
    hub = net.node("hub").configure(socket_group="daemon")
    hub.init()
    nas = net.node("nas")
    nas.join(hub.token())
    group = ("setpriv", "--reuid=65534", "--regid=1", "--clear-groups")
    refused = hub.host.sh(*group, *hub.argv("capture", "nas"), check=False)
    assert refused.returncode == 1 and "only root may look into a tunnel" in refused.stderr
    path = os.path.join(net.dir, "x.pcapng")
    capture = Captured(hub, "nas", "-w", path)
    unread = hub.host.spawn(*hub.argv("capture", "nas", "-w", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for("the second to begin", lambda: begun(hub) == 2)
    os.kill(capture.process.pid, signal.SIGSTOP)
    hub.host.sh("ping", "-q", "-f", "-c", 4000, "-s", 1300, hub.peer("nas")["ip4"])
    os.kill(capture.process.pid, signal.SIGCONT)
    hub.ping("nas")
    status, _, err = capture.end()
    lost = int(re.search(r"(\d+) more came faster than they were taken", err).group(1))
    assert status == 0 and lost > 0
    with open(path, "rb") as f:
        data = f.read()
    assert data.endswith(b"\x05\0\x08\0" + lost.to_bytes(8, "little") + bytes(4) + data[-4:])
    assert len(packets(path)) + lost > 7000  # each echo has its answer, but for a few
    unread.send_signal(signal.SIGINT)  # while it waits for somebody to read
    wait_for("it to know", lambda: has_taken(unread.pid, signal.SIGINT))
    out, err = unread.communicate(timeout=20)
    assert unread.returncode == 0 and b"more came faster than they were taken" in err
    with open(path, "wb") as f:
        f.write(out)
    assert len(packets(path)) > 1000
