# SPDX-License-Identifier: AGPL-3.0-or-later
"""Everything a user or a machine can get wrong: one sentence that says what and what to do, and nothing lost.

Each row prepares a situation and names the command that must be refused in it. What is checked for every row: the
exit status, exactly one line on standard error, the same in JSON, nothing on standard output; afterwards the state
directory, the interfaces and the processes are as before. `pytest -s` prints the sentences.
"""
import base64
import errno
import glob
import hashlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import time

import pytest

from lab import kept, sh, wait_for

FAILED, USAGE = 1, 2
# Told to be tried out by the daemon, which may write these before it gives up.
OF_A_DAEMON = {"lock", "daemon.log", "clock"}
ROWS = []


class Attempt:
    """A command that must be refused, and what may change by it."""

    def __init__(self, node, *args, wrap=(), may_change=(), then=None):
        self.node, self.args, self.wrap = node, args, wrap
        self.may_change, self.then = set(may_change), then

    def run(self, *more):
        argv = [*self.wrap, *self.node.argv(*more, *self.args)]
        return self.node.host.sh(*argv, check=False, stdin=subprocess.DEVNULL)

    def world(self):
        host = self.node.host
        links = [l["ifname"] for l in json.loads(host.sh("ip", "-j", "link").stdout)]
        return {"interfaces": links, "processes": host.pids(), **tree(host.path(self.node.state))}

    def changes(self, before):
        """Names of what is not as it was. A daemon that said why it does not start may need a moment to be gone."""
        deadline = time.monotonic() + 10
        while ("processes" in before.keys() - self.may_change and self.node.host.pids() != before["processes"] and
               time.monotonic() < deadline):
            time.sleep(0.02)
        now = self.world()
        return sorted(k for k in before.keys() | now.keys()
                      if before.get(k) != now.get(k) and k not in self.may_change)


def tree(path):
    """Modes and contents of a directory and what is in it; empty when there is none."""
    if not os.path.isdir(path):
        return {}
    found = {".": oct(os.stat(path).st_mode)}
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        empty_wal = name == "mesh.db-wal" and os.path.getsize(file) == 0  # SQLite's way to say that there is none
        if os.path.isfile(file) and not empty_wal:
            with open(file, "rb") as f:
                found[name] = (oct(os.stat(file).st_mode), hashlib.sha256(f.read()).hexdigest())
    return found


def row(says, status=FAILED):
    """Makes a table row of a function that prepares a net and returns an Attempt; its name is the row's."""
    def add(prepare):
        ROWS.append(pytest.param(prepare, says, status, id=prepare.__name__.replace("_", "-")))
        return prepare
    return add


def assert_one_sentence(stderr, says):
    assert stderr.startswith("tunnelmesh: ") and stderr.endswith("\n") and stderr.count("\n") == 1, stderr
    assert re.search(says, stderr), f"{stderr!r} does not say {says!r}"
    assert len(stderr) < 420, "longer than anybody reads"
    assert ") (" not in stderr, "two parentheses"




# --- join tokens ---

def hub_and_guest(net, *init):
    hub = net.node("hub")
    hub.init(*init)
    return hub, net.node("guest")


def join(guest, token, *args, **kw):
    return Attempt(guest, "join", token, "--name", "guest", *args, **kw)


def altered(token, change):
    """A token whose bytes were changed by someone who knows how to compute the checksum."""
    text = token[4:]
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))[:-4]
    change(raw)
    raw += hashlib.sha256(raw).digest()[:4]
    return "tm1_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


@row(r"not a join token .*tm1_.*token create")
def join_with_something_that_is_no_token(net):
    return join(net.node("guest"), "hunter2")


@row(r"token is garbled .*copy it again")
def join_with_a_garbled_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    at = len(token) // 2
    return join(guest, token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1:], then=lambda: guest.join(token))


@row(r"token is cut off .*copy the whole")
def join_with_a_truncated_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token[:-9], then=lambda: guest.join(token))


@row(r"token was made by a newer version .*update")
def join_with_a_token_of_the_future(net):
    hub, guest = hub_and_guest(net)
    return join(guest, altered(hub.token(), lambda raw: raw.__setitem__(0, 3)))


@row(r"coordinator does not know this join token .*token create")
def join_with_a_token_that_the_coordinator_never_made(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, altered(token, lambda raw: raw.__setitem__(40, raw[40] ^ 1)), then=lambda: guest.join(token))


@row(r"expired.*token create")
def join_with_an_expired_token(net):
    hub, guest = hub_and_guest(net)
    token = ask(hub, {"cmd": "token.create", "ttl_s": 1})["token"]
    wait_for("the token to expire", lambda: any(t["expired"] for t in hub.json("token", "list")["tokens"]))
    return join(guest, token)


@row(r"used.*token create")
def join_with_a_used_token(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    net.node("first").join(token)
    return join(guest, token)


@row(r"revoked.*token create")
def join_with_a_revoked_token(net):
    hub, guest = hub_and_guest(net)
    made = hub.json("token", "create")
    hub.run("token", "revoke", made["id"])
    return join(guest, made["token"])


@row(r"(another|different) key.*new token")
def join_with_a_token_of_another_mesh(net):
    hub, guest = hub_and_guest(net)
    other = net.node("other")
    other.init("--address", f"{hub.host.ip4}:8443")
    return join(guest, other.token())


@row(r"198\.18\.1\.2.*refused.*check that the coordinator runs")
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


@row(r"name in nosuch\.invalid:8443 cannot be resolved: the name is unknown.*check the name")
def join_by_a_name_that_does_not_exist(net):
    hub, guest = hub_and_guest(net, "--address", "nosuch.invalid")
    resolv_conf = os.path.join(net.dir, "resolv.conf")
    with open(resolv_conf, "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.1\n")
    guest.host.private_mounts(f"mount --bind {resolv_conf} /etc/resolv.conf")
    resolver = guest.host.spawn("/usr/bin/python3", "-c", NO_SUCH_NAME, stdout=subprocess.PIPE)
    assert resolver.stdout.readline() == b"bound\n"
    return join(guest, hub.token())


@row(r"not a node name .*a-z", USAGE)
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

@row(r"already in the mesh \"home\" as hub .*leave")
def init_twice(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "init", may_change={"daemon.log"})


@row(r"already in the mesh \"home\" as hub .*leave")
def init_when_stopped(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "init")


@row(r"already in the mesh \"home\" as guest .*leave")
def join_another_mesh(net):
    hub, guest = hub_and_guest(net)
    other = net.node("other")
    other.init()
    guest.join(hub.token())
    token = other.token()
    return join(guest, token, then=lambda: net.node("next").join(token))


@row(r"mesh database already .*move the file away")
def init_beside_the_database_of_a_lost_mesh(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.unlink(hub.state + "/node.json")
    return Attempt(hub, "init", "--name", "hub", may_change={"lock"})


# --- ports, names and address ranges that are taken ---

def hold_port(host, kind, port):
    code = f"import socket, sys; s=socket.socket(socket.AF_INET6, socket.{kind}); s.bind(('::', {port})); " \
           f"{'s.listen(); ' if kind == 'SOCK_STREAM' else ''}print('bound', flush=True); sys.stdin.read()"
    p = host.spawn("/usr/bin/python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"bound\n"
    return p


def release(process):
    process.stdin.close()
    process.wait(timeout=10)


def stopped_mesh(net):
    hub, node = net.mesh("hub", "node")
    node.down()
    return hub, node


@row(r"UDP port 51820 is already in use.*--listen-port")
def init_on_a_busy_udp_port(net):
    hub = net.node("hub")
    holder = hold_port(hub.host, "SOCK_DGRAM", 51820)
    return Attempt(hub, "init", then=lambda: (release(holder), hub.init()))


@row(r"UDP port 51820 is already in use.*--listen-port")
def join_on_a_busy_udp_port(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    holder = hold_port(guest.host, "SOCK_DGRAM", 51820)
    return join(guest, token, then=lambda: (release(holder), guest.join(token)))


@row(r"UDP port 51820 is already in use")
def up_on_a_busy_udp_port(net):
    _, node = stopped_mesh(net)
    holder = hold_port(node.host, "SOCK_DGRAM", 51820)
    return Attempt(node, "up", may_change=OF_A_DAEMON, then=lambda: (release(holder), node.up()))


@row(r"TCP port 8443 is already in use.*--api-port")
def init_on_a_busy_tcp_port(net):
    hub = net.node("hub")
    holder = hold_port(hub.host, "SOCK_STREAM", 8443)
    return Attempt(hub, "init", then=lambda: (release(holder), hub.init()))


@row(r"TCP port 8443 is already in use")
def up_on_a_busy_tcp_port(net):
    hub = net.node("hub")
    hub.init("--no-up")
    holder = hold_port(hub.host, "SOCK_STREAM", 8443)
    return Attempt(hub, "up", may_change=OF_A_DAEMON | {"mesh.db", "tls.pem"},  # counts its epoch on, makes its certificate
                   then=lambda: (release(holder), hub.up()))


def add_tm0(host):
    host.sh("ip", "tuntap", "add", "tm0", "mode", "tun")


@row(r"interface named tm0 already exists.*--tun")
def init_with_a_busy_interface_name(net):
    hub = net.node("hub")
    add_tm0(hub.host)
    return Attempt(hub, "init", then=lambda: hub.init("--tun", "tm1"))


@row(r"interface named tm0 already exists.*--tun")
def join_with_a_busy_interface_name(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    add_tm0(guest.host)
    return join(guest, token, then=lambda: guest.join(token, "--tun", "tm1"))


@row(r"interface named tm0 already exists")
def up_with_a_busy_interface_name(net):
    _, node = stopped_mesh(net)
    add_tm0(node.host)
    return Attempt(node, "up", may_change=OF_A_DAEMON)


@row(r"10\.9\.0\.0/16 overlaps the route 10\.9\.1\.0/24 on eth0")
def init_in_a_range_that_the_host_uses(net):
    hub = net.node("hub")
    hub.host.sh("ip", "addr", "add", "10.9.1.1/24", "dev", "eth0")
    return Attempt(hub, "init", "--net4", "10.9.0.0/16")


@row(r"10\.9\.0\.0/16 overlaps the route 10\.0\.0\.0/9 on eth0")
def init_in_a_range_that_is_routed_elsewhere(net):
    hub = net.node("hub")
    hub.host.sh("ip", "route", "add", "10.0.0.0/9", "via", "198.18.1.1")
    return Attempt(hub, "init", "--net4", "10.9.0.0/16")


@row(r"--net4 wants an IPv4 range such as", USAGE)
def init_in_something_that_is_no_range(net):
    return Attempt(net.node("hub"), "init", "--net4", "banana")


@row(r"--net4 8\.8\.8\.0/24 is not for private use: .*--force", USAGE)
def init_in_a_public_range(net):
    return Attempt(net.node("hub"), "init", "--net4", "8.8.8.0/24")


@row(r"--address wants HOST or HOST:PORT", USAGE)
def init_at_an_address_that_is_none(net):
    return Attempt(net.node("hub"), "init", "--address", "a b")


@row(r"the mesh's range 8\.8\.8\.0/24 is not for private use: .*--force")
def join_a_public_range(net):
    hub, guest = hub_and_guest(net, "--net4", "8.8.8.0/24", "--force")
    token = hub.token()
    return join(guest, token, then=lambda: guest.join(token, "--force"))


@row(r"10\.9\.0\.0/16 overlaps the route 10\.9\.1\.0/24 on eth0 .*change one of them")
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
NO_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
NO_TUN = ("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /dev/net; exec "$@"', "sh")


@row(r"needs root.*sudo")
def init_without_root(net):
    return Attempt(net.node("hub"), "init", wrap=AS_NOBODY)


@row(r"needs root.*sudo")
def join_without_root(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token, wrap=AS_NOBODY, then=lambda: guest.join(token))


@row(r"needs root.*sudo")
def up_without_root(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "up", wrap=AS_NOBODY)


@row(r"needs root.*try it with sudo")
def reload_without_root(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "reload", wrap=AS_NOBODY, may_change={"daemon.log"})


@row(r"may not administer the network.*NET_ADMIN")
def init_in_a_container_without_net_admin(net):
    return Attempt(net.node("hub"), "init", wrap=NO_NET_ADMIN)


@row(r"/dev/net/tun.*modprobe tun.*container")
def init_without_a_tun_device(net):
    return Attempt(net.node("hub"), "init", wrap=NO_TUN)


@row(r"/dev/net/tun.*modprobe tun.*container")
def join_without_a_tun_device(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    return join(guest, token, wrap=NO_TUN, then=lambda: guest.join(token))


@row(r"/dev/net/tun.*modprobe tun.*container")
def up_without_a_tun_device(net):
    hub = net.node("hub")
    hub.init("--no-up")
    return Attempt(hub, "up", wrap=NO_TUN)


# --- configuration ---

def configured(text, says):
    """init, join and up read the file by the same code; init stands for them."""
    def prepare(net):
        hub = net.node("hub")
        path = os.path.join(net.dir, "config.yaml")
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        hub.options += ["--config", path]
        return Attempt(hub, "init")
    return prepare, says


for name, text, says in (
        ("an-unknown-key", "mtu: 1400\nlisten_prot: 1\n", r'config\.yaml:2: unknown key "listen_prot" '
                                                         r'\(did you mean "listen_port"\?\)'),
        ("a-word-for-a-number", "\nmtu: big\n", r"config\.yaml:2: mtu .*number.*big"),
        ("a-number-out-of-range", "mtu: 99\n", r"config\.yaml:1: mtu .*1280.*99"),
        ("a-list-for-a-number", "mtu:\n  - 1400\n", r"config\.yaml:2: mtu must be a single value, not a list"),
        ("a-number-for-a-list", "advertise: 7\n", r"config\.yaml:1: advertise must be a list.*- "),
        ("an-impossible-level", "log_level: loud\n", r"config\.yaml:1: log_level .*error, warn, info or debug"),
        ("bad-yaml", "mtu: 1400\ntun: [tm0\nworkers: 1\n", r"config\.yaml:[23]: not valid YAML"),
        ("a-tab", "addresses:\n\t- a\n", r"config\.yaml:2: .*tab.*spaces"),
        ("a-key-twice", "mtu: 1400\nworkers: 1\nmtu: 1300\n", r"config\.yaml:3: mtu is given twice, first on line 1"),
        ("no-text", b"\xff\xfe\x00\x01" * 9, r"config\.yaml:1: the file is not UTF-8 text"),
        ("a-list-at-the-top", "- mtu\n", r"config\.yaml:1: the file must consist of lines")):
    ROWS.append(pytest.param(*configured(text, says), FAILED, id=f"config-with-{name}"))


@row(r"open .*nowhere\.yaml.*No such file")
def config_that_is_named_but_missing(net):
    hub = net.node("hub")
    hub.options += ["--config", os.path.join(net.dir, "nowhere.yaml")]
    return Attempt(hub, "init")


@row(r"config\.yaml.*[Pp]ermission")
def config_that_may_not_be_read(net):
    prepare, _ = configured("mtu: 1400\n", "")
    attempt = prepare(net)
    os.chown(os.path.join(net.dir, "config.yaml"), 65534, 65534)
    os.chmod(os.path.join(net.dir, "config.yaml"), 0o600)
    attempt.wrap = NO_OVERRIDE
    return attempt


@row(r"config\.yaml:1: unknown key")
def up_with_a_config_that_broke_since(net):
    hub = net.node("hub")
    hub.init("--no-up")
    path = os.path.join(net.dir, "config.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write("nonsense: 1\n")
    hub.options += ["--config", path]
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


# --- identity files ---

def key(net, *args):
    path = os.path.join(net.dir, "key")
    sh("ssh-keygen", "-q", "-f", path, *args)
    return path


def init_with(net, path, **kw):
    return Attempt(net.node("hub"), "init", "--identity", path, **kw)


@row(r"/key: cannot be read: No such file")
def identity_that_does_not_exist(net):
    return init_with(net, os.path.join(net.dir, "key"))


@row(r"/key: cannot be read: Permission denied")
def identity_that_may_not_be_read(net):
    path = key(net, "-t", "ed25519", "-N", "")
    os.chown(path, 65534, 65534)
    return init_with(net, path, wrap=NO_OVERRIDE)


@row(r"protected by a passphrase .*ssh-keygen -p")
def identity_that_is_encrypted(net):
    return init_with(net, key(net, "-t", "ed25519", "-N", "secret"))


@row(r"RSA.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_rsa_key(net):
    return init_with(net, key(net, "-t", "rsa", "-N", ""))


@row(r"PEM format.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_rsa_key_in_pem(net):
    return init_with(net, key(net, "-t", "rsa", "-m", "PEM", "-N", ""))


@row(r"ECDSA.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_ecdsa_key(net):
    return init_with(net, key(net, "-t", "ecdsa", "-N", ""))


@row(r"public key")
def identity_that_is_the_public_half(net):
    return init_with(net, key(net, "-t", "ed25519", "-N", "") + ".pub")


@row(r"do not belong together .*copy")
def identity_that_is_garbled(net):
    path = key(net, "-t", "ed25519", "-N", "")
    with open(path, "r+", encoding="ascii") as f:
        text = f.read()
        f.seek(0)
        f.write(text[:150] + ("AAAA" if text[150:154] != "AAAA" else "BBBB") + text[154:])
    return init_with(net, path)


@row(r"garbled or cut short .*copy")
def identity_that_is_cut_short(net):
    path = key(net, "-t", "ed25519", "-N", "")
    os.truncate(path, 200)
    return init_with(net, path)


@row(r"/key: the file is empty .*ssh-keygen")
def identity_that_is_empty(net):
    path = os.path.join(net.dir, "key")
    open(path, "w", encoding="ascii").close()
    return init_with(net, path)


@row(r"hub/identity: .*garbled or cut short .*copy")
def up_with_a_garbled_identity(net):
    hub = net.node("hub")
    hub.init("--no-up")
    damage(hub.state + "/identity", 100, b"!!!!!!!!")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@row(r"hub/identity: .*No such file")
def up_with_a_lost_identity(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.unlink(hub.state + "/identity")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


def damage(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


# --- disks ---

def small_disk(net, node, kib):
    """The node's state directory lies on a disk of its own of this size."""
    disk = node.state + ".disk"
    os.mkdir(disk)
    node.host.private_mounts(f"mount -t tmpfs -o mode=755,size={kib}k none {disk}")
    node.state = disk + "/state"
    return disk


def fill(node, disk, leave_kib=0):
    """Fills the disk up to leave_kib; returns what frees it again."""
    ballast = node.host.path(disk + "/ballast")
    with open(ballast, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError as e:
            assert e.errno == errno.ENOSPC
        f.truncate(f.tell() - leave_kib * 1024)
    return lambda: os.unlink(ballast)


@row(r"No space left|disk .*full")
def init_on_a_full_disk(net):
    hub = net.node("hub")
    free = fill(hub, small_disk(net, hub, 4096))
    return Attempt(hub, "init", then=lambda: (free(), hub.init(), hub.token()))


@row(r"disk .*full.*make room|No space left.*free some space")
def init_on_a_disk_that_holds_the_identity_only(net):
    hub = net.node("hub")
    free = fill(hub, small_disk(net, hub, 4096), leave_kib=8)
    return Attempt(hub, "init", then=lambda: (free(), hub.init(), hub.token()))


@row(r"No space left|disk .*full")
def join_on_a_full_disk(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    free = fill(guest, small_disk(net, guest, 4096))
    return join(guest, token, then=lambda: (free(), guest.join(token)))


@row(r"No space left|disk .*full")
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


@row(r"disk .*full; nothing was changed .*make room")
def token_create_when_the_coordinators_disk_is_full(net):
    hub, guest, _, free = full_coordinator(net)
    return Attempt(hub, "token", "create", may_change={"daemon.log", "mesh.db-wal"},
                   then=lambda: (free(), guest.join(hub.token())))


@row(r"coordinator.*disk .*full; nothing was changed|disk .*full; nothing was changed")
def join_when_the_coordinators_disk_is_full(net):
    hub, guest, token, free = full_coordinator(net)
    return join(guest, token, then=lambda: (free(), guest.join(token), guest.ping("hub")))


def read_only(node):
    if not os.path.exists(node.state):
        os.mkdir(node.state, 0o700)
    node.host.private_mounts(f"mount --bind {node.state} {node.state}; mount -o remount,bind,ro {node.state}")


@row(r"Read-only file system")
def init_in_a_read_only_directory(net):
    hub = net.node("hub")
    read_only(hub)
    return Attempt(hub, "init")


@row(r"Read-only file system")
def join_in_a_read_only_directory(net):
    hub, guest = hub_and_guest(net)
    token = hub.token()
    read_only(guest)
    return join(guest, token, then=lambda: net.node("next").join(token))


@row(r"mesh\.db: .*disk that is read-only .*make it writable")
def up_in_a_read_only_directory(net):
    hub = net.node("hub")
    hub.init("--no-up")
    read_only(hub)
    return Attempt(hub, "up")


# --- the coordinator's database ---

def broken_database(net, breakage):
    hub = net.node("hub")
    hub.init()
    for _ in range(3):
        hub.token()
    hub.down()
    breakage(hub.state + "/mesh.db")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@row(r"mesh\.db: .*in use by another process .*stop")
def up_while_another_process_has_locked_the_database(net):
    attempt = broken_database(net, lambda path: None)
    # In a process of its own: the test looks into the file, and POSIX locks end when a process closes any descriptor.
    code = f"import sqlite3, sys; db = sqlite3.connect('{attempt.node.state}/mesh.db', isolation_level=None); " \
           "db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    holder = attempt.node.host.spawn("/usr/bin/python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"locked\n"
    attempt.may_change |= {"mesh.db-shm", "mesh.db-wal"}
    attempt.then = lambda: (release(holder), attempt.node.up(), attempt.node.token())
    return attempt


@row(r"mesh\.db: .*damaged.*backup.*left as it is")
def up_with_garbage_in_the_database(net):
    return broken_database(net, lambda path: damage(path, 4096, os.urandom(4096)))


@row(r"mesh\.db: .*damaged.*backup.*left as it is")
def up_with_a_truncated_database(net):
    return broken_database(net, lambda path: os.truncate(path, os.path.getsize(path) // 8192 * 4096))


@row(r"mesh\.db: .*not a database.*backup.*left as it is")
def up_with_a_database_that_is_none(net):
    def overwrite(path):
        with open(path, "wb") as f:
            f.write(b"These are not the rows you are looking for.\n" * 1000)
    return broken_database(net, overwrite)


@row(r"mesh\.db: .*empty.*backup")
def up_with_an_empty_database(net):
    return broken_database(net, lambda path: os.truncate(path, 0))


@row(r"mesh\.db: there is no mesh database .*backup")
def up_with_a_lost_database(net):
    return broken_database(net, os.unlink)


def sql(path, statement):
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


@row(r"mesh\.db: .*newer TunnelMesh.*99.*left as it is")
def up_with_a_database_of_the_future(net):
    return broken_database(net, lambda path: sql(path, "PRAGMA user_version = 99"))


@row(r"mesh\.db: .*some other program.*left as it is")
def up_with_the_database_of_another_program(net):
    return broken_database(net, lambda path: sql(path, "PRAGMA application_id = 7"))


# --- the node's own files ---

def broken_enrolment(net, text):
    hub = net.node("hub")
    hub.init("--no-up")
    with open(hub.state + "/node.json", "w", encoding="ascii") as f:
        f.write(text)
    return hub


@row(r"node\.json is damaged: line 1.*backup")
def up_with_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "up", may_change=OF_A_DAEMON)


@row(r"node\.json is damaged.*backup")
def up_with_an_empty_enrolment(net):
    return Attempt(broken_enrolment(net, ""), "up", may_change=OF_A_DAEMON)


@row(r"node\.json was written by a newer version .*update")
def up_with_an_enrolment_of_the_future(net):
    return Attempt(broken_enrolment(net, '{"v": 2}'), "up", may_change=OF_A_DAEMON)


@row(r"node\.json is damaged: line 1.*backup.*move it away")
def init_over_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "init")


@row(r"node\.json is damaged")
def leave_with_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "leave", "--yes")


@row(r"others may write to the directory .*hub .*chmod go-w")
def up_in_a_group_writable_directory(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.chmod(hub.state, 0o770)
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@row(r"others may write to the directory .*hub .*chmod go-w")
def init_in_a_group_writable_directory(net):
    hub = net.node("hub")
    os.mkdir(hub.state)
    os.chmod(hub.state, 0o770)
    return Attempt(hub, "init")


@row(r"belongs to user 65534")
def init_in_someone_elses_directory(net):
    hub = net.node("hub")
    os.mkdir(hub.state, 0o700)
    os.chown(hub.state, 65534, 65534)
    return Attempt(hub, "init")


@row(r"hub.*is not a directory|Not a directory|File exists")
def init_in_a_file(net):
    hub = net.node("hub")
    with open(hub.state, "w", encoding="ascii") as f:
        f.write("precious")
    attempt = Attempt(hub, "init")
    attempt.world = lambda: {"file": open(hub.state, encoding="ascii").read()}
    return attempt


# --- daemons and command lines ---

@row(r"lock is locked by process \d+ .*another tunnelmesh .*down")
def up_foreground_beside_a_running_daemon(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "up", "--foreground", may_change={"daemon.log"}, then=lambda: hub.status())


for command in (["status"], ["peers"], ["ping", "hub"], ["token", "create"], ["node", "list"], ["reload"],
                ["node", "remove", "x"], ["client", "list"]):
    def without_daemon(net, command=command):
        hub = net.node("hub")
        hub.init("--no-up")
        return Attempt(hub, *command)
    ROWS.append(pytest.param(without_daemon, r"not running .*tunnelmesh.* up", FAILED,
                             id="-".join(command) + "-without-a-daemon"))


@row(r"not running, and this machine is in no mesh yet .*init.*join TOKEN")
def status_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "status")


@row(r"in no mesh yet .*init, or join TOKEN")
def up_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "up")


@row(r"in no mesh")
def leave_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "leave", "--yes")


@row(r"coordinator .*leave --force")
def leave_of_the_coordinator(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "leave", "--yes", may_change={"daemon.log"}, then=lambda: hub.status())


@row(r"not the mesh's coordinator .*on hub, 100\.")
def token_create_on_another_machine_than_the_coordinator(net):
    _, node = net.mesh("hub", "node")
    return Attempt(node, "token", "create", may_change={"daemon.log"})


for name, argv, says in (
        ("rename-to-an-impossible-name", ["node", "rename", "hub", "Big Hub"], r'a name is .*"big-hub" would do'),
        ("impossible-tag", ["token", "create", "--tag", "Not a tag"], r"a tag must be"),
        ("impossible-id-of-a-token", ["token", "revoke", "it"], r"a token's id is .*token list")):
    def asked_wrongly(net, argv=argv):
        hub = net.node("hub")
        hub.init()
        return Attempt(hub, *argv, may_change={"daemon.log"})
    ROWS.append(pytest.param(asked_wrongly, says, USAGE, id=name))


for name, argv, says in (
        ("unknown-command", ["jion"], r'no command "jion" .*did you mean `tunnelmesh join`'),
        ("unknown-verb", ["token", "make"], r'token has no command "make"'),
        ("noun-alone", ["token"], r"token wants one of: create"),
        ("unknown-option", ["status", "--colour"], r'"?--colour"?'),
        ("unknown-global-option", ["--colour", "status"], r'"?--colour"?'),
        ("option-without-value", ["init", "--name"], r"--name"),
        ("word-for-a-port", ["init", "--listen-port", "many"], r"--listen-port.*many"),
        ("port-out-of-range", ["init", "--listen-port", "65536"], r"--listen-port.*65536"),
        ("bad-ttl", ["token", "create", "--ttl", "soon"], r"--ttl.*soon"),
        ("bad-log-level", ["status", "--log-level", "loud"], r"--log-level wants error, warn, info or debug"),
        ("missing-argument", ["join"], r"join wants TOKEN"),
        ("one-argument-too-many", ["peers", "now"], r'"now" is one argument too many'),
        ("exclusive-options", ["init", "--foreground", "--no-up"], r"exclude each other")):
    def usage(net, argv=argv):
        return Attempt(net.node("hub"), *argv)
    ROWS.append(pytest.param(usage, says, USAGE, id=name))


@pytest.mark.parametrize("prepare, says, status", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(net, prepare, says, status):
    attempt = prepare(net)
    before = attempt.world()
    plain = attempt.run()
    print(plain.stderr, end="")
    assert (plain.returncode, plain.stdout) == (status, "")
    assert_one_sentence(plain.stderr, says)
    assert attempt.changes(before) == []

    again = attempt.run("--json")
    answer = json.loads(again.stdout)
    assert again.returncode == status
    assert answer["ok"] is False and f"tunnelmesh: {answer['error']}" in plain.stderr
    assert (answer["hint"] or "") in plain.stderr
    assert attempt.changes(before) == []
    if attempt.then:
        attempt.then()


# --- what must not stop anything ---

def test_up_beside_a_running_daemon_is_fine_and_starts_no_second_one(net):
    hub = net.node("hub")
    hub.init()
    pid = hub.pid()
    assert hub.json("up") == {"schema": 1, "ok": True, "started": False, "pid": pid}
    assert hub.host.pids() == [pid]


def test_down_without_a_daemon_is_fine(net):
    hub = net.node("hub")
    hub.init("--no-up")
    assert hub.json("down") == {"schema": 1, "ok": True, "stopped": False}


@pytest.mark.parametrize("damage", [b"", b"{garbage", b'{"v":1}', os.urandom(500)],
                         ids=["empty", "garbled", "incomplete", "random"])
@pytest.mark.parametrize("name", ["netmap.db", "clock"])
def test_a_node_starts_in_spite_of_a_damaged(net, name, damage):
    hub, node = stopped_mesh(net)
    with open(os.path.join(node.state, name), "wb") as f:
        f.write(damage)
    node.up()
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)
    if name == "netmap.db":
        assert "the file of the network map is unusable" in node.log()
    node.down()
    assert contents(os.path.join(node.state, name)) != damage


def test_a_full_disk_does_not_stop_a_running_node(net):
    hub, node = net.node("hub"), net.node("node")
    disk = small_disk(net, node, 4096)
    hub.init()
    node.join(hub.token())
    names = lambda: {name for (name,) in kept(node, "SELECT name FROM member")}
    wait_for("the map to be written", lambda: "hub" in names())
    free = fill(node, disk)
    # Each change is one more reason to write; what fits into the log's last page is still logged.
    for old, new in (("hub", "one"), ("one", "two")):
        hub.run("node", "rename", old, new)
        wait_for("the node to hear of it", lambda: node.peer(new))
        node.ping(new)
    wait_for("the warning", lambda: "the network map cannot be written" in node.log())
    assert "two" not in names()
    free()
    hub.run("node", "rename", "two", "three")
    wait_for("the map to be written again", lambda: "three" in names())


def contents(path):
    with open(path, "rb") as f:
        return f.read()


FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


def a_year_ago():
    """The environment of a process whose wall clock was set back; its monotonic clock is the kernel's."""
    assert FAKETIME, "the Debian package faketime is missing"
    return {**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME": "-365d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.plain("must preload its own runtime before any other library")
@pytest.mark.parametrize("who", ["node", "hub"])
def test_a_clock_that_was_set_back_a_year_does_not_cut_anybody_off(net, who):
    """Peers remember the time of our last handshake and drop older ones (TAI64N): the clock file bridges it."""
    nodes = dict(zip(("hub", "node"), net.mesh("hub", "node")))
    hub, node = nodes["hub"], nodes["node"]
    node.ping("hub")
    nodes[who].down()
    nodes[who].run("up", env=a_year_ago())
    other = "hub" if who == "node" else "node"
    wait_for("the tunnel", lambda: nodes[who].ping(other, check=False).returncode == 0)
    nodes[other].ping(who)
    assert re.search(r"system clock is behind the last known time.*behind_s=315[0-9]{5}", nodes[who].log())
    wait_for("the control link", lambda: node.status()["link"]["up"])
    # Coming back to the right time is no worse.
    nodes[who].down()
    nodes[who].up()
    wait_for("the tunnel", lambda: nodes[who].ping(other, check=False).returncode == 0)
    third = net.node("third")
    third.join(hub.token())
    third.ping("node")


@pytest.mark.slow
def test_a_full_disk_does_not_stop_the_clock_from_being_reserved_later(net):
    hub = net.node("hub")
    disk = small_disk(net, hub, 4096)
    wall = os.path.join(net.dir, "wall-clock")
    set_wall = {**os.environ, "LD_PRELOAD": FAKETIME[0], "FAKETIME_TIMESTAMP_FILE": wall, "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with open(wall, "w", encoding="ascii") as f:
        f.write("+0\n")
    hub.run("init", "--name", "hub", env=set_wall)
    clock = hub.host.path(hub.state + "/clock")
    before = contents(clock)
    free = fill(hub, disk)
    with open(wall, "w", encoding="ascii") as f:
        f.write("+2h\n")  # far beyond what was reserved
    wait_for("the check of the clock once a minute", lambda: "the clock is not saved, trying again" in hub.log(), 90, 1)
    assert contents(clock) == before
    free()
    wait_for("the next check", lambda: contents(clock) != before, 90, 1)
