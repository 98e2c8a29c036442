# SPDX-License-Identifier: AGPL-3.0-or-later
"""Join tokens that are none or no longer good, and machines that are in a mesh already."""
import base64
import hashlib
import json
import os
import socket
import subprocess

import pytest

from lab import wait_for
from mistakes import Attempt, Rows, USAGE, assert_refused, hub_and_guest, join

ROWS = Rows()


# --- join tokens ---

def altered(token, change):
    """A token whose bytes were changed by someone who knows how to compute the checksum."""
    text = token[4:]
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))[:-4]
    change(raw)
    raw += hashlib.sha256(raw).digest()[:4]
    return "tm1_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


@ROWS.row(r"not a join token .*tm1_.*token create")
def join_with_something_that_is_no_token(net):
    return join(net.node("guest"), "hunter2")


@ROWS.row(r"token is garbled .*copy it again")
def join_with_a_garbled_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    at = len(token) // 2
    return join(guest, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:], then=lambda: guest.join(token))


@ROWS.row(r"token is cut off .*copy the whole")
def join_with_a_truncated_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token[:-9], then=lambda: guest.join(token))


@ROWS.row(r"token was made by a newer version .*update")
def join_with_a_token_of_the_future(net):
    hub, guest = hub_and_guest(net)
    return join(guest, altered(hub.token(), lambda raw: raw.__setitem__(0, 3)))


@ROWS.row(r"coordinator does not know this join token .*token create")
def join_with_a_token_that_the_coordinator_never_made(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, altered(token, lambda raw: raw.__setitem__(40, raw[40] ^ 1)), then=lambda: guest.join(token))


@ROWS.row(r"expired.*token create")
def join_with_an_expired_token(net):
    hub, guest = hub_and_guest(net)
    token = ask(hub, {"cmd": "token.create", "ttl_s": 1})["token"]
    wait_for("the token to expire", lambda: any(t["expired"] for t in hub.json("token", "list")["tokens"]))
    return join(guest, token)


@ROWS.row(r"used.*token create")
def join_with_a_used_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    net.node("first").join(token)
    return join(guest, token)


@ROWS.row(r"revoked.*token create")
def join_with_a_revoked_token(net):
    hub, guest = hub_and_guest(net)
    made = hub.json("token", "create")
    hub.run("token", "revoke", made["id"])
    return join(guest, made["token"])


@ROWS.row(r"(another|different) key.*new token")
def join_with_a_token_of_another_mesh(net):
    hub, guest = hub_and_guest(net)
    other = net.node("other")
    other.init("--address", f"{hub.host.ip4}:8443")
    return join(guest, other.token())


@ROWS.row(r"198\.18\.1\.2.*refused.*check that the coordinator runs")
def join_while_the_coordinator_is_down(net):
    hub, guest = hub_and_guest(net, "--address", "198.18.1.2")
    token = hub.token()
    hub.down()
    return join(guest, token, then=lambda: (hub.up(), guest.join(token)))


NO_SUCH_NAME = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("bound", flush=True)
while True:
    query, who = s.recvfrom(512)
    s.sendto(query[:2] + b"\\x81\\x83" + query[4:6] + bytes(6) + query[12:], who)  # RFC 1035 4.1.1, RCODE 3
"""


@ROWS.row(r"name in nosuch\.invalid:8443 cannot be resolved: the name is unknown.*check the name")
def join_by_a_name_that_does_not_exist(net):
    hub, guest = hub_and_guest(net, "--address", "nosuch.invalid")
    resolv_conf = os.path.join(net.dir, "resolv.conf")
    with open(resolv_conf, "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\n")
    guest.host.private_mounts(f"mount --bind {resolv_conf} /etc/resolv.conf")
    resolver = guest.host.spawn("/usr/bin/python3", "-c", NO_SUCH_NAME, stdout=subprocess.PIPE)
    assert resolver.stdout.readline() == b"bound\n"
    return join(guest, hub.token())


@ROWS.row(r"not a node name .*a-z", USAGE)
def join_under_an_impossible_name(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return Attempt(guest, "join", token, "--name", "Two words!", then=lambda: guest.join(token))


def ask(node, request):
    """One request on the control socket."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(node.host.path(node.state + ".sock"))
        s.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(s.makefile().readline())


# --- already in a mesh ---

@ROWS.row(r"already in the mesh \"home\" as hub .*leave")
def init_twice(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "init", may_change={"daemon.log"})


@ROWS.row(r"already in the mesh \"home\" as hub .*leave")
def init_when_stopped(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "init")


@ROWS.row(r"already in the mesh \"home\" as guest .*leave")
def join_another_mesh(net):
    hub, guest = hub_and_guest(net)
    other = net.node("other")
    other.init()
    guest.join(hub.token())
    token = other.token()
    return join(guest, token, then=lambda: net.node("next").join(token))


@ROWS.row(r"mesh database already .*move the file away")
def init_beside_the_database_of_a_lost_mesh(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.unlink(hub.state + "/node.json")
    return Attempt(hub, "init", "--name", "hub", may_change={"lock"})


@pytest.mark.parametrize("prepare, says, status", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(net, prepare, says, status):
    assert_refused(net, prepare, says, status)
