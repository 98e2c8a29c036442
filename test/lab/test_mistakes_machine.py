# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines whose ports, names or addresses are taken, that may not or cannot, or whose disks are full."""
import subprocess

import pytest

from lab import wait_for
from mistakes import (Attempt, OF_A_DAEMON, Rows, USAGE, assert_refused, fill, hub_and_guest, join, read_only, release,
                      small_disk, stopped_mesh)

ROWS = Rows()


# --- ports, names and address ranges that are taken ---

def hold_port(host, kind, port):
    code = f"import socket, sys; s=socket.socket(socket.AF_INET6, socket.{kind}); s.bind(('::', {port})); " \
           f"{'s.listen(); ' if kind == 'SOCK_STREAM' else ''}print('bound', flush=True); sys.stdin.read()"
    p = host.spawn("/usr/bin/python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"bound\n"
    return p


@ROWS.row(r"UDP port 51820 is already in use.*--listen-port")
def init_on_a_busy_udp_port(net):
    hub = net.node("hub")
    holder = hold_port(hub.host, "SOCK_DGRAM", 51820)
    return Attempt(hub, "init", then=lambda: (release(holder), hub.init()))


@ROWS.row(r"UDP port 51820 is already in use.*--listen-port")
def join_on_a_busy_udp_port(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    holder = hold_port(guest.host, "SOCK_DGRAM", 51820)
    return join(guest, token, then=lambda: (release(holder), guest.join(token)))


@ROWS.row(r"UDP port 51820 is already in use")
def up_on_a_busy_udp_port(net):
    _, node = stopped_mesh(net)
    holder = hold_port(node.host, "SOCK_DGRAM", 51820)
    return Attempt(node, "up", may_change=OF_A_DAEMON, then=lambda: (release(holder), node.up()))


@ROWS.row(r"TCP port 8443 is already in use.*--api-port")
def init_on_a_busy_tcp_port(net):
    hub = net.node("hub")
    holder = hold_port(hub.host, "SOCK_STREAM", 8443)
    return Attempt(hub, "init", then=lambda: (release(holder), hub.init()))


@ROWS.row(r"TCP port 8443 is already in use")
def up_on_a_busy_tcp_port(net):
    hub = net.node("hub")
    hub.init("--no-up")
    holder = hold_port(hub.host, "SOCK_STREAM", 8443)
    return Attempt(hub, "up", may_change=OF_A_DAEMON | {"mesh.db", "tls.pem"},  # counts its epoch on, makes its certificate
                   then=lambda: (release(holder), hub.up()))


def add_tm0(host):
    host.sh("ip", "tuntap", "add", "tm0", "mode", "tun")


@ROWS.row(r"interface named tm0 already exists.*--tun")
def init_with_a_busy_interface_name(net):
    hub = net.node("hub")
    add_tm0(hub.host)
    return Attempt(hub, "init", then=lambda: hub.init("--tun", "tm1"))


@ROWS.row(r"interface named tm0 already exists.*--tun")
def join_with_a_busy_interface_name(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    add_tm0(guest.host)
    return join(guest, token, then=lambda: guest.join(token, "--tun", "tm1"))


@ROWS.row(r"interface named tm0 already exists")
def up_with_a_busy_interface_name(net):
    _, node = stopped_mesh(net)
    add_tm0(node.host)
    return Attempt(node, "up", may_change=OF_A_DAEMON)


@ROWS.row(r"10\.9\.0\.0/16 overlaps the route 10\.9\.1\.0/24 on eth0")
def init_in_a_range_that_the_host_uses(net):
    hub = net.node("hub")
    hub.host.sh("ip", "addr", "add", "10.9.1.1/24", "dev", "eth0")
    return Attempt(hub, "init", "--net4", "10.9.0.0/16")


@ROWS.row(r"10\.9\.0\.0/16 overlaps the route 10\.0\.0\.0/9 on eth0")
def init_in_a_range_that_is_routed_elsewhere(net):
    hub = net.node("hub")
    hub.host.sh("ip", "route", "add", "10.0.0.0/9", "via", "198.18.1.1")
    return Attempt(hub, "init", "--net4", "10.9.0.0/16")


@ROWS.row(r"--net4 wants an IPv4 range such as", USAGE)
def init_in_something_that_is_no_range(net):
    return Attempt(net.node("hub"), "init", "--net4", "banana")


@ROWS.row(r"--net4 8\.8\.8\.0/24 is not for private use: .*--force", USAGE)
def init_in_a_public_range(net):
    return Attempt(net.node("hub"), "init", "--net4", "8.8.8.0/24")


@ROWS.row(r"--address wants HOST or HOST:PORT", USAGE)
def init_at_an_address_that_is_none(net):
    return Attempt(net.node("hub"), "init", "--address", "a b")


@ROWS.row(r"--address vpn\.Example\.org:443 is in the mesh's own zone example\.org.*--zone.*mesh\.example\.org", USAGE)
def init_at_a_name_of_the_mesh_itself(net):
    return Attempt(net.node("hub"), "init", "--zone", "example.org", "--address", "192.0.2.1", "--address", "vpn.Example.org:443")


@ROWS.row(r"the configuration's address hub\.mesh is in the mesh's own zone mesh, in which")
def init_where_the_configuration_has_a_name_of_the_mesh_itself(net):
    hub = net.node("hub")
    hub.configure(addresses="[192.0.2.1, hub.mesh]")
    return Attempt(hub, "init")


@ROWS.row(r"the mesh's range 8\.8\.8\.0/24 is not for private use: .*--force")
def join_a_public_range(net):
    hub, guest = hub_and_guest(net, "--net4", "8.8.8.0/24", "--force")
    token = hub.token()
    return join(guest, token, then=lambda: guest.join(token, "--force"))


@ROWS.row(r"10\.9\.0\.0/16 overlaps the route 10\.9\.1\.0/24 on eth0 .*change one of them")
def join_a_range_that_the_host_uses(net):
    hub, guest = hub_and_guest(net, "--net4", "10.9.0.0/16")
    guest.host.sh("ip", "addr", "add", "10.9.1.1/24", "dev", "eth0")
    token = hub.token()

    def then():
        wait_for("the hub to forget the guest", lambda: len(hub.json("node", "list")["nodes"]) == 1)
        guest.host.sh("ip", "addr", "del", "10.9.1.1/24", "dev", "eth0")
        guest.join(token)
    return join(guest, token, then=then)


# --- a machine that cannot ---

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_NET_ADMIN = ("setpriv", "--bounding-set=-net_admin")
NO_TUN = ("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /dev/net; exec "$@"', "sh")


@ROWS.row(r"needs root.*sudo")
def init_without_root(net):
    return Attempt(net.node("hub"), "init", wrap=AS_NOBODY)


@ROWS.row(r"needs root.*sudo")
def join_without_root(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token, wrap=AS_NOBODY, then=lambda: guest.join(token))


@ROWS.row(r"needs root.*sudo")
def up_without_root(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "up", wrap=AS_NOBODY)


@ROWS.row(r"needs root.*try it with sudo")
def reload_without_root(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "reload", wrap=AS_NOBODY, may_change={"daemon.log"})


@ROWS.row(r"may not administer the network.*NET_ADMIN")
def init_in_a_container_without_net_admin(net):
    return Attempt(net.node("hub"), "init", wrap=NO_NET_ADMIN)


@ROWS.row(r"/dev/net/tun.*modprobe tun.*container")
def init_without_a_tun_device(net):
    return Attempt(net.node("hub"), "init", wrap=NO_TUN)


@ROWS.row(r"/dev/net/tun.*modprobe tun.*container")
def join_without_a_tun_device(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token, wrap=NO_TUN, then=lambda: guest.join(token))


@ROWS.row(r"/dev/net/tun.*modprobe tun.*container")
def up_without_a_tun_device(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "up", wrap=NO_TUN)


# --- disks ---

@ROWS.row(r"No space left|disk .*full")
def init_on_a_full_disk(net):
    hub = net.node("hub")
    free = fill(hub, small_disk(net, hub, 4096))
    return Attempt(hub, "init", then=lambda: (free(), hub.init(), hub.token()))


@ROWS.row(r"disk .*full.*make room|No space left.*free some space")
def init_on_a_disk_that_holds_the_identity_only(net):
    hub = net.node("hub")
    free = fill(hub, small_disk(net, hub, 4096), leave_kib=8)
    return Attempt(hub, "init", then=lambda: (free(), hub.init(), hub.token()))


@ROWS.row(r"No space left|disk .*full")
def join_on_a_full_disk(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    free = fill(guest, small_disk(net, guest, 4096))
    return join(guest, token, then=lambda: (free(), guest.join(token)))


@ROWS.row(r"No space left|disk .*full")
def join_on_a_disk_that_holds_the_identity_only(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    free = fill(guest, small_disk(net, guest, 4096), leave_kib=8)
    return join(guest, token, then=lambda: (free(), guest.join(token)))


def full_coordinator(net):
    hub, guest = net.node("hub"), net.node("guest")
    disk = small_disk(net, hub, 4096)
    hub.init()
    token = hub.token()
    return hub, guest, token, fill(hub, disk)


@ROWS.row(r"disk .*full; nothing was changed .*make room")
def token_create_when_the_coordinators_disk_is_full(net):
    hub, guest, _, free = full_coordinator(net)
    return Attempt(hub, "token", "create", may_change={"daemon.log", "mesh.db-wal"},
                   then=lambda: (free(), guest.join(hub.token())))


@ROWS.row(r"coordinator.*disk .*full; nothing was changed|disk .*full; nothing was changed")
def join_when_the_coordinators_disk_is_full(net):
    hub, guest, token, free = full_coordinator(net)
    return join(guest, token, then=lambda: (free(), guest.join(token), guest.ping("hub")))


@ROWS.row(r"Read-only file system")
def init_in_a_read_only_directory(net):
    hub = net.node("hub")
    read_only(hub)
    return Attempt(hub, "init")


@ROWS.row(r"Read-only file system")
def join_in_a_read_only_directory(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    read_only(guest)
    return join(guest, token, then=lambda: net.node("next").join(token))


@ROWS.row(r"mesh\.db: .*disk that is read-only .*make it writable")
def up_in_a_read_only_directory(net):
    hub = net.node("hub")
    hub.init("--no-up")
    read_only(hub)
    return Attempt(hub, "up")


@pytest.mark.parametrize("prepare, says, status", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(net, prepare, says, status):
    assert_refused(net, prepare, says, status)
