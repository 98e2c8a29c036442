# SPDX-License-Identifier: AGPL-3.0-or-later
"""Figures by HTTP: who may ask whom, what the coordinator knows of all, and a real Prometheus whose alerts fire."""
import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest

from lab import LabError, find_program, sh, wait_for
from test_relay_streams import without_udp
from wiretap import tcp_socket

PORT = 5210
EXAMPLE = os.path.join(os.path.dirname(__file__), "../../dist/prometheus")


def fetch(host, address, path="/metrics", port=PORT, by=None):
    """Status and text, as a program on that host gets them; by: the name that it knows the other by."""
    asked = http.client.HTTPConnection("unused")
    asked.sock = tcp_socket(host, (address, port))
    try:
        asked.request("GET", path, headers={"Host": by or (f"[{address}]" if ":" in address else address)})
        answer = asked.getresponse()
        return answer.status, answer.read().decode()
    finally:
        asked.close()


def own(node, family=4):
    return node.status()["self"][f"ip{family}"]


def samples(text):
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))}


def refused(*args, **kw):
    try:
        fetch(*args, **kw)
        return False
    except ConnectionRefusedError:
        return True


def text_of(*args, **kw):
    """Nothing while nobody answers."""
    try:
        return fetch(*args, **kw)[1]
    except OSError:
        return ""


def targets(host, hub):
    return {t["labels"]["instance"]: t["targets"][0] for t in json.loads(text_of(host, hub, "/metrics/targets") or "[]")}


def test_each_node_tells_its_figures_in_the_mesh_and_the_coordinator_those_of_all(net):
    hub, a, b = nodes = net.mesh("hub", "a", "b")
    at = {n: own(n) for n in nodes}
    a.ping("b")
    for address in (at[a], own(a, 6), at[b]):
        status, text = fetch(b.host, address)
        assert status == 200
        assert samples(text)["tunnelmesh_control_link_up"] == 1 and samples(text)["tunnelmesh_received_packets_total"] > 0
        sh(find_program("promtool"), "check", "metrics", input=text)
    assert [fetch(b.host, at[a], by=name)[0] for name in ("a.mesh", "a.mesh:5210", "b.mesh", "example.org")] == [200, 200, 421, 421]
    assert fetch(b.host, at[a], "/metrics/mesh")[0] == 404
    assert refused(b.host, a.host.ip4), "it listens outside of the mesh"
    wait_for("all to be known", lambda: targets(b.host, at[hub]) == {n.name: f"{at[n]}:{PORT}" for n in nodes}, 20)
    # Of a pair in use each end tells as soon as there is a link.
    hub.down()
    hub.up()

    def mesh(what):
        return samples(text_of(b.host, at[hub], "/metrics/mesh", by="this.mesh")).get(what, 0)
    wait_for("the mesh to be told of", lambda: mesh('tunnelmesh_mesh_pairs{path="direct"}') >= 1 and
             mesh("tunnelmesh_mesh_reporting_nodes") == 3, 30)
    assert mesh('tunnelmesh_mesh_nodes{link="up"}') == 3 and not mesh('tunnelmesh_mesh_node_link_up{node="a"}')
    sh(find_program("promtool"), "check", "metrics", input=fetch(b.host, at[hub], "/metrics/mesh")[1])
    # Who goes away stays a target, so that somebody sees it.
    a.down()
    wait_for("it to be missed", lambda: mesh('tunnelmesh_mesh_nodes{link="up"}') == 2, 20)
    assert "a" in targets(b.host, at[hub])


def test_the_policy_says_who_may_ask(net):
    hub, a, b = net.mesh("hub", "a", "b")
    hub_at = own(hub)
    assert fetch(a.host, hub_at)[0] == 200
    policy = os.path.join(net.dir, "policy.yaml")
    with open(policy, "w", encoding="utf-8") as f:
        f.write(f"rules:\n  - {{allow: tcp/{PORT}, from: b, to: any}}\n  - {{reject: tcp, from: a, to: any}}\n")
    hub.run("filter", "set", policy)
    wait_for("the policy to hold", lambda: refused(a.host, hub_at), 20)
    assert fetch(b.host, hub_at)[0] == 200
    assert fetch(hub.host, hub_at)[0] == 200  # its own machine is not asked for leave


def test_figures_are_where_the_configuration_says_and_nowhere_else(net):
    hub, a = net.node("hub"), net.node("a").configure(metrics={"listen": "127.0.0.1:9000", "per_peer": "yes"})
    hub.init()
    a.host.sh("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")  # the tunnel's interface has no IPv6
    a.join(hub.token())
    a_at, hub_at = own(a), own(hub)
    wait_for("the peer to be told of", lambda: re.search(r'^tunnelmesh_peer_path{peer="hub",path="direct",family="ipv[46]"} 1$',
                                                         text_of(a.host, "127.0.0.1", port=9000, by="localhost"), re.M))
    assert refused(hub.host, a_at) and refused(hub.host, a_at, port=9000)
    wait_for("the coordinator to list itself", lambda: targets(a.host, hub_at), 20)
    assert list(targets(a.host, hub_at)) == ["hub"]
    a.configure(metrics={"listen": "off"}).run("reload")
    assert refused(a.host, "127.0.0.1", port=9000) and refused(hub.host, a_at)
    a.configure(metrics={"listen": 9100}).run("reload")
    text = fetch(hub.host, a_at, port=9100)[1]
    assert "tunnelmesh_peer_path" not in text and samples(text)['tunnelmesh_dns_failing{what="server"}'] == 0
    assert [door["address"] for door in a.status()["metrics"]] == [f"{a_at}:9100"]
    a.kill9()
    a.up()
    wait_for("it to be there again", lambda: text_of(hub.host, a_at, port=9100), 20)
    wait_for("it to be listed", lambda: targets(a.host, hub_at).get("a") == f"{a_at}:9100", 20)


class Prometheus:
    """The shipped example, but for the coordinator's name, and for times that a test can wait for."""

    def __init__(self, net, host, hub):
        self.host, self.dir = host, os.path.join(net.dir, "prometheus")
        os.mkdir(self.dir)
        self.write("prometheus.yml", [(r"this\.mesh", hub), (r"_interval: 15s", "_interval: 1s"),
                                      (r"(\n *)- (url: .*)", r"\1- \2\1  refresh_interval: 1s")])
        self.write("rules.yml", [(r"for: \d+m", "for: 1s"), (r"_timestamp_seconds > 300", "_timestamp_seconds > 10")])
        sh(find_program("promtool"), "check", "config", f"{self.dir}/prometheus.yml")
        host.spawn(find_program("prometheus"), f"--config.file={self.dir}/prometheus.yml", f"--storage.tsdb.path={self.dir}/data",
                   "--web.listen-address=127.0.0.1:9090", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("Prometheus", lambda: "is Ready" in text_of(host, "127.0.0.1", "/-/ready", 9090), 60)

    def write(self, name, changes):
        with open(os.path.join(EXAMPLE, name), encoding="utf-8") as f:
            text = f.read()
        for pattern, instead in changes:
            text, n = re.subn(pattern, instead, text)
            assert n, f"{name} has no {pattern}"
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as f:
            f.write(text)

    def query(self, expression):
        status, text = fetch(self.host, "127.0.0.1", f"/api/v1/query?query={urllib.parse.quote(expression)}", 9090)
        assert status == 200, text
        return [r["metric"] for r in json.loads(text)["data"]["result"]]

    def firing(self):
        return {(m["alertname"], m.get("node") or m["instance"]) for m in self.query('ALERTS{alertstate="firing",severity="warning"}')}

    def expect(self, *alerts):
        """Seconds until all of these fire."""
        begun = time.monotonic()
        wait_for(f"{alerts} to fire", lambda: set(alerts) <= self.firing(), 90, 0.2)
        return time.monotonic() - begun

    def expect_quiet(self):
        try:
            wait_for("no alert to fire", lambda: not self.firing(), 120, 0.2)
        except LabError as e:
            raise LabError(f"{e}: {self.firing()}") from None


@pytest.mark.slow
def test_a_killed_peer_blocked_udp_and_a_stopped_coordinator_fire_their_alerts(net):
    hub, watch, a, b, c = nodes = [net.node(name) for name in ("hub", "watch", "a", "b", "c")]
    hub.configure(metrics={"per_peer": "yes"}).init()
    for node in nodes[1:]:
        node.join(hub.token())
    prometheus, took = Prometheus(net, watch.host, own(hub)), {}
    wait_for("all to be scraped", lambda: {m["instance"] for m in prometheus.query('up{job="tunnelmesh"} == 1')} ==
             {n.name for n in nodes}, 60)
    wait_for("the mesh to be scraped", lambda: prometheus.query('up{job="tunnelmesh-mesh"} == 1'), 60)
    prometheus.expect_quiet()

    pings = b.host.spawn("ping", "-i", "0.5", own(a), stdout=subprocess.DEVNULL)
    wait_for("b to send to a", lambda: b.peer("a")["session"], 20)
    a.kill9()
    took["a peer was killed"] = prometheus.expect(("TunnelMeshNodeDown", "a"), ("TunnelMeshPeerUnreachable", "b"),
                                                  ("TunnelMeshNodeNotSeen", "a"))
    assert {who for what, who in prometheus.firing() if what == "TunnelMeshNodeDown"} == {"a"}
    a.up()
    prometheus.expect_quiet()
    pings.terminate()

    without_udp(c.host)
    took["UDP was blocked"] = prometheus.expect(("TunnelMeshUdpBlocked", "c"))
    c.host.sh("nft", "delete", "table", "inet", "noudp")
    prometheus.expect_quiet()

    hub.down()
    took["the coordinator was stopped"] = prometheus.expect(*(("TunnelMeshControlLinkDown", n.name) for n in (watch, a, b, c)),
                                                            ("TunnelMeshNodeDown", "hub"))
    hub.up()
    prometheus.expect_quiet()
    print("\nseconds until the alerts fired: " + ", ".join(f"{what} {s:.0f}" for what, s in took.items()))
