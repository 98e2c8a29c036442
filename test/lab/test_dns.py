# SPDX-License-Identifier: AGPL-3.0-or-later
"""Names of the mesh, asked for by programs that others wrote, in namespaces: bind9's dig, ldns' drill, knot's kdig."""
import re
import subprocess

import pytest

from lab import find_program, wait_for

# As musl does it: both questions by one socket before any answer is read; then the answers, in whatever order.
PAIR = r"""
import socket, struct, sys
at, name = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
for id, kind in ((1, 1), (2, 28)):
    labels = b"".join(bytes([len(l)]) + l.encode() for l in name.split("."))
    s.sendto(struct.pack(">6H", id, 0x100, 1, 0, 0, 0) + labels + struct.pack(">xHH", kind, 1), (at, 53))
for _ in range(2):
    answer, who = s.recvfrom(512)
    id, flags, _, n, _, _ = struct.unpack(">6H", answer[:12])
    print(id, flags & 15, n, who[0])
"""

# Without an end, and no faster than the server reads, so that no question of somebody else is lost: 64, and the next ones when one of
# the last of these has been answered, as each second one is.
FLOOD = r"""
import contextlib, itertools, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 53))
s.settimeout(1)
for first in itertools.cycle(range(0, 65536, 64)):
    for id in range(first, first + 64):
        s.send(struct.pack(">6H", id, 0x100, 1, 0, 0, 0) + b"\6laptop\4mesh\0\0\1\0\1")
    with contextlib.suppress(TimeoutError):
        while not first + 48 <= struct.unpack(">H", s.recv(512)[:2])[0] < first + 64:
            pass
"""

# Of answers by UDP those arrive that say "ask by TCP" (RFC 1035 4.1.1: TC, the seventh bit behind the id).
CUT_ONLY = """
table ip cut {
    chain in {
        type filter hook input priority 0
        udp sport 53 @th,86,1 0 drop
    }
}
"""


def dig(host, at, *args):
    return host.sh(find_program("dig"), f"@{at}", "+timeout=2", "+tries=1", *args).stdout


def short(host, at, *args):
    return dig(host, at, "+short", *args).split()


@pytest.fixture
def pair(net):
    return net.mesh("hub", "laptop")


def own(node):
    return node.status()["self"]


def test_names_lead_to_addresses_and_back(pair):
    hub, laptop = pair
    me, it = own(laptop), own(hub)
    for at in (me["ip4"], me["ip6"]):
        assert short(laptop.host, at, "hub.mesh", "A") == [it["ip4"]]
        assert short(laptop.host, at, "hub.mesh", "AAAA") == [it["ip6"]]
        assert short(laptop.host, at, "this.mesh", "A") == [it["ip4"]]
        assert short(laptop.host, at, "-x", it["ip4"]) == ["hub.mesh."]
        assert short(laptop.host, at, "-x", it["ip6"]) == ["hub.mesh."]
        assert short(laptop.host, at, "+tcp", "hub.mesh") == [it["ip4"]]
    answer = dig(laptop.host, me["ip4"], "nobody.mesh")
    assert "status: NXDOMAIN" in answer and re.search(r"^mesh\.\s+10\s+IN\s+SOA\s", answer, re.M)
    answer = dig(laptop.host, me["ip4"], "hub.mesh", "MX")
    assert "status: NOERROR" in answer and re.search(r"^mesh\.\s+10\s+IN\s+SOA\s", answer, re.M)
    assert "status: REFUSED" in dig(laptop.host, me["ip4"], "example.org")
    assert "status: BADVERS" in dig(laptop.host, me["ip4"], "+edns=1", "+noednsneg", "hub.mesh")


def test_a_mesh_may_have_its_names_in_another_zone(net, tmp_path):
    """For its life, so that a member's name is the same to all: known to who joined before and after a restart, and in a backup."""
    hub, laptop = net.node("hub"), net.node("laptop")
    r = hub.run("init", "--name", "hub", "--zone", "office.local", check=False)
    assert r.returncode == 2 and '"office.local" is not a zone of names' in r.stderr
    hub.init("--zone", "flat.home.arpa")
    laptop.join(hub.token())
    it = own(hub)
    for node in (hub, laptop):
        me = own(node)["ip4"]
        assert short(node.host, me, "hub.flat.home.arpa") == [it["ip4"]]
        assert short(node.host, me, "this.flat.home.arpa", "AAAA") == [it["ip6"]]
        assert short(node.host, me, "-x", it["ip4"]) == ["hub.flat.home.arpa."]
        assert "status: REFUSED" in dig(node.host, me, "hub.mesh")
        assert node.json("dns", "status")["zone"] == "flat.home.arpa."
        assert node.json("dns", "query", "hub")["name"] == "hub.flat.home.arpa."
    laptop.ping("hub.flat.home.arpa")
    hub.run("node", "rename", "laptop.flat.home.arpa", "desk")
    for node in (hub, laptop):
        node.down()
        node.up()
        assert node.json("dns", "status")["zone"] == "flat.home.arpa."
    me = own(laptop)["ip4"]
    wait_for("the new name", lambda: short(hub.host, it["ip4"], "desk.flat.home.arpa") == [me])


def test_other_programs_understand_it(pair):
    hub, laptop = pair
    me, it = own(laptop)["ip4"], own(hub)
    assert laptop.host.sh(find_program("drill"), "-Q", "hub.mesh", f"@{me}").stdout.split() == [it["ip4"]]
    assert laptop.host.sh(find_program("drill"), "-Q", "-t", "hub.mesh", f"@{me}", "AAAA").stdout.split() == [it["ip6"]]
    assert laptop.host.sh(find_program("kdig"), "+short", f"@{me}", "hub.mesh", "AAAA").stdout.split() == [it["ip6"]]
    out = laptop.host.sh(find_program("kdig"), "+tcp", "+keepopen", f"@{me}", "hub.mesh", "laptop.mesh").stdout
    assert it["ip4"] in out and me in out


def test_both_families_by_one_socket(pair):
    hub, laptop = pair
    me = own(laptop)["ip4"]
    for name, n in (("hub.mesh", 1), ("nobody.mesh", 0)):
        rcode = 0 if n else 3
        out = laptop.host.sh("/usr/bin/python3", "-c", PAIR, me, name).stdout.splitlines()
        assert sorted(out) == [f"{i} {rcode} {n} {me}" for i in (1, 2)]


def test_a_rename_is_in_the_next_answer(pair):
    hub, laptop = pair
    me = own(hub)["ip4"]
    address = own(laptop)["ip4"]
    assert short(hub.host, me, "laptop.mesh") == [address]
    hub.run("node", "rename", "laptop", "desk")
    wait_for("the new name", lambda: short(hub.host, me, "desk.mesh") == [address], timeout=5)
    assert short(hub.host, me, "laptop.mesh") == []
    assert short(hub.host, me, "-x", address) == ["desk.mesh."]


def test_an_alias_is_a_name(pair):
    hub, laptop = pair
    me, it = own(laptop)["ip4"], own(hub)
    hub.run("node", "alias", "hub", "--add", "files", "--add", "t14")
    wait_for("the alias", lambda: short(laptop.host, me, "files.mesh") == [it["ip4"]], timeout=5)
    assert short(laptop.host, me, "Files.Mesh", "AAAA") == [it["ip6"]]
    assert short(laptop.host, me, "-x", it["ip4"]) == ["hub.mesh."]
    assert laptop.json("dns", "query", "t14")["records"][0]["data"] == it["ip4"]
    laptop.ping("files")
    assert laptop.json("status", "t14")["peer"]["name"] == "hub" and "(files,t14)" in laptop.run("status", "files").stdout
    assert laptop.json("peers")["peers"][0]["aliases"] == hub.status()["self"]["aliases"] == ["files", "t14"]
    r = hub.run("node", "alias", "laptop", "--add", "files", check=False)
    assert r.returncode == 1 and "files is an alias of hub already" in r.stderr
    laptop.down()
    hub.run("node", "alias", "t14", "--remove", "files")
    laptop.up()  # knows what it knew, and is told what changed
    wait_for("no alias", lambda: short(laptop.host, me, "files.mesh") == [], timeout=15)
    hub.run("node", "rename", "laptop", "desk", "--keep")
    wait_for("the new name", lambda: short(hub.host, it["ip4"], "desk.mesh") == [me] == short(hub.host, it["ip4"], "laptop.mesh"), timeout=5)


def test_the_daemon_tells_what_it_answers(pair):
    hub, laptop = pair
    it = own(hub)
    answer = laptop.json("dns", "query", "hub")
    assert answer["name"] == "hub.mesh." and answer["rcode"] == "NOERROR"
    assert [r["data"] for r in answer["records"]] == [it["ip4"], it["ip6"]]
    assert laptop.json("dns", "query", it["ip4"])["records"] == [{"type": "PTR", "ttl_s": 5, "data": "hub.mesh."}]
    assert "hub.mesh." in laptop.run("dns", "query", it["ip6"]).stdout
    r = laptop.run("dns", "query", "nobody", check=False)
    assert r.returncode == 1 and "there is no name nobody.mesh." in r.stderr
    r = laptop.run("dns", "query", "hub", "--type", "LOC", check=False)
    assert r.returncode == 1 and "no records of that type" in r.stderr
    short(laptop.host, own(laptop)["ip4"], "hub.mesh")
    status = laptop.json("dns", "status")
    assert status["zone"] == "mesh." and status["serve"] == "host" and status["questions"]["answered"] == 1
    assert [d["open"] for d in status["listen"]] == [True, True]
    assert "served at" in laptop.run("dns", "status").stdout


def test_other_members_are_answered_where_that_is_asked_for(net):
    hub = net.node("hub").configure(dns={"serve": "mesh"})
    hub.init()
    laptop = net.node("laptop")
    laptop.join(hub.token())
    it, me = own(hub)["ip4"], own(laptop)["ip4"]
    assert short(laptop.host, it, "laptop.mesh") == [me]
    assert "status: REFUSED" in dig(hub.host, me, "hub.mesh")


def test_a_member_that_asks_too_often_is_sent_to_tcp_and_gets_there_what_it_wants(net):
    """Also while somebody goes on asking in its name."""
    hub = net.node("hub").configure(dns={"serve": "mesh"})
    hub.init()
    laptop = net.node("laptop")
    laptop.join(hub.token())
    it, me = own(hub)["ip4"], own(laptop)["ip4"]
    laptop.host.spawn("/usr/bin/python3", "-c", FLOOD, it)
    wait_for("the limit", lambda: hub.json("dns", "status")["questions"]["limited"] > 100)
    laptop.host.sh("nft", "-f", "-", input=CUT_ONLY)
    asked = lambda: laptop.host.sh(find_program("dig"), f"@{it}", "+tries=5", "+timeout=1", "laptop.mesh", check=False).stdout
    out = wait_for("an answer to dig", lambda: next((o for o in [asked()] if "ANSWER: 1" in o), None), 30)
    assert "Truncated, retrying in TCP mode" in out and re.search(rf"^laptop\.mesh\.\s+5\s+IN\s+A\s+{me}$", out, re.M), out
    # Drill waits five seconds for an answer that is left out: so eight ask, one of whom is told at once.
    many = [laptop.host.spawn(find_program("drill"), "-Q", "-a", "-b", "1232", "laptop.mesh", f"@{it}", stdout=subprocess.PIPE) for _ in range(8)]
    wait_for("an answer to drill", lambda: any(d.poll() is not None and d.stdout.read().split() == [me.encode()] for d in many), 30)


def test_a_port_that_is_taken_is_no_reason_not_to_run(net):
    hub = net.node("hub").configure(dns={"listen": "[127.0.0.53:53, 127.0.0.54:53]"})
    thief = hub.host.spawn("/usr/bin/python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           "s.bind(('127.0.0.54', 53))\nprint('bound', flush=True)\ns.recv(9)", stdout=subprocess.PIPE)
    assert thief.stdout.readline() == b"bound\n"
    hub.init()
    doors = {d["address"]: d for d in hub.json("dns", "status")["listen"]}
    assert doors["127.0.0.53:53"]["open"] and not doors["127.0.0.54:53"]["open"]
    assert "another program serves names at 127.0.0.54:53" in doors["127.0.0.54:53"]["why_not"]
    assert len(re.findall("another program serves names", hub.log())) == 1
    assert short(hub.host, "127.0.0.53", "hub.mesh") == [own(hub)["ip4"]]


def test_names_can_be_switched_off(net):
    hub = net.node("hub").configure(dns={"enabled": "no"})
    hub.init()
    assert hub.json("dns", "status")["enabled"] is False
    assert "nowhere" in hub.run("dns", "status").stdout
    assert hub.host.sh(find_program("dig"), f"@{own(hub)['ip4']}", "+timeout=1", "+tries=1", "hub.mesh", check=False).returncode == 9
    assert hub.json("dns", "query", "hub")["records"]  # the daemon itself knows


def test_a_question_begins_the_session(net):
    """The packet that follows the answer finds everything ready."""
    hub, laptop, nas = net.mesh("hub", "laptop", "nas")
    it = own(nas)["ip4"]
    assert not laptop.peer("nas")["session"]
    assert short(laptop.host, own(laptop)["ip4"], "nas.mesh") == [it]
    wait_for("a session", lambda: laptop.peer("nas")["session"], timeout=5)
    out = laptop.host.sh("ping", "-c", 1, "-W", 2, it).stdout
    assert float(re.search(r"time=([\d.]+)", out)[1]) < 100


# True questions that were damaged on their way, fifty at a time and then a whole one, whose answer says that all fifty were read.
DAMAGED = r"""
import random, socket, struct, sys
random.seed(7)
at, kinds = sys.argv[1], [0] * 8
good = struct.pack(">6H", 1, 0x100, 1, 0, 0, 1) + b"\3hub\4mesh\0\0\1\0\1" + b"\0\0\x29\4\xd0\0\0\0\0\0\0"
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)

def damaged(i):
    q = bytearray(good)
    kind = i % 8
    if kind == 0:
        return q[:random.randrange(12, len(q))]  # cut short behind the header
    if kind == 1:
        q[random.choice((12, 16))] = random.randrange(64, 192)  # no kind of label (RFC 1035 4.1.4, RFC 6891 5)
    elif kind == 2:
        q[12:14] = struct.pack(">H", 0xC000 | random.randrange(12, 64))  # a pointer to itself, or beyond
    elif kind == 3:
        q[12:22] = (b"\77" + random.randbytes(63)) * 5 + b"\0"  # 320 octets of name
    elif kind == 4:
        q[11] = random.choice((0, 2, 255))  # other counts than there are records
        q[5] = random.choice((0, 2))
    elif kind == 5:
        q[2] = random.randrange(1, 16) << 3  # other things to do than answer
    elif kind == 6:
        q[-2:] = struct.pack(">H", random.randrange(1, 65536))  # more options than there are octets
    else:
        for _ in range(3):
            q[random.randrange(12, len(q))] = random.randrange(256)
    return q

for i in range(10000):
    u.sendto(damaged(i), (at, 53))
    if i % 50 == 49:
        u.sendto(struct.pack(">H", 0xBEEF) + good[2:], (at, 53))
        while u.recv(2048)[:2] != b"\xbe\xef":
            pass
for i in range(200):
    with socket.create_connection((at, 53)) as t:
        q = bytes(damaged(i))
        t.sendall(struct.pack(">H", len(q)) + q + random.randbytes(random.randrange(1, 3000)))
"""


def test_what_is_no_question_does_no_harm(pair):
    """By UDP and TCP, beside somebody who asks."""
    hub, laptop = pair
    me = own(laptop)["ip4"]
    before = laptop.json("dns", "status")["questions"]
    laptop.host.sh("/usr/bin/python3", "-c", DAMAGED, me, timeout=60)
    assert short(laptop.host, me, "hub.mesh") == [own(hub)["ip4"]]
    status = laptop.json("dns", "status")
    seen = {k: n - before[k] for k, n in status["questions"].items()}
    # Three octets of 34 that are others leave some a question, if a strange one.
    assert seen["malformed"] > 8750 and sum(seen.values()) >= 10000 + 200 + 1, seen
    assert status["listen"][0]["open"]


def test_ssh_goes_to_a_member_by_its_name(net, tmp_path):
    """ssh is a script here that says how it was called."""
    hub, laptop = net.mesh("hub", "laptop")
    script = tmp_path / "ssh"
    script.write_text('#!/bin/sh\necho "$@"\n', encoding="ascii")
    script.chmod(0o755)
    path = f"PATH={tmp_path}:/usr/bin:/bin"
    out = laptop.host.sh("env", path, *laptop.argv("ssh", "root@hub", "--", "-p", "22", "uptime")).stdout
    assert out == f"-o HostName={own(hub)['ip4']} root@hub.mesh -p 22 uptime\n"
    assert laptop.host.sh("env", path, *laptop.argv("ssh", own(hub)["ip6"])).stdout.endswith(" hub.mesh\n")
    r = laptop.host.sh("env", path, *laptop.argv("ssh", "--", "-oProxyCommand=x@hub"), check=False)
    assert r.returncode == 2 and "is no name of a user and a member" in r.stderr
    r = laptop.run("ssh", "nobody", check=False)
    assert r.returncode == 1 and 'there is no node "nobody" in this mesh' in r.stderr
    r = laptop.host.sh("env", "PATH=/nowhere", *laptop.argv("ssh", "hub"), check=False)
    assert r.returncode == 1 and "cannot run ssh" in r.stderr and "install" in r.stderr


def test_whois_tells_whose_an_address_in_a_log_is(net):
    hub, laptop = net.mesh("hub", "laptop")
    hub.run("client", "add", "phone", "--endpoint", "192.0.2.1:51820")
    phone = next(p for p in hub.json("peers")["peers"] if p["name"] == "phone")
    wait_for("laptop to know it", lambda: laptop.run("whois", phone["ip4"], check=False).returncode == 0)
    for asked in phone["ip4"], phone["ip4"] + ":443", phone["ip6"], f"[{phone['ip6']}]:443", "phone.mesh":
        answer = laptop.json("whois", asked)
        assert (answer["name"], answer["kind"], answer["via_name"]) == ("phone", "client", "hub")
    assert "behind hub" in laptop.run("whois", "phone").stdout
    assert laptop.json("whois", "laptop")["self"] and hub.json("whois", "hub")["coordinator"]
    r = laptop.run("whois", "192.0.2.1:443", check=False)
    assert r.returncode == 1 and "192.0.2.1 is no member's address in this mesh" in r.stderr
