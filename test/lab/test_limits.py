# SPDX-License-Identifier: AGPL-3.0-or-later
"""What strangers take up must not be missing where an administrator or a member needs it."""
import subprocess

import pytest

from lab import descriptors, find_tool, wait_for

API_PORT = 8443
DESCRIPTORS = 300
SOURCES = 20


@pytest.fixture
def knocking(net):
    """knocking(host, to, upgrade): strangers on that host connect as soon as there is room, from many addresses."""
    def start(host, to, upgrade):
        subnet = host.ip4.rsplit(".", 1)[0]
        for n in range(SOURCES):
            host.sh("ip", "addr", "add", f"{subnet}.{100 + n}/24", "dev", "eth0")
        p = host.spawn(find_tool("knock"), f"to={to}", f"port={API_PORT}", f"from={subnet}.100", f"addresses={SOURCES}",
                       "rate=1000", "keep=800", f"upgrade={upgrade}", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "ready\n"
    return start


@pytest.mark.parametrize("upgrade", [0, 1])
def test_an_administrator_and_members_get_in_while_strangers_have_all_descriptors(net, knocking, upgrade):
    hub, alice, bob = net.node("hub"), net.node("alice"), net.node("bob")
    hub.init("--no-up")
    hub.host.sh("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *hub.argv("up"))
    alice.join(hub.token())
    pid = hub.pid()
    knocking(net.host("stranger"), hub.host.ip4, upgrade)
    wait_for("the descriptors to run out", lambda: "all descriptors are in use" in hub.log())
    most = descriptors(pid)
    for _ in range(5):
        assert {n["name"] for n in hub.json("node", "list")["nodes"]} == {"hub", "alice"}
        hub.run("token", "create")
        most = max(most, descriptors(pid))
    assert DESCRIPTORS // 2 < most < DESCRIPTORS
    assert alice.status()["link"]["up"]
    bob.join(hub.token())
    alice.down()
    alice.up()
    wait_for("alice's link to be back", lambda: alice.status()["link"]["up"], 30)
    alice.ping("bob")
    assert hub.pid() == pid and hub.log().count("all descriptors are in use") == 1
