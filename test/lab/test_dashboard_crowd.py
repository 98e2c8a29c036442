# SPDX-License-Identifier: AGPL-3.0-or-later
"""The dashboard while a member holds connections, says little, and says nonsense: others see it as before."""
import contextlib
import random
import resource
import select
import socket
import time

import pytest

from lab import descriptors, resident, wait_for
from test_dashboard import Browser, own
from wiretap import inside

MANY = 10_000
EACH = 32  # connections that one member may have
SLACK = 16  # whatever else the daemon opens meanwhile
SEED = 20261130

HEAD = b"GET /nodes HTTP/1.1\r\nHost: this.mesh\r\n"
# What is read and refused, or not HTTP at all.
NONSENSE = (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: this.mesh\r\nHost: this.mesh\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: this.mesh\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 500 * b"\0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 70_000 * b"A",
            HEAD + b"X: " + 70_000 * b"y" + b"\r\n\r\n", HEAD + b"Content-Length: -1\r\n\r\n",
            b"POST /nodes HTTP/1.1\r\nHost: this.mesh\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"POST /nodes HTTP/1.1\r\nHost: this.mesh\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
            b"POST /policy HTTP/1.1\r\nHost: this.mesh\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: this.mesh\r\n\r\n", b"GET http://evil.example/ HTTP/1.1\r\nHost: this.mesh\r\n\r\n")


@pytest.fixture
def crowd(net):
    """A hub, one who bothers it, and one who looks on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MANY + 1000), hard))
    hub, bother, looker = net.mesh("hub", "bother", "looker")
    wait_for("the dashboard", lambda: Browser(looker, hub).status("/") == 200)
    yield hub, bother, looker
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def dial(stack, node, at, n):
    """So many connections, begun at once; those that came about."""
    poll, left = select.poll(), {}
    with inside(node.host):
        for _ in range(n):
            s = stack.enter_context(contextlib.closing(socket.socket()))
            s.setblocking(False)
            s.connect_ex((at, 80))
            left[s.fileno()] = s
            poll.register(s, select.POLLOUT)
    ready, end = [], time.monotonic() + 60
    while left and time.monotonic() < end:
        for fd, _ in poll.poll(1000):
            poll.unregister(fd)
            ready.append(left.pop(fd))
    return ready


def looks(looker, hub):
    """The longest of some looks, each of which must be answered, in seconds."""
    took = []
    for path in ("/", "/nodes", "/map", "/events") * 3:
        begun = time.monotonic()
        assert Browser(looker, hub).status(path) == 200, path
        took.append(time.monotonic() - begun)
    return max(took)


def hangs_on(s):
    """One byte more is said; False: the other side has hung up."""
    try:
        s.send(b"X")
        return s.recv(4096) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


def read_all(s):
    """Until the other side hangs up, however it does that."""
    s.settimeout(30)
    said = b""
    with contextlib.suppress(ConnectionError):
        while more := s.recv(1 << 16):
            said += more
    return said


@pytest.mark.slow
def test_ten_thousand_connections_of_one_member_keep_nobody_else_out(crowd):
    hub, bother, looker = crowd
    calm, before, had = looks(looker, hub), descriptors(hub.pid()), resident(hub.pid())
    with contextlib.ExitStack() as stack:
        idle = dial(stack, bother, own(hub)["ip4"], MANY)
        assert len(idle) > MANY // 2
        beside, most, holds = looks(looker, hub), descriptors(hub.pid()), resident(hub.pid())
    print(f"\n{len(idle)} connections: the slowest of twelve pages after {1000 * beside:.0f} ms, {1000 * calm:.0f} without; "
          f"{most - before} descriptors and {holds - had} KiB more")
    assert most - before <= EACH + SLACK and holds - had < 8192
    wait_for("them to be given back", lambda: descriptors(hub.pid()) <= before + SLACK, 30)


def test_who_says_his_head_by_the_byte_holds_no_more_than_his_share_and_is_hung_up_on(crowd):
    hub, bother, looker = crowd
    before = descriptors(hub.pid())
    with contextlib.ExitStack() as stack:
        slow = dial(stack, bother, own(hub)["ip4"], 4 * EACH)

        def are_all_gone():
            assert Browser(looker, hub).status("/nodes") == 200
            assert descriptors(hub.pid()) - before <= EACH + SLACK
            slow[:] = filter(hangs_on, slow)
            return not slow
        wait_for("those who never ask to be hung up on", are_all_gone, 60, 0.5)
    wait_for("them to be given back", lambda: descriptors(hub.pid()) <= before + SLACK, 30)


def test_nonsense_is_refused_and_hurts_nobody(crowd):
    hub, bother, looker = crowd
    chance, pid, at = random.Random(SEED), hub.pid(), own(hub)["ip4"]
    seeds = [*NONSENSE, HEAD + b"\r\n", b"POST /nodes/x/rename HTTP/1.1\r\nHost: this.mesh\r\nContent-Length: 8\r\n\r\nname=abc"]
    for i in range(400):
        said = bytearray(seeds[i % len(seeds)])
        for _ in range(chance.randrange(0, 4) if i >= len(seeds) else 0):
            said[chance.randrange(len(said))] = chance.randrange(256)
        with inside(bother.host):
            s = socket.create_connection((at, 80), 10)
        with contextlib.closing(s):
            with contextlib.suppress(ConnectionError):
                s.sendall(said)
                s.shutdown(socket.SHUT_WR)
            answer = read_all(s)
        if i < len(NONSENSE):
            assert not answer.startswith(b"HTTP/1.1 2"), (said[:60], answer[:60])
    looks(looker, hub)
    assert hub.pid() == pid
