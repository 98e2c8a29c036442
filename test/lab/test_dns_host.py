# SPDX-License-Identifier: AGPL-3.0-or-later
"""Programs of a machine find names of the mesh, whoever resolves names there, and everything else stays as it is: also after the end of
the daemon, and after its sudden end. Each machine has an /etc/resolv.conf of its own."""
import contextlib
import os
import shutil
import subprocess

import pytest

from lab import LabError, find_program, wait_for

# The server of the network: knows example.org, denies the rest, and notes what it is asked.
UPSTREAM = r"""
import socket, sys, time
at, log, late = sys.argv[1], sys.argv[2], float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((at, 53))
print("bound", flush=True)
while True:
    q, who = s.recvfrom(4096)
    labels, i = [], 12
    while q[i]:
        labels.append(q[i + 1:i + 1 + q[i]].decode())
        i += 1 + q[i]
    name, kind = ".".join(labels).lower(), q[i + 1:i + 3]
    with open(log, "a") as f:
        f.write(name + "\n")
    time.sleep(late)  # as far away as it is
    known = name == "example.org"
    record = b"\xc0\x0c" + kind + b"\0\1" + bytes(4) + b"\0\4" + socket.inet_aton("192.0.2.7") if known and kind == b"\0\1" else b""
    flags = b"\x81\x80" if known else b"\x81\x83"
    s.sendto(q[:2] + flags + b"\0\1\0" + bytes([len(record) > 0]) + bytes(4) + q[12:i + 5] + record, who)
"""

PLAIN = "# the administrator's\nsearch lan\nnameserver 127.0.0.2\noptions timeout:1 attempts:1\n"


class Machine:
    """A node's host with its own resolv.conf and a server of the network behind it."""

    def __init__(self, node, conf, mounts="", late=0):
        self.node, self.host = node, node.host
        self.conf = f"{node.state}.resolv.conf"
        self.asked_file = f"{node.state}.asked"
        for path, text in ((self.conf, conf), (self.asked_file, "")):
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
        os.chmod(self.conf, 0o644)
        self.host.private_mounts(f"mount --bind {self.conf} /etc/resolv.conf\n{mounts}")
        self.spawn_server(UPSTREAM, "127.0.0.2", self.asked_file, str(late))

    def spawn_server(self, code, *args):
        p = self.host.spawn("/usr/bin/python3", "-c", code, *args, stdout=subprocess.PIPE)
        assert p.stdout.readline() == b"bound\n"

    def text(self):
        with open(self.conf, encoding="ascii") as f:
            return f.read()

    def write(self, text):
        with open(self.conf, "r+", encoding="ascii") as f:
            f.write(text)
            f.truncate()

    def asked(self):
        with open(self.asked_file, encoding="ascii") as f:
            return f.read().split()

    def address(self, name):
        """As any program with glibc does it (getaddrinfo); None: it does not find it."""
        out = self.host.sh("getent", "ahostsv4", name, check=False, timeout=30).stdout.split()
        return out[0] if out else None

    def name(self, address):
        out = self.host.sh("getent", "hosts", address, check=False, timeout=30).stdout.split()
        return out[1] if len(out) > 1 else None

    def resolver(self):
        return self.node.json("dns", "status")["resolver"]

    def in_force(self, way):
        return wait_for(f"names by {way}", lambda: self.resolver()["in_force"] and self.resolver()["way"] == way, timeout=20)


def mesh_of(net, conf, mounts="", late=0, **settings):
    hub, laptop = net.node("hub"), net.node("laptop")
    if settings:
        laptop.configure(**settings)
    machine = Machine(laptop, conf, mounts, late)
    hub.init()
    laptop.join(hub.token())
    return hub.status()["self"], laptop, machine


def test_lines_in_a_plain_file_and_nothing_of_them_afterwards(net):
    hub, laptop, m = mesh_of(net, PLAIN)
    m.in_force("file")
    assert m.address("hub.mesh") == hub["ip4"] and m.address("this.mesh") == hub["ip4"]
    assert m.name(hub["ip4"]) == "hub.mesh"
    assert m.address("example.org") == "192.0.2.7"
    assert m.address("nobody.mesh") is None
    assert not [name for name in m.asked() if name.endswith(".mesh") or name.endswith("arpa")]
    assert os.stat(m.conf).st_mode & 0o777 == 0o644
    laptop.down()
    assert m.text() == PLAIN
    laptop.up()
    m.in_force("file")
    laptop.kill9()
    assert m.text() != PLAIN
    assert m.address("example.org") == "192.0.2.7"  # slower, but there
    assert "removed what a killed tunnelmesh left" in laptop.run("down", "--cleanup").stdout
    assert m.text() == PLAIN
    laptop.up()
    m.in_force("file")
    laptop.kill9()
    laptop.up()
    m.in_force("file")
    assert m.text().count("tunnelmesh tm0 ends") == 1
    laptop.down()
    assert m.text() == PLAIN


def test_a_file_of_its_own_is_edited_too_and_found_again_when_it_is_replaced(net):
    """In the other tests it is a mount, as in containers: nobody can put another in its place."""
    hub, laptop = net.node("hub"), net.node("laptop")
    etc = f"{laptop.state}.etc"
    m = Machine(laptop, PLAIN, f"""
        umount /etc/resolv.conf
        cp -a /etc {etc}
        rm -f {etc}/resolv.conf
        cp {laptop.state}.resolv.conf {etc}/resolv.conf
        mount --bind {etc} /etc""")
    m.conf = f"{etc}/resolv.conf"
    hub.init()
    laptop.join(hub.token())
    it = hub.status()["self"]["ip4"]
    m.in_force("file")
    assert m.address("hub.mesh") == it and m.address("example.org") == "192.0.2.7"
    with open(m.conf + ".new", "w", encoding="ascii") as f:
        f.write("# another network\n" + PLAIN)
    os.rename(m.conf + ".new", m.conf)
    wait_for("our lines", lambda: "tunnelmesh tm0" in m.text())
    assert m.address("hub.mesh") == it
    laptop.kill9()
    laptop.up()
    m.in_force("file")
    laptop.down()
    assert m.text() == "# another network\n" + PLAIN


def test_a_name_of_one_word_is_looked_for_where_that_is_asked_for(net):
    hub, laptop, m = mesh_of(net, PLAIN, dns={"search": "yes"})
    m.in_force("file")
    assert m.address("hub") == hub["ip4"] and m.address("hub.mesh") == hub["ip4"] and m.address("example.org") == "192.0.2.7"
    assert "hub.lan" in m.asked()  # what was searched before comes first
    laptop.down()
    assert m.text() == PLAIN
    assert m.address("hub") is None


MUSL = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	struct addrinfo *all, hints = {.ai_socktype = SOCK_STREAM};
	char text[64];
	if (argc != 2 || getaddrinfo(argv[1], NULL, &hints, &all))
		return 1;
	for (; all; all = all->ai_next) {
		void *at = all->ai_family == AF_INET ? (void *)&((struct sockaddr_in *)all->ai_addr)->sin_addr
						     : (void *)&((struct sockaddr_in6 *)all->ai_addr)->sin6_addr;
		puts(inet_ntop(all->ai_family, at, text, sizeof(text)));
	}
}
"""


@pytest.mark.skipif(not shutil.which("musl-gcc"), reason="no musl-gcc: scripts/setup test gets it")
def test_a_program_with_musl_finds_them_too(net):
    """It asks all servers at once, both families by one socket, and takes the first answer that is none of failure: ours has no network
    to cross."""
    hub, laptop, m = mesh_of(net, PLAIN, late=0.02)
    m.in_force("file")
    program = f"{laptop.state}.musl"
    subprocess.run(["musl-gcc", "-static", "-xc", "-", "-o", program], input=MUSL, text=True, check=True)
    assert sorted(m.host.sh(program, "hub.mesh").stdout.split()) == sorted([hub["ip4"], hub["ip6"]])
    assert m.host.sh(program, "example.org").stdout.split() == ["192.0.2.7"]
    assert m.host.sh(program, "nobody.mesh", check=False).returncode == 1


def test_leaving_takes_the_lines_along_after_a_kill_too(net):
    _, laptop, m = mesh_of(net, PLAIN)
    m.in_force("file")
    laptop.kill9()
    laptop.run("leave", "--yes", check=False)
    assert m.text() == PLAIN


def test_what_another_program_writes_is_not_fought_for_ever(net):
    hub, laptop, m = mesh_of(net, PLAIN)
    m.in_force("file")
    # NetworkManager found another network: its servers are new, ours comes first again.
    m.write("# Generated by NetworkManager\nnameserver 127.0.0.2\n")
    wait_for("our lines", lambda: "tunnelmesh tm0" in m.text())
    assert m.text().startswith("# Generated by NetworkManager\n")
    assert m.address("hub.mesh") == hub["ip4"]
    # A program that insists wins, and that is said.
    def fight():
        if "tunnelmesh tm0" in m.text():
            m.write(PLAIN)
        return not m.resolver()["in_force"]
    wait_for("the daemon to yield", fight, timeout=30, interval=0.2)
    assert "another program rewrites /etc/resolv.conf again and again" in m.resolver()["problem"]
    assert m.text() == PLAIN
    laptop.down()
    assert m.text() == PLAIN


def test_where_it_is_not_wanted_nothing_changes(net):
    _, laptop, m = mesh_of(net, PLAIN, dns={"resolver": "none"})
    assert m.resolver()["way"] == "none" and "configuration" in m.resolver()["why"]
    assert m.text() == PLAIN
    assert "nobody of itself" in laptop.run("dns", "status").stdout


def test_the_machines_own_file_is_left_alone_from_another_network(net):
    """What every other test of this laboratory relies on."""
    hub = net.node("hub")
    hub.init()
    with open("/etc/resolv.conf", encoding="utf-8") as f:
        before = f.read()
    resolver = wait_for("the choice", lambda: hub.json("dns", "status")["resolver"]["why"] and hub.json("dns", "status")["resolver"])
    assert resolver["way"] == "none" and "namespace" in resolver["why"]
    with open("/etc/resolv.conf", encoding="utf-8") as f:
        assert f.read() == before


# --- systemd-resolved, as Debian has it, on a bus of its own ---

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
<allow receive_type="method_call"/><allow receive_sender="*"/></policy></busconfig>
"""

RESOLVED_CONF = "[Resolve]\nDNS=127.0.0.2\nFallbackDNS=\nDNSSEC=no\nDNSOverTLS=no\nLLMNR=no\nMulticastDNS=no\nCache=no\n"


class Resolved:
    def __init__(self, machine, daemon):
        self.m, self.daemon = machine, daemon
        self.process = None
        machine.host.sh(shutil.which("dbus-daemon"), f"--config-file={machine.node.state}.bus", "--fork", "--nopidfile")

    def start(self):
        with open(self.m.node.state + ".resolved.log", "ab") as log:
            self.process = self.m.host.spawn(self.daemon, stdout=log, stderr=log)
        wait_for("resolved", lambda: self.m.host.sh("resolvectl", "--no-pager", "status", check=False).returncode == 0, timeout=20)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)

    def domains(self):
        return self.m.host.sh("resolvectl", "--no-pager", "domain", check=False).stdout


@pytest.fixture
def resolved(net):
    try:
        ctl = find_program("resolvectl")
    except LabError:
        pytest.skip("no resolvectl: scripts/setup test gets it")
    aside = os.path.dirname(os.path.dirname(os.path.dirname(ctl)))
    daemon = next((d for d in (f"{aside}/lib/systemd/systemd-resolved", "/lib/systemd/systemd-resolved") if os.path.exists(d)), None)
    if not daemon or not shutil.which("dbus-daemon"):
        pytest.skip("no systemd-resolved or no dbus-daemon")
    laptop = net.node("laptop")
    users = {}
    for name, line in (("passwd", "systemd-resolve:x:991:991::/:/usr/sbin/nologin\n"), ("group", "systemd-resolve:x:991:\n")):
        with open(f"/etc/{name}", encoding="utf-8") as f:
            text = f.read()
        users[name] = text if "systemd-resolve:" in text else text + line
    for name, text in (("bus", BUS), ("passwd", users["passwd"]), ("group", users["group"]), ("resolved.conf", RESOLVED_CONF)):
        with open(f"{laptop.state}.{name}", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(f"{laptop.state}.{name}", 0o644)
    m = Machine(laptop, "nameserver 127.0.0.53\noptions edns0 trust-ad\n", f"""
        mount --bind {laptop.state}.passwd /etc/passwd
        mount --bind {laptop.state}.group /etc/group
        mount -t tmpfs tmpfs /run
        mkdir -p /run/dbus /run/systemd/resolve /run/systemd/netif/links /run/systemd/resolved.conf.d
        mount -t tmpfs tmpfs /run/dbus
        cp {laptop.state}.resolved.conf /run/systemd/resolved.conf.d/lab.conf
        chown systemd-resolve:systemd-resolve /run/systemd/resolve
        mount -t overlay overlay -o lowerdir={os.path.dirname(ctl)}:/usr/bin /usr/bin""")
    r = Resolved(m, daemon)
    r.start()
    yield r
    with contextlib.suppress(Exception):
        r.stop()


def test_systemd_resolved_asks_here_for_names_of_the_mesh_alone(net, resolved):
    m, laptop = resolved.m, resolved.m.node
    before = m.text()
    hub = net.node("hub")
    hub.init()
    laptop.join(hub.token())
    it = hub.status()["self"]
    m.in_force("resolved")
    assert m.address("hub.mesh") == it["ip4"] and m.name(it["ip4"]) == "hub.mesh" and m.name(it["ip6"]) == "hub.mesh"
    assert m.address("example.org") == "192.0.2.7"
    assert not [name for name in m.asked() if "mesh" in name or name.endswith("arpa")]
    assert m.text() == before
    assert it["ip4"] in m.host.sh("resolvectl", "--no-pager", "query", "hub.mesh").stdout
    # It restarts, and nobody tells us.
    resolved.stop()
    resolved.start()
    wait_for("names after the restart", lambda: m.address("hub.mesh") == it["ip4"], timeout=15, interval=0.3)
    laptop.kill9()
    assert "tm0" not in resolved.domains()
    # Its server is new to it, and asked cautiously at first.
    wait_for("other names", lambda: m.address("example.org") == "192.0.2.7", timeout=15, interval=0.3)
    laptop.up()
    m.in_force("resolved")
    wait_for("names after the new start", lambda: m.address("hub.mesh") == it["ip4"], timeout=15, interval=0.3)
    laptop.down()
    assert "tm0" not in resolved.domains() and m.text() == before
    wait_for("other names after the end", lambda: m.address("example.org") == "192.0.2.7", timeout=15, interval=0.3)
    assert m.address("hub.mesh") is None


# --- resolvconf, of both kinds ---

ASIDE = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../build/packages"))


def openresolv(laptop):
    """It writes the file itself, which is in its place here."""
    return Machine(laptop, f"# Generated by resolvconf\nnameserver {laptop.host.ip4}\n", f"""
        mount -t tmpfs tmpfs /run
        mount -t overlay overlay -o lowerdir={ASIDE}/root/sbin:/usr/sbin /usr/sbin
        mount -t overlay overlay -o lowerdir={ASIDE}/root/lib:/usr/lib /usr/lib""")


def debians(laptop):
    """It writes a file in /run, to which resolv.conf is a link."""
    links, package = f"{laptop.state}.etc", f"{ASIDE}/apart/resolvconf"
    os.mkdir(links)
    os.symlink("/run/resolvconf/resolv.conf", f"{links}/resolv.conf")
    return Machine(laptop, "", f"""
        mount -t tmpfs tmpfs /run
        mkdir -p /run/resolvconf/interface
        mount -t overlay overlay -o lowerdir={links}:{package}/etc:/etc /etc
        mount -t overlay overlay -o lowerdir={package}/sbin:/usr/sbin /usr/sbin
        mount -t overlay overlay -o lowerdir={package}/lib:/usr/lib /usr/lib
        resolvconf --enable-updates""")


@pytest.mark.parametrize("kind, file", [(openresolv, "root/lib/resolvconf"), (debians, "apart/resolvconf/sbin/resolvconf")])
def test_resolvconf_gets_a_record_and_loses_it(net, kind, file):
    if not os.path.exists(f"{ASIDE}/{file}"):
        pytest.skip(f"no {file}: scripts/setup test gets it")
    laptop = net.node("laptop")
    m = kind(laptop)
    text = lambda: m.host.sh("cat", "/etc/resolv.conf").stdout
    m.spawn_server(UPSTREAM, laptop.host.ip4, m.asked_file, "0")  # 127.0.0.2 would count as one of this machine's own
    m.host.sh("resolvconf", "-a", "eth0.dhclient", input=f"nameserver {laptop.host.ip4}\n")
    before = text()
    assert laptop.host.ip4 in before
    hub = net.node("hub")
    hub.init()
    laptop.join(hub.token())
    m.in_force("resolvconf")
    it = hub.status()["self"]
    assert text().split().index(laptop.status()["self"]["ip4"]) < text().split().index(laptop.host.ip4)
    assert m.address("hub.mesh") == it["ip4"] and m.address("example.org") == "192.0.2.7"
    laptop.down()
    assert text() == before
    laptop.up()
    m.in_force("resolvconf")
    laptop.kill9()
    laptop.run("down", "--cleanup")
    assert text() == before
    # Another network: its server is new, ours stays before it.
    laptop.up()
    m.in_force("resolvconf")
    m.host.sh("resolvconf", "-a", "wlan0.dhclient", input=f"nameserver {laptop.host.ip4}\nnameserver 192.0.2.99\n")
    assert text().split().index(laptop.status()["self"]["ip4"]) < text().split().index(laptop.host.ip4)
    assert m.address("hub.mesh") == it["ip4"]
    m.host.sh("resolvconf", "-d", "wlan0.dhclient")
    laptop.down()
    assert text() == before


# --- NetworkManager ---

NETWORK_MANAGER = f"{ASIDE}/apart/network-manager/usr/sbin/NetworkManager"
# It manages no interface, but the machine's servers.
MANAGED = """[main]
plugins=keyfile
dns=default
rc-manager=file
[keyfile]
unmanaged-devices=*
[global-dns-domain-*]
servers=127.0.0.2
"""


@pytest.mark.skipif(not os.path.exists(NETWORK_MANAGER), reason="no NetworkManager: scripts/setup test gets it")
def test_networkmanager_writes_its_file_and_our_lines_come_back(net):
    hub, laptop = net.node("hub"), net.node("laptop")
    for name, text in (("bus", BUS), ("nm.conf", MANAGED)):
        with open(f"{laptop.state}.{name}", "w", encoding="utf-8") as f:
            f.write(text)
    own_etc = f"{laptop.state}.etc"
    m = Machine(laptop, PLAIN, f"""
        mount -t tmpfs tmpfs /run
        mkdir -p /run/dbus /run/NetworkManager {own_etc}
        mount -t tmpfs tmpfs /run/dbus
        mount -t tmpfs tmpfs {own_etc}
        mkdir {own_etc}/upper {own_etc}/work
        umount /etc/resolv.conf
        cp {laptop.state}.resolv.conf {own_etc}/upper/resolv.conf
        mount -t overlay overlay -o lowerdir=/etc,upperdir={own_etc}/upper,workdir={own_etc}/work /etc""")
    text = lambda: m.host.sh("cat", "/etc/resolv.conf").stdout
    m.host.sh(shutil.which("dbus-daemon"), f"--config-file={laptop.state}.bus", "--fork", "--nopidfile")
    said = f"{laptop.state}.nm.log"
    with open(said, "ab") as log:
        manager = m.host.spawn(NETWORK_MANAGER, "--debug", f"--config={laptop.state}.nm.conf", f"--config-dir=/run/NetworkManager",
                               f"--state-file={laptop.state}.nm.state", "--log-level=DEBUG", stdout=log, stderr=log)
    rewrite = lambda: m.host.sh("kill", "-USR1", manager.pid)  # as it does for another network; NetworkManager(8)
    wait_for("NetworkManager", lambda: "creating virtual devices" in open(said, encoding="utf-8", errors="replace").read(), timeout=20)
    rewrite()
    theirs = wait_for("its file", lambda: "Generated by NetworkManager" in text() and text(), timeout=20)
    hub.init()
    laptop.join(hub.token())
    it = hub.status()["self"]
    m.in_force("file")
    assert "NetworkManager" in m.resolver()["why"]
    wait_for("a name of the mesh", lambda: m.address("hub.mesh") == it["ip4"])
    assert m.address("example.org") == "192.0.2.7"
    # It puts another file in place; we write into whichever is there.
    inode = lambda: m.host.sh("stat", "-c", "%i", "/etc/resolv.conf").stdout
    before = inode()
    rewrite()
    wait_for("another file", lambda: inode() != before)
    wait_for("our lines in it", lambda: "tunnelmesh tm0" in text())
    wait_for("a name of the mesh", lambda: m.address("hub.mesh") == it["ip4"])
    laptop.kill9()
    laptop.run("down", "--cleanup")
    assert text() == theirs
    laptop.up()
    m.in_force("file")
    laptop.down()
    assert text() == theirs
