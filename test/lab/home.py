# SPDX-License-Identifier: AGPL-3.0-or-later
"""A home: a LAN with private addresses behind a router that translates them, perhaps with a miniupnpd on it.

Its outer side is a host of the laboratory, with addresses of 11.0.0.0/8: miniupnpd refuses those that are reserved for
documentation or benchmarks. They never leave the namespaces.
"""
import json
import os
import re
import subprocess

from lab import Host, sh, wait_for

# miniupnpd writes its rules into these chains; what is mapped passes, and everything that comes out is translated.
RULES = """
table inet home {
    chain miniupnpd { }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
    chain forward { type filter hook forward priority filter; policy drop; jump miniupnpd;
                    ct state established,related accept; ct status dnat accept; iifname "lan" accept; }
    chain pre { type nat hook prerouting priority dstnat; iifname "wan" jump prerouting_miniupnpd; }
    chain post { type nat hook postrouting priority srcnat; oifname "wan" jump postrouting_miniupnpd;
                 oifname "wan" masquerade %s; }
}
"""

CONF = """
ext_ifname=wan
listening_ip=lan
http_port=5000
secure_mode=yes
system_uptime=yes
uuid=00000000-0000-4000-8000-00000000000{number}
upnp_table_name=home
upnp_nat_table_name=home
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
enable_upnp={upnp}
enable_natpmp={natpmp}
min_lifetime=4
max_lifetime=86400
lease_file={leases}
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"""


class Home:
    def __init__(self, net, number, wan=None, symmetric=False):
        """wan: the router's own address, with its length; the world is behind .1 of that network."""
        if not net.router:
            net.make_router()
        self.net, self.number, self.daemon = net, number, None
        self.wan = wan or f"11.1.{number}.2/24"
        self.outside = self.wan.split("/")[0]
        self.router = Host(net, f"home{number}")
        link, gateway = f"h{number}", self.outside.rsplit(".", 1)[0] + ".1"
        sh("ip", "link", "add", link, "netns", net.router.ns, "type", "veth", "peer", "name", "wan", "netns", self.router.ns)
        for host, dev, address in ((net.router, link, gateway + "/" + self.wan.split("/")[1]), (self.router, "wan", self.wan)):
            host.sh("ip", "addr", "add", address, "dev", dev)
            host.sh("ip", "link", "set", dev, "up")
        self.router.sh("ip", "route", "add", "default", "via", gateway)
        self.router.sh("ip", "link", "add", "lan", "type", "bridge")
        self.router.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.router.bridges_only()
        self.gateway = f"192.168.{number}.1"
        self.router.sh("ip", "addr", "add", self.gateway + "/24", "dev", "lan")
        self.router.sh("ip", "link", "set", "lan", "up")
        self.router.sh("nft", "-f", "-", input=RULES % ("fully-random" if symmetric else ""))
        self.inside = 0

    def host(self, name):
        """A machine in the LAN, without IPv6."""
        self.inside += 1
        h = Host(self.net, name)
        sh("ip", "link", "add", f"l{self.inside}", "netns", self.router.ns, "type", "veth", "peer", "name", "eth0", "netns", h.ns)
        self.router.sh("ip", "link", "set", f"l{self.inside}", "master", "lan", "up")
        h.ip4 = f"192.168.{self.number}.{10 + self.inside}"
        h.sh("ip", "addr", "add", h.ip4 + "/24", "dev", "eth0")
        h.sh("ip", "link", "set", "eth0", "up")
        h.sh("ip", "route", "add", "default", "via", self.gateway)
        return h

    def with_ipv6(self, host):
        """Gives the router and a machine of its LAN IPv6 as well, without translation: the firewall lets answers in alone."""
        n, wan, lan = self.number, f"2a11:1:{self.number}", f"2a11:1:{self.number}:1"
        self.router.sh("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for h, address, dev in ((self.net.router, f"{wan}::1", f"h{n}"), (self.router, f"{wan}::2", "wan"),
                                (self.router, f"{lan}::1", "lan"), (host, f"{lan}::7", "eth0")):
            h.sh("ip", "addr", "add", address + "/64", "dev", dev, "nodad")
        self.net.router.sh("ip", "-6", "route", "add", f"{lan}::/64", "via", f"{wan}::2")
        self.router.sh("ip", "-6", "route", "add", "default", "via", f"{wan}::1")
        # As routers announce themselves: by their address on the link.
        found = json.loads(self.router.sh("ip", "-j", "-6", "addr", "show", "dev", "lan", "scope", "link").stdout)
        link = next(a["local"] for i in found if i for a in i["addr_info"] if a.get("local"))
        host.sh("ip", "-6", "route", "add", "default", "via", link, "dev", "eth0")
        host.ip6 = f"{lan}::7"

    # --- miniupnpd ---

    def start(self, upnp=False, natpmp=False):
        """NAT-PMP brings PCP with it: they share a port. Without it a question is answered by an ICMP error."""
        base = os.path.join(self.net.dir, f"home{self.number}")
        conf = CONF.format(number=self.number, upnp="yes" if upnp else "no", natpmp="yes" if natpmp else "no",
                           leases=base + ".leases")
        with open(base + ".conf", "w", encoding="utf-8") as f:
            f.write(conf)
        open(base + ".leases", "a", encoding="utf-8").close()
        with open(base + ".log", "ab") as log:
            self.daemon = self.router.spawn("miniupnpd", "-d", "-f", base + ".conf", "-P", base + ".pid",
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        port = ":1900" if upnp else ":5351"
        wait_for("miniupnpd to listen", lambda: port in self.router.sh("ss", "-lun").stdout)
        return self

    def stop(self):
        """Like a router that loses power: it forgets what it mapped."""
        self.daemon.kill()
        self.daemon.wait(timeout=10)
        self.flush()
        open(os.path.join(self.net.dir, f"home{self.number}.leases"), "w", encoding="utf-8").close()

    def flush(self):
        for chain in ("miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd"):
            self.router.sh("nft", "flush", "chain", "inet", "home", chain)

    def mapped(self):
        """What it maps: {external port: "address:port"}; it knows UDP by its number."""
        text = self.router.sh("nft", "list", "chain", "inet", "home", "prerouting_miniupnpd").stdout
        return {int(port): to for port, to in re.findall(r"0x11 th dport (\d+) dnat ip to (\S+)", text)}

    def holes(self):
        """What it lets in besides, as nft says it."""
        return self.router.sh("nft", "list", "chain", "inet", "home", "miniupnpd").stdout
