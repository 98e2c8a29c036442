# SPDX-License-Identifier: AGPL-3.0-or-later
"""The coordinator dies by kill -9: tunnels go on, nodes find each other, nothing is lost and nothing given twice."""
import concurrent.futures
import contextlib
import ipaddress
import json
import os
import re
import shutil
import socket
import sqlite3
import tempfile
import threading
import time

import pytest

from lab import LabError, kept, wait_for
from wiretap import Capture, ask, inside, tcp_socket

# Times of WireGuard divided by 40: 15 seconds of these hold as many rekeys as ten minutes of the real ones.
SHORT = {"rekey_after_ms": 3000, "reject_after_ms": 4500, "rekey_attempt_ms": 2250, "rekey_timeout_ms": 200,
         "keepalive_ms": 500}
ROUND = 0.02


class Conversation:
    """A TCP connection through the tunnel on which both sides speak all the time. It must never break or stall."""

    def __init__(self, a, b, address):
        with inside(b.host):
            listener = socket.create_server((address, 6000))
        self.client = tcp_socket(a.host, (address, 6000))
        self.server, _ = listener.accept()
        listener.close()
        self.rounds, self.longest, self.error, self.ending = 0, 0.0, None, False
        for s in (self.client, self.server):
            s.settimeout(60)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self.speak, self.echo)]
        for t in self.threads:
            t.start()

    def speak(self):
        try:
            while not self.ending:
                message, started = os.urandom(1000), time.monotonic()
                self.client.sendall(message)
                got = b""
                while len(got) < len(message):
                    got += self.client.recv(1000)
                if got != message:
                    raise LabError("the echo is not what was said")
                self.longest = max(self.longest, time.monotonic() - started)
                self.rounds += 1
                time.sleep(ROUND)
        except (OSError, LabError) as e:
            self.error = e
        self.client.close()

    def echo(self):
        try:
            while message := self.server.recv(4096):
                self.server.sendall(message)
        except OSError as e:
            self.error = self.error or e

    def end(self):
        self.ending = True
        for t in self.threads:
            t.join(60)
        self.server.close()
        if self.error:
            raise self.error


def since(started):
    return round(time.monotonic() - started, 2)


def reaches(a, b):
    return a.host.sh("ping", "-c", 1, "-W", 0.5, a.peer(b.name)["ip4"], check=False).returncode == 0


def until_reached(a, b, seconds=20):
    started = time.monotonic()
    wait_for(f"{a.name} to reach {b.name}", lambda: reaches(a, b), seconds)
    return since(started)


def handshakes(capture, *nodes):
    """Handshake responses that passed between the nodes."""
    ours = {x for n in nodes for x in (n.host.ip4, n.host.ip6)}
    return [p for p in capture.arriving()
            if p.payload and len(p.payload) == 92 and p.payload[0] == 2 and p.src in ours and p.dst in ours]


def remembers(node, *peers):
    """Has it written down where it reached them?"""
    known = {id for (id,) in kept(node, "SELECT id FROM contact WHERE worked <> '-'")}
    return known >= {node.peer(p.name)["id"] for p in peers}


def all_online(hub, n):
    nodes = ask(hub, cmd="node.list")["nodes"]
    return len(nodes) == n and all(x["online"] for x in nodes)


def lose_the_coordinator(net, seconds, rekeys, **settings):
    net.make_router()
    wire = Capture(net.router, "wire", "udp[8:4] = 0x02000000 or ip6[48:4] = 0x02000000")
    hub, a, b, restarted, moved = (
        net.node(n).configure(**settings) for n in ("hub", "a", "b", "restarted", "moved"))
    hub.init()
    for n in (a, b, restarted, moved):
        n.join(hub.token())
    for x in (a, b, restarted):
        for y in (restarted, moved):
            if x is not y:
                x.ping(y.name)
    wait_for("the cache to be written", lambda: remembers(restarted, a, b, moved) and remembers(moved, a, b))
    talk = Conversation(a, b, a.peer("b")["ip4"])
    ping = a.host.spawn("ping", "-q", "-i", 0.1, a.peer("b")["ip6"], stdout=open(os.path.join(net.dir, "ping"), "wb"))
    pid = hub.pid()
    hub.kill9()
    dead_since, before = time.monotonic(), talk.rounds
    wait_for("the links to break", lambda: not a.status()["link"]["up"] and not b.status()["link"]["up"], 60)
    mark = len(handshakes(wire, a, b))

    restarted.kill9()
    restarted.up()
    print("restarted without the coordinator: its peers answered after",
          [until_reached(restarted, n) for n in (a, b, moved)], "s")
    assert reaches(a, restarted) and reaches(b, restarted)
    assert not restarted.status()["link"]["up"]
    moved.host.move()
    print("moved without the coordinator: its peers answered after",
          [until_reached(moved, n) for n in (a, b)], "s; it answered them after",
          [until_reached(n, moved) for n in (a, b)], "s")
    assert "77" in a.peer("moved")["endpoint"]
    wait_for("the time to pass", lambda: since(dead_since) > seconds, seconds + 60, 0.2)
    made = len(handshakes(wire, a, b)) - mark
    print(f"coordinator dead for {since(dead_since)} s: {made} rekeys between a and b, {talk.rounds - before} rounds, "
          f"the longest took {talk.longest:.2f} s")
    assert made >= rekeys
    assert not a.status()["link"]["up"]

    returned = time.monotonic()
    hub.up()
    seen = {"daemon up": since(returned)}
    token = hub.token()
    seen["token created"] = since(returned)
    wait_for("the links", lambda: all(n.status()["link"]["up"] for n in (a, b, restarted, moved)), 15)
    seen["all links up"] = since(returned)
    wait_for("the list", lambda: all_online(hub, 5), 15)
    seen["node list says all online"] = since(returned)
    late = net.node("late").configure(**settings)
    begun = time.monotonic()
    late.join(token)
    late.ping("a")
    seen["a new node has joined and pinged"] = f"{since(returned)} ({since(begun)} of it the join)"
    wait_for("the tunnels to the coordinator", lambda: all(reaches(n, hub) for n in (a, b, restarted, moved)), 15)
    seen["all reach the coordinator by tunnel"] = since(returned)
    print("seconds after the coordinator's return:", seen)
    assert hub.pid() != pid
    talk.end()
    ping.send_signal(2)
    ping.wait(10)
    with open(os.path.join(net.dir, "ping"), encoding="ascii") as f:
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", f.read()).groups())
    print(f"pings between a and b over all of it: {sent} sent, {received} received")
    assert sent - received <= 1  # the one under way at the end
    wire.close()


def test_tunnels_and_rekeys_go_on_without_the_coordinator_and_all_is_well_after_its_return(net):
    lose_the_coordinator(net, 15, 4, test_limits=SHORT)


@pytest.mark.slow
def test_tunnels_and_rekeys_go_on_for_ten_minutes_of_real_time_without_the_coordinator(net):
    lose_the_coordinator(net, 600, 4)


# --- in the middle of joins ---

class Crowd:
    """Machines that join all at once, five from each host; they enrol only, so that many fit on one host."""

    def __init__(self, net, hub, n):
        self.hub = hub
        hosts = [net.host(f"crowd{i}") for i in range((n + 4) // 5)]
        self.nodes = [net.node(f"n{i}", host=hosts[i // 5]) for i in range(n)]
        shared = hub.token("--uses", n // 2)
        self.tokens = {x.name: shared if i % 2 else hub.token() for i, x in enumerate(self.nodes)}

    def one(self, node):
        r = node.join(self.tokens[node.name], "--no-up", check=False)
        return node.name, r.returncode, r.stderr

    def join(self, pool):
        return [pool.submit(self.one, n) for n in self.nodes]


def database(hub):
    """What a dead coordinator's disk holds, read from a copy: looking at a write-ahead log would alter it."""
    folder = tempfile.mkdtemp(dir=hub.lab.dir)
    for name in os.listdir(hub.state):
        if name.startswith("mesh.db") and not name.endswith("-shm"):
            shutil.copy(os.path.join(hub.state, name), folder)
    with contextlib.closing(sqlite3.connect(os.path.join(folder, "mesh.db"))) as db:
        return (db.execute("PRAGMA integrity_check").fetchone()[0],
                db.execute("SELECT id, name, host, token FROM node WHERE coordinator = 0").fetchall(),
                {i: (uses, used) for i, uses, used in db.execute("SELECT id, uses, used FROM token")})


def die_and_return(hub):
    """Kills the coordinator, checks what it left, and starts it again; the ids of the nodes that it knows."""
    hub.kill9()
    verdict, nodes, tokens = database(hub)
    assert verdict == "ok"
    assert len({n[2] for n in nodes}) == len(nodes) and len({n[1] for n in nodes}) == len(nodes)
    for i, (uses, used) in tokens.items():
        assert used <= uses
        assert used == sum(n[3] == i for n in nodes), "a use that no node has, or a node that cost no use"
    hub.up()
    known = {n[0] for n in nodes}
    listed = members(hub)
    assert known <= set(listed)
    assert len({n["ip4"] for n in listed.values()}) == len({n["ip6"] for n in listed.values()}) == len(listed)
    return known


def members(hub):
    return {n["id"]: n for n in ask(hub, cmd="node.list")["nodes"] if not n["coordinator"]}


def enrolled(node):
    """The record that a machine believes to have, if its join came through."""
    with open(os.path.join(node.state, "node.json"), encoding="utf-8") as f:
        state = json.load(f)
    net4 = ipaddress.ip_network(state["mesh"]["net4"])
    return {**state["self"], "ip4": str(net4[state["self"]["host"]])}


def test_kill_9_of_the_coordinator_amid_fifty_joins_loses_no_node_and_gives_nothing_twice(net):
    hub = net.node("hub")
    hub.init()
    crowd = Crowd(net, hub, 50)
    deaths = []
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        jobs = crowd.join(pool)
        for share in (5, 20, 35):
            wait_for("some to be in", lambda: len(members(hub)) >= share or all(j.done() for j in jobs), 30, 0.001)
            if not all(j.done() for j in jobs):
                deaths.append(len(die_and_return(hub)))
        results = {name: (code, err) for name, code, err in (j.result() for j in jobs)}
    assert deaths
    known = die_and_return(hub)
    listed = members(hub)
    through = [n for n in crowd.nodes if results[n.name][0] == 0]
    records = [enrolled(n) for n in through]
    assert {r["id"] for r in records} <= known
    assert len({r["host"] for r in records}) == len(records)
    assert all(listed[r["id"]]["ip4"].endswith(f".{r['host']}") and listed[r["id"]]["name"] == r["name"] for r in records)
    print(f"deaths amid 50 joins when {deaths} were in the database: {len(through)} came through at the first try, "
          f"{len(known)} are in the database; the others said: {sorted({e for c, e in results.values() if c})}")

    # Whoever did not get through tries again with the same token: all get in, none twice.
    for n in crowd.nodes:
        if results[n.name][0] != 0:
            n.join(crowd.tokens[n.name], "--no-up")
    assert len(die_and_return(hub)) == 50
    assert {enrolled(n)["id"] for n in crowd.nodes} == set(members(hub))
    thief = net.node("thief", host=crowd.nodes[0].host)
    for token in set(crowd.tokens.values()):
        r = thief.join(token, "--no-up", check=False)
        assert r.returncode != 0 and "used" in r.stderr, r.stderr
    assert len(die_and_return(hub)) == 50


def test_a_write_ahead_log_with_a_torn_end_costs_at_most_what_was_torn(net):
    hub = net.node("hub")
    hub.init()
    crowd = Crowd(net, hub, 10)
    for n in crowd.nodes:
        n.join(crowd.tokens[n.name], "--no-up")
    wal = os.path.join(hub.state, "mesh.db-wal")

    hub.kill9()
    assert os.path.getsize(wal) > 4096
    known = {n[0] for n in database(hub)[1]}
    assert len(known) == 10
    with open(wal, "ab") as f:  # a frame that never was finished
        f.write(os.urandom(3000))
    hub.up()
    assert die_and_return(hub) == known
    extra = net.node("extra", host=crowd.nodes[0].host)
    extra.join(hub.token(), "--no-up")

    hub.kill9()
    with open(wal, "r+b") as f:  # the last transaction is damaged on the disk
        f.seek(-2000, os.SEEK_END)
        f.write(os.urandom(500))
    hub.up()
    left = die_and_return(hub)
    assert left >= known
    late = net.node("late", host=crowd.nodes[0].host)
    late.join(hub.token(), "--no-up")
    assert len(die_and_return(hub)) == len(left) + 1
