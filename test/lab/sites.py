# SPDX-License-Identifier: AGPL-3.0-or-later
"""Sites on the internet of a lab: gateways of some kind (nat.py) with hosts behind them.

A site's number is that of its subnet outside, 198.18.n.0/24 and 2001:db8:n::/64, where its gateway is .2. Inside are
192.168.n.0/24, or 100.64.n.0/24 for a provider's subscribers, or 198.19.n.0/24 where nothing is translated, and
2001:db8:n:1::/64; the gateway is .1, its hosts are .2 and on. A host has only the families of its site's kind.
"""
import os
import subprocess

from lab import Host, find_program, sh
from nat import KINDS, Kind, filtering, forget, translation
from wires import Line, one_by_one

GATEWAY = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.send_redirects=0",
           "net.ipv4.conf.default.send_redirects=0"]
HOME, PROXY_PORT = KINDS["linux"], 3128


def public_host(net, name, families="46", manner=None):
    """A host on the internet itself. manner: what the line to it does (wires.Line); None: it is a plain wire."""
    lines = []
    host = net.host(name, wire=(lambda *ends: lines.append(Line(*ends, **manner))) if manner is not None else None)
    host.line = lines[0] if lines else None
    if "4" not in families:
        host.sh("ip", "-4", "addr", "flush", "dev", "eth0")
        host.ip4 = None
    if "6" not in families:
        host.sh("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
        host.ip6 = None
    return host


class Site:
    """A gateway and its LAN. behind: the site whose LAN its outside is in, instead of the internet."""

    def __init__(self, net, name, kind, behind=None, hairpins=False, manner=None):
        self.net, self.name, self.kind = net, name, kind
        self.hosts, self.proxy = [], None
        if behind:
            net.subnets += 1
            self.n, self.gateway = net.subnets, behind.host(f"{name}-gw")
        else:
            self.gateway = public_host(net, f"{name}-gw", kind.families, manner)
            self.n = net.subnets
        self.line = None if behind else self.gateway.line
        self.outsides = [self.gateway.ip4]
        self.open(hairpins)

    def prefix(self):
        if not self.kind.translates:
            return f"198.19.{self.n}"
        return f"100.64.{self.n}" if self.kind.carrier else f"192.168.{self.n}"

    def open(self, hairpins):
        g, n, router = self.gateway, self.n, self.net.router
        g.sh("sysctl", "-qw", *GATEWAY)
        g.bridges_only()
        rows = ["link add lan type bridge", "link set lan up"]
        for i in range(1, self.kind.pool):
            self.outsides.append(f"198.18.{n}.{2 + i}")
            rows.append(f"addr add {self.outsides[i]}/24 dev eth0")
        if "4" in self.kind.families:
            rows.append(f"addr add {self.prefix()}.1/24 dev lan")
        if "6" in self.kind.families:
            rows.append(f"addr add 2001:db8:{n}:1::1/64 dev lan nodad")
            router.sh("ip", "-6", "route", "add", f"2001:db8:{n}:1::/64", "via", f"2001:db8:{n}::2")
        elif not self.kind.translates:
            router.sh("ip", "route", "add", f"198.19.{n}.0/24", "via", f"198.18.{n}.2")
        g.ip(*rows)
        g.sh("nft", "-f", "-", input=filtering(self.kind) + translation(self.kind, self.outsides, hairpins))
        if self.kind.udp == "small":
            one_by_one(g, "eth0")
        if self.kind.tcp == "proxy":
            self.start_proxy()

    def start_proxy(self):
        """One that lets CONNECT to port 443 through, and nothing else."""
        config = os.path.join(self.net.dir, f"{self.name}-proxy.conf")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"Port {PROXY_PORT}\nListen {self.prefix()}.1\nTimeout 600\nMaxClients 100\nConnectPort 443\n"
                    "DisableViaHeader Yes\nLogLevel Critical\n")
        self.gateway.spawn(find_program("tinyproxy"), "-d", "-c", config, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        self.proxy = f"http://{self.prefix()}.1:{PROXY_PORT}"

    def host(self, name):
        """One more host in the LAN."""
        h, last, n = Host(self.net, name), len(self.hosts) + 2, self.n
        self.hosts.append(h)
        port = f"p{last}"
        sh("ip", "link", "add", port, "netns", self.gateway.ns, "type", "veth", "peer", "name", "eth0", "netns", h.ns)
        self.gateway.ip(f"link set {port} master lan up")
        rows = ["link set eth0 up"]
        if "4" in self.kind.families:
            h.ip4 = f"{self.prefix()}.{last}"
            rows.append(f"addr add {h.ip4}/24 dev eth0")
            if self.kind.tcp != "proxy":
                rows.append(f"route add default via {self.prefix()}.1")
        if "6" in self.kind.families:
            h.ip6 = f"2001:db8:{n}:1::{last}"
            rows += [f"addr add {h.ip6}/64 dev eth0 nodad", f"route add default via 2001:db8:{n}:1::1"]
        h.ip(*rows)
        if self.kind.udp == "small":
            one_by_one(h, "eth0")
        return h


class Place:
    """One host of its own where a kind (or its name) says: on the internet, or behind a gateway, or behind that and a provider's."""

    def __init__(self, net, name, kind, hairpins=False, manner=None):
        self.name, self.kind = name, kind if isinstance(kind, Kind) else KINDS[kind]
        self.provider = self.site = None
        if self.kind.carrier:
            self.provider = Site(net, f"{name}-isp", self.kind, hairpins=hairpins, manner=manner)
            self.site = Site(net, name, HOME, behind=self.provider)
        elif self.kind.gateway():
            self.site = Site(net, name, self.kind, hairpins=hairpins, manner=manner)
        self.host = self.site.host(name) if self.site else public_host(net, name, self.kind.families, manner)
        self.edge = self.provider or self.site  # whose gateway is on the internet; None: the host is

    @property
    def line(self):
        return self.edge.line if self.edge else self.host.line

    def forget(self):
        """Its gateways lose their mappings and flows (nat.forget)."""
        for site in (self.site, self.provider):
            if site:
                forget(site.gateway)

    @property
    def proxy(self):
        return self.site.proxy if self.site else None
