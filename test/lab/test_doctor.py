# SPDX-License-Identifier: AGPL-3.0-or-later
"""`doctor` finds what is wrong, says what to type against it, and finds nothing any more once that was typed."""
import os
import re
import shlex
import subprocess

import pytest

from lab import BINARY, wait_for
from test_dns_host import PLAIN, Machine
from test_in_spite import FAKETIME

SOON = 60  # seconds, for what takes a moment where there is time


def findings(node, check):
    report = node.json("doctor", check=False)
    assert report["ok"] and check in [c["check"] for c in report["checks"]]
    return [f for f in report["findings"] if f["check"] == check]


def found(node, check, says):
    return next((f for f in findings(node, check) if re.search(says, f["text"])), None)


def sudo(node, line):
    """Types what is said, on the node's machine; what is behind a comma or a bracket is for people."""
    words = shlex.split(re.split(r", | \(", line)[0])
    assert words[0] == "sudo"
    words = words[1:]
    if words[0] == "tunnelmesh":
        return [node.run(*part.replace("sudo", "").split()[1:]) for part in line.split("&&")]
    return [node.host.sh(*["iptables-nft" if w == "iptables" else w for w in words])]


def again(node):
    node.down()
    node.up()


# --- what is wrong: does it, and returns what is typed against it, which is given the fix that was said ---

def no_daemon(hub, nas):
    nas.down()
    return nas, lambda fix: sudo(nas, fix)


def no_coordinator(hub, nas):
    hub.down()
    wait_for("the link to be lost", lambda: not nas.status()["link"]["up"], SOON)
    def mend(_):
        assert "coordinator" in nas.run("netcheck", timeout=120).stdout
        hub.up()
    return nas, mend


def removed(hub, nas):
    hub.run("node", "remove", "nas")
    wait_for("the removal", lambda: nas.status()["link"]["removed"], SOON)
    return nas, lambda fix: sudo(nas, fix.replace("TOKEN", hub.token()))


def clock_is_wrong(hub, nas):
    assert FAKETIME, "the Debian package faketime is missing"
    nas.down()
    nas.run("up", env={**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME": "-1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    wait_for("the link", lambda: nas.status()["link"]["up"], SOON)
    return nas, lambda _: again(nas)  # there is no clock to be set here, but another process with the right one


def firewall_drops(hub, nas):
    nas.host.sh("iptables-nft", "-A", "INPUT", "-s", "100.64.0.0/10", "-j", "DROP")
    nas.host.move()  # whatever it is: looked at again
    wait_for("it to be seen", lambda: nas.status()["firewalled"], SOON)
    def mend(fix):
        sudo(nas, fix)
        nas.host.move(78)
    return nas, mend


def way_is_narrow(hub, nas):
    """The link of the machine itself is, as that of a PPPoE line."""
    for host, dev in ((nas.host, "eth0"), (nas.lab.router, f"r{nas.host.ip4.split('.')[2]}")):
        host.sh("ip", "link", "set", dev, "mtu", 1400)
    again(nas)
    def measured():
        nas.host.sh("ping", "-c", 1, "-W", 1, "-s", 1392, "-M", "dont", nas.peer("hub")["ip4"], check=False)
        return 0 < (nas.peer("hub")["mtu"] or 0) < 1420
    wait_for("it to be measured", measured, SOON, interval=0.2)
    def mend(fix):
        assert fix.startswith("mtu: SIZE in the configuration")
        size = re.search(r"the smallest to (\d+)", found(nas, "mtu", "")["text"])[1]
        nas.configure(mtu=size)
        again(nas)
    return nas, mend


def port_is_taken(hub, nas):
    thief = nas.host.spawn("/usr/bin/python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           "s.bind(('127.0.0.54', 53))\nprint('bound', flush=True)\ns.recv(9)", stdout=subprocess.PIPE)
    assert thief.stdout.readline() == b"bound\n"
    nas.configure(dns={"listen": "[127.0.0.54:53]"})
    again(nas)
    def mend(fix):
        who, = sudo(nas, fix)
        assert "127.0.0.54:53" in who.stdout
        thief.kill()
        thief.wait(timeout=SOON)
        again(nas)
    return nas, mend


def names_are_not_asked_for(hub, nas):
    """A program that insists on its own resolv.conf wins."""
    nas.down()
    machine = Machine(nas, PLAIN)
    nas.up()
    def fight():
        if "tunnelmesh tm0" in machine.text():
            machine.write(PLAIN)
        return not machine.resolver()["in_force"] and machine.resolver()["problem"]
    wait_for("the daemon to yield", fight, SOON, interval=0.2)
    def mend(_):
        assert "another program rewrites" in nas.run("dns", "status").stdout
        again(nas)
    return nas, mend


def another_version(node):
    """This program with another version in it."""
    version = node.json("version")["version"].encode()
    with open(BINARY, "rb") as f:
        text = f.read()
    assert version and version + b"\0" in text
    other = version[:-1] + (b"8" if version[-1:] == b"9" else b"9")
    path = node.state + ".other"
    with open(path, "wb") as f:
        f.write(text.replace(version + b"\0", other + b"\0"))
    os.chmod(path, 0o755)
    node.down()
    node.binary = path
    node.up()
    node.binary = BINARY
    wait_for("the link", lambda: node.status()["link"]["up"], SOON)


def versions_differ(hub, nas):
    another_version(nas)
    return hub, lambda _: again(nas)


def another_program_runs(hub, nas):
    another_version(nas)
    return nas, lambda fix: sudo(nas, fix)


def keys_are_readable(hub, nas):
    os.chmod(nas.state + "/identity", 0o644)
    return nas, lambda fix: sudo(nas, fix)


ROWS = [
    (no_daemon, "daemon", "problem", "", r"sudo tunnelmesh (-\S+ \S+ )*up"),
    (another_program_runs, "daemon", "note", r"another tunnelmesh is installed than the \S+ that runs", "sudo tunnelmesh down && sudo tunnelmesh up"),
    (no_coordinator, "coordinator", "problem", "no link to the coordinator", "tunnelmesh netcheck"),
    (removed, "coordinator", "problem", "removed", "sudo tunnelmesh join TOKEN"),
    pytest.param(clock_is_wrong, "clock", "problem", "this machine's clock is (1 h|59 min|60 min).* behind the coordinator's", "sudo timedatectl set-ntp true",
                 marks=pytest.mark.plain("must preload its own runtime before any other library")),
    (firewall_drops, "firewall", "problem", r"this machine's firewall drops what comes from 100\.101\.0\.0/16", "sudo iptables -I INPUT -i tm0 -j ACCEPT"),
    (way_is_narrow, "mtu", "note", "packets of 1420 bytes do not fit the way to hub", "mtu: SIZE in the configuration"),
    (port_is_taken, "dns", "problem", "names are not answered at 127.0.0.54:53: another program serves names", "sudo ss -lnptu 'sport = :53'"),
    (names_are_not_asked_for, "dns", "problem", "another program rewrites /etc/resolv.conf", "tunnelmesh dns status"),
    (versions_differ, "versions", "note", r"others have another one: nas \(", "install the same version everywhere"),
    (keys_are_readable, "files", "problem", "others than root may read .*/identity", "sudo chmod go-rwx "),
]


@pytest.mark.parametrize("trouble, check, level, says, fix", ROWS)
def test_what_is_wrong_is_found_and_is_gone_after_what_is_said_against_it(net, trouble, check, level, says, fix):
    hub, nas = net.node("hub"), net.node("nas")
    hub.init("--net4", "100.101.0.0/16")
    nas.join(hub.token())
    assert not found(nas, check, says) if says else not findings(nas, check)
    node, mend = trouble(hub, nas)
    said = wait_for("the finding", lambda: found(node, check, says), SOON)
    assert said["level"] == level and re.match(fix, said["fix"])
    shown = node.run("doctor", check=False)
    assert shown.returncode == (1 if node.json("doctor", check=False)["healthy"] is False else 0)
    assert check in shown.stdout and "-> " + fix.split()[0] in shown.stdout
    mend(said["fix"])
    wait_for("the finding to be gone", lambda: not (found(node, check, says) if says else findings(node, check)), SOON)
