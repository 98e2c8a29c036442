# SPDX-License-Identifier: AGPL-3.0-or-later
"""Nothing leaks: neither on the wire, nor in what programs show, nor in files that others may read."""
import base64
import hashlib
import html
import json
import os
import re
import secrets
import socket
import stat
import tarfile
import time

from lab import wait_for
from test_dashboard import Browser
from wiretap import Capture, inside, tcp_socket, udp_socket


def word():
    return "q" + secrets.token_hex(11)


def forms(value):
    """All ways in which the bytes of value could stand somewhere: raw, hex, base64 at each alignment."""
    found = {value, value.hex().encode(), value.hex().upper().encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + value)
        text = text[(shift * 8 + 5) // 6:(shift + len(value)) * 8 // 6]
        found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(data, markers):
    return [what for what, value in markers.items() if any(form in data for form in forms(value))]


def test_the_finder_of_markers_finds_each_form_at_each_alignment():
    value = os.urandom(16)
    for shift in range(4):
        padded = os.urandom(shift) + value + os.urandom(5)
        for text in (padded, padded.hex().encode(), padded.hex().upper().encode(), base64.b64encode(padded),
                     base64.urlsafe_b64encode(padded)):
            assert found_in(b"xx" + text + b"yy", {"it": value}) == ["it"]
    assert found_in(os.urandom(5000), {"it": value}) == []


def private_keys(node):
    """What the identity file holds: Ed25519 seed and public key, and the X25519 private key that follows."""
    with open(os.path.join(node.state, "identity"), encoding="ascii") as f:
        blob = base64.b64decode("".join(f.read().splitlines()[1:-1]))
    at = blob.rindex(b"\0\0\0\x40") + 4
    seed, public = blob[at:at + 32], blob[at + 32:at + 64]
    x = bytearray(hashlib.sha512(seed).digest()[:32])
    x[0] &= 248
    x[31] = x[31] & 127 | 64
    return {f"{node.name}'s seed": seed, f"{node.name}'s Ed25519 key": public,
            f"{node.name}'s X25519 private key": bytes(x),
            f"{node.name}'s X25519 key": base64.b64decode(node.status()["self"]["key"])}


def token_parts(token):
    blob = base64.urlsafe_b64decode(token[4:] + "=" * (-len(token[4:]) % 4))
    return blob[33:41], blob[41:57]


def listen_inside(node, kind, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(node.host):
        s = socket.socket(family, kind)
    s.settimeout(5)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, 5000))
    if kind == socket.SOCK_STREAM:
        s.listen()
    return s


def carry(sender, receiver, kind, address, payload):
    """Sends payload through the tunnel; it must arrive, else its absence on the wire proves nothing."""
    with listen_inside(receiver, kind, address) as s:
        if kind == socket.SOCK_DGRAM:
            with udp_socket(sender.host, s.family) as c:
                c.sendto(payload, (address, 5000))
                assert s.recv(2000) == payload
            return
        with tcp_socket(sender.host, (address, 5000)) as c:
            c.sendall(payload)
            peer, _ = s.accept()
            with peer:
                assert peer.recv(len(payload), socket.MSG_WAITALL) == payload


def join_secretly(node, token):
    node.host.sh(*node.argv("join", "-", "--name", node.name), input=token)


def bug_report(node):
    """Every piece of one."""
    path = node.state + ".report.tar.gz"
    node.run("bugreport", "-o", path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with tarfile.open(path) as tar:
        pieces = {m.name.removeprefix("tunnelmesh-bugreport/"): tar.extractfile(m).read() for m in tar.getmembers()}
    os.remove(path)
    return pieces


def world_of(nodes):
    """Everything that programs and files show to people who may not know the secrets, and where it was found."""
    shown = {}
    for n in nodes:
        for command in (("status",), ("peers",), ("version",), ("metrics",), ("events",), ("dns", "status"), ("route", "list"),
                        ("top", "--once", "-i", 0.1), ("log", "level")):
            shown[f"{n.name}: {command}"] = json.dumps(n.json(*command)).encode() + n.run(*command).stdout.encode()
        for command in ("netcheck", "doctor"):  # their JSON is in the report
            shown[f"{n.name}: {command}"] = n.run(command, check=False).stdout.encode()
        for name, piece in bug_report(n).items():
            shown[f"{n.name}: {name} of its bug report"] = piece
        shown[f"{n.name}: daemon.log"] = n.log().encode()
        for pid in n.host.pids():
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    shown[f"{n.name}: {name} of {pid}"] = f.read()
    for command in (("node", "list"), ("token", "list"), ("client", "list")):
        text = json.dumps(nodes[0].json(*command)) + nodes[0].run(*command).stdout
        shown[f"{nodes[0].name}: {command}"] = text.encode()
    return shown


def pages_of(hub, node):
    """Every page of the dashboard that somebody on the node gets to by its links, and those of an administrator, which
    nobody else has a link to."""
    browser, shown = Browser(node, hub), {}
    left = ["/", "/tokens", "/policy", "/policy/edit"] + [f"/nodes/{n['id']}/remove" for n in hub.json("node", "list")["nodes"]]
    while left:
        path = left.pop()
        if path not in shown:
            shown[path] = browser.ask(path)
            left += (html.unescape(link) for link in re.findall(r'href="(/[^"#]*)', shown[path][1]))
    return shown


def log_in(hub, node, password):
    """Outside of the mesh: from the machine itself in clear, and from the other one over the wire. What was said, and got."""
    said = {"dashboard's password": password.encode()}
    for n, at, tls in ((hub, ("127.0.0.1", 8080), False), (node, (hub.host.ip4, 8444), True)):
        browser = Browser(n, hub, host="hub.example", at=at, tls=tls)
        assert browser.status("/login", {"token": browser.token("/login"), "password": "x" + password}) == 403
        assert browser.status("/login", {"token": browser.token("/login"), "password": password}) == 303
        assert browser.status("/tokens") == 200
        said |= {f"dashboard's cookie {c.partition('=')[0]} of {n.name}": c.partition("=")[2].encode() for c in browser.cookie.split("; ")}
    return said


def files_of(node):
    return [os.path.join(folder, name) for folder, _, names in os.walk(node.state) for name in names]


def test_none_of_32_planted_markers_crosses_the_wire_or_shows_in_any_output(net):
    net.make_router()
    wire = Capture(net.router, "wire")
    names = {k: word() for k in ("hub", "alice", "bob", "renamed", "mesh", "tag", "second tag", "client")}
    hub, alice, bob = (net.node(names[k], net.host(k), log_level="debug") for k in ("hub", "alice", "bob"))
    markers = {f"name: {k}": v.encode() for k, v in names.items()}
    proxy = {"proxy's user": word().encode(), "proxy's password": word().encode()}
    alice.configure(proxy="http://{}:{}@{}:9".format(*(v.decode() for v in proxy.values()), hub.host.ip4))  # where nobody listens
    hub.configure(dashboard={"admins": "[tag:admin]", "listen": f"[8080, '{hub.host.ip4}:8444']"})
    hub.init("--mesh", names["mesh"])
    tokens = [hub.token("--tag", names["tag"], "--tag", names["second tag"]) for _ in range(3)]
    for n, token in zip((alice, bob), tokens):
        join_secretly(n, token)
    inner = Capture(alice.host, "inner")

    secret = dict(proxy)
    for n in (hub, alice, bob):
        keys = private_keys(n)
        markers.update(keys)
        secret.update({k: v for k, v in keys.items() if "seed" in k or "private" in k})
    for i, token in enumerate(tokens):
        markers[f"token {i}: id"], markers[f"token {i}: secret"] = token_parts(token)
        secret[f"token {i}: secret"] = markers[f"token {i}: secret"]
    with open(os.path.join(hub.state, "node.json"), encoding="utf-8") as f:
        markers["mesh secret"] = secret["mesh secret"] = base64.b64decode(json.load(f)["mesh"]["secret"])
    client = hub.run("client", "add", names["client"]).stdout
    for field in ("PrivateKey", "PresharedKey"):
        value = base64.b64decode(re.search(rf"^{field} *= *(\S+)$", client, re.M).group(1))
        markers[f"client's {field}"] = secret[f"client's {field}"] = value
    login = log_in(hub, alice, hub.run("dashboard", "password").stdout.strip())
    markers.update(login)
    secret.update(login)

    payloads = {k: secrets.token_hex(8).encode() for k in
                ("ping 4", "ping 6", "TCP 4", "TCP 6", "UDP 4", "UDP 6", "TCP back", "DNS", "HTTP", "fragments")}
    markers.update(payloads)
    peer, own = alice.peer(bob.name), alice.status()["self"]
    for family in ("4", "6"):
        alice.host.sh("ping", "-c", 2, "-W", 5, "-p", payloads[f"ping {family}"].hex(), "-s", 64, peer["ip" + family])
        carry(alice, bob, socket.SOCK_STREAM, peer["ip" + family], 40 * payloads[f"TCP {family}"])
        carry(alice, bob, socket.SOCK_DGRAM, peer["ip" + family], 40 * payloads[f"UDP {family}"])
    carry(bob, alice, socket.SOCK_STREAM, own["ip4"], 2000 * payloads["TCP back"])
    carry(alice, bob, socket.SOCK_DGRAM, peer["ip4"],
          b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + bytes([16]) + payloads["DNS"] + b"\4mesh\0\0\1\0\1")
    carry(alice, bob, socket.SOCK_STREAM, peer["ip4"], b"GET /" + payloads["HTTP"] + b" HTTP/1.1\r\nHost: bob\r\n\r\n")
    alice.host.sh("ping", "-c", 1, "-W", 5, "-p", payloads["fragments"].hex(), "-s", 4000, peer["ip4"])
    alice.ping(bob.name)
    hub.run("node", "rename", bob.name, names["renamed"])
    wait_for("the new name", lambda: alice.peer(names["renamed"]))
    alice.ping(names["renamed"])
    alice.run("leave", "--yes")
    wait_for("the hub to forget it", lambda: hub.peer(alice.name) is None)
    join_secretly(alice, tokens[2])
    alice.ping(names["renamed"])
    again = {k + " (again)": v for k, v in private_keys(alice).items()}
    markers.update(again)
    secret.update({k: v for k, v in again.items() if "seed" in k or "private" in k})

    assert len(markers) >= 32
    short = [k for k, v in markers.items() if len(v) < 8]
    assert not short
    outside = word()
    with udp_socket(alice.host) as s:
        s.sendto(outside.encode(), (bob.host.ip4, 9))
    data = wire.sync()
    assert found_in(data, {"outside": outside.encode()}) == ["outside"]
    assert found_in(data, markers) == []
    assert sorted(found_in(inner.sync(), payloads)) == sorted(payloads)
    print(f"{len(markers)} markers, none in {len(data)} bytes of {len(wire.packets())} packets")
    wire.close()

    for where, text in world_of([hub, alice, bob]).items():
        assert (where, found_in(text, secret)) == (where, [])
    hub.run("node", "tag", alice.name, "--add", "admin")
    wait_for("an administrator", lambda: Browser(alice, hub).status("/tokens") == 200)
    for n, may in ((alice, 200), (bob, 403)):
        pages = pages_of(hub, n)
        assert {"/nodes", "/map", "/names", "/events", "/routes", "/devices"} < set(pages) and pages["/policy/edit"][0] == may
        assert names["renamed"] in pages["/nodes"][1] and {status for status, _ in pages.values()} == {200, may}
        print(f"{len(pages)} pages for {n.host.name}")
        for path, (_, text) in pages.items():
            assert (n.name, path, found_in(text.encode(), secret)) == (n.name, path, [])
    once = {k: v for k, v in secret.items() if "token" in k or "client" in k or "dashboard" in k}
    for n in (hub, alice, bob):
        assert stat.S_IMODE(os.stat(n.state).st_mode) == 0o700
        for path in files_of(n):
            assert (path, oct(stat.S_IMODE(os.stat(path).st_mode) & 0o077)) == (path, "0o0")
            with open(path, "rb") as f:
                data = f.read()
            assert (path, found_in(data, once)) == (path, [])
            if os.path.basename(path) != "identity":
                keys = {k: v for k, v in secret.items() if "seed" in k or "X25519" in k}
                assert (path, found_in(data, keys)) == (path, [])


def test_a_bug_report_has_what_helps_and_hides_what_may_be_secret(net):
    hub, nas = net.mesh("hub", "nas")
    wrong = word()
    nas.down()
    nas.configure(proxy=f"http://me:{wrong}@198.18.250.9:3128", listen_port=51999)
    nas.up()
    nas.ping("hub")
    pieces = {k: v.decode() for k, v in bug_report(nas).items()}
    assert not [k for k, v in pieces.items() if wrong in v]
    assert "listen_port: 51999" in pieces["config.txt"] and "proxy: (hidden)" in pieces["config.txt"]
    history = {p["name"]: p["changes"] for p in json.loads(pieces["paths.json"])["peers"]}["hub"]
    assert history[-1]["to"] == "direct" and history[-1]["why"] and history[-1]["endpoint"].startswith(("198.18.", "[2001:db8:"))
    assert abs(history[-1]["at_ms"] / 1000 - time.time()) < 60
    assert json.loads(pieces["status.json"])["self"]["name"] == "nas"
    assert "peer is up" in pieces["log.txt"] and "tm0" in pieces["addresses.txt"] and "default via" in pieces["routing.txt"]
    assert sorted(pieces) == sorted(set(re.findall(r"^  (\S+\.(?:txt|json)) ", pieces["readme.txt"], re.M)) | {"readme.txt"})
    nas.down()
    without = {k: v.decode() for k, v in bug_report(nas).items()}
    assert "tunnelmesh is not running" in without["status.json"] and "peer is up" in without["log.txt"]
    assert "not there, or not whole: tunnelmesh is not running" in without["readme.txt"]
    assert not [k for k, v in without.items() if wrong in v]
