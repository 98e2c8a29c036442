# SPDX-License-Identifier: AGPL-3.0-or-later
"""`tunnelmesh bench` between real daemons: what it measures, whom it serves, and how it ends when something is wrong.

No figure is compared with a time or a rate: machines differ. What is checked is that bytes moved, and who said what.
"""
import json
import os
import pty
import re
import signal
import struct
import subprocess

import pytest

from lab import wait_for
from wiretap import tcp_socket, udp_socket

PORT = 5209
MOVING = 16 << 20  # bytes that one way must be ahead of the other for a transfer to be under way
OPEN, DOWNLOAD, UPLOAD, RESULT = 1, 2, 3, 4
OK, BUSY, OTHER_VERSION, NO_SESSION, REFUSED = 0, 1, 2, 3, 4


def endpoints_of(node):
    """One of them may be left for a better one at any time."""
    return f"{node.host.ip4}:51820", f"[{node.host.ip6}]:51820"


def configured(net, name, text):
    path = os.path.join(net.dir, f"{name}.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    return net.node(name, config=path)


def assert_one_sentence(r, says):
    assert r.returncode == 1, r
    assert re.fullmatch(r"tunnelmesh: [^\n]+\n", r.stderr) and re.search(says, r.stderr), r.stderr


def assert_latency(latency, lossless=False):
    assert 0 < latency["rtt_min_ms"] <= latency["rtt_p50_ms"] <= latency["rtt_p99_ms"] <= latency["rtt_max_ms"]
    assert latency["rtt_min_ms"] <= latency["rtt_avg_ms"] <= latency["rtt_max_ms"]
    assert latency["jitter_ms"] >= 0 and 0 < latency["received"] <= latency["sent"]
    if lossless:
        assert latency["received"] == latency["sent"] and latency["loss_percent"] == 0


def assert_whole(result):
    assert result["ok"]
    assert_latency(result["idle"], lossless=True)
    for direction in ("download", "upload"):
        transfer = result[direction]
        assert transfer["complete"] and transfer["bits_per_second"] > 0 and transfer["received_bytes"] > 1 << 20
        assert transfer["duration_s"] > 0 and transfer["retransmitted_segments"] >= 0
        assert_latency(transfer["latency"])


def threads(node):
    pid = node.pid()
    names = [open(f"/proc/{pid}/task/{t}/comm", encoding="ascii").read().strip() for t in os.listdir(f"/proc/{pid}/task")]
    return names.count("tm-bench")


def sockets_of(node):
    """Connections of the responder's port that are not just fading away."""
    out = node.host.sh("ss", "-Htan", f"( sport = :{PORT} )").stdout
    return [l for l in out.splitlines() if l.split()[0] not in ("LISTEN", "TIME-WAIT", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSING",
                                                               "LAST-ACK")]


class Bench:
    """The command under way: `moving` waits until it is in the middle of a transfer."""

    def __init__(self, node, to, *args):
        self.node, self.to = node, to
        self.p = node.host.spawn(*node.argv("bench", to, *args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)

    def moving(self, kind="rx_bytes", other="tx_bytes"):
        """Data one way outgrows the acknowledgements of the other, however many those are: as long as a transfer goes
        the other way, the lead falls."""
        leads = []

        def ahead():
            peer = self.node.peer(self.to)
            leads.append(peer[kind] - peer[other])
            return leads[-1] > min(leads) + MOVING

        wait_for("the transfer", ahead, 30)
        return self

    def end(self, timeout=60):
        out, err = self.p.communicate(timeout=timeout)
        return subprocess.CompletedProcess(self.p.args, self.p.returncode, out, err)


# --- what it measures ---

@pytest.mark.parametrize("args", [[], ["--ipv6"], ["--parallel", 4]], ids=["one-stream", "ipv6", "four-streams"])
def test_it_measures_both_directions_and_loses_nothing(net, args):
    hub, nas = net.mesh("hub", "nas")
    result = nas.json("bench", "hub", "--time", 1, *args)
    assert_whole(result)
    peer = nas.peer("hub")
    assert result["name"] == "hub" and result["id"] == peer["id"]
    assert result["ip"] == peer["ip6" if "--ipv6" in args else "ip4"]
    assert result["path"] == "direct" and result["endpoint"] in endpoints_of(hub)
    assert result["streams"] == (4 if "--parallel" in args else 1) and result["time_s"] == 1 and result["port"] == PORT
    moved = sum(result[d]["received_bytes"] for d in ("download", "upload"))
    assert hub.peer("nas")["tx_bytes"] + hub.peer("nas")["rx_bytes"] > moved, "not through the tunnel"
    wait_for("the session to end", lambda: not sockets_of(hub))


def test_a_person_sees_the_path_and_a_row_for_each_phase(net):
    hub, nas = net.mesh("hub", "nas")
    r = nas.run("bench", "hub.mesh", "-t", 1)
    head, columns, *rows = r.stdout.splitlines()
    assert "bench hub (" in head and "1 s each way, 1 stream" in head
    assert any(f"direct {e}" in head for e in endpoints_of(hub))
    assert columns.split("  ")[1] == "PHASE" and "THROUGHPUT" in columns and "LOSS" in columns
    assert [row.split()[0] for row in rows] == ["idle", "download", "upload"]
    assert all("bit/s" in row for row in rows[1:]) and "bit/s" not in rows[0]
    assert all(row.index("ms") and len(row.rstrip()) <= len(max(rows, key=len)) for row in rows)
    assert r.stderr == "", "progress belongs on a terminal"


def test_progress_is_told_on_a_terminal_only(net):
    hub, nas = net.mesh("hub", "nas")
    main, end = pty.openpty()
    r = nas.host.spawn(*nas.argv("bench", "hub", "-t", 1), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=end)
    os.close(end)
    seen = b""
    while True:
        try:
            seen += os.read(main, 4096)
        except OSError:  # the other end is closed
            break
    out, _ = r.communicate(timeout=30)
    os.close(main)
    assert r.returncode == 0 and b"upload" in out
    for phase in (b"latency", b"download", b"upload"):
        assert re.search(phase + rb" \d+\.\d of 1 s", seen), seen
    assert seen.endswith(b"\r\x1b[K"), "the line stays behind"


def test_both_ends_can_measure_one_after_the_other_and_nothing_is_left(net):
    hub, nas = net.mesh("hub", "nas")
    assert threads(hub) == 0, "a thread although nobody ever came"
    for _ in range(3):
        assert_whole(nas.json("bench", "hub", "-t", 1))
    assert_whole(hub.json("bench", "nas", "-t", 1))
    assert threads(hub) == threads(nas) == 1
    for node in (hub, nas):
        wait_for("the session to end", lambda n=node: not sockets_of(n))


# --- whom it serves ---

def test_a_second_one_is_told_that_the_node_is_busy_and_is_served_afterwards(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    laptop.ping("hub")
    first = Bench(nas, "hub", "--time", 4, "--json").moving()
    assert_one_sentence(laptop.run("bench", "hub", "-t", 1, check=False), "hub is busy .*try again in a minute")
    refused = laptop.run("bench", "hub", "-t", 1, "--json", check=False)
    assert json.loads(refused.stdout) == {"schema": 1, "ok": False, "code": "busy",
                                          "error": "hub is busy with somebody else's bench",
                                          "hint": "it serves one at a time: try again in a minute"}
    assert_whole(json.loads(first.end().stdout))
    assert_whole(wait_for("its turn", lambda: (r := laptop.run("bench", "hub", "-t", 1, "--json", check=False)).returncode == 0
                          and json.loads(r.stdout)))


def request(kind, session=bytes(16), duration=0, version=1):
    return struct.pack(">3sBB3x16sI4x", b"TMB", version, kind, session, duration)


def talk(node, address):
    """A connection and a UDP socket from inside a node's namespace."""
    tcp, udp = tcp_socket(node.host, (address, PORT), timeout=10), udp_socket(node.host)
    udp.settimeout(10)
    udp.connect((address, PORT))
    return tcp, udp


def ask(s, message):
    s.sendall(message)
    data = b""
    while len(data) < 48:
        part = s.recv(48 - len(data))
        if not part:
            return None
        data += part
    magic, version, code, session, moved, elapsed, resent = struct.unpack(">3sBB3x16sQQI4x", data)
    assert (magic, version) == (b"TMB", 1)
    return code, session


def hung_up(s):
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True


def echo(session, kind=1, seq=7):
    return struct.pack(">3sBB3x16sI36x", b"TMB", 1, kind, session, seq)


def test_only_the_holder_of_the_session_gets_echoes_and_streams(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    address = hub.status()["self"]["ip4"]
    holder, udp = talk(nas, address)
    code, session = ask(holder, request(OPEN))
    assert code == OK and session != bytes(16)

    other, other_udp = talk(laptop, address)
    assert ask(other, request(DOWNLOAD, session, 1000))[0] == NO_SESSION and hung_up(other)
    for tcp in [talk(nas, address)[0] for _ in range(2)]:
        assert ask(tcp, request(UPLOAD, bytes(16), 1000))[0] == NO_SESSION and hung_up(tcp)
    # Another's datagram, a wrong id, an answer, a cut one and one that is too long: silence. Then the right one.
    other_udp.send(echo(session))
    for silent in (echo(bytes(16)), echo(session, kind=2), echo(session)[:-1], echo(session) + b"x"):
        udp.send(silent)
    udp.send(echo(session, seq=99))
    assert udp.recv(2048) == echo(session, kind=2, seq=99)
    other_udp.settimeout(0.5)
    with pytest.raises(TimeoutError):
        other_udp.recv(2048)
    holder.close()
    wait_for("the session to end", lambda: ask(talk(laptop, address)[0], request(OPEN))[0] == OK)


def test_what_makes_no_sense_is_refused_and_leaves_the_node_as_it_was(net):
    hub, nas = net.mesh("hub", "nas")
    for message, code in ((request(OPEN, version=9), OTHER_VERSION), (request(RESULT), REFUSED), (request(77), REFUSED),
                          (request(OPEN, duration=5), REFUSED), (request(DOWNLOAD, duration=0), REFUSED),
                          (request(UPLOAD, duration=60001), REFUSED),
                          (b"GET / HTTP/1.1\r\nHost: hub.mesh\r\n\r\n", REFUSED)):
        tcp, _ = talk(nas, hub.status()["self"]["ip4"])
        assert ask(tcp, message[:32])[0] == code, message
        assert hung_up(tcp)
    assert_whole(nas.json("bench", "hub", "-t", 1))


def test_nobody_is_answered_outside_the_tunnel(net):
    hub, nas = net.mesh("hub", "nas")
    address = hub.status()["self"]["ip4"]
    # To the mesh address, but by the ordinary interface: an address of eth0 with a route to the hub.
    net.router.sh("ip", "route", "add", f"{address}/32", "via", hub.host.ip4)
    stranger = net.host("stranger")
    # What comes so ends ahead of all sockets, without a word.
    assert stranger.sh("timeout", 2, "bash", "-c", f"exec 3<>/dev/tcp/{address}/{PORT}", check=False).returncode == 124
    assert hub.host.sh("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}", check=False).returncode == 1
    assert threads(hub) == 0
    # Nor by UDP, which is open while a session lasts, and not even with the session's id.
    holder, udp = talk(nas, address)
    code, session = ask(holder, request(OPEN))
    assert code == OK
    outside = udp_socket(stranger)
    outside.settimeout(1)
    outside.connect((address, PORT))
    outside.send(echo(session))
    with pytest.raises(TimeoutError):
        outside.recv(2048)
    udp.send(echo(session))
    assert udp.recv(2048) == echo(session, kind=2)


# --- when something is wrong ---

def test_a_name_that_is_not_there_or_is_oneself_is_one_sentence(net):
    hub, nas = net.mesh("hub", "nas")
    assert_one_sentence(nas.run("bench", "hubb", check=False), r'no node "hubb" in this mesh \(did you mean "hub"\?\)')
    assert_one_sentence(nas.run("bench", "printer", check=False), r'no node "printer" in this mesh \(see `tunnelmesh peers`\)')
    assert_one_sentence(nas.run("bench", "nas", check=False), "nas is this machine itself")
    for wrong in (["--time", 0], ["--time", 61], ["--parallel", 17], ["-4", "-6"]):
        assert nas.run("bench", "hub", *wrong, check=False).returncode == 2


def test_a_stock_client_cannot_be_measured_and_is_said_to_be_one(net):
    hub, nas = net.mesh("hub", "nas")
    hub.run("client", "add", "phone")
    wait_for("the record", lambda: nas.peer("phone"))
    assert_one_sentence(nas.run("bench", "phone", check=False), "phone is a device with a stock WireGuard client")


def test_a_responder_that_is_off_or_elsewhere_refuses_and_can_be_named(net):
    hub = configured(net, "hub", "bench_port: 0\n")
    hub.init()
    nas = configured(net, "nas", "bench_port: 6000\n")
    nas.join(hub.token())
    nas.ping("hub")
    assert_one_sentence(nas.run("bench", "hub", "--port", PORT, check=False), f"hub answers no bench on port {PORT} .*bench_port")
    assert_one_sentence(hub.run("bench", "nas", check=False), f"nas answers no bench on port {PORT}")
    assert_whole(hub.json("bench", "nas", "--port", 6000, "-t", 1))


def test_a_port_that_is_taken_costs_the_bench_and_not_the_node(net):
    hub, nas = net.mesh("hub", "nas")
    nas.down()
    holder = nas.host.spawn("iperf3", "-s", "-p", str(PORT), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the port", lambda: f":{PORT}" in nas.host.sh("ss", "-tln").stdout)
    nas.up()
    assert re.search(rf"other members cannot run a bench .*{PORT} cannot be opened: Address already in use", nas.log())
    wait_for("the tunnel", lambda: nas.ping("hub", check=False).returncode == 0)
    assert_whole(nas.json("bench", "hub", "-t", 1))
    holder.terminate()


def test_a_node_that_is_offline_is_said_to_be(net):
    hub, nas = net.mesh("hub", "nas")
    nas.down()
    wait_for("the hub to notice", lambda: not hub.peer("nas")["online"])
    assert_one_sentence(hub.run("bench", "nas", check=False), "nas does not answer, it is offline")


@pytest.mark.parametrize("at", ["download", "upload"])
def test_ctrl_c_prints_what_there_is(net, at):
    hub, nas = net.mesh("hub", "nas")
    # The upload comes second: a bench that is moving that way is through with the other.
    ways = ("rx_bytes", "tx_bytes") if at == "download" else ("tx_bytes", "rx_bytes")
    bench = Bench(nas, "hub", "--time", 3, "--json").moving(*ways)
    bench.p.send_signal(signal.SIGINT)
    r = bench.end(timeout=20)
    assert_one_sentence(r, "interrupted before the end")
    result = json.loads(r.stdout)
    assert not result["ok"] and result["error"] == "interrupted before the end"
    assert_latency(result["idle"])
    assert not result[at]["complete"] and result[at]["received_bytes"] > 0 and result[at]["bits_per_second"] > 0
    assert result["upload"] is None if at == "download" else result["download"]["complete"]
    wait_for("the responder to be free again", lambda: nas.run("bench", "hub", "-t", 1, check=False).returncode == 0, 30)


def test_ctrl_c_leaves_a_table_of_what_there_is(net):
    hub, nas = net.mesh("hub", "nas")
    bench = Bench(nas, "hub", "--time", 30).moving()
    bench.p.send_signal(signal.SIGINT)
    r = bench.end(timeout=20)
    assert_one_sentence(r, "interrupted before the end")
    assert [row.split()[0] for row in r.stdout.splitlines()[2:]] == ["idle", "download"]
    assert "download (cut short)" in r.stdout


@pytest.mark.parametrize("how", ["down", "kill9"])
def test_a_node_that_stops_in_the_middle_is_a_sentence_and_not_a_hang(net, how):
    hub, nas = net.mesh("hub", "nas")
    bench = Bench(nas, "hub", "--time", 60, "--json").moving()
    getattr(hub, how)()
    r = bench.end(timeout=60)
    assert_one_sentence(r, "hub (ended the bench before it was through|stopped answering in the middle of the bench)")
    result = json.loads(r.stdout)
    assert not result["ok"] and result["download"]["received_bytes"] > 0 and result["upload"] is None


def test_a_shutdown_in_the_middle_leaves_neither_process_nor_socket_nor_interface(net):
    hub, nas = net.mesh("hub", "nas")
    bench = Bench(nas, "hub", "--time", 60, "--parallel", 8).moving()
    assert threads(hub) == 1
    hub.down()
    wait_for("the daemon to be gone", lambda: hub.host.pids() == [])
    assert "tm0" not in hub.host.sh("ip", "link").stdout
    assert sockets_of(hub) == []
    bench.end()
    hub.up()
    wait_for("a bench after the restart", lambda: nas.run("bench", "hub", "-t", 1, check=False).returncode == 0, 60)


def test_a_client_that_vanishes_without_a_word_does_not_keep_the_node_busy(net):
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    bench = Bench(nas, "hub", "--time", 60).moving()
    nas.host.sh("ip", "link", "set", "eth0", "down")
    wait_for("its turn", lambda: laptop.run("bench", "hub", "-t", 1, check=False).returncode == 0, 60, 0.5)
    assert_one_sentence(bench.end(), "hub stopped answering in the middle of the bench")
