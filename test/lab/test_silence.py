# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nobody is answered who does not belong here, and every datagram that is dropped is counted by name."""
import base64
import os
import random
import re
import socket
import struct
import subprocess
import time

import pytest

from lab import sh, wait_for
from wiretap import DATA_PORT, STUN_MAGIC, Capture, Forger, drops, mac1, udp_socket

pytestmark = pytest.mark.alone("asks as fast as a limit allows, and floods")

STUN_RATE = 4000  # in a second, from one address (src/data/plane/askers.h)
INITIATION, RESPONSE, COOKIE_REPLY, DATA = 1, 2, 3, 4
LENGTH = {INITIATION: 148, RESPONSE: 92, COOKIE_REPLY: 64}
RECEIVE_BUFFER = 2048


class Target:
    """A node as seen by somebody who has read along and knows its public key."""

    def __init__(self, node, genuine):
        self.node, self.genuine = node, genuine
        self.key = base64.b64decode(node.status()["self"]["key"])
        self.sessions = {g[4:8] for g in genuine if kind_of(g) == DATA}
        self.handshakes = None
        # A slot that many datagrams fit into cuts none.
        self.cuts = not {"all", "udp-gro"} & set(node.status()["offloads"].split(","))

    def expected(self, d):
        """The name under which this datagram must be counted, worked out from the documents alone."""
        if self.cuts and len(d) > RECEIVE_BUFFER:
            return "truncated"
        kind = kind_of(d)
        if kind == DATA and len(d) >= 32:
            if d[4:8] not in self.sessions:
                return "no_session"
            if struct.unpack("<Q", d[8:16])[0] >= 2**64 - 2**13 - 1:
                return "recv_expired"
            return "replay" if d in self.genuine else "auth"
        if LENGTH.get(kind) == len(d):
            # Nobody waits for a cookie. A response is first asked whether it is for a handshake that was ours.
            if kind == COOKIE_REPLY or (kind == RESPONSE and d[8:12] not in self.handshakes):
                return "hs_unexpected"
            if mac1(self.key, d) != d:
                return "hs_mac1"
            if kind == RESPONSE:
                return "hs_unexpected"
            return "hs_replay" if any(g[8:116] == d[8:116] for g in self.genuine) else "hs_decrypt"
        if len(d) >= 20 and d[0] < 64 and d[4:8] == STUN_MAGIC and len(d) <= 1500:
            claimed = struct.unpack("!H", d[2:4])[0]
            if claimed % 4 == 0 and claimed <= len(d) - 20:
                return "stun_auth"
        return "hs_malformed" if kind in LENGTH else "malformed"

    def ask_for_handshakes(self, send):
        """Which of the handshakes that were overheard does the node still know? Others may have followed them."""
        self.handshakes = set(self.sessions)
        for g in (g for g in self.genuine if kind_of(g) == RESPONSE):
            before = drops(self.node)
            send(g[:-20] + bytes([g[-20] ^ 1]) + g[-19:])
            names = wait_for("its account", lambda b=before: [k for k, v in drops(self.node).items() if v != b.get(k, 0)])
            if names == ["hs_mac1"]:
                self.handshakes.add(g[8:12])

    def fire(self, datagrams, send):
        """Sends all, a handful at a time, and holds the node's accounts against what they must say."""
        total = {}
        if self.handshakes is None:
            self.ask_for_handshakes(send)
        for at in range(0, len(datagrams), 24):
            batch = datagrams[at:at + 24]
            time.sleep(len(batch) / STUN_RATE)  # what is faster is not looked at
            before = drops(self.node)
            want = {}
            for d in batch:
                want[self.expected(d)] = want.get(self.expected(d), 0) + 1
                send(d)

            def grown():
                now = drops(self.node)
                return {k: v - before.get(k, 0) for k, v in now.items() if v != before.get(k, 0)}
            try:
                wait_for("the accounts", lambda: sum(grown().values()) >= len(batch), 5)
            finally:
                assert grown() == want, [d[:16].hex() for d in batch]
            for k, v in want.items():
                total[k] = total.get(k, 0) + v
        return total


def kind_of(d):
    return struct.unpack("<I", d[:4])[0] if len(d) >= 4 else None


def flips(d):
    for i in range(8 * len(d)):
        yield d[:i // 8] + bytes([d[i // 8] ^ 1 << i % 8]) + d[i // 8 + 1:]


def stun_request(length=0, kind=1, body=b""):
    body = body.ljust(length, b"\0")
    return struct.pack("!HH", kind, len(body)) + STUN_MAGIC + os.urandom(12) + body


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def forgeries(t):
    """Kinds of garbage: what anybody could make up, and what somebody makes of overheard messages."""
    rnd = random.Random(7)
    for n in list(range(0, 2001, 3)) + [2049, 3000, 9000, 65000]:
        yield rnd.randbytes(n)
    for kind in [*range(0, 20), 0x80, 0xFF, 0x100, 0x10001, 0x4000000]:
        for n in (0, 1, 3, 4, 12, 16, 28, 31, 32, 48, 63, 64, 65, 91, 92, 93, 147, 148, 149, 500, 1472):
            yield (struct.pack("<I", kind) + rnd.randbytes(n))[:n]
    for n in LENGTH:
        yield from (mac1(t.key, struct.pack("<I", n) + rnd.randbytes(LENGTH[n] - 4)) for _ in range(20))
        yield mac1(t.key, struct.pack("<I", n) + bytes(LENGTH[n] - 4))
    for index in t.sessions:
        for counter in (0, 1, 2**32, 2**63, 2**64 - 2**13 - 2, 2**64 - 2**13 - 1, 2**64 - 1):
            yield from (struct.pack("<I4sQ", DATA, index, counter) + rnd.randbytes(n) for n in (16, 32, 1400))
    ids = [t.node.status()["self"]["id"], t.node.status()["peers"][0]["id"]]
    username = attribute(6, f"{ids[0]}:{ids[1]}".encode())
    for body in (b"", username, username + attribute(0x24, b"\1\0\0\0"),
                 username + attribute(0x1C, rnd.randbytes(32)), username + attribute(0x1C, rnd.randbytes(16)),
                 username + attribute(8, rnd.randbytes(20)), attribute(6, b":"), attribute(6, b""),
                 attribute(6, rnd.randbytes(500)), attribute(0x7777, b"xx"), rnd.randbytes(64), bytes(300)):
        for kind in (0x0001, 0x0011, 0x0101, 0x0111, 0x0003, 0x0004, 0x3FFF):
            yield stun_request(kind=kind, body=body)
    for g in t.genuine:
        yield g
        yield from (g[:n] for n in range(len(g)))
        yield from flips(g)
        yield from (g + rnd.randbytes(n) for n in (1, 4, 16, 64))
        yield from (g * n for n in (2, 3, 9))
        if LENGTH.get(kind_of(g)) == len(g) and kind_of(g) != COOKIE_REPLY and mac1(t.key, g) == g:
            yield from (mac1(t.key, d) for d in flips(g[:116]) for d in [d + g[116:]])


PROBING = 196  # bytes of such an answer at least


def overheard(capture, node):
    """Of each kind of message that came to a node the newest; of data, one of each length of its newest session."""
    kinds, session = {}, None
    for p in reversed(capture.arriving()):
        if not p.payload or p.dst not in (node.host.ip4, node.host.ip6) or p.dport != DATA_PORT:
            continue
        kind = kind_of(p.payload)
        if p.payload[4:8] == STUN_MAGIC:
            kind = "STUN request" if p.payload[:2] == b"\0\1" else "STUN answer"
            if kind == "STUN answer" and len(p.payload) >= PROBING:
                continue  # about a router: waited for some seconds, and until then heard as often as it comes
        elif kind == DATA:
            session = session or p.payload[4:8]
            if p.payload[4:8] != session:
                continue
            kind = DATA, len(p.payload)
        kinds.setdefault(kind, p.payload)
    return kinds


def members_and_a_stranger(net, captured="udp or icmp or icmp6", **options):
    net.make_router()
    tap = Capture(net.router, "tap", captured)
    hub, alice = net.node("hub", **options), net.node("alice", **options)
    hub.init()
    alice.join(hub.token())
    for n, other in ((alice, "hub"), (hub, "alice")):
        n.ping(other)
    alice.host.sh("ping", "-c", 3, "-i", 0.2, hub.status()["self"]["ip4"])
    stranger = net.host("stranger")
    return hub, alice, stranger, tap


def answers(capture, *nodes):
    ours = {a for n in nodes for a in (n.host.ip4, n.host.ip6)}
    return [p for p in capture.packets() if p.src in ours]


def begin_traffic(alice, hub):
    ping = alice.host.spawn("ping", "-i", 0.01, hub.status()["self"]["ip4"], stdout=subprocess.PIPE, text=True)
    while "icmp_seq=3" not in ping.stdout.readline():
        assert ping.poll() is None
    return ping


def traffic_was_whole(ping):
    ping.send_signal(2)
    text, _ = ping.communicate(timeout=10)
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
    assert sent > 2 and received >= sent - 1, text


def test_nothing_answers_thousands_of_kinds_of_garbage_and_each_is_counted_by_name(net):
    hub, alice, stranger, tap = members_and_a_stranger(net)
    heard = {n: overheard(tap, n) for n in (hub, alice)}
    seen = {k[0] if isinstance(k, tuple) else k for k in heard[hub] | heard[alice]}
    assert seen == {INITIATION, RESPONSE, DATA, "STUN request", "STUN answer"}
    for n in (hub, alice):
        assert any(isinstance(k, tuple) for k in heard[n])
    watch = Capture(stranger, "stranger", f"not src host {stranger.ip4} and not src host {stranger.ip6}")
    endpoint = hub.peer("alice")["endpoint"]
    pids = hub.pid(), alice.pid()
    ping = begin_traffic(alice, hub)
    kinds, total = set(), {}
    with udp_socket(stranger) as s4, udp_socket(stranger, socket.AF_INET6) as s6:
        for n in (hub, alice):
            t = Target(n, list(heard[n].values()))
            garbage = list(dict.fromkeys(forgeries(t)))
            kinds.update(garbage)
            for k, v in t.fire(garbage, lambda d: s4.sendto(d, (n.host.ip4, DATA_PORT))).items():
                total[k] = total.get(k, 0) + v
            small = [d for d in garbage if len(d) < 1400][::11]
            t.fire(small, lambda d: s6.sendto(d, (n.host.ip6, DATA_PORT)))
    assert len(kinds) >= 1000
    assert {"malformed", "hs_malformed", "hs_mac1", "hs_decrypt", "hs_replay", "hs_unexpected",
            "no_session", "recv_expired", "auth", "replay", "stun_auth"} <= set(total)
    assert ("truncated" in total) == t.cuts
    traffic_was_whole(ping)
    watch.sync()
    assert [(p.src, p.proto, len(p.ip)) for p in answers(watch, hub, alice)] == []
    assert (hub.pid(), alice.pid()) == pids
    assert hub.peer("alice")["endpoint"] == endpoint
    hub.ping("alice")
    print(f"{len(kinds)} kinds of garbage; counted: {total}")
    watch.close()


def test_replays_from_the_right_address_are_not_answered_either(net):
    """Somebody on the path repeats what he saw, with the right source address: the most that a replay can be."""
    hub, alice, _, tap = members_and_a_stranger(net)
    forger = Forger(net.router)
    ping = begin_traffic(alice, hub)
    for target, source in ((hub, alice), (alice, hub)):
        messages = overheard(tap, target)
        t = Target(target, list(messages.values()))
        mark = len(tap.packets())
        many = [m for m in messages.values() for _ in range(3)]
        t.fire(many, lambda d: forger.send((source.host.ip4, DATA_PORT), (target.host.ip4, DATA_PORT), d))
        replayed = {m[8:20] for k, m in messages.items() if k == "STUN request"}
        for p in tap.packets()[mark:]:
            if p.payload and p.src == target.host.ip4:
                assert kind_of(p.payload) not in (INITIATION, RESPONSE, COOKIE_REPLY)
                assert p.payload[4:8] != STUN_MAGIC or p.payload[8:20] not in replayed
        assert not [p for p in tap.packets()[mark:] if p.is_icmp() and p.src == target.host.ip4]
    forger.close()
    traffic_was_whole(ping)


def test_replays_are_refused_when_the_session_they_belonged_to_has_ended(net):
    config = os.path.join(net.dir, "short.yaml")
    with open(config, "w", encoding="utf-8") as f:
        f.write("test_limits:\n  rekey_after_ms: 1000\n  reject_after_ms: 2000\n  rekey_attempt_ms: 1500\n"
                "  rekey_timeout_ms: 300\n  keepalive_ms: 500\n")
    hub, alice, stranger, tap = members_and_a_stranger(net, config=config)
    heard = {n: overheard(tap, n) for n in (hub, alice)}
    watch = Capture(stranger, "stranger", f"not src host {stranger.ip4} and not src host {stranger.ip6}")
    for n, other in ((hub, "alice"), (alice, "hub")):
        wait_for("the session to end", lambda: not n.peer(other)["session"], 20)
    with udp_socket(stranger) as s:
        for n in (hub, alice):
            t = Target(n, list(heard[n].values()))
            t.sessions = set()
            t.fire(t.genuine * 2, lambda d: s.sendto(d, (n.host.ip4, DATA_PORT)))
    assert answers(watch, hub, alice) == []
    alice.ping("hub")


def test_replays_are_refused_after_a_restart_too(net):
    """What was overheard before is as stale to a daemon that has just started, also from the right address."""
    hub, alice, stranger, tap = members_and_a_stranger(net)
    heard = overheard(tap, hub)
    forger = Forger(net.router)
    watch = Capture(stranger, "stranger", f"not src host {stranger.ip4} and not src host {stranger.ip6}")
    hub.down()
    hub.up()
    t = Target(hub, list(heard.values()))
    t.sessions = set()
    with udp_socket(stranger) as s:
        t.fire(t.genuine, lambda d: s.sendto(d, (hub.host.ip4, DATA_PORT)))
    t.fire(t.genuine, lambda d: forger.send((alice.host.ip4, DATA_PORT), (hub.host.ip4, DATA_PORT), d))
    forger.close()
    assert answers(watch, hub) == []
    hub.ping("alice")


def test_a_stock_peer_that_is_no_member_gets_no_answer(net):
    """It knows the hub's public key and speaks the protocol without a fault."""
    hub, _, stranger, _ = members_and_a_stranger(net)
    key = os.path.join(net.dir, "stranger.key")
    with open(key, "w", encoding="ascii") as f:
        f.write(sh("wg", "genkey").stdout)
    watch = Capture(stranger, "stranger")
    stranger.spawn("wireguard-go", "-f", f"wg{net.tag}"[:15], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wg = f"wg{net.tag}"[:15]
    wait_for("wireguard-go", lambda: stranger.sh("wg", "show", wg, check=False).returncode == 0)
    stranger.sh("wg", "set", wg, "private-key", key, "peer", hub.status()["self"]["key"], "endpoint",
                f"{hub.host.ip4}:{DATA_PORT}", "allowed-ips", "100.64.0.0/10", "persistent-keepalive", 1)
    stranger.sh("ip", "link", "set", wg, "up")
    wait_for("its initiation to be counted", lambda: drops(hub).get("hs_unknown_peer"))
    assert [p for p in watch.packets() if p.dst == hub.host.ip4 and p.payload and len(p.payload) == 148]
    assert answers(watch, hub) == []


FLOOD = """
import signal, socket, sys
sent, s = 0, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
def end(*_):
    print(sent, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
messages = [bytes.fromhex(line) for line in open(sys.argv[2])]
while True:
    for m in messages:
        s.sendto(m, (sys.argv[1], int(sys.argv[3])))
        sent += len(m)
"""


class Flood:
    """Initiations from a stranger as fast as one process can; on leaving, sent is the number of bytes."""

    def __init__(self, net, stranger, to, messages):
        path = os.path.join(net.dir, "flood")
        with open(path, "w", encoding="ascii") as f:
            f.writelines(m.hex() + "\n" for m in messages)
        self.process = stranger.spawn("/usr/bin/python3", "-c", FLOOD, to, path, DATA_PORT, stdout=subprocess.PIPE)
        self.sent = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.sent = int(self.process.communicate(timeout=10)[0])


@pytest.mark.slow  # whether a member's handshake falls into the flood's load is up to the machine
@pytest.mark.plain("is too slow for a flood that leaves the handshakes of members a chance")
def test_a_flood_is_answered_only_with_cookies_to_those_who_know_the_key_and_never_with_more_than_was_sent(net):
    config = os.path.join(net.dir, "eager.yaml")
    with open(config, "w", encoding="utf-8") as f:
        f.write("test_limits:\n  rekey_timeout_ms: 100\n")
    hub, alice, stranger, tap = members_and_a_stranger(net, "udp and host 198.18.2.2", config=config)
    key = base64.b64decode(hub.status()["self"]["key"])
    watch = Capture(stranger, "stranger", f"udp and src host {hub.host.ip4}")
    blind = [struct.pack("<I", INITIATION) + os.urandom(144) for _ in range(200)]

    with Flood(net, stranger, hub.host.ip4, blind) as flood:
        wait_for("the flood to be counted", lambda: drops(hub).get("hs_mac1", 0) > 20000, 20)
    hub.ping("alice")
    assert flood.sent > 20000 * 148 and answers(watch, hub) == []

    alice.down()
    with Flood(net, stranger, hub.host.ip4, [mac1(key, m) for m in blind]) as flood:
        wait_for("cookies to be demanded", lambda: drops(hub).get("hs_cookie"), 20)
        # One handshake is enough for a long time: each start is another chance to fall into the load.
        for _ in range(15):
            alice.up()
            alice.ping("hub", check=False)
            if COOKIE_REPLY in overheard(tap, alice):
                break
            alice.down()
        else:
            pytest.fail("no cookie was demanded of a member in 15 starts")
        wait_for("the member to get in all the same", lambda: alice.ping("hub", check=False).returncode == 0, 30)
    back = answers(watch, hub)
    assert back and all(kind_of(p.payload) == COOKIE_REPLY and len(p.payload) == 64 for p in back)
    assert sum(len(p.payload) for p in back) < flood.sent

    alice.ping("hub")
    cookie = overheard(tap, alice)[COOKIE_REPLY]
    forger, t = Forger(net.router), Target(alice, [cookie])
    with udp_socket(stranger) as s:
        t.fire([cookie] * 5, lambda d: s.sendto(d, (alice.host.ip4, DATA_PORT)))
    t.fire([cookie] * 5, lambda d: forger.send((hub.host.ip4, DATA_PORT), (alice.host.ip4, DATA_PORT), d))
    forger.close()
    alice.ping("hub")
    print(f"flood of {flood.sent} bytes: {len(back)} cookies back; {drops(hub)}")
