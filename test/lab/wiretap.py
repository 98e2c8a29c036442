# SPDX-License-Identifier: AGPL-3.0-or-later
"""Looking at wires and sending what no honest program sends: captures, sockets inside namespaces, forged datagrams."""
import contextlib
import ctypes
import hashlib
import json
import os
import socket
import struct

from lab import LabError, wait_for

DATA_PORT = 51820
SLL2_HEADER, ETH_IPV4, ETH_IPV6, OUTGOING = 20, 0x0800, 0x86DD, 4
STUN_MAGIC = b"\x21\x12\xa4\x42"
SNAPLEN = 32000  # immediate mode keeps a slot of this size per frame: as many slots as a burst needs, checked for cuts

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(host):
    """Sockets that this thread makes meanwhile belong to the host's namespace, and stay there."""
    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{host.ns}", "rb") as there:
        if _libc.setns(there.fileno(), 0) != 0:
            raise LabError(f"setns: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            _libc.setns(home.fileno(), 0)


def udp_socket(host, family=socket.AF_INET, address=None):
    with inside(host):
        s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    if address:
        s.bind(address)
    return s


def tcp_socket(host, to, timeout=5.0):
    with inside(host):
        return socket.create_connection(to, timeout=timeout)


def ask(node, /, **request):
    """One request over a daemon's control socket, without the cost of a process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(node.state + ".sock")
        s.sendall(json.dumps(request).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            got = s.recv(1 << 16)
            if not got:
                break
            answer += got
    return json.loads(answer)


def drops(node):
    return ask(node, cmd="status")["drops"]


class Packet:
    """An IP packet of a capture: addresses as text, transport payload where it is unfragmented UDP. `length` is that of
    the packet, also where the capture kept only its head."""

    def __init__(self, time, ifindex, outgoing, ip, length):
        self.time, self.ifindex, self.outgoing, self.ip, self.length = time, ifindex, outgoing, ip, length
        self.proto = self.sport = self.dport = self.payload = None
        self.src = self.dst = ""
        if ip and ip[0] >> 4 == 4 and len(ip) >= 20:
            self.src, self.dst = (socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]))
            self.proto, body = ip[9], ip[(ip[0] & 15) * 4:]
            whole = struct.unpack("!H", ip[6:8])[0] & 0x3FFF == 0
        elif ip and ip[0] >> 4 == 6 and len(ip) >= 40:
            self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, ip[8:24]),
                                  socket.inet_ntop(socket.AF_INET6, ip[24:40]))
            self.proto, body, whole = ip[6], ip[40:], True
        else:
            return
        if self.proto in (6, 17) and whole and len(body) >= 8:
            self.sport, self.dport = struct.unpack("!HH", body[:4])
            if self.proto == 17:
                self.payload = body[8:struct.unpack("!H", body[4:6])[0]]

    def traffic_class(self):
        """DSCP and ECN, of IPv4 or IPv6."""
        return self.ip[1] if self.ip[0] >> 4 == 4 else struct.unpack("!H", self.ip[:2])[0] >> 4 & 0xFF

    def tcp(self):
        """Its TCP header and payload; None for another packet."""
        if self.proto != 6 or self.sport is None:
            return None
        at = (self.ip[0] & 15) * 4 if self.ip[0] >> 4 == 4 else 40
        return Tcp(self.ip[at:], self.length - at)

    def is_icmp(self):
        return self.proto in (1, 58)


class Tcp:
    """A TCP segment, or several that were joined."""

    FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << i for i in range(8))

    def __init__(self, segment, length):
        self.seq, self.ack_number, offset, self.flags = struct.unpack("!IIBB", segment[4:14])
        self.payload = segment[(offset >> 4) * 4:]
        self.length = length - (offset >> 4) * 4  # of the payload, also of a cut one

    def end(self):
        return (self.seq + self.length) & 0xFFFFFFFF


class Piece:
    """Bytes start..end of one direction of a TCP connection, counted from its SYN, and the packet they came in."""

    def __init__(self, first, packet):
        self.packet, self.tcp = packet, packet.tcp()
        self.start = (self.tcp.seq - first - 1) & 0xFFFFFFFF
        self.end = self.start + self.tcp.length


def pieces(packets, dport=None, sport=None):
    """What went to a port, or came from one, over the one TCP connection in a capture, in order of arrival."""
    found = [p for p in packets if p.proto == 6 and (p.dport == dport or p.sport == sport)]
    first = next(p.tcp().seq for p in found if p.tcp().flags & Tcp.SYN)
    return [Piece(first, p) for p in found if not p.tcp().flags & Tcp.SYN]


def strangers(received, sent, attribute=lambda piece: None):
    """The received pieces that hold a byte which was never sent, with that attribute."""
    size = max(p.end for p in received + sent)
    missing = {attribute(p): bytearray(b"\1") * size for p in received}
    for p in sent:
        if attribute(p) in missing:
            missing[attribute(p)][p.start:p.end] = bytes(p.end - p.start)
    return [p for p in received if 1 in missing[attribute(p)][p.start:p.end]]


def frames(data, cut=False):
    """(seconds, frame, length on the wire) of each whole record of a pcap file; one that was cut short is an error,
    unless the capture is meant to do that."""
    if struct.unpack("<I", data[20:24])[0] & 0xFFFF != 276:
        raise LabError("tcpdump writes another link type than LINUX_SLL2")
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, length = struct.unpack("<IIII", data[at:at + 16])
        if kept < length and not cut:
            raise LabError(f"the capture cut a frame of {length} bytes to {kept}")
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) == kept and kept >= SLL2_HEADER:
            yield seconds + micros / 1e6, frame, length


class Capture:
    """tcpdump on all interfaces of a host, into a file that can be read while it runs. head: keep only so many bytes of
    each packet."""

    def __init__(self, host, name, expression="", head=None):
        self.host, self.path, self.head = host, os.path.join(host.lab.dir, name + ".pcap"), head
        words = f"({expression}) or (udp and host 127.0.0.1)".split() if expression else []
        self.log_path = self.path + ".log"
        with open(self.log_path, "wb") as log:
            self.process = host.spawn("tcpdump", "-Z", "root", "-i", "any", "-n", "-U", "--immediate-mode", "-s",
                                      head + SLL2_HEADER if head else SNAPLEN,
                                      "-B", 65536, "-w", self.path, *words, stderr=log)
        wait_for("tcpdump to listen", lambda: b"listening on" in open(self.log_path, "rb").read())

    def sync(self):
        """Waits until what has crossed the host so far is in the file, and returns its bytes."""
        nonce = os.urandom(16)
        with udp_socket(self.host) as s:
            s.sendto(nonce, ("127.0.0.1", 9))
        wait_for("the capture to catch up", lambda: nonce in open(self.path, "rb").read())
        with open(self.path, "rb") as f:
            return f.read()

    def packets(self):
        """All packets so far, without the capture's own marks."""
        found = []
        for seconds, frame, length in frames(self.sync(), self.head):
            kind, _, ifindex, _, direction = struct.unpack("!HHIHB", frame[:11])
            if kind in (ETH_IPV4, ETH_IPV6):
                found.append(Packet(seconds, ifindex, direction == OUTGOING, frame[SLL2_HEADER:],
                                    length - SLL2_HEADER))
        return [p for p in found if p.src != "127.0.0.1"]

    def arriving(self):
        """Each packet once: as it came in, not again as it was forwarded."""
        return [p for p in self.packets() if not p.outgoing]

    def on(self, dev):
        """The packets on one interface."""
        index = json.loads(self.host.sh("ip", "-j", "link", "show", "dev", dev).stdout)[0]["ifindex"]
        return [p for p in self.packets() if p.ifindex == index]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        with open(self.log_path, encoding="utf-8") as f:
            log = f.read()
        lost = [line for line in log.splitlines() if "dropped by kernel" in line]
        if not lost or not lost[0].startswith("0 "):
            raise LabError(f"the capture is not whole: {log}")
        with open(self.path, "rb") as f:
            all(frames(f.read(), self.head))


def mac1(public_key, message):
    """The message with the first MAC that somebody who knows the receiver's public key can make."""
    key = hashlib.blake2s(b"mac1----" + public_key).digest()
    return message[:-32] + hashlib.blake2s(message[:-32], digest_size=16, key=key).digest() + message[-16:]


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Forger:
    """Sends UDP over IPv4 under any source address, from a host that the packets might really pass."""

    def __init__(self, host):
        with inside(host):
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def send(self, source, target, payload):
        udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
        addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
        total = checksum(addresses + struct.pack("!BBH", 0, 17, len(udp)) + udp) or 0xFFFF
        udp = udp[:6] + struct.pack("!H", total) + udp[8:]
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + addresses
        self.socket.sendto(head + udp, (target[0], 0))

    def close(self):
        self.socket.close()
