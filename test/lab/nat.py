# SPDX-License-Identifier: AGPL-3.0-or-later
"""Kinds of places where a node may be: NATs in the words of RFC 4787, firewalls, and networks that let little through.

A kind is data. `translation` and `filtering` turn it into the nftables rules of a gateway whose interface `eth0` leads to
the internet and `lan` to its hosts; sites.py builds the rest of it.
"""
import dataclasses
import socket
import struct

from wiretap import inside

INDEPENDENT, ADDRESS, PORT = "independent", "address", "address and port"  # RFC 4787 4.1 and 5
KEPT, RANDOM, BLOCK = "kept", "random", "in a block"
PORT_BLOCK = (40960, 41471)  # of one subscriber, aligned to its 512 ports
SMALL = 1280  # bytes: the longest IP packet with UDP in it that passes


@dataclasses.dataclass(frozen=True)
class Kind:
    title: str
    families: str = "4"
    translates: bool = True  # IPv4; IPv6 has a firewall of the same filtering
    mapping: str = INDEPENDENT
    filtering: str = PORT
    ports: str = KEPT
    answers: bool = False  # itself what nobody inside has asked for, and takes it for a flow of its own
    linux: bool = False  # nothing but the kernel's masquerade, whose mapping is independent by preserving ports
    pool: int = 1  # outside addresses; each new flow takes any of them
    carrier: bool = False  # this is a provider's: its subscribers have routers of their own (masquerade)
    forgets: bool = False  # forget() is part of what it does
    udp: str = "all"  # "first": packet of a flow in each direction; "small"; "none"
    tcp: str = "all"  # "443": the only port; "proxy": only by CONNECT to port 443 through a proxy

    def gateway(self):
        """Is there a gateway, or does the host have its public address all for itself?"""
        return self.translates or self.filtering != INDEPENDENT

    def maps(self):
        """Endpoint-independent mapping that does not rest on preserved ports is kept in maps of its own."""
        return self.translates and self.mapping == INDEPENDENT and not self.linux


KINDS = {
    "open": Kind("open", translates=False, filtering=INDEPENDENT),
    "firewall": Kind("firewall", translates=False),
    "full": Kind("full cone", filtering=INDEPENDENT),
    "addr": Kind("address-restricted", filtering=ADDRESS),
    "port": Kind("port-restricted"),
    "linux": Kind("Linux masquerade", linux=True),
    "other": Kind("non-preserving", ports=RANDOM),
    "sym": Kind("symmetric", mapping=PORT, ports=RANDOM),
    "cgn2": Kind("chunked CGN, two addresses", mapping=PORT, ports=BLOCK, pool=2, carrier=True),
    "cgnsym": Kind("CGN symmetric", mapping=PORT, ports=RANDOM, carrier=True),
    "forgets": Kind("rebinds", ports=RANDOM, forgets=True),
    "first": Kind("first packet only", udp="first"),
    "small": Kind("UDP over 1,280 bytes dropped", udp="small"),
    "noudp": Kind("UDP blocked", udp="none"),
    "tcp443": Kind("TCP 443 only", udp="none", tcp="443"),
    "proxy": Kind("HTTP proxy only", udp="none", tcp="proxy"),
    "ip6": Kind("IPv6 only", families="6", translates=False),
    "dual": Kind("dual stack", families="46", linux=True),
}
# Not in the grid: what comes a moment too early decides about it.
BARE = Kind("Linux masquerade without a firewall", linux=True, answers=True)


# --- rules ---

def snat(kind, outsides):
    """How a new flow's source is chosen."""
    if kind.ports == BLOCK:
        ports = "{}-{}".format(*PORT_BLOCK)
        rows = [f'oifname "eth0" meta l4proto udp numgen random mod {len(outsides) - i} == 0 '
                f"snat ip to {a}:{ports} fully-random" for i, a in enumerate(outsides[:-1])]
        rows.append(f'oifname "eth0" meta l4proto udp snat ip to {outsides[-1]}:{ports} fully-random')
        return "\n".join([*rows, 'oifname "eth0" masquerade'])
    return f'oifname "eth0" masquerade {"fully-random" if kind.ports == RANDOM else ""}'


def learn(timeout):
    """What a new flow tells of its mapping, after it was translated."""
    flow = 'meta l4proto udp ct direction original ct status snat update'
    inner, outer = "ct original ip saddr . ct original proto-src", "ct reply ip daddr . ct reply proto-dst"
    return f"""
                {flow} @outside {{ {inner} timeout {timeout} : {outer} }}
                {flow} @inside {{ ct reply proto-dst timeout {timeout} : {inner} }}
                {flow} @written {{ ct original ip daddr . ct reply proto-dst timeout {timeout} }}"""


def inbound(kind):
    """Where what nobody inside has asked for goes."""
    if kind.maps() and kind.filtering == INDEPENDENT:
        return 'iifname "eth0" meta l4proto udp dnat ip to udp dport map @inside'
    if kind.maps() and kind.filtering == ADDRESS:
        return 'iifname "eth0" ip saddr . udp dport @written dnat ip to udp dport map @inside'
    return ""


def hairpin(outside):
    """What the inside sends to the outside address comes back in, from the sender's own outside endpoint (RFC 4787 REQ-9)."""
    flow = 'iifname "lan" oifname "lan" ct status dnat meta l4proto udp snat ip to'
    return (f'iifname "lan" ip daddr {outside} meta l4proto udp dnat ip to udp dport map @inside',
            f"{flow} ip saddr . udp sport map @outside\n                {flow} {outside}")


def translation(kind, outsides, hairpins=False, timeout="2m"):
    into, back = hairpin(outsides[0]) if hairpins else ("", "")
    known = 'oifname "eth0" meta l4proto udp snat ip to ip saddr . udp sport map @outside' if kind.maps() else ""
    return f"""
        table ip site_nat {{
            map outside {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; flags dynamic,timeout; size 65535; }}
            map inside {{ type inet_service : ipv4_addr . inet_service; flags dynamic,timeout; size 65535; }}
            set written {{ type ipv4_addr . inet_service; flags dynamic,timeout; size 65535; }}
            chain before {{
                type nat hook prerouting priority dstnat
                {inbound(kind)}
                {into}
            }}
            chain after {{
                type nat hook postrouting priority srcnat
                {back}
                {known}
                {snat(kind, outsides) if kind.translates else ""}
            }}
            chain learn {{
                type filter hook postrouting priority 300
                {learn(timeout) if kind.maps() or hairpins else ""}
            }}
        }}"""


UDP_LIMITS = {
    "all": "",
    "first": "meta l4proto udp ct original packets > 1 drop\nmeta l4proto udp ct reply packets > 1 drop",
    "small": f"meta l4proto udp meta length > {SMALL} drop",
    "none": "meta l4proto udp drop",
}
TCP_ALLOWED = {"all": "accept", "443": "tcp dport 443 accept", "proxy": ""}


def filtering(kind):
    """What passes the gateway, and what reaches it from outside."""
    out = TCP_ALLOWED[kind.tcp]
    return f"""
        table inet site {{
            chain through {{
                type filter hook forward priority filter; policy drop
                {UDP_LIMITS[kind.udp]}
                ct state established,related accept
                ct status dnat accept
                {f'iifname "lan" {out}' if out else ""}
            }}
            chain into {{
                type filter hook input priority filter; policy accept
                {'' if kind.answers else 'iifname "eth0" meta l4proto { tcp, udp } ct state new drop'}
            }}
        }}"""


# --- forgetting ---

KEPT_MAPS = (("map", "outside"), ("map", "inside"), ("set", "written"))
NETLINK_NETFILTER, CT_DELETE, ACK = 12, 1 << 8 | 2, 1 | 4  # linux/netfilter/nfnetlink_conntrack.h; REQUEST | ACK


def flush_conntrack(host):
    """The kernel's table of flows is empty when this returns; open connections through it are forgotten."""
    with inside(host):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with s:
        s.send(struct.pack("=IHHIIBBH", 20, CT_DELETE, ACK, 1, 0, socket.AF_UNSPEC, 0, 0))
        error = struct.unpack_from("=i", s.recv(4096), 16)[0]
    if error:
        raise OSError(-error, "the flows could not be forgotten")


def forget(gateway):
    """As after a power cut: every mapping is gone, and the next ones have other ports if they are random."""
    gateway.sh("nft", "-f", "-", input="".join(f"flush {what} ip site_nat {name}\n" for what, name in KEPT_MAPS))
    flush_conntrack(gateway)
