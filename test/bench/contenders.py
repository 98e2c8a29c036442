# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is measured: this program, its peers from Debian packages, and the bare link.

A contender's up(bed) starts it on both hosts and returns a Tunnel once packets pass. It is ended with the bed. Inside
every tunnel the MTU is 1420; outside, the link's is 1500.
"""
import base64
import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field

import bed as bedlib
from bed import sh
from lab import BINARY, LabError, Node, wait_for

INNER = {4: ("10.77.0.1", "10.77.0.2", 24), 6: ("fd77::1", "fd77::2", 64)}
MTU = 1420
UP_TIMEOUT = 20  # seconds until the first ping has to pass
# Another build of ours, to compare with in the same run.
BEFORE = os.environ.get("TUNNELMESH_BEFORE", "the program named by BEFORE")


@dataclass
class Tunnel:
    """A contender that is up. address: host b's inside the tunnel, by IP version. pids: host a's and host b's. Of a relay
    (relays.py): how its clients reach it, and what it relays."""
    address: dict
    pids: list = field(default_factory=list)
    relay: list = field(default_factory=list)
    what: str = ""
    helper: object = None  # a program that has to run to the end


def package_version(package):
    return sh("dpkg-query", "-W", "-f", "${Version}", package, check=False).stdout


def wait_for_ping(bed, address):
    """Until packets pass from a to b and back. Also between two measurements: after a loss tinc takes the next packets
    for replays and drops them, and the next measurement is not to pay for that."""
    try:
        wait_for("a ping", lambda: bed.a.sh("ping", "-q", "-c1", "-W0.3", address, check=False).returncode == 0, UP_TIMEOUT)
    except LabError:
        raise LabError(f"no ping to {address} passed within {UP_TIMEOUT} s") from None


class Contender:
    title = program = ""
    package = None      # Debian package of the program
    outer = (4,)        # IP versions of the link that it runs over

    def __init__(self, name, **settings):
        self.name = name
        for key, value in settings.items():
            if not hasattr(type(self), key):
                raise TypeError(f"{name}: there is no setting {key}")
            setattr(self, key, value)

    def missing(self):
        """Why it cannot be measured on this machine, or None."""
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def version(self):
        return package_version(self.package)

    def up(self, bed):
        tunnel = self.start(bed)
        for address in tunnel.address.values():
            wait_for_ping(bed, address)
        return tunnel

    def start(self, bed):
        raise NotImplementedError


def add_addresses(bed, device, versions=(4, 6)):
    """Gives both ends of a tunnel their inner addresses and brings them up; {version: address of b}."""
    for i, host in enumerate(bed.ends):
        for v in versions:
            host.sh("ip", "addr", "add", f"{INNER[v][i]}/{INNER[v][2]}", "dev", device, *(["nodad"] if v == 6 else []))
        host.sh("ip", "link", "set", device, "mtu", MTU, "up")
    return {v: INNER[v][1] for v in versions}


class Raw(Contender):
    title = "raw link: no tunnel"
    outer = (4, 6)

    def missing(self):
        return None

    def version(self):
        return "Linux " + os.uname().release

    def start(self, bed):
        return Tunnel({4: bed.b.ip4, 6: bed.b.ip6})


class TunnelMesh(Contender):
    """Brought up as a user does: a mesh is made on a, b joins it with a token. More peers are stock WireGuard clients
    known to a by key, which never send anything."""
    title = "TunnelMesh"
    config = ""         # lines of its configuration file
    env = {}
    peers = 1
    rules = None        # of the policy; None: the one that a new mesh begins with. 0: there is no policy, and no packet is judged
    binary = BINARY

    def missing(self):
        return None if os.access(self.binary, os.X_OK) else f"{self.binary} is not built"

    def version(self):
        first, encryption = sh(self.binary, "version").stdout.splitlines()[:2]
        text = f"{first.split()[1]}, {encryption.split()[-1]}"
        if self.binary != BINARY:
            return text
        commit = sh("git", "-C", bedlib.ROOT, "describe", "--always", "--dirty", check=False).stdout.strip()
        return f"{text} ({commit})" if commit else text

    def start(self, bed):
        config = bed.write("tunnelmesh.yaml", self.config)
        a, b = (Node(host, config=config) for host in bed.ends)
        a.binary = b.binary = self.binary
        env = {**os.environ, **self.env}
        a.run("init", "--name", "a", env=env)
        for i in range(self.peers - 1):
            self.add_client(a, i)
        if self.rules == 0:
            self.forget_policy(a, env)
        b.run("join", a.token(), "--name", "b", env=env)
        if self.rules:
            a.run("filter", "set", bed.write("policy.yaml", self.policy(self.rules)))
        self.wait_for_policy(a, b)
        self.wait_until_direct(a, b)
        me = b.status()["self"]
        return Tunnel({4: me["ip4"], 6: me["ip6"]}, [a.pid(), b.pid()])

    @staticmethod
    def add_client(node, number):
        """`client add` without the cost of a process for each: the same request to the daemon's control socket."""
        request = {"cmd": "client.add", "name": f"peer{number}", "key": base64.b64encode(os.urandom(32)).decode()}
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(node.state + ".sock")
            s.sendall(json.dumps(request).encode() + b"\n")
            with s.makefile("rb") as f:
                reply = json.loads(f.readline() or "{}")
        if not reply.get("ok"):
            raise LabError(f"client.add: {reply.get('error', 'no answer')}")

    @staticmethod
    def policy(rules):
        """So many: those of both protocols that leave holes in their ports, and one that allows the rest."""
        rows = [f"  - {{deny: {('tcp', 'udp')[i % 2]}/{10000 + 10 * i}-{10004 + 10 * i}, from: any, to: any}}" for i in range(rules - 1)]
        return "\n".join(["rules:", *rows, "  - {allow: any, from: any, to: any}", ""])

    @staticmethod
    def forget_policy(node, env):
        """As in a mesh from before there were policies."""
        node.run("down", env=env)
        with contextlib.closing(sqlite3.connect(node.state + "/mesh.db")) as db, db:
            db.execute("DELETE FROM policy")
        node.run("up", env=env)

    def wait_for_policy(self, a, b):
        """Until the one that is meant is in force at both ends. Another build may be from before there were any."""
        version = {None: 1, 0: 0}.get(self.rules, 2)
        if self.binary != BINARY and "policy" not in a.status():
            return
        wait_for(f"version {version} of the policy to be in force",
                 lambda: all((n.status()["policy"]["in_force"] or 0) == version for n in (a, b)), UP_TIMEOUT)

    @staticmethod
    def wait_until_direct(a, b):
        def direct():
            a.ping("b", check=False)
            peer = a.peer("b")
            return peer and peer["path"] == "direct" and peer["session"]
        wait_for("a direct path between a and b", direct, UP_TIMEOUT)


class Watched(TunnelMesh):
    """Both ends are asked for their metrics by a, each once a second, of which the far end's go through the tunnel; the
    coordinator's dashboard is open, and its first page is asked for as often."""

    def start(self, bed):
        tunnel = super().start(bed)
        watcher = bed.a.spawn(sys.executable, "-B", os.path.join(os.path.dirname(os.path.abspath(__file__)), "watcher.py"),
                              Node(bed.a).status()["self"]["ip4"], tunnel.address[4], stdout=subprocess.PIPE, text=True)
        if watcher.stdout.readline() != "watched\n":
            raise LabError("metrics or dashboard cannot be had")
        tunnel.helper = watcher
        return tunnel


class WireGuardGo(Contender):
    title = "wireguard-go"
    program = package = "wireguard-go"
    peers = 1

    def start(self, bed):
        private = [sh("wg", "genkey").stdout.strip() for _ in bed.ends]
        public = [sh("wg", "pubkey", input=key).stdout.strip() for key in private]
        pids = [bed.daemon(host, self.program, "-f", "wg0", env={"LOG_LEVEL": "error"}) for host in bed.ends]
        for i, host in enumerate(bed.ends):
            other = bed.ends[1 - i]
            allowed = ", ".join(f"{INNER[v][1 - i]}/{32 if v == 4 else 128}" for v in (4, 6))
            config = (f"[Interface]\nPrivateKey = {private[i]}\nListenPort = 51820\n"
                      f"[Peer]\nPublicKey = {public[1 - i]}\nAllowedIPs = {allowed}\n"
                      f"Endpoint = {bed.outer_address(other)}:51820\n")
            if i == 0:
                config += "".join(self.silent_peer(n) for n in range(self.peers - 1))
            wait_for("wireguard-go to answer", lambda h=host: h.sh("wg", "show", "wg0", check=False).returncode == 0)
            host.sh("wg", "setconf", "wg0", bed.write(f"{host.name}.conf", config))
        return Tunnel(add_addresses(bed, "wg0"), pids)

    @staticmethod
    def silent_peer(n):
        key = base64.b64encode(os.urandom(32)).decode()
        return f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.78.{n >> 8}.{n & 255}/32, fd78::{n:x}/128\n"


class Nebula(Contender):
    title = "Nebula, AES-256-GCM"
    program = package = "nebula"

    def start(self, bed):
        cert = self.program + "-cert"
        sh(cert, "ca", "-name", "bench", cwd=bed.dir)
        pids = []
        for i, host in enumerate(bed.ends):
            sh(cert, "sign", "-name", host.name, "-ip", f"{INNER[4][i]}/24", cwd=bed.dir)
            lighthouse, known = INNER[4][0], {} if i == 0 else {INNER[4][0]: [f"{bed.outer_address(bed.a)}:4242"]}
            config = {  # JSON is YAML
                "pki": {"ca": bed.path("ca.crt"), "cert": bed.path(f"{host.name}.crt"), "key": bed.path(f"{host.name}.key")},
                "static_host_map": known,
                "lighthouse": {"am_lighthouse": i == 0, "interval": 60, "hosts": [lighthouse] if i else []},
                "listen": {"host": "0.0.0.0", "port": 4242}, "punchy": {"punch": False}, "cipher": "aes",
                "tun": {"disabled": False, "dev": "neb0", "mtu": MTU}, "logging": {"level": "error", "format": "text"},
                "firewall": {"outbound": [{"port": "any", "proto": "any", "host": "any"}],
                             "inbound": [{"port": "any", "proto": "any", "host": "any"}]},
            }
            pids.append(bed.daemon(host, self.program, "-config", bed.write(f"{host.name}.yaml", json.dumps(config))))
            self.wait_for_device(host)
        # The first packet has to come from the node that knows where the other one is.
        wait_for("nebula's first ping",
                 lambda: bed.b.sh("ping", "-q", "-c1", "-W1", INNER[4][0], check=False).returncode == 0, UP_TIMEOUT)
        return Tunnel({4: INNER[4][1]}, pids)

    @staticmethod
    def wait_for_device(host):
        wait_for("nebula's interface", lambda: INNER[4][0][:8] in host.sh("ip", "-4", "addr").stdout)


class Aside:
    """A newer Debian release's package, unpacked by scripts/setup-bench without touching the system."""

    def __init__(self, name, **settings):
        super().__init__(name, **settings)
        self.program = os.path.join(bedlib.ASIDE, "root/usr/bin", self.package)

    def missing(self):
        return None if os.access(self.program, os.X_OK) else "the newer Debian release's package was not fetched"

    def version(self):
        with open(os.path.join(bedlib.ASIDE, self.package + ".version"), encoding="ascii") as f:
            return f.read().strip()


class NewWireGuardGo(Aside, WireGuardGo):
    title = "wireguard-go of Debian 13"


class NewNebula(Aside, Nebula):
    title = "Nebula of Debian 13, AES-256-GCM"


class Tinc(Contender):
    title = "tinc, default cipher"
    program, package = "tincd", "tinc"
    mode = "router"

    def start(self, bed):
        for i, host in enumerate(bed.ends):
            self.configure(bed, host, i)
        pids = []
        for i, host in enumerate(bed.ends):
            shutil.copy(bed.path(f"{bed.ends[1 - i].name}/hosts/{bed.ends[1 - i].name}"),
                        bed.path(f"{host.name}/hosts"))
            pids.append(bed.daemon(host, "tincd", "-D", "-c", bed.path(host.name),
                                   f"--pidfile={bed.path(host.name + '.pid')}"))
        return Tunnel({4: INNER[4][1]}, pids)

    def configure(self, bed, host, i):
        os.makedirs(bed.path(f"{host.name}/hosts"))
        bed.write(f"{host.name}/tinc.conf", f"Name = {host.name}\nMode = {self.mode}\nInterface = tinc0\n"
                  f"AddressFamily = ipv4\n" + ("ConnectTo = a\n" if i else ""))
        subnet = f"Subnet = {INNER[4][i]}/32\n" if self.mode == "router" else ""
        bed.write(f"{host.name}/hosts/{host.name}", f"Address = {bed.outer_address(host)}\n{subnet}")
        up = bed.write(f"{host.name}/tinc-up", f"#!/bin/sh\nip link set $INTERFACE mtu {MTU} up\n"
                       f"ip addr add {INNER[4][i]}/24 dev $INTERFACE\n")
        os.chmod(up, 0o700)
        sh("tincd", "-c", bed.path(host.name), "-K2048", input="\n\n")


class Fastd(Contender):
    title = "fastd, aes128-ctr+umac"
    program = package = "fastd"
    method = "aes128-ctr+umac"

    def start(self, bed):
        secret = [sh("fastd", "--generate-key", "--machine-readable").stdout.strip() for _ in bed.ends]
        key = [sh("fastd", "--config", "-", "--show-key", "--machine-readable",
                  input=f'secret "{s}"; method "null"; bind any;').stdout.strip() for s in secret]
        pids = []
        for i, host in enumerate(bed.ends):
            other = bed.ends[1 - i]
            # Only one end calls: when both do at once, their handshakes undo each other.
            remote = f"remote {bed.outer_address(other)}:10000;" if i else ""
            config = bed.write(f"{host.name}.conf", f'''
                log level error; interface "fastd0"; mode tun; mtu {MTU}; method "{self.method}"; bind any:10000;
                secret "{secret[i]}";
                on up "ip addr add {INNER[4][i]}/24 dev fastd0; ip link set fastd0 up";
                peer "{other.name}" {{ key "{key[1 - i]}"; {remote} }}''')
            pids.append(bed.daemon(host, "fastd", "--config", config))
        return Tunnel({4: INNER[4][1]}, pids)


class OpenVpn(Contender):
    title = "OpenVPN over UDP, AES-256-GCM"
    program = package = "openvpn"
    cipher = "AES-256-GCM"

    def start(self, bed):
        prints = [self.certificate(bed, host) for host in bed.ends]
        pids = []
        for i, host in enumerate(bed.ends):
            role = ["--tls-client", "--nobind", "--remote", bed.a.ip4, "1194"] if i else \
                   ["--tls-server", "--dh", "none", "--local", bed.a.ip4, "--port", "1194"]
            pids.append(bed.daemon(
                host, "openvpn", "--dev", "ovpn0", "--dev-type", "tun", "--proto", "udp", "--disable-dco", "--verb", "1",
                "--data-ciphers", self.cipher, "--topology", "p2p", "--tun-mtu", MTU, *role,
                "--ifconfig", INNER[4][i], INNER[4][1 - i], "--peer-fingerprint", prints[1 - i],
                "--cert", bed.path(f"{host.name}.crt"), "--key", bed.path(f"{host.name}.key")))
        return Tunnel({4: INNER[4][1]}, pids)

    @staticmethod
    def certificate(bed, host):
        crt = bed.path(f"{host.name}.crt")
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 30,
           "-subj", f"/CN={host.name}", "-keyout", bed.path(f"{host.name}.key"), "-out", crt)
        return sh("openssl", "x509", "-in", crt, "-noout", "-fingerprint", "-sha256").stdout.strip().split("=")[1]


# Masks AVX-512 (OPENSSL_ia32cap(3)): what a processor without it would do.
NO_AVX512 = {"OPENSSL_ia32cap": ":~0xD0230000"}

CONTENDERS = {c.name: c for c in (
    Raw("raw"),
    TunnelMesh("tunnelmesh"),
    TunnelMesh("tunnelmesh-before", title="TunnelMesh, the other build", binary=BEFORE),
    TunnelMesh("tunnelmesh-1w", title="TunnelMesh, 1 worker", config="workers: 1\n"),
    TunnelMesh("tunnelmesh-2w", title="TunnelMesh, 2 workers", config="workers: 2\n"),
    TunnelMesh("tunnelmesh-libcrypto", title="TunnelMesh, AEAD of libcrypto", config="aead: libcrypto\n"),
    TunnelMesh("tunnelmesh-avx2", title="TunnelMesh, AVX2 only", config="aead: libgcrypt\n",
               env=NO_AVX512),
    TunnelMesh("tunnelmesh-no-offloads", title="TunnelMesh without offloads", config="offloads: none\n"),
    TunnelMesh("tunnelmesh-0rules", title="TunnelMesh, no policy", rules=0),
    TunnelMesh("tunnelmesh-100rules", title="TunnelMesh, 100 rules", rules=100),
    TunnelMesh("tunnelmesh-unwatched", title="TunnelMesh, metrics and dashboard off",
               config="metrics: {listen: off}\ndashboard: {enabled: no}\n"),
    Watched("tunnelmesh-watched", title="TunnelMesh, both asked for each second"),
    TunnelMesh("tunnelmesh-over6", title="TunnelMesh over IPv6", outer=(6,)),
    TunnelMesh("tunnelmesh-1p", title="TunnelMesh, 1 peer"),
    TunnelMesh("tunnelmesh-100p", title="TunnelMesh, 100 peers", peers=100),
    TunnelMesh("tunnelmesh-1000p", title="TunnelMesh, 1,000 peers", peers=1000),
    NewWireGuardGo("wireguard-go-new"),
    NewWireGuardGo("wireguard-go-new-over6", title="wireguard-go of Debian 13 over IPv6", outer=(6,)),
    NewWireGuardGo("wireguard-go-new-1p", title="wireguard-go of Debian 13, 1 peer"),
    NewWireGuardGo("wireguard-go-new-100p", title="wireguard-go of Debian 13, 100 peers", peers=100),
    NewWireGuardGo("wireguard-go-new-1000p", title="wireguard-go of Debian 13, 1,000 peers", peers=1000),
    WireGuardGo("wireguard-go"),
    WireGuardGo("wireguard-go-over6", title="wireguard-go over IPv6", outer=(6,)),
    WireGuardGo("wireguard-go-1p", title="wireguard-go, 1 peer"),
    WireGuardGo("wireguard-go-100p", title="wireguard-go, 100 peers", peers=100),
    WireGuardGo("wireguard-go-1000p", title="wireguard-go, 1,000 peers", peers=1000),
    Nebula("nebula"),
    NewNebula("nebula-new"),
    Tinc("tinc"),
    Tinc("tinc-switch", title="tinc, as a switch", mode="switch"),
    Fastd("fastd"),
    Fastd("fastd-salsa", title="fastd, salsa2012+umac", method="salsa2012+umac"),
    OpenVpn("openvpn"),
    OpenVpn("openvpn-chacha", title="OpenVPN over UDP, ChaCha20-Poly1305", cipher="CHACHA20-POLY1305"),
)}
