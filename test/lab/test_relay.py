# SPDX-License-Identifier: AGPL-3.0-or-later
"""Two nodes that UDP does not pass between reach each other through the coordinator, or through a node that the
administrator lets relay; who relays sees and keeps nothing of what they say."""
import os
import re
import secrets
import signal

import pytest

import wires
import wiretap
from lab import wait_for
from test_ways_out import environment, only_to
from world import says


def cut(net, a, b):
    """Neither hears the other by UDP; both hear everybody else."""
    pairs = [(a.host, b.host), (b.host, a.host)]
    wires.rules(net.router, "cut", "\n".join(
        f"ip saddr {x.ip4} ip daddr {y.ip4} meta l4proto udp drop\nip6 saddr {x.ip6} ip6 daddr {y.ip6} meta l4proto udp drop" for x, y in pairs))


def by_udp(net):
    hub, a, b = net.mesh("hub", "a", "b")
    cut(net, a, b)
    return hub, a, b


@pytest.fixture(name="apart")
def apart_(net):
    return by_udp(net)


def relayed(hub):
    return hub.status()["relay"]


def test_the_first_ping_is_answered_through_the_relay_and_the_relay_says_so(apart):
    hub, a, b = apart
    wait_for("both to register", lambda: relayed(hub)["members"] == 2)
    assert a.ping("b").returncode == 0
    assert relayed(hub)["packets"] > 2 and relayed(hub)["bytes"] > 300
    assert "relays for 2 members" in hub.run("status").stdout
    assert a.status()["relay"] is None
    assert b.ping("a").returncode == 0


def test_ping_shows_a_better_path_as_soon_as_it_is_used(net, apart):
    hub, a, b = apart
    wait_for("both to register", lambda: relayed(hub)["members"] == 2)
    out = os.path.join(net.dir, "ping")
    with open(out, "wb") as f:
        ping = a.host.spawn(*a.argv("ping", "b", "-c", 0, "-i", 0.2), stdout=f)

    def shown():
        with open(out, encoding="utf-8") as f:
            return f.read().splitlines()
    wait_for("replies", lambda: len(shown()) > 3)
    assert all(re.fullmatch(r"  reply \d+: \S+ ms, relay via hub", line) for line in shown()[1:]), shown()
    wires.no_rules(net.router, "cut")
    told = wait_for("the better path", lambda: [n for n, line in enumerate(shown()) if "the path is" in line], 20)[0]
    wait_for("a reply by it", lambda: len(shown()) > told + 1)
    ping.send_signal(signal.SIGINT)
    ping.wait(timeout=10)
    direct = re.fullmatch(r"  the path is (direct \S+) now", shown()[told])
    assert direct and shown()[told + 1].endswith(f" ms, {direct[1]}"), shown()
    assert shown()[-1].startswith("  ") and ", 0 % lost" in shown()[-1], shown()


def test_a_relay_that_is_killed_relays_again_when_it_is_back(apart):
    hub, a, b = apart
    wait_for("both to register", lambda: relayed(hub)["members"] == 2)
    a.ping("b")
    hub.kill9()
    hub.up()
    wait_for("a to reach b again", lambda: a.ping("b", check=False).returncode == 0, 40)
    assert relayed(hub)["members"] == 2


def test_a_member_that_is_removed_is_relayed_for_no_longer(apart):
    hub, a, b = apart
    wait_for("both to register", lambda: relayed(hub)["members"] == 2)
    a.ping("b")
    hub.run("node", "remove", "b")
    wait_for("its leg to go", lambda: relayed(hub)["members"] == 1)


def test_a_node_relays_when_it_offers_and_the_administrator_says_so(net):
    hub = net.node("hub").configure(relay="use")
    hub.init()
    a, b, mid = (net.node(n) for n in ("a", "b", "mid"))
    mid.configure(relay="offer")
    for node in (a, b, mid):
        node.join(hub.token())
    cut(net, a, b)
    assert hub.status()["relay"] is None
    assert a.ping("b", check=False).returncode == 1
    assert relayed(mid)["allowed"] is False and "--add relay" in mid.run("status").stdout
    hub.run("node", "tag", "mid", "--add", "relay")
    wait_for("a to reach b through it", lambda: a.ping("b", check=False).returncode == 0, 40)
    assert relayed(mid)["members"] >= 2 and relayed(mid)["packets"] > 0
    hub.run("node", "tag", "mid", "--remove", "relay")
    wait_for("it to relay no more", lambda: relayed(mid) == {"allowed": False, "members": 0} | {
        k: relayed(mid)[k] for k in ("packets", "bytes")})


def memory(pid):
    """What the process holds in memory that it can write to, piece by piece."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            low, high = (int(x, 16) for x in re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line).groups()) \
                if re.match(r"[0-9a-f]+-[0-9a-f]+ rw", line) else (0, 0)
            try:
                mem.seek(low)
                yield mem.read(high - low)
            except (OSError, ValueError):
                continue  # the kernel's own


def by_tls(net):
    """No UDP, and of TCP only what begins like TLS: the relay ends it for both."""
    hub, a, b = net.node("hub").configure(listen="[443]"), net.node("a"), net.node("b")
    hub.init()
    for node in (a, b):
        only_to(node.host, (hub.host.ip4, 443))
    wires.rules(net.router, "box", 'tcp dport 443 @ih,0,24 0x474554 reject with tcp reset')
    for node in (a, b):
        node.join(hub.token(), env=environment())
        assert node.status()["link"]["tls"]
    return hub, a, b


@pytest.mark.parametrize("reached, what, path", [(by_udp, "udp port 51820", "relay"), (by_tls, "tcp port 443", "tcp")], ids=["udp", "tls"])
def test_of_what_it_relays_a_relay_sees_and_keeps_nothing(net, reached, what, path):
    hub, a, b = reached(net)
    wait_for("both to register", lambda: relayed(hub)["members"] == 2, 20)
    wait_for("a to reach b", lambda: a.ping("b", check=False).returncode == 0)
    for node, other in ((a, b), (b, a)):
        assert says(node, other.name) == path
    markers = [secrets.token_bytes(24) for _ in range(32)]
    capture = os.path.join(hub.lab.dir, "relay.pcap")
    tap = hub.host.spawn("tcpdump", "-i", "eth0", "--immediate-mode", "-U", "-w", capture, *what.split())
    wait_for("the capture", lambda: os.path.exists(capture) and os.path.getsize(capture) >= 24)
    before = relayed(hub)["packets"]
    with wiretap.udp_socket(b.host, address=("0.0.0.0", 7000)) as sink, wiretap.udp_socket(a.host) as source:
        sink.settimeout(10)
        for marker in markers:
            source.sendto(marker, (b.status()["self"]["ip4"], 7000))
            assert sink.recv(100) == marker
    assert relayed(hub)["packets"] >= before + len(markers)
    pieces = list(memory(hub.pid()))
    wait_for("the capture to be whole", lambda: os.path.getsize(capture) > 2 * len(markers) * 60)
    tap.terminate()
    tap.wait(timeout=10)
    with open(capture, "rb") as f:
        seen = f.read()
    assert len(seen) > 2 * len(markers) * 60  # both legs of each
    assert sum(map(len, pieces)) > 1 << 20
    for marker in markers:
        assert marker not in seen
        assert not any(marker in piece for piece in pieces)
    # The same look finds what is there: the relay's own name.
    assert any(b"hub" in piece for piece in pieces)
