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
    """An IP packet of a capture: addresses as text, transport payload where it is unfragmented UDP."""

    def __init__(self, time, ifindex, outgoing, ip):
        self.time, self.ifindex, self.outgoing, self.ip = time, ifindex, outgoing, ip
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

    def is_icmp(self):
        return self.proto in (1, 58)


def frames(data):
    """(seconds, frame) of each whole record of a pcap file; a frame that was cut is an error."""
    if struct.unpack("<I", data[20:24])[0] & 0xFFFF != 276:
        raise LabError("tcpdump writes another link type than LINUX_SLL2")
    at = 24
    while at + 16 <= len(data):
        seconds, micros, kept, length = struct.unpack("<IIII", data[at:at + 16])
        if kept < length:
            raise LabError(f"the capture cut a frame of {length} bytes to {kept}")
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) == kept and kept >= SLL2_HEADER:
            yield seconds + micros / 1e6, frame


class Capture:
    """tcpdump on all interfaces of a host, into a file that can be read while it runs."""

    def __init__(self, host, name, expression=""):
        self.host, self.path = host, os.path.join(host.lab.dir, name + ".pcap")
        words = f"({expression}) or (udp and host 127.0.0.1)".split() if expression else []
        self.log_path = self.path + ".log"
        with open(self.log_path, "wb") as log:
            self.process = host.spawn("tcpdump", "-Z", "root", "-i", "any", "-n", "-U", "--immediate-mode", "-s", SNAPLEN,
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
        for seconds, frame in frames(self.sync()):
            kind, _, ifindex, _, direction = struct.unpack("!HHIHB", frame[:11])
            if kind in (ETH_IPV4, ETH_IPV6):
                found.append(Packet(seconds, ifindex, direction == OUTGOING, frame[SLL2_HEADER:]))
        return [p for p in found if p.src != "127.0.0.1"]

    def arriving(self):
        """Each packet once: as it came in, not again as it was forwarded."""
        return [p for p in self.packets() if not p.outgoing]

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=10)
        with open(self.log_path, encoding="utf-8") as f:
            log = f.read()
        lost = [line for line in log.splitlines() if "dropped by kernel" in line]
        if not lost or not lost[0].startswith("0 "):
            raise LabError(f"the capture is not whole: {log}")
        with open(self.path, "rb") as f:
            all(frames(f.read()))


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
