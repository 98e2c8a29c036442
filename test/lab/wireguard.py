# SPDX-License-Identifier: AGPL-3.0-or-later
"""WireGuard interfaces on lab hosts: stock ones (wireguard-go, wg) and ours (the data plane alone, tools/wgpeer).

Both kinds have the same verbs, so that a test can be told which one plays which part. Interface names carry this
process's number, because wireguard-go keeps its control sockets in one directory for all network namespaces.
"""
import itertools
import json
import os
import struct
import subprocess

import lab
from lab import LabError, sh, wait_for

INTERFACES = itertools.count()


WGPEER = lab.find_tool("wgpeer")
INIT, RESPONSE, COOKIE, DATA = 1, 2, 3, 4


def new_key():
    return sh("wg", "genkey").stdout.strip()


def new_psk():
    return sh("wg", "genpsk").stdout.strip()


def public_of(private):
    return sh("wg", "pubkey", input=private).stdout.strip()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Interface:
    """What both kinds share: keys, inner addresses (10.9.0.n and fd09::n), and the settings of peers for a restart."""

    kind = ""
    all = []

    def __init__(self, host, n, port=51820, mtu=1420, subnet=9):
        self.host, self.n, self.port, self.mtu = host, n, port, mtu
        self.ifname = f"w{os.getpid()}n{next(INTERFACES)}"
        self.private = new_key()
        self.public = public_of(self.private)
        self.ip4, self.ip6 = f"10.{subnet}.0.{n}", f"fd{subnet:02d}::{n}"
        self.peers, self.process = {}, None
        Interface.all.append(self)

    def start(self):
        self.open()
        self.host.sh("ip", "addr", "add", self.ip4 + "/24", "dev", self.ifname)
        self.host.sh("ip", "addr", "add", self.ip6 + "/64", "dev", self.ifname, "nodad")
        self.host.sh("ip", "link", "set", self.ifname, "mtu", self.mtu, "up")
        for public, settings in self.peers.items():
            self.apply(public, settings)
        return self

    def stop(self):
        self.close()
        self.process = None
        wait_for(f"{self.ifname} to vanish",
                 lambda: self.host.sh("ip", "link", "show", self.ifname, check=False).returncode != 0)

    def restart(self):
        self.stop()
        self.start()

    def peer(self, other, allowed=None, psk=None, endpoint=None, keepalive=0):
        """Adds the other interface as a peer or changes what is known of it. endpoint: "4", "6" or HOST:PORT."""
        if endpoint in ("4", "6"):
            endpoint = f"{other.host.ip4}:{other.port}" if endpoint == "4" else f"[{other.host.ip6}]:{other.port}"
        settings = {"allowed": allowed or [other.ip4 + "/32", other.ip6 + "/128"], "psk": psk, "endpoint": endpoint,
                    "keepalive": keepalive}
        self.peers[other.public] = settings
        self.apply(other.public, settings)

    def cpu(self):
        return cpu_seconds(self.process.pid)

    def ping(self, address, *args, check=True):
        address = getattr(address, "ip4", address)
        return self.host.sh("ping", "-c", 1, "-W", 1, *args, address, check=check)

    def reaches(self, other, *args):
        return self.ping(other, *args, check=False).returncode == 0

    def move(self):
        """Other addresses on the host's subnet, as after changing networks; the old ones are gone before."""
        self.host.move()


class Stock(Interface):
    """wireguard-go, configured by wg."""

    kind = "stock"

    def __init__(self, host, n, **kw):
        super().__init__(host, n, **kw)
        self.control = f"/run/wireguard/{self.ifname}.sock"
        self.logfile = os.path.join(host.lab.dir, self.ifname + ".log")

    def open(self):
        with open(self.logfile, "ab") as log:
            self.process = self.host.spawn("env", "LOG_LEVEL=verbose", "wireguard-go", "-f", self.ifname,
                                           stdout=log, stderr=log)
        wait_for("wireguard-go to listen", lambda: os.path.exists(self.control) and
                 self.host.sh("wg", "show", self.ifname, check=False).returncode == 0)
        self.configure()

    def configure(self):
        self.set("listen-port", self.port, "private-key", "/dev/stdin", input=self.private)

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        wait_for("the control socket to vanish", lambda: not os.path.exists(self.control))

    def set(self, *args, **kw):
        self.host.sh("wg", "set", self.ifname, *args, **kw)

    def apply(self, public, settings):
        args = ["allowed-ips", ",".join(settings["allowed"]), "persistent-keepalive", settings["keepalive"],
                "preshared-key", "/dev/stdin" if settings["psk"] else "/dev/null"]
        if settings["endpoint"]:
            args += ["endpoint", settings["endpoint"]]
        self.set("peer", public, *args, input=settings["psk"] or "")

    def remove(self, public):
        self.peers.pop(public, None)
        self.set("peer", public, "remove")

    def move(self):
        """Also opens the socket anew, as the apps around wireguard-go do: Debian 12's takes only EINVAL as a sign that
        its source address is gone, and newer kernels say ENETUNREACH then; it would send from there for ever."""
        super().move()
        self.set("listen-port", self.port)

    def rekey(self, private):
        """A new identity while the interface runs."""
        self.private, self.public = private, public_of(private)
        self.set("private-key", "/dev/stdin", input=private)

    def show(self, other):
        for line in self.host.sh("wg", "show", self.ifname, "dump").stdout.splitlines()[1:]:
            public, _, endpoint, _, handshake, rx, tx, _ = line.split("\t")
            if public == getattr(other, "public", other):
                return {"endpoint": endpoint, "handshake": float(handshake), "rx_bytes": int(rx), "tx_bytes": int(tx)}
        return None

    def log(self):
        with open(self.logfile, encoding="utf-8", errors="replace") as f:
            return f.read()

    def count(self, sentence):
        """How often the verbose log says so, e.g. "Received handshake initiation"."""
        return self.log().count(sentence)


class Client(Stock):
    """wireguard-go set up from a configuration file, as wg-quick does it."""

    def __init__(self, host, config):
        super().__init__(host, 0)
        values = dict(line.split(" = ", 1) for line in config.splitlines() if " = " in line)
        self.private, self.gateway = values["PrivateKey"], values["PublicKey"]
        self.ip4, self.ip6 = (a.split("/")[0] for a in values["Address"].split(", "))
        self.servers = values.get("DNS", "").split(", ")
        self.networks = values["AllowedIPs"].split(", ")
        self.config = "".join(line + "\n" for line in config.splitlines() if not line.startswith(("Address", "DNS")))

    def configure(self):
        self.host.sh("wg", "setconf", self.ifname, "/dev/stdin", input=self.config)

    def start(self):
        self.open()
        self.host.sh("ip", "addr", "add", self.ip4 + "/32", "dev", self.ifname)
        self.host.sh("ip", "addr", "add", self.ip6 + "/128", "dev", self.ifname, "nodad")
        self.host.sh("ip", "link", "set", self.ifname, "mtu", self.mtu, "up")
        for network in self.networks:
            if network.endswith("/0"):
                self.take_all(network)
            else:
                self.host.sh("ip", "route", "add", network, "dev", self.ifname)
        return self

    def take_all(self, network, mark=51820):
        """A default route, as wg-quick makes it: not for the tunnel's own packets."""
        family = "-6" if ":" in network else "-4"
        self.set("fwmark", mark)
        self.host.sh("ip", family, "route", "add", network, "dev", self.ifname, "table", mark)
        self.host.sh("ip", family, "rule", "add", "not", "fwmark", mark, "table", mark)
        self.host.sh("ip", family, "rule", "add", "table", "main", "suppress_prefixlength", 0)

    def keepalive(self, seconds):
        self.set("peer", self.gateway, "persistent-keepalive", seconds)

    def move(self):
        Interface.move(self)
        self.set("listen-port", 0)


class Ours(Interface):
    """The plane with static peers. limits: wg_limits in ms or messages, e.g. rekey_after=1000. steer=False: without the
    right to load the program that steers packets to queues."""

    kind = "ours"

    def __init__(self, host, n, limits=None, self_address=True, workers=2, steer=True, **kw):
        super().__init__(host, n, **kw)
        self.limits, self.self_address, self.workers, self.steer = limits or {}, self_address, workers, steer

    def open(self):
        without = [] if self.steer else ["setpriv", "--bounding-set=-bpf,-sys_admin", "--"]
        self.process = self.host.spawn(*without, WGPEER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = {"tun": self.ifname, "key": self.private, "port": self.port, "mtu": self.mtu, "workers": self.workers,
                 **self.limits}
        if self.host.lab.offloads:
            words["offloads"] = self.host.lab.offloads
        if self.self_address:
            words |= {"self4": self.ip4, "self6": self.ip6}
        self.ask("device", **words)

    def close(self):
        self.process.stdin.close()
        if self.process.wait(timeout=10) != 0:
            raise LabError(f"wgpeer ended with {self.process.returncode}")
        self.process.stdout.close()

    def ask(self, command, **words):
        line = " ".join([command] + [f"{k.replace('_', '-')}={v}" for k, v in words.items() if v is not None])
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline() or '{"ok": false, "error": "wgpeer is gone"}')
        if not reply["ok"]:
            raise LabError(f"{command}: {reply['error']}")
        return reply

    def apply(self, public, settings):
        self.ask("peer", key=public, psk=settings["psk"], allowed=",".join(settings["allowed"]),
                 endpoint=settings["endpoint"], keepalive=settings["keepalive"])

    def remove(self, public):
        self.peers.pop(public, None)
        self.ask("remove", key=public)

    def show(self, other):
        return self.ask("stats")["peers"].get(getattr(other, "public", other))

    def drops(self, label):
        return self.ask("stats")["drops"][label]

    def steered(self):
        return self.ask("stats")["steered"]


class Transfer:
    """TCP through the tunnel by iperf3. result() fails when a connection was lost or ended without moving data."""

    def __init__(self, client, server, address, *options, seconds):
        self.seconds = seconds
        self.server = server.spawn("iperf3", "-s", "-1", "-B", address, stdout=subprocess.DEVNULL)
        listening = f"[{address}]" if ":" in address else address
        wait_for("iperf3 to listen", lambda: ":5201 " in server.sh("ss", "-Hltn", "src", listening).stdout)
        # After an outage BBR takes minutes to believe in the path again.
        self.client = client.spawn("iperf3", "-c", address, "-J", "-C", "cubic", "-t", seconds, "--connect-timeout", 5000,
                                   *options, stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.client.poll() is None

    def result(self):
        """Bits per second received, {"up": of client to server, "down": of the other way}; and the retransmissions."""
        out, _ = self.client.communicate(timeout=self.seconds + 60)
        report = json.loads(out)
        if "error" in report:
            raise LabError(f"iperf3: {report['error']}")
        self.server.wait(timeout=10)
        last = report["intervals"][-1]
        if not last["sum"]["bytes"] or ("sum_bidir_reverse" in last and not last["sum_bidir_reverse"]["bytes"]):
            raise LabError("the connection moved nothing in the last second")
        end = report["end"]
        backwards = report["start"]["test_start"]["reverse"]
        figures = {"down" if backwards else "up": end["sum_received"]["bits_per_second"],
                   "bytes": end["sum_received"]["bytes"], "retransmits": end["sum_sent"].get("retransmits", 0)}
        if "sum_received_bidir_reverse" in end:
            figures["down"] = end["sum_received_bidir_reverse"]["bits_per_second"]
            figures["bytes"] += end["sum_received_bidir_reverse"]["bytes"]
        return figures


class Capture:
    """UDP datagrams seen on a host's interface, from the moment the constructor returns."""

    def __init__(self, host, dev="eth0", what="udp"):
        self.file = os.path.join(host.lab.dir, f"{host.name}-{len(host.lab.processes)}.pcap")
        self.process = host.spawn("tcpdump", "-i", dev, "-U", "--immediate-mode", "-B", "16384", "-w", self.file, what,
                                  stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                return
        raise LabError("tcpdump did not start")

    def stop(self, what, seen):
        """Waits until seen(datagrams) is true (tcpdump lags behind), ends the capture and returns the datagrams."""
        wait_for(what, lambda: seen(self.datagrams()))
        self.process.terminate()
        self.process.wait(timeout=10)
        self.process.stderr.close()
        return self.datagrams()

    def datagrams(self):
        """[(source address, destination address, payload)], fragments left out."""
        with open(self.file, "rb") as f:
            data = f.read()
        at, found = 24, []
        while at + 16 <= len(data):
            n = struct.unpack("<I", data[at + 8:at + 12])[0]
            frame = data[at + 16:at + 16 + n]
            at += 16 + n
            if frame[12:14] == b"\x08\x00" and not struct.unpack(">H", frame[20:22])[0] & 0x3FFF:
                udp = 14 + 4 * (frame[14] & 15)
                end = 14 + struct.unpack(">H", frame[16:18])[0]
                ends = ".".join(map(str, frame[26:30])), ".".join(map(str, frame[30:34]))
            elif frame[12:14] == b"\x86\xdd" and frame[20] == 17:
                udp = 54
                end = 54 + struct.unpack(">H", frame[18:20])[0]
                ends = frame[22:38].hex(), frame[38:54].hex()
            else:
                continue
            found.append((*ends, frame[udp + 8:end]))
        return found


def message_type(payload):
    return payload[0] if len(payload) >= 4 and payload[1:4] == bytes(3) else 0


def end(net):
    """Ends the interfaces of a lab in order: wireguard-go removes its control sockets, wgpeer tells what it leaks."""
    for one in [i for i in Interface.all if i.host.lab is net]:
        Interface.all.remove(one)
        if one.process:
            one.close()


def masquerade(host, timeout=None):
    """Puts a host behind NAT: the router hides its subnet; timeout is how long the mapping lives, in seconds."""
    router, n = host.lab.router, host.ip4.split(".")[2]
    router.sh("nft", "-f", "-", input=f"""
        table ip nat {{
            chain postrouting {{
                type nat hook postrouting priority srcnat
                ip saddr 198.18.{n}.0/24 masquerade random
            }}
        }}
        table ip filter {{
            chain forward {{
                type filter hook forward priority filter
                ip daddr 198.18.{n}.0/24 ct state new drop
            }}
        }}""")
    if timeout:  # the rules have loaded what has these settings
        router.sh("sysctl", "-qw", f"net.netfilter.nf_conntrack_udp_timeout={timeout}",
                  f"net.netfilter.nf_conntrack_udp_timeout_stream={timeout}")
