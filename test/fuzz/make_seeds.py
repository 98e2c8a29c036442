#!/usr/bin/env python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""Writes the hand-made seeds of the fuzz targets of formats into FOLDER/seeds/. Seeds that a fuzzer found lie beside them."""
import base64
import hashlib
import json
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent
FOLDERS = {"ip": "packet", "model": "mesh", "codec": "bench", "unpack": "control", "hello": "control", "relaying": "data", "filter": "data", "portmap": "control",
           "tell": "control", "registrar": "control", "enrolment": "control", "relay_rows": "control", "routes": "mesh", "answer": "dns",
           "request": "web"}  # others: wire


def seed(noun, name, data):
    if isinstance(data, str):
        data = data.encode()
    folder = HERE / FOLDERS.get(noun, "wire") / "seeds" / noun
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def h(text):
    return bytes.fromhex(text.replace("\n", " "))


def wg():
    fill = bytes(range(256))
    seed("wg", "init", h("01000000 04030201") + fill[:140])
    seed("wg", "response", h("02000000 04030201 a4a3a2a1") + fill[:80])
    seed("wg", "cookie", h("03000000 04030201") + fill[:56])
    seed("wg", "data", h("04000000 04030201 0807060504030201") + fill[:48])
    seed("wg", "keepalive", h("04000000 04030201 0000000000000000") + fill[:16])
    seed("wg", "init-short", h("01000000 04030201") + fill[:139])
    seed("wg", "reserved-set", h("04000001 04030201 0807060504030201") + fill[:48])
    seed("wg", "empty", b"")


def proxy():
    seed("proxy", "login", "http://u%40corp:p%3a%25@proxy.example.org:8080/")
    seed("proxy", "bare", "proxy:8080")
    seed("proxy", "v6", "http://u:p@[2001:db8::1]:3128")
    seed("proxy", "address", "https://[2001:db8::7]:8443/vpn")
    seed("proxy", "list", "localhost, .example.org,192.0.2.0/24 2001:db8::/32,*")
    seed("proxy", "200", "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n")
    seed("proxy", "407", 'HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
    seed("proxy", "503", "HTTP/1.0 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno")


def request():
    host = "Host: this.mesh\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n"
    seed("request", "get", f"GET /nodes/web%20server?sort=name&q=a+b HTTP/1.1\r\n{host}Accept-Encoding: br, gzip;q=0.5\r\nCookie: session=a\r\n\r\n")
    seed("request", "post", f"POST /tokens HTTP/1.1\r\n{host}{form}Origin: http://this.mesh\r\nExpect: 100-continue\r\n\r\nname=%C3%BC&&=&b&a=+")
    seed("request", "absolute", f"HEAD http://[fd00::1]:80 HTTP/1.1\r\n{host}Connection: close\r\n\r\n")
    seed("request", "twice", f"POST / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 1\r\n\r\n")
    seed("request", "form", "a&a&a&a=%00&%=1&a=%c0%af")


def client_hello():
    hello = h("16 0301 0205 01 000201") + b"U" * 513
    seed("client_hello", "one", hello)
    seed("client_hello", "retried", hello + h("14 0303 0001 01") + hello + h("17 0303 0003 000000"))
    seed("client_hello", "large", h("16 0301 4000 01 01fffc"))
    seed("client_hello", "spread", h("16 0301 0002 0100 16 0301 0002 0010"))


def tar_file(name, content, size=None, **fields):
    """A member as archive_write writes it; fields: byte offset -> text in its place, before the checksum."""
    h = bytearray(512)
    size = len(content) if size is None else size
    for at, text in {0: name, 100: "0000600", 108: "0000000", 116: "0000000", 124: f"{size:011o}", 136: "00000000001", 156: "0",
                     257: "ustar", 263: "00", 329: "0000000", 337: "0000000", **fields.get("put", {})}.items():
        h[at:at + len(text)] = text.encode()
    h[148:156] = b" " * 8
    h[148:156] = f"{sum(h):06o}\0 ".encode()
    return bytes(h) + content + bytes(-len(content) % 512)


def archive():
    end = bytes(1024)
    two = tar_file("backup.json", b'{"v":1}') + tar_file("identity", bytes(range(256)) * 2)
    seed("archive", "two", two + end)
    seed("archive", "empty-file", tar_file("clock", b"") + end)
    seed("archive", "nothing", end)
    seed("archive", "cut", two)
    seed("archive", "cut-in-file", two[:1500])
    seed("archive", "one-end-block", two + bytes(512))
    seed("archive", "behind-the-end", two + end + b"x")
    seed("archive", "up-and-out", tar_file("../identity", b"x") + end)
    seed("archive", "absolute", tar_file("/etc/passwd", b"x") + end)
    seed("archive", "hidden", tar_file(".profile", b"x") + end)
    seed("archive", "symlink", tar_file("identity", b"", put={156: "2", 157: "/etc/shadow"}) + end)
    seed("archive", "prefix", tar_file("identity", b"x", put={345: "../.."}) + end)
    seed("archive", "long", tar_file("mesh.db", b"x", size=(1 << 33) - 1) + end)
    seed("archive", "setuid", tar_file("identity", b"x", put={100: "0004755"}) + end)
    seed("archive", "bad-sum", two[:150] + b"7" + two[151:] + end)


def pcapng():
    def block(kind, body):
        length = (len(body) + 12).to_bytes(4, "little")
        return kind.to_bytes(4, "little") + length + body + length

    def option(code, value):
        return code.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value + bytes(-len(value) % 4)

    end = bytes(4)
    head = block(0x0A0D0D0A, h("4d3c2b1a 01000000 ffffffffffffffff") + end) + block(1, h("65000000 00000000") + end)
    packet = bytes(4) + h("b1e2a417 00f05a2b 05000000 3c000000") + b"\x45abcd" + bytes(3)
    seed("pcapng", "packet", head + block(6, packet + option(2, h("02000000")) + end))
    seed("pcapng", "all-options", head + block(6, packet + option(2, h("01000000")) + option(4, h("0700000000000000"))
                                               + option(1, b"dropped: denied by policy") + end))
    seed("pcapng", "no-options", block(6, packet))
    seed("pcapng", "no-end-of-options", block(6, packet + option(1, b"x")))
    seed("pcapng", "option-too-long", block(6, packet + h("0100ffff")))
    seed("pcapng", "short-flags", block(6, packet + option(2, b"\2") + end))
    seed("pcapng", "more-than-there-is", block(6, bytes(4) + h("b1e2a417 00f05a2b ffffffff 3c000000") + b"abcd"))
    seed("pcapng", "end", block(5, bytes(12) + option(4, h("0900000000000000")) + option(5, h("0400000000000000")) + end))
    seed("pcapng", "two-lengths", block(6, packet)[:-4] + h("10000000"))
    seed("pcapng", "cut", head + block(6, packet)[:-5])
    seed("pcapng", "length-of-nothing", h("06000000 00000000 00000000"))


def ip():
    v4 = "4500001c 12344000 4011 0000 c0000201 c6336402 "
    v6 = "20010db8000000000000000000000001 20010db8000000000000000000000002 "
    seed("ip", "udp4", h(v4 + "0035003500080000"))
    seed("ip", "options4", h("46000020 00000000 4001 0000 c0000201 c6336402 01010101 08000000 00000000"))
    seed("ip", "icmp-error4", h("4500001c 00000000 4001 0000 c0000201 c6336402 03010000 00000000"))
    seed("ip", "fragment4", h("4500001c 00002001 4011 0000 c0000201 c6336402 0035003500080000"))
    seed("ip", "ce4", h("4503001c 12344000 0111 0000 c0000201 c6336402 0035003500080000"))
    seed("ip", "udp6", h("60200000 0008 1140" + v6 + "0035003500080000"))
    seed("ip", "echo6-options", h("60000000 0018 3c40" + v6 + "2b00000000000000 3a00000000000000 8000000000000000"))
    seed("ip", "error6-ah", h("60000000 0018 3340" + v6 + "3a02000000000000 0000000000000000 0300000000000000"))
    seed("ip", "fragment6", h("60000000 0010 2c40" + v6 + "1100000900000000 0035003500080000"))
    seed("ip", "big6", h("60000000 0578 1140" + v6) + bytes(1400))
    syn = "c3500016 00000001 00000000 5002ffff 00000000"
    seed("ip", "syn4", h("45000028 00004000 4006 0000 c0000201 c6336402" + syn))
    seed("ip", "reset4", h("45000028 00004000 4006 0000 c0000201 c6336402 c3500016 00000001 00000000 5004ffff 00000000"))
    seed("ip", "syn6-behind-all", h("60000000 0044 0040" + v6 + "3c00000000000000 2b00000000000000 2c00000000000000 3300000000000001"
                                    "0602000000000000 0000000000000000" + syn))
    seed("ip", "first-fragment6", h("60000000 001c 2c40" + v6 + "0600000100000001" + syn))
    seed("ip", "nine-extensions6", h("60000000 0050 3c40" + v6 + "3c00000000000000" * 8 + "1100000000000000 0035003500080000"))
    seed("ip", "jumbo6", h("60000000 0000 0040" + v6 + "1100c20400010000 0035003500000000"))
    seed("ip", "total-lies", h("4500ffff 12344000 4011 0000 c0000201 c6336402"))


def stun():
    # RFC 5769 2.1 to 2.4
    seed("stun", "rfc5769-request", h(
        "00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff"
        "80290008 932ff9b151263b36 00060009 6576746a3a68367659202020"
        "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf"))
    seed("stun", "rfc5769-response4", h(
        "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643"
        "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96"))
    seed("stun", "rfc5769-response6", h(
        "01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220"
        "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
        "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c"))
    seed("stun", "rfc5769-long-term", h(
        "00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000"
        "0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341 0014000b 6578616d706c652e6f726700"
        "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666"))
    head = "2112a442 000102030405060708090a0b"
    seed("stun", "bare", h("00010000" + head))
    seed("stun", "error-420", h("01110010" + head + "00090004 00000414 000a0002 7ffe0000"))
    seed("stun", "guess-ports", h("00010014" + head + "c0a30010 01000000 bd52 e112a64d bd53 e112a64e"))
    seed("stun", "use-candidate", h("0001000c" + head + "00250000 00240004 7effffff"))
    seed("stun", "tag-sha256", h("00010024" + head + "001c0020" + "ab" * 32))
    seed("stun", "tag-truncated", h("0001001c" + head + "001c0010" + "ab" * 16 + "00250000"))
    seed("stun", "unknown", h("00010008" + head + "7ffe0001 78000000"))
    seed("stun", "register", h("00010030" + head + "000d0004 00000078 c0a10008 0123456789abcdef 00260014" + "00" * 20))
    seed("stun", "registered6", h("0101002c" + head + "000d0004 00000000 c0a10008 0123456789abcdef"
                                  "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"))
    seed("stun", "probe", h("0001000c" + head + "00030004 00000006 00260000"))
    seed("stun", "probed", h("01010030" + head + "802b0008 0001ca6cc0000201 802c0014 0002ca6d20010db8000000000000000000000007"
                             "00200008 0001a147e112a643"))
    seed("stun", "padded", h("000105c8" + head + "002605c4") + bytes(0x5c4))


def token_raw(*addrs):
    raw = bytes([1]) + bytes(range(1, 33)) + b"\xa1" * 8 + b"\x5e" * 16 + struct.pack(">q", 1800000000)
    raw += bytes([len(addrs)])
    for addr in addrs:
        raw += bytes([len(addr)]) + addr.encode()
    return raw


def token_text(raw):
    raw += hashlib.sha256(raw).digest()[:4]
    return "tm1_" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token():
    one = token_raw("192.0.2.1:8443")
    three = token_raw("192.0.2.1:8443", "[2001:db8::1]:8443", "coordinator.example.org:443")
    seed("token", "one", token_text(one))
    seed("token", "three", token_text(three))
    seed("token", "spaces", "\n\t " + token_text(one) + " \r\n")
    seed("token", "cut", token_text(three)[:-9])
    seed("token", "garbled", token_text(one).replace("A", "B", 1))
    seed("token", "newer-text", "tm2_AQIDBA")
    seed("token", "raw", b"\0" + three)
    seed("token", "raw-of-urls", b"\0\2" + three[1:])
    seed("token", "raw-newer", b"\0\3" + three[1:])
    seed("token", "raw-no-address", b"\0" + token_raw())
    seed("token", "raw-nine", b"\0" + token_raw(*["a:1"] * 9))
    seed("token", "raw-escape", b"\0" + token_raw("\x1b[2J"))
    seed("token", "not-a-token", "hello")


def netmap():
    key = base64.b64encode(bytes(range(1, 33))).decode()

    def node(i, **more):
        return {"id": f"{i:016x}", "name": f"n{i}", "host": i, "key": key,
                "tags": ["a", "b-c"], "coordinator": i == 1, "kind": "node"} | more

    client = node(3, kind="client", via=f"{1:016x}")
    seed("model", "record", json.dumps(node(1)))
    seed("model", "client", json.dumps(client))
    seed("model", "snapshot", json.dumps({"version": 7, "base": 0, "nodes": [node(1), node(2), client]}))
    seed("model", "delta", json.dumps({"version": 8, "base": 7, "nodes": [node(2)], "removed": [f"{3:016x}", "junk"]}))
    seed("model", "bad-records", json.dumps({"version": 7, "base": 0, "nodes": [
        node(1), 7, node(2, key="x"), node(1), node(3, kind="router"), node(4, host=65535), node(5, tags=["A"])]}))
    seed("model", "mesh", json.dumps({"name": "home", "net4": "100.101.0.0/16", "net6": "fd00::/64", "secret": key}))
    seed("model", "candidates", json.dumps([
        {"type": "host", "addr": "192.0.2.1:51820"}, {"type": "srflx", "addr": "[2001:db8::1]:1"},
        {"type": "relay", "addr": "0.0.0.0:1", "relay": "0123456789abcdef"}, {"type": "magic", "addr": "192.0.2.1:1"}, 7]))
    seed("model", "host-name", "Jo's Laptop.local")


def pcp():
    head = "02{:02x}00{:02x} 00000e10 0000002a 000000000000000000000000 "
    seed("pcp", "mapped", h(head.format(0x81, 0) + "0102030405060708090a0b0c 11000000 ca6c 0400 00000000000000000000ffff cb007109"))
    seed("pcp", "mapped6", h(head.format(0x81, 0) + "0102030405060708090a0b0c 11000000 ca6c ca6c 20010db8000000000000000000000007"))
    seed("pcp", "announce", h(head.format(0x80, 0)))
    seed("pcp", "refused", h(head.format(0x81, 2) + "00" * 36))
    seed("pcp", "short", h(head.format(0x81, 0) + "01020304"))
    seed("natpmp", "address", h("0080 0000 0000002a cb007109"))
    seed("natpmp", "mapped", h("0081 0000 0000002a ca6c 0400 00000e10"))
    seed("natpmp", "refused", h("0081 0002 0000002a"))


def portmap():
    def step(kind, argument=0, data=b""):
        return bytes([("wait", "raw", "answer", "announce", "http", "gateway", "end", "owe").index(kind), argument, len(data)]) + data

    def http(body, status=200, six=0):
        return step("http", six, f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    found = step("raw", 0, b"HTTP/1.1 200 OK\r\nST: x:InternetGatewayDevice:1\r\nLOCATION: http://a:5000/\r\n\r\n")
    described = http("<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service>")
    upnp = found + step("wait", 8) + described + http("<NewConnectionStatus>Connected</NewConnectionStatus>")
    address = http("<NewExternalIPAddress>203.0.113.9</NewExternalIPAddress>")
    seed("portmap", "upnp", upnp + address + http("") + step("wait", 255) + address + http("") + step("end"))
    seed("portmap", "upnp-no-leases", upnp + address + http("<errorCode>725</errorCode>", 500) + http(""))
    external = bytes(56 - 44) + bytes([203, 0, 113, 9])
    seed("portmap", "pcp", step("raw", 1, h("0280 0000 00000000 00000001" + "00" * 12)) + step("answer", 44, external) + step("wait", 255))
    seed("portmap", "natpmp", step("raw", 1, h("0080 0000 00000001 cb007109")) + step("wait", 8) + step("raw", 1, h("0080 0000 00000001 cb007109"))
         + step("answer", 12, h("00000000")) + step("announce", 1, h("0080 0000 00000000 cb00710a")))
    anew = step("gateway", 0) + step("gateway", 1)
    check = http("<NewInternalClient>192.168.1.7</NewInternalClient><NewInternalPort>40001</NewInternalPort>")
    seed("portmap", "upnp-owed", step("owe", 8) + anew + upnp + address + http("") + check + http("") + step("wait", 255))
    seed("portmap", "natpmp-owed", step("owe", 4) + anew + step("raw", 1, h("0080 0000 00000001 cb007109")) + step("wait", 8)
         + step("raw", 1, h("0080 0000 00000001 cb007109")) + step("answer", 12, h("00000000")) + step("answer", 12, h("00000000")))
    found = step("raw", 2, b"HTTP/1.1 200 OK\r\nST: x:WANIPv6FirewallControl:1\r\nLOCATION: http://[::1]:5000/\r\n\r\n")
    described = http("<service><serviceType>urn:schemas-upnp-org:service:WANIPv6FirewallControl:1</serviceType><controlURL>/c</controlURL></service>", six=2)
    allowed = http("<FirewallEnabled>1</FirewallEnabled><InboundPinholeAllowed>1</InboundPinholeAllowed>", six=2)
    hole, other = (http(f"<UniqueID>{number}</UniqueID>", six=2) for number in (7, 8))
    seed("portmap", "hole", step("owe", 10) + step("gateway", 3) + found + step("wait", 8) + described + allowed + hole + other + http("", six=2)
         + step("wait", 255) + hole + step("end") + http("", six=2))


def igd():
    kind = "urn:schemas-upnp-org:{}:1"
    service = "<service><serviceType>" + kind.format("service:WANIPConnection") + "</serviceType><controlURL>{}</controlURL></service>"
    root = "<?xml version=\"1.0\"?><root><!-- x --><URLBase>http://192.168.1.1:1780/</URLBase><device>{}</device></root>"
    seed("igd", "found", "HTTP/1.1 200 OK\r\nST: " + kind.format("device:InternetGatewayDevice") +
         "\r\nLOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n")
    seed("igd", "description", root.format(service.format("/ctl") + service.format("http://10.0.0.1:81/a?b&amp;c")))
    seed("igd", "answer", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
    seed("igd", "chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n")
    seed("igd", "fault", "HTTP/1.1 500 E\r\n\r\n<s:Fault><errorCode>725</errorCode></s:Fault>")


def ws():
    client, server = b"\x04", b"\x05"  # cut by 3
    seed("ws", "hello", client + h("82 05 48656c6c6f"))
    seed("ws", "hello-masked", server + h("82 85 37fa213d 7f9f4d5158"))
    seed("ws", "fragments", client + h("02 03 48656c 89 01 70 80 02 6c6f"))
    seed("ws", "close", client + h("88 05 03e9 627965"))
    seed("ws", "close-bad", client + h("88 02 03ed"))
    seed("ws", "length16", client + h("82 7e 0100") + bytes(range(256)))
    seed("ws", "length16-masked", server + h("82 fe 0100 01020304") + bytes(range(256)))
    seed("ws", "length64-too-big", client + h("82 7f 0000000000010000"))
    seed("ws", "not-minimal", client + h("82 7e 0001 61"))
    seed("ws", "text", client + h("81 01 61"))
    seed("ws", "rsv", client + h("c2 00"))
    seed("ws", "stream", client + h("82 01 61 82 00 8a 00 02 01 62 00 00 80 01 63 88 00"))


def upgrade():
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    lines = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    version = "Sec-WebSocket-Version: 13\r\n"
    start = "GET /link HTTP/1.1\r\nHost: example.org:8443\r\n"
    accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    seed("upgrade", "request", start + lines + key + version + "\r\n")
    seed("upgrade", "request-and-frame", (start + lines + key + version + "\r\n").encode() + b"\x82\x80abcd")
    seed("upgrade", "request-query", start.replace("/link", "/link?a=b") + lines + key + version + "\r\n")
    seed("upgrade", "request-404", start.replace("/link", "/") + "\r\n")
    seed("upgrade", "request-post", start.replace("GET", "POST") + lines + key + version + "\r\n")
    seed("upgrade", "request-version-8", start + lines + key + version.replace("13", "8") + "\r\n")
    seed("upgrade", "request-no-key", start + lines + version + "\r\n")
    seed("upgrade", "request-folded", start + "X-A: b\r\n c\r\n" + lines + key + version + "\r\n")
    seed("upgrade", "request-bare-lf", start.replace("\r\n", "\n") + "\n")
    seed("upgrade", "request-long", start + "X-A: " + "x" * 8200)
    seed("upgrade", "tls", h("1603010200010001fc0303"))
    seed("upgrade", "response", "HTTP/1.1 101 Switching Protocols\r\n" + lines + accept + "\r\n")
    seed("upgrade", "response-extension", "HTTP/1.1 101 x\r\n" + lines + accept + "Sec-WebSocket-Extensions: x\r\n\r\n")
    seed("upgrade", "response-503", "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n\r\n")
    seed("upgrade", "response-404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def bench():
    def head(version, kind):
        return b"TMB" + bytes((version, kind, 0, 0, 0)) + bytes(range(16))
    for name, type_, ms in (("open", 1, 0), ("download", 2, 5000), ("upload", 3, 60000), ("upload-too-long", 3, 60001),
                            ("result", 4, 0), ("type-5", 5, 0)):
        seed("codec", name, b"\0" + head(1, type_) + struct.pack(">I4x", ms))
    for name, code, elapsed in (("ok", 0, 5 * 10**9), ("busy", 1, 0), ("code-9", 9, 0), ("elapsed-nonsense", 0, 2**63)):
        seed("codec", name, b"\1" + head(1, code) + struct.pack(">QQI4x", 1 << 33, elapsed, 17))
    for name, type_ in (("echo", 1), ("echo-reply", 2), ("echo-type-0", 0)):
        seed("codec", name, b"\2" + head(1, type_) + struct.pack(">I36x", 4711))
    seed("codec", "version-2", b"\0" + head(2, 1) + bytes(8))
    seed("codec", "cut", b"\1" + head(1, 0) + bytes(23))
    seed("codec", "long", b"\2" + head(1, 1) + bytes(41))
    seed("codec", "http", b"\0GET / HTTP/1.1\r\nHost: hub.mesh\r\n")


def unpack():
    text = (HERE.parent.parent / "src/control/link/dictionary.c").read_text()
    dictionary = "".join(json.loads(line.strip().rstrip("\\").strip()) for line in text.splitlines() if line.startswith("\t\""))

    def deflated(message, level=9):
        z = zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionary.encode())
        return z.compress(message.encode()) + z.flush()
    record = {"id": "1a2b3c4d5e6f7081", "name": "laptop", "host": 7, "key": base64.b64encode(bytes(range(32))).decode()}
    delta = deflated(json.dumps({"t": "netmap", "map": {"version": 9876543210123, "base": 9876543209876, "nodes": [record]}}, separators=(",", ":")))
    seed("unpack", "delta", delta)
    seed("unpack", "cut", delta[:-3])
    seed("unpack", "byte-behind", delta + b"x")
    seed("unpack", "bomb", deflated("\0" * (1 << 20)))
    seed("unpack", "stored", deflated('{"t":"candidates","candidates":[]}', 0))
    seed("unpack", "empty", b"")


def relay():
    wg_data = h("04000000 04030201 0807060504030201") + bytes(range(48))
    seed("relay", "datagram", h("5401 000001 000002") + wg_data)
    seed("relay", "highest", h("5401 00ffff 010000") + wg_data)
    seed("relay", "frame", h("5401 000001 000002 0040 02 00") + 2 * wg_data + wg_data[:32])
    seed("relay", "frame-of-one", h("5401 000001 000002 0040 00 00") + wg_data)
    seed("relay", "no-size", h("5401 000001 000002 0000 00 00") + wg_data)
    seed("relay", "higher-first", h("5401 000002 000001") + wg_data)
    seed("relay", "same", h("5401 000002 000002") + wg_data)
    seed("relay", "version", h("5402 000001 000002") + wg_data)
    seed("relay", "alone", h("5401 000001 000002"))
    seed("relay", "empty", b"")


def hello():
    for name, head, rest in (("right", "01 00 00", ""), ("flipped", "01 00 00", "05 01"), ("ephemeral", "01 01 00", "00 01"),
                             ("static", "01 01 00", "28 01"), ("payload", "01 01 00", "55 01"), ("mac", "01 00 00", "7f 80"),
                             ("cut", "01 03 60", ""), ("short", "01 03 0f", ""), ("mac alone", "01 03 10", ""),
                             ("longer", "01 03 ff", ""), ("raw", "00 01 00", "55" * 140), ("empty", "00 00 00", "")):
        seed("hello", name.replace(" ", "-"), h(head + rest))


def filtering():
    a4, a6 = "0a4d0001", "fd77" + "00" * 13 + "01"
    b4, b6 = "0a4d0002", "fd77" + "00" * 13 + "02"
    syn = "9c400016 000003e7 00000000 5002fa00 00000000"

    def ip4(src, dst, proto, body, fragment="0000", ident="0007"):
        return h(f"45 00 {20 + len(h(body)):04x} {ident} {fragment} 40 {proto:02x} 0000 {src} {dst}") + h(body)

    def ip6(src, dst, proto, body):
        return h(f"60000000 {len(h(body)):04x} {proto:02x} 40 {src} {dst}") + h(body)

    def said(*packets):
        return b"".join(struct.pack(">BH", what, len(p)) + p for what, p in packets)

    handshake = ((0, ip4(b4, a4, 6, syn)), (1, ip4(a4, b4, 6, "00169c40 00001387 000003e8 5012fa00 00000000")),
                 (0, ip4(b4, a4, 6, "9c400016 000003e8 00001388 5010fa00 00000000")),
                 (0, ip4(b4, a4, 6, "9c400016 000003e8 00001388 5018fa00 00000000 aabb")))
    asked = ip4(a4, b4, 17, "1388 0035 0008 0000")
    seed("filter", "handshake", said(*handshake))
    seed("filter", "reset", said(*handshake, (0, ip4(b4, a4, 6, "9c400016 000003ea 00001388 5004fa00 00000000"))))
    seed("filter", "closed", said(*handshake, (0, ip4(b4, a4, 6, "9c400016 000003ea 00001388 5011fa00 00000000")),
                                  (1, ip4(a4, b4, 6, "00169c40 00001388 000003eb 5011fa00 00000000")), (16, handshake[2][1])))
    seed("filter", "policies", said(*handshake, (32, handshake[2][1]), (8, handshake[2][1]), (32, handshake[2][1])))
    seed("filter", "udp", said((1, asked), (0, ip4(b4, a4, 17, "0035 1388 0008 0000"))))
    seed("filter", "error", said((1, asked), (0, ip4(b4, a4, 1, "0303000000000000" + asked.hex())), (2, ip4(b4, a4, 1, "0303000000000000" + asked.hex()))))
    seed("filter", "error6", said((1, ip6(a6, b6, 17, "1388 0035 0008 0000")),
                                  (0, ip6(b6, a6, 58, "0104000000000000" + ip6(a6, b6, 17, "1388 0035 0008 0000").hex()))))
    seed("filter", "echo", said((0, ip4(b4, a4, 1, "0800000000050001")), (1, ip4(a4, b4, 1, "0000000000050001"))))
    seed("filter", "pieces", said((0, ip4(b4, a4, 17, "1388 0035 0020 0000" + "55" * 16, "2000")), (0, ip4(b4, a4, 17, "55" * 8, "0003")),
                                  (0, ip4(b4, a4, 17, "1388 0035 0020 0000" + "55" * 16, "2000"))))
    seed("filter", "overlap", said((0, ip4(b4, a4, 6, syn + "0000 0000", "2000")), (0, ip4(b4, a4, 6, "55" * 16, "2001")), (0, ip4(b4, a4, 6, "55" * 8, "0003"))))
    seed("filter", "pieces6", said((0, ip6(b6, a6, 44, "11000001 00000009 1388 0035 0010 0000")), (0, ip6(b6, a6, 44, "11000008 00000009 5555555555555555"))))
    seed("filter", "extended6", said((0, ip6(b6, a6, 60, "2b00000000000000 1100000000000000 1388 0035 0008 0000")), (0, ip6(b6, a6, 60, "06ff000000000000" + syn))))
    seed("filter", "routed", said((1, ip4(a4, "c0000207", 17, "1388 0035 0008 0000")), (0, ip4("c0000207", a4, 17, "0035 1388 0008 0000"))))


def relaying():
    fill = bytes(range(256)) * 8
    data = h("04000000 04030201 0807060504030201") + fill[:48]
    stun = h("00010000 2112a442") + fill[:12]
    head = h("5401 000001 000002")
    frame = lambda pair, segment, train: h("5401" + pair) + struct.pack(">HBB", segment, 2, 0) + train

    def said(*messages):
        return b"\1" + b"".join(struct.pack(">H", len(m)) + m for m in messages)

    seed("relaying", "to-stream", said(frame("000001000002", 64, 3 * data)))
    seed("relaying", "to-udp", said(frame("000001000003", 64, 3 * data + data[:32])))
    seed("relaying", "to-udp-many", said(frame("000001000003", 20, 200 * stun)))
    seed("relaying", "to-us", said(frame("000001000009", 64, 2 * data), stun))
    seed("relaying", "handshake", said(frame("000001000002", 148, h("01000000") + fill[:144])))
    seed("relaying", "of-others", said(frame("000002000003", 64, data)))
    seed("relaying", "no-frame", said(b"nothing", frame("000001000002", 64, data)))
    seed("relaying", "masked", b"\0" + h("82 d4 00000000") + frame("000001000002", 64, data + data[:8]))
    seed("relaying", "ping", b"\0" + h("89 82 00000000 4142"))
    seed("relaying", "train", h("02 0048") + (h("5401 000002 000003") + data) * 3 + (h("5401 000001 000003") + data))
    seed("relaying", "train-of-stun", h("02 001c") + (h("5401 000002 000003") + stun) * 100)
    seed("relaying", "train-for-us", h("02 0048") + (h("5401 000003 000009") + data) * 2)
    seed("relaying", "train-mixed", h("02 0048") + data + fill[:8] + h("5401 000002 000003") + data + head)
    seed("relaying", "datagram", h("02 0000") + h("5401 000002 000003") + data)


def tell():
    v4, v6 = h("04 c8a1") + h("c0000201"), h("06 0007") + h("20010db8") + bytes(12)
    seed("tell", "all-kinds", b"\1" + b"\0" + v4 + b"\1" + v6 + b"\2" + v4 + b"\3" + v4 + h("0123456789abcdef"))
    seed("tell", "none", b"\0")
    seed("tell", "mapped", b"\0\0" + h("06 0007") + bytes(10) + h("ffff c0000201"))
    seed("tell", "unknown-kind", b"\0\7" + v4 + b"\0" + v4)
    seed("tell", "unknown-family", b"\0\0" + h("05 0007") + bytes(16))
    seed("tell", "cut", (b"\1\3" + v4 + h("0123456789abcdef"))[:-1])
    seed("tell", "too-many", b"\0" + (b"\0" + v4) * 17)
    seed("tell", "too-long", bytes(600))
    seed("tell", "empty", b"")


def registrar():
    register, end, stream, stream_ends, claim, again, raw, wait, remove = range(9)

    def steps(*v):
        return b"".join(bytes([kind, member | at << 2, a, b]) for kind, member, at, a, b in v)

    twice = [(register, 0, 0, 0, 0)] * 2
    seed("registrar", "registers", steps(*twice, (register, 1, 1, 0, 0), (register, 1, 1, 0, 0), (end, 0, 0, 0, 0)))
    seed("registrar", "moves", steps(*twice, (register, 0, 1, 0, 0), (register, 0, 1, 0, 0), (register, 0, 2, 0, 0), (register, 0, 2, 0, 0)))
    seed("registrar", "no-leg", steps((register, 0, 3, 0, 0), (register, 0, 3, 0, 0), (register, 0, 4, 0, 0)))
    seed("registrar", "bent", steps(*((register, 0, 0, at, 1) for at in range(0, 200, 7)), *twice))
    seed("registrar", "again", steps(*twice, (again, 0, 0, 0, 0), (end, 0, 0, 0, 0), (again, 0, 0, 0, 0)))
    seed("registrar", "streams", steps(*twice, (stream, 0, 0, 1, 0), (register, 0, 0, 0, 0), (stream, 0, 1, 0, 0), (claim, 0, 1, 0, 0),
                                       (again, 0, 0, 0, 0), (stream_ends, 0, 0, 0, 0), (stream, 1, 0, 0, 9), (stream, 1, 0, 0, 0)))
    seed("registrar", "time", steps(*twice, (stream, 0, 0, 0, 0), (wait, 0, 0, 3, 0), (wait, 0, 0, 9, 0), *twice, (wait, 0, 0, 255, 0)))
    seed("registrar", "removed", steps(*twice, (stream, 0, 0, 1, 0), (remove, 0, 0, 0, 0), (again, 0, 0, 0, 0), *twice))
    seed("registrar", "often", steps(*((register, 2, 0, 0, 0) for _ in range(40)), (again, 0, 0, 0, 0)))
    seed("registrar", "raw", steps((raw, 0, 0, 20, 0)) + h("00010000 2112a442") + bytes(12))
    seed("registrar", "empty", b"")


def enrolment():
    key = base64.b64encode(bytes(range(32))).decode()
    record = {"id": "0123456789abcdef", "name": "laptop", "host": 2, "key": key, "tags": ["a"]}
    whole = {"v": 1, "mesh": {"name": "home", "net4": "100.101.0.0/16", "net6": "fd5c:1::/64", "secret": key}, "self": record,
             "coordinator": True, "coordinator_key": key, "addresses": ["hub:8443", "https://www.example.org/vpn"],
             "listen_port": 51820, "api_port": 8443, "tun": "tm0", "proxy": "http://u:p@proxy:3128"}

    def wrong(**fields):
        return json.dumps({k: v for k, v in (whole | fields).items() if v is not None})

    seed("enrolment", "whole", json.dumps(whole))
    seed("enrolment", "least", wrong(listen_port=None, api_port=None, tun=None, proxy=None, coordinator=None))
    seed("enrolment", "newer", wrong(v=2))
    seed("enrolment", "no-key", wrong(coordinator_key="short"))
    seed("enrolment", "long", wrong(proxy="x" * 600))
    seed("enrolment", "port", wrong(api_port=65536))
    seed("enrolment", "many", wrong(addresses=["hub:1"] * 100))
    seed("enrolment", "not-json", "v: 1")
    seed("enrolment", "empty", b"")


def routes():
    seed("routes", "some", "10.1.0.0/16 oa;2001:db8::/48 ah;exit 46a")
    seed("routes", "one", "192.168.1.0/24 o")
    seed("routes", "bare", "10.1.0.0/16")
    seed("routes", "many", ";".join(f"10.{i}.0.0/16 oah" for i in range(17)))
    seed("routes", "bad", "127.0.0.0/8 o;;exit;lan oa;10.1.0.0/16 " + "o" * 70)
    seed("routes", "empty", "")


def relay_rows():
    one = "0123456789abcdef 192.0.2.1:51820 [2001:db8::1]:51820 | hub.example:443 192.0.2.1:8443\n"
    seed("relay_rows", "two", one + "fedcba9876543210 192.0.2.2:1 |\n")
    seed("relay_rows", "twice", one + one)
    seed("relay_rows", "many", "".join(f"{i:016x} 192.0.2.1:{i + 1} |\n" for i in range(20)))
    seed("relay_rows", "long", one.replace("\n", " a" * 10 + " " + "x" * 300 + " b\n"))
    seed("relay_rows", "addresses", "0123456789abcdef" + " 192.0.2.1:1 nowhere [fe80::1%2]:3" * 9 + "\n")
    seed("relay_rows", "bars", "\n\nshort |\n0123456789abcdef | | |\n")
    seed("relay_rows", "empty", "")


def dns():
    def question(name, kind=1, klass=1, flags=0x100, counts=(1, 0, 0, 0), more=b""):
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
        return b"\0" + struct.pack(">6H", 0x1234, flags, *counts) + labels + struct.pack(">xHH", kind, klass) + more

    def opt(size=1232, version=0, flags=0, data=b""):
        return struct.pack(">xHHBBHH", 41, size, 0, version, flags, len(data)) + data

    seed("answer", "a", question("laptop.mesh"))
    seed("answer", "aaaa-edns", question("LapTop.MESH", 28, counts=(1, 0, 0, 1), more=opt(data=h("000a0008 0102030405060708"))))
    seed("answer", "do", question("this.mesh", counts=(1, 0, 0, 1), more=opt(4096, flags=0x8000)))
    seed("answer", "badvers", question("hub.mesh", counts=(1, 0, 0, 1), more=opt(version=1)))
    seed("answer", "nxdomain", question("nobody.mesh"))
    seed("answer", "ptr", question("2.0.101.100.in-addr.arpa", 12))
    seed("answer", "ptr6", question("2." + "0." * 15 + "1." + "0." * 12 + "c.5.d.f.ip6.arpa", 12))
    seed("answer", "soa", question("mesh", 6))
    seed("answer", "any", question("hub.mesh", 255))
    seed("answer", "foreign", question("example.org"))
    seed("answer", "root", question("", 2))
    seed("answer", "chaos", question("version.bind", 16, 3))
    seed("answer", "tcp-not-served", b"\3" + question("hub.mesh")[1:])
    seed("answer", "update", question("mesh", 6, flags=5 << 11))
    seed("answer", "answer", question("hub.mesh", flags=0x8180))
    seed("answer", "two-opts", question("hub.mesh", counts=(1, 0, 0, 2), more=opt() + opt()))
    seed("answer", "pointer", b"\0" + struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + h("c00c 0001 0001"))
    seed("answer", "pointers", b"\0" + struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + h("c00e c00c 0001 0001"))
    seed("answer", "longest", question(".".join(["x" * 63] * 3 + ["y" * 56, "mesh"])))
    seed("answer", "too-long", question(".".join(["x" * 63] * 4 + ["mesh"])))
    seed("answer", "counts", question("hub.mesh", counts=(65535, 65535, 65535, 65535)))


for make in (request, dns, tell, registrar, enrolment, client_hello, proxy, wg, archive, pcapng, ip, filtering, stun, token, netmap, ws, upgrade, bench, unpack, hello, pcp, portmap, igd, relay, relaying, routes, relay_rows):
    make()
