# SPDX-License-Identifier: AGPL-3.0-or-later
"""`events`: what happens to the mesh and to a node is told as it happens, on the coordinator and where it is about, and the
store has it still after a restart."""
import json
import os
import queue
import re
import subprocess
import threading

from lab import LabError, wait_for
from test_underlay import firewall

SOON = 60  # seconds, for what takes a moment where there is time
ALL = "rules:\n  - {allow: any, from: any, to: any}\n"


class Follower:
    """`events -f --json` of a node: every line is an event."""

    def __init__(self, node, *args):
        self.node, self.seen, self.lines = node, [], queue.Queue()
        self.process = node.host.spawn(*node.argv("events", "-f", "--json", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def sees(self, *words, says="", **what):
        """Waits for an event of one of these words, with these values, and a text like `says`."""
        def found():
            while not self.lines.empty():
                self.seen.append(json.loads(self.lines.get()))
            return next((e for e in self.seen if e["event"] in words and what.items() <= e.items() and re.search(says, e["text"])), None)
        try:
            return wait_for(f"{words} {what}", found, SOON)
        except LabError as e:
            raise LabError(f"{e}; seen: {[x['text'] for x in self.seen]}") from None

    def end(self):
        self.process.terminate()
        assert self.process.wait(timeout=SOON) == 0


def policy(hub, text):
    path = os.path.join(hub.lab.dir, "policy.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    hub.run("filter", "set", path)


def test_what_happens_is_told_as_it_happens(net):
    hub, nas = net.node("hub"), net.node("nas")
    hub.init()
    f = Follower(hub)
    nas.join(hub.token())
    f.sees("token.created", by="root")
    joined = f.sees("member.joined", about="nas")
    assert joined["origin"] == "mesh" and joined["level"] == "info" and joined["text"].startswith("nas joined the mesh")
    policy(hub, ALL)
    f.sees("policy.changed", by="root", door="socket")
    hub.ping("nas")
    f.sees("peer.up", about="nas", origin="node")
    for a, b in ((hub, "nas"), (nas, "hub")):
        a.host.spawn(*a.argv("ping", b, "-i", 0.5, "-c", 10000), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    nas.host.move()
    moved = f.sees("peer.moved", "peer.up", about="nas", says=r"[.:]77\]?:")  # the last part of its new addresses
    assert moved["origin"] == "node" and moved["level"] == "info"
    hub.run("node", "remove", "nas")
    f.sees("member.removed", about="nas", by="root")
    f.end()
    assert len({(e["origin"], e["number"]) for e in f.seen}) == len(f.seen), "something was told twice"


def test_who_follows_at_a_member_hears_of_what_is_about_it_and_of_nothing_else(net):
    hub, nas, other = net.mesh("hub", "nas", "other")
    f = Follower(nas)
    hub.run("node", "tag", "other", "--add", "x")
    hub.run("node", "tag", "nas", "--add", "printer")
    assert f.sees("member.tags", about="nas")["by"] == "root"
    # What happens while the coordinator is away is told when it is back.
    hub.down()
    wait_for("the link to be lost", lambda: not nas.status()["link"]["up"], SOON)
    hub.up()
    hub.run("node", "alias", "nas", "--add", "box")
    f.sees("member.aliases", about="nas")
    f.end()
    assert not [e for e in f.seen if e["about"] == "other" and e["origin"] == "mesh"]
    assert other.json("events")["missing"] is None


def test_one_too_many_who_follows_is_told_so(net):
    hub = net.node("hub")
    hub.init()
    followers = [Follower(hub) for _ in range(9)]
    ended = lambda: [f for f in followers if f.process.poll() is not None]
    out, = wait_for("one to be refused", ended, SOON)
    assert out.process.returncode == 1
    assert "as many follow the events already as may at one time (end one of them)" in " ".join(out.process.stderr.read().split())
    hub.token()
    for f in followers:
        if f is not out:
            f.sees("token.created")
    assert ended() == [out]


def of_the_firewall(node):
    """Whatever else is wrong on that machine, or in its way."""
    return [e for e in node.json("events")["events"] if e["about"] == "nas" and (e["detail"] or "").startswith("firewall")]


def test_an_alarm_of_a_member_is_an_event_that_outlives_restarts(net):
    """A member tells of itself at once when it has a new link, and once a minute: so the test needs no minute."""
    hub, nas = net.node("hub"), net.node("nas")
    hub.init("--net4", "100.101.0.0/16")
    firewall(nas, "ip saddr 100.64.0.0/10 drop")
    nas.join(hub.token())
    def alarms():
        return [e for e in of_the_firewall(hub) if e["event"] in ("alarm.began", "alarm.ended")]
    def restart():
        hub.down()
        hub.up()
        wait_for("the link", lambda: nas.status()["link"]["up"], SOON)
    wait_for("the firewall to be known", lambda: nas.status()["firewalled"], SOON)
    restart()
    began, = wait_for("the alarm", alarms, SOON)
    assert (began["event"], began["about"], began["door"], began["level"]) == ("alarm.began", "nas", "report", "warn")
    assert began["detail"] == "firewall: it drops by its own firewall what comes out of the tunnel"
    restart()
    nas.host.sh("nft", "delete", "table", "inet", "test")
    nas.host.sh("ip", "addr", "add", "198.18.2.99/24", "dev", "eth0")  # whatever it is: looked at again
    wait_for("the firewall to be asked again", lambda: nas.status()["firewalled"] == [], SOON)
    restart()
    wait_for("the end of the alarm", lambda: len(alarms()) > 1, SOON)
    assert [e["text"] for e in alarms()] == [began["text"], "the alarm at nas is over, firewall"]
    assert [e["text"] for e in of_the_firewall(nas) if e["event"] == "alarm.ended"] == ["the alarm at nas is over, firewall"]
