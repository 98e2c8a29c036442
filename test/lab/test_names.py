# SPDX-License-Identifier: AGPL-3.0-or-later
"""Finding the coordinator: by names as the system resolves them, and by whichever of several addresses it answers at."""
import os
import pathlib
import subprocess

import pytest

from lab import wait_for
from test_exit import Wire, _try, exit_of, use
from test_routes import call, serve

# A server of names: it says at once that there is no IPv6 address, and after a while which IPv4 address there is.
SERVER = r"""
import socket, sys, threading, time
at, address, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((at, 53))
print("bound", flush=True)

def answer(query, who):
    end = query.index(b"\0", 12) + 5
    record = b""
    if query[end - 4:end - 2] == b"\0\1":
        time.sleep(delay)
        record = b"\xc0\x0c" + query[end - 4:end] + bytes(4) + b"\0\4" + socket.inet_aton(address)  # RFC 1035 4.1.3
    s.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([len(record) > 0]) + bytes(4) + query[12:end] + record, who)

while True:
    threading.Thread(target=answer, args=s.recvfrom(512), daemon=True).start()
"""

SILENT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.3", 53))
print("bound", flush=True)
while True:
    s.recvfrom(512)
"""

ACCEPTS_AND_IS_SILENT = """
import socket
s = socket.create_server(("::", 8443), family=socket.AF_INET6)
print("bound", flush=True)
held = []
while True:
    held.append(s.accept())
"""


def spawn_bound(host, code, *args):
    p = host.spawn("/usr/bin/python3", "-c", code, *map(str, args), stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"bound\n"
    return p


def files(node, resolv_conf, hosts=""):
    """Gives this host a resolv.conf and a hosts file of its own; returns what changes the latter."""
    paths = [os.path.join(node.host.lab.dir, f"{node.name}.{name}") for name in ("resolv.conf", "hosts")]

    def write_hosts(text):
        with open(paths[1], "w", encoding="ascii") as f:
            f.write("127.0.0.1 localhost\n" + text)

    write_hosts(hosts)
    with open(paths[0], "w", encoding="ascii") as f:
        f.write(resolv_conf)
    node.host.private_mounts(f"mount --bind {paths[0]} /etc/resolv.conf\nmount --bind {paths[1]} /etc/hosts")
    return write_hosts


def threads(node):
    """The names of the daemon's threads."""
    tasks = pathlib.Path(f"/proc/{node.pid()}/task")
    return [(t / "comm").read_text().strip() for t in tasks.iterdir()]


def mesh_by_name(net):
    hub, guest = net.node("hub"), net.node("guest")
    hub.init("--address", "hub.example.org")
    return hub, guest, hub.token()


def test_a_dead_first_server_costs_patience_only(net):
    hub, guest, token = mesh_by_name(net)
    spawn_bound(guest.host, SILENT)
    spawn_bound(guest.host, SERVER, "127.0.0.2", hub.host.ip4, 0)
    files(guest, "nameserver 127.0.0.3\nnameserver 127.0.0.2\noptions timeout:1\n")
    guest.join(token)
    assert guest.status()["link"]["up"]


def test_a_slow_answer_is_waited_for_although_the_other_family_has_none(net):
    hub, guest, token = mesh_by_name(net)
    spawn_bound(guest.host, SERVER, "127.0.0.2", hub.host.ip4, 0.8)
    files(guest, "nameserver 127.0.0.2\n")
    guest.join(token)
    assert guest.status()["link"]["up"]


def test_configured_addresses_need_no_port(net):
    hub, guest = net.node("hub"), net.node("guest")
    hub.configure(addresses=f"[hub.example.org, {hub.host.ip4}]")
    hub.init()
    guest.join(hub.token())
    wait_for("the daemon's link", lambda: guest.status()["link"]["up"])
    assert "is not an address" not in guest.log()


def test_an_address_in_the_meshs_own_zone_is_warned_of_by_a_reload_and_at_the_start(net):
    hub = net.node("hub").configure(addresses="[192.0.2.1]")
    hub.init()
    warned = "by an address in the mesh's own zone members will not find the coordinator"
    assert warned not in hub.log()
    hub.configure(addresses="[192.0.2.1, vpn.Mesh]").run("reload")
    wait_for("the warning", lambda: hub.log().count(warned) == 1)
    hub.down()
    hub.up()
    wait_for("the warning", lambda: hub.log().count(warned) == 2)


def test_the_hosts_file_counts(net):
    hub, guest, token = mesh_by_name(net)
    files(guest, "", f"{hub.host.ip4} hub.example.org\n")
    guest.join(token)
    assert guest.status()["link"]["up"]


def test_whatever_else_lives_at_one_of_its_addresses_does_not_hide_the_coordinator(net):
    hub, guest, token = mesh_by_name(net)
    other = net.host("other")
    spawn_bound(other, ACCEPTS_AND_IS_SILENT)
    files(guest, "", f"{other.ip6} hub.example.org\n{hub.host.ip4} hub.example.org\n")
    guest.join(token)
    wait_for("the daemon's link", lambda: guest.status()["link"]["up"])


def test_a_system_that_does_not_find_out_holds_up_nobodys_end(net):
    hub, guest, token = mesh_by_name(net)
    spawn_bound(guest.host, SILENT)
    hosts = files(guest, "nameserver 127.0.0.3\noptions timeout:30\n", f"{hub.host.ip4} hub.example.org\n")
    guest.join(token)
    hosts("")
    hub.down()
    wait_for("the name to be asked for", lambda: "tm-names" in threads(guest), timeout=20)
    guest.down()  # has a deadline of its own, far below 30 s


@pytest.mark.parametrize("reached", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["exit-there", "exit-away"])
def test_a_coordinator_that_moved_is_found_by_its_name_through_the_exit_in_use(net, reached):
    """The exit's resolver is asked, whatever the network around says, and if the exit is away, nobody is until it is back."""
    hub, gate, laptop, outside = net.node("hub"), net.node("gate"), net.node("laptop"), net.host("outside")
    serve(outside)
    net.router.ip(f"addr add 192.168.7.1/24 dev r{laptop.host.ip4.split('.')[2]}")
    laptop.host.ip("addr add 192.168.7.2/24 dev eth0")
    spawn_bound(net.router, SERVER, "192.168.7.1", hub.host.ip4, 0)  # where it does not get about that it moves
    server = spawn_bound(outside, SERVER, outside.ip4, hub.host.ip4, 0)
    files(gate, f"nameserver {outside.ip4}\n")
    files(laptop, "nameserver 192.168.7.1\noptions timeout:1 attempts:1\n")
    hub.init("--address", "hub.example.org")
    for node in (gate, laptop):
        node.join(hub.token())
    exit_of(hub, gate)
    use(laptop, "gate")
    wait_for("the exit", lambda: (_try(call, laptop.host, outside.ip4) or [0])[0] == gate.host.ip4)
    # Nor by the tunnel between them, which finds the coordinator without a name.
    hub.host.sh("nft", "table inet test { chain input { type filter hook input priority 0; iifname tm0 tcp dport 8443 drop; }; }")
    wire = Wire(laptop.host, hub, gate)
    try:
        hub.down()
        if not reached:
            gate.down()
        hub.host.move()
        wire.members |= {hub.host.ip4, hub.host.ip6}
        server.terminate()
        server.wait(10)
        spawn_bound(outside, SERVER, outside.ip4, hub.host.ip4, 0)
        hub.up()
        if not reached:
            wait_for("the name to be asked for in vain", lambda: "hub.example.org:8443 cannot be resolved" in (laptop.status()["link"]["error"] or ""), 30)
            gate.up()
        link = wait_for("the link", lambda: next((l for l in [laptop.status()["link"]] if l["up"]), None), 30)
        assert link["coordinator_ip"] == hub.host.ip4
    finally:
        seen = wire.stop()
    assert not seen
