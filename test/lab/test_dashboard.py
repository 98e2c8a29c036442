# SPDX-License-Identifier: AGPL-3.0-or-later
"""The dashboard at the coordinator: who is who there, what he may, and that it is where it should be."""
import contextlib
import http.client
import json
import re
import socket
import ssl
import urllib.parse

import pytest

from lab import wait_for
from test_policy import write
from wiretap import inside


def own(node):
    return node.status()["self"]


class Browser:
    """Somebody on a node who looks at the dashboard of a hub, by one of its addresses."""

    def __init__(self, node, hub, family="ip4", host="this.mesh", source=None, at=None, tls=False):
        self.node, self.host, self.source, self.cookie, self.tls = node, host, source, "", tls
        self.at = at or (own(hub)[family], 80)

    def dial(self, timeout=5):
        with inside(self.node.host):
            s = socket.create_connection(self.at, timeout, (self.source, 0) if self.source else None)
        if not self.tls:
            return s
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(s)

    def ask(self, path, form=None, **headers):
        c = http.client.HTTPConnection(self.host, timeout=10)
        with contextlib.closing(c):
            c.sock = self.dial()
            body = None if form is None else urllib.parse.urlencode(form)
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            if self.cookie:
                headers["Cookie"] = self.cookie
            c.request("GET" if form is None else "POST", path, body, headers)
            r = c.getresponse()
            if r.headers["Set-Cookie"]:
                self.cookie = "; ".join(v.partition(";")[0] for v in r.headers.get_all("Set-Cookie"))
            return r.status, r.read().decode()

    def status(self, path, form=None):
        return self.ask(path, form)[0]

    def token(self, path):
        """That of the forms of a page."""
        return re.search(r'name="token" value="([^"]+)"', self.ask(path)[1]).group(1)

    def reaches(self):
        try:
            self.dial(1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def three(net):
    hub = net.node("hub").configure(dashboard={"admins": "[tag:admin]"})
    laptop, desk = net.node("laptop"), net.node("desk")
    hub.init()
    for n in (laptop, desk):
        n.join(hub.token())
    hub.run("node", "tag", "laptop", "--add", "admin")
    wait_for("the tag to be known", lambda: Browser(laptop, hub).status("/tokens") == 200)
    return hub, laptop, desk


def test_members_look_administrators_change_and_the_audit_knows_who(three):
    hub, laptop, desk = three
    admin, member, local = Browser(laptop, hub), Browser(desk, hub, "ip6"), Browser(hub, hub)
    page = f"/nodes/{own(desk)['id']}"
    found = desk.host.sh("curl", "-sS", "--resolve", f"this.mesh:80:{own(hub)['ip4']}", "http://this.mesh/nodes").stdout
    assert "<h1" in found and "laptop" in found
    for who in (member, local):  # a user of the coordinator's machine is a member, whoever it is
        assert [who.status(p) for p in ("/", "/nodes", page, "/map", "/names", "/routes")] == [200] * 6
        assert [who.status(p) for p in ("/tokens", "/policy", f"{page}/remove")] == [403] * 3
        assert who.status(f"{page}/rename", {"name": "box"}) == 403
    token = admin.token(page)
    form = {"name": "box", "token": token}
    assert member.status(f"{page}/rename", form) == 403  # it is the other's, and no right
    assert admin.status(f"{page}/rename", {"name": "box"}) == 403
    assert admin.ask(f"{page}/rename", form, Origin="http://evil.example")[0] == 403
    assert hub.json("node", "list")["nodes"][2]["name"] == "desk"
    assert admin.status(f"{page}/rename", form) == 303
    assert hub.json("node", "list")["nodes"][2]["name"] == "box"
    last = [e for e in hub.json("events")["events"] if e["event"] == "member.renamed"][-1]
    assert (last["door"], last["by"], last["by_id"]) == ("dashboard", "laptop", own(laptop)["id"])
    assert last["text"] == "desk is called box now (by laptop)"
    hub.run("node", "tag", "laptop", "--remove", "admin")
    wait_for("the right to be gone", lambda: admin.status("/tokens") == 403)
    assert admin.status(f"{page}/rename", form) == 403


def test_only_its_own_names_and_whoever_comes_from_a_members_own_address(net, three):
    hub, laptop, desk = three
    for family in ("ip4", "ip6"):
        for host in ("this.mesh", "hub.mesh", "this", own(hub)["ip4"]):
            assert Browser(desk, hub, family, host).status("/") == 200, host
        for host in ("evil.example", "desk.mesh", "this.mesh.evil.example"):
            assert Browser(desk, hub, family, host).status("/") == 421, host
    # An administrator's machine leads to a network, and somebody there is nobody, whatever the policy lets him open.
    hub.run("filter", "set", write(net, "rules: [{allow: any, from: any, to: any}]\n"))
    laptop.host.sh("ip", "link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
    laptop.host.sh("ip", "addr", "add", "10.77.0.1/24", "dev", "lan0")
    for dev in ("lan0", "lan1"):
        laptop.host.sh("ip", "link", "set", dev, "up")
    laptop.run("route", "advertise", "10.77.0.0/24", "--no-snat")
    hub.run("route", "approve", "laptop", "10.77.0.0/24")
    behind = Browser(laptop, hub, source="10.77.0.1")
    wait_for("the network to be reached", behind.reaches, 20)
    assert behind.ask("/")[0] == 403 and "you are not known" in behind.ask("/")[1]
    assert behind.status("/assets/x/style.css") == 200
    assert Browser(laptop, hub).status("/tokens") == 200


def test_pages_that_are_open_hear_of_changes_and_nobody_asks_without_end(three):
    hub, laptop, desk = three
    with contextlib.closing(Browser(desk, hub).dial()) as s:
        s.sendall(b"GET /live HTTP/1.1\r\nHost: this.mesh\r\n\r\n")
        said = b""
        while b"\r\n\r\n" not in said:
            said += s.recv(4096)
        assert b"text/event-stream" in said
        hub.run("node", "tag", "desk", "--add", "x")
        s.settimeout(10)
        while b"event: changed" not in said:
            more = s.recv(4096)
            assert more
            said += more
    question = b"GET /assets/x/icon.svg HTTP/1.1\r\nHost: this.mesh\r\n"

    def ask_much(by, connections):
        with contextlib.ExitStack() as stack:
            eager = [stack.enter_context(contextlib.closing(Browser(desk, hub, by).dial())) for _ in range(connections)]
            for s in eager:
                s.sendall(79 * (question + b"\r\n") + question + b"Connection: close\r\n\r\n")
            return b"".join(b"".join(iter(lambda s=s: s.recv(1 << 16), b"")) for s in eager)

    said = ask_much("ip6", 6)
    assert said.count(b"HTTP/1.1 200 ") >= 200 and b"HTTP/1.1 429 " in said
    # The same member: somebody else could ask so often at once.
    assert b"HTTP/1.1 429 " in ask_much("ip4", 1)
    assert Browser(laptop, hub).status("/") == 200


def test_it_is_there_again_after_a_crash_and_switched_off_listens_on_nothing(three):
    hub, laptop, _ = three
    assert hub.status()["dashboard"]["url"] == "http://this.mesh/"
    assert all(d["open"] for d in hub.status()["dashboard"]["listen"])
    assert "dashboard: http://this.mesh/" in hub.run("status").stdout and laptop.status()["dashboard"] is None
    browser = Browser(laptop, hub)
    hub.kill9()
    hub.up()
    wait_for("the dashboard to be back", lambda: browser.reaches() and browser.status("/tokens") == 200, 20)
    hub.configure(dashboard={"enabled": "no"}).run("reload")
    assert hub.host.sh("ss", "-Htln", "sport = :80").stdout == "" and hub.status()["dashboard"] is None
    assert not browser.reaches()
    hub.configure(dashboard={"enabled": "yes"}).run("reload")
    assert browser.status("/") == 200 and browser.status("/tokens") == 403  # who administers is said no more


def test_outside_of_the_mesh_a_password_is_asked_for(net):
    hub = net.node("hub")
    hub.configure(dashboard={"listen": "[8080]"})
    hub.init()
    near = Browser(hub, hub, host="localhost:8080", at=("127.0.0.1", 8080))
    assert hub.status()["dashboard"]["lacks_password"] and not near.reaches()
    password = hub.run("dashboard", "password").stdout.strip()
    assert len(password) == 24 and near.reaches()
    assert [near.status(p) for p in ("/", "/tokens", "/login")] == [303, 303, 200]
    form = {"token": near.token("/login"), "password": "x" * 24}
    assert near.status("/login", form) == 403 and not near.cookie
    assert near.status("/login", form | {"password": password}) == 303 and near.cookie
    made = {"token": near.token("/tokens"), "uses": "1", "ttl_s": "3600"}
    assert near.status("/tokens/create", made) == 200
    event = [e for e in hub.json("events")["events"] if e["event"] == "token.created"][-1]
    assert (event["door"], event["by"]) == ("dashboard", "the dashboard's password")
    again = hub.run("dashboard", "password").stdout.strip()
    assert again != password and near.status("/tokens") == 303
    hub.down()
    hub.up()
    form["token"] = near.token("/login")
    assert near.status("/login", form | {"password": password}) == 403
    assert near.status("/login", form | {"password": again}) == 303 and near.status("/tokens") == 200
    with open(hub.state + "/dashboard-password", encoding="ascii") as f:
        kept = hub.log() + f.read() + json.dumps(hub.status())
    assert password not in kept and again not in kept


def test_from_another_machine_the_password_is_taken_by_tls_alone(net):
    hub, laptop = net.node("hub"), net.node("laptop")
    hub.configure(dashboard={"listen": f"['{hub.host.ip4}:8444']"})
    hub.init()
    password = hub.run("dashboard", "password").stdout.strip()
    at = (hub.host.ip4, 8444)
    plain, tls = (Browser(laptop, hub, host="hub.example:8444", at=at, tls=t) for t in (False, True))
    assert plain.status("/login") == 303 and plain.status("/login", {"password": password}) == 303 and not plain.cookie
    form = {"token": tls.token("/login"), "password": password}
    assert tls.status("/login", form) == 303 and "__Host-tunnelmesh=" in tls.cookie and tls.status("/tokens") == 200
    plain.cookie = tls.cookie
    assert plain.status("/tokens") == 303


def test_where_nothing_is_allowed_a_rule_lets_members_look(net):
    hub, laptop = net.node("hub"), net.node("laptop")
    hub.init("--policy", "deny")
    laptop.join(hub.token())
    browser = Browser(laptop, hub)
    laptop.ping("hub")
    assert not browser.reaches() and Browser(hub, hub).status("/") == 200
    hub.run("filter", "set", write(net, "rules: [{id: dashboard, allow: tcp/80, from: members, to: hub}]\n"))
    wait_for("the rule to be in force", browser.reaches, 20)
    assert browser.status("/") == 200
