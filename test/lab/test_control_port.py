# SPDX-License-Identifier: AGPL-3.0-or-later
"""What strangers get out of the control port, and what they can cost there."""
import os
import re
import socket
import struct
import subprocess
import time

import pytest

from lab import descriptors, kept, resident, wait_for
from wiretap import inside, tcp_socket

API_PORT = 8443
UPGRADE = (b"GET /control HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")


def frame(payload, opcode=2):
    """A masked WebSocket frame as a client sends it."""
    head = bytes([0x80 | opcode])
    head += bytes([0x80 | len(payload)]) if len(payload) < 126 else struct.pack("!BH", 0x80 | 126, len(payload))
    return head + b"\0\0\0\0" + payload


def talk(stranger, hub, data):
    """Everything that comes back until the other side closes."""
    with tcp_socket(stranger, (hub.host.ip4, API_PORT), timeout=15) as s:
        got = b""
        try:
            s.sendall(data)
            while True:
                more = s.recv(65536)
                if not more:
                    return got
                got += more
        except ConnectionResetError:
            return got


@pytest.fixture
def office(net):
    hub, alice = net.mesh("hub", "alice")
    return net, hub, alice, net.host("stranger")


TALK = {
    "nothing that is HTTP": (os.urandom(400) + b"\xff\r\n\r\n", b""),
    "a TLS greeting": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(508), b"\x15\x03"),  # no more than an alert
    "the front page": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 "),
    "another page": (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404 "),
    "another method": (b"POST /control HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", b"HTTP/1.1 4"),
    "no upgrade": (b"GET /control HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 4"),
    "another WebSocket version": (UPGRADE.replace(b"Version: 13", b"Version: 8"), b"HTTP/1.1 4"),
    "another HTTP": (b"GET /control HTTP/3.0\r\nHost: x\r\n\r\n", b"HTTP/1.1 505 "),
    "a head without end": (b"GET /control HTTP/1.1\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 400, b"HTTP/1.1 431 "),
    "garbage for Noise": (UPGRADE + frame(os.urandom(120)), b"HTTP/1.1 101 "),
    "too short for Noise": (UPGRADE + frame(b""), b"HTTP/1.1 101 "),
    "an unmasked frame": (UPGRADE + b"\x82\x10" + os.urandom(16), b"HTTP/1.1 101 "),
    "text": (UPGRADE + frame(b"hello", opcode=1), b"HTTP/1.1 101 "),
    "an enormous frame": (UPGRADE + b"\x82\xff" + b"\x7f" + b"\xff" * 7 + os.urandom(64), b"HTTP/1.1 101 "),
}


def test_the_control_port_tells_strangers_no_more_than_an_http_error_and_hangs_up(office):
    _, hub, alice, stranger = office
    pid = hub.pid()
    for what, (data, begin) in TALK.items():
        got = talk(stranger, hub, data)
        assert (what, got[:len(begin)]) == (what, begin) and (begin or not got), (what, got)
        if b" 101 " in begin:
            close = got.split(b"\r\n\r\n", 1)[1]
            assert (what, close[:1]) == (what, b"\x88") and len(close) <= 127, what
        else:
            assert len(got) < 512
    assert hub.pid() == pid and alice.status()["link"]["up"]
    alice.ping("hub")


def test_half_open_connections_are_bounded_and_members_come_and_go_meanwhile(office):
    net, hub, alice, stranger = office
    pid, before = hub.pid(), descriptors(hub.pid())
    sources = [f"198.18.3.{n}" for n in range(10, 50)]
    held = []
    try:
        for n in sources:
            stranger.sh("ip", "addr", "add", n + "/24", "dev", "eth0")
            for _ in range(16):
                with inside(stranger):
                    held.append(socket.create_connection((hub.host.ip4, API_PORT), timeout=5, source_address=(n, 0)))
        most = descriptors(pid)
        bob = net.node("bob")
        bob.join(hub.token())
        alice.ping("bob")
        assert alice.status()["link"]["up"]
        # 5 s for a request that never comes. What stays is bob's link, the map's database that his coming opened, and the
        # streams to the relay that stand by while the two talk.
        wait_for("the silent ones to be cut off", lambda: descriptors(pid) <= before + 6)
    finally:
        for s in held:
            s.close()
    print(f"{len(held)} half-open connections from {len(sources)} addresses: at most {most - before} descriptors more")


def test_a_slow_speaker_is_cut_off(office):
    _, hub, alice, stranger = office
    with tcp_socket(stranger, (hub.host.ip4, API_PORT), timeout=0.4) as s:
        started = time.monotonic()
        for byte in UPGRADE:
            try:
                s.sendall(bytes([byte]))
                if s.recv(100) == b"":
                    break
            except socket.timeout:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail("it was listened to until its last byte")
    print(f"a slow speaker was cut off after {time.monotonic() - started:.1f} s")
    assert alice.status()["link"]["up"]


def test_who_renews_tls_keys_instead_of_asking_for_something_is_hung_up_on(office):
    """By a program that is not ours: OpenSSL's s_client does it for a line that begins with K."""
    _, hub, alice, stranger = office
    with stranger.spawn("openssl", "s_client", "-tls1_3", "-connect", f"{hub.host.ip4}:{API_PORT}", bufsize=0,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        said = 0
        try:
            while said < 300:
                client.stdin.write(b"K\n")
                while b"KEYUPDATE" not in (line := client.stdout.readline()) and line:
                    pass
                if not line:
                    break
                said += 1
        except BrokenPipeError:
            pass
        client.kill()
    assert 0 < said < 300, f"{said} keys, and it was listened to"
    print(f"hung up on after {said} keys")
    assert alice.status()["link"]["up"]
    alice.ping("hub")


@pytest.mark.plain("keeps freed memory in quarantine")
def test_thousands_of_bad_connections_cost_no_memory(office):
    _, hub, alice, stranger = office
    pid = hub.pid()
    bad = [TALK[k][0] for k in ("nothing that is HTTP", "another page", "garbage for Noise", "an enormous frame")]

    def round_of(n):
        for i in range(n):
            talk(stranger, hub, bad[i % len(bad)])
        wait_for("all to be closed", lambda: descriptors(pid) <= start)

    wait_for("the hub to keep its map, which is a file that stays open", lambda: kept(hub, "SELECT * FROM state"))
    start = descriptors(pid)
    round_of(400)
    warm = resident(pid)
    round_of(2000)
    print(f"RSS {warm} kB after 400 bad connections, {resident(pid)} kB after 2400")
    assert resident(pid) - warm < 512
    assert alice.status()["link"]["up"]
