#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""The WireGuard handshake once more, in plain Python from the whitepaper and the RFCs, sharing nothing with the C code.

usage: wg_reference.py HANDSHAKE_PARTNER

It plays both roles against the C implementation, with and without a pre-shared key, and compares the transport keys.
With the fixed keys below it also checks the bytes that test_handshake.c holds as golden values.
"""
import hashlib
import hmac
import random
import struct
import subprocess
import sys

CONSTRUCTION = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
IDENTIFIER = b"WireGuard v1 zx2c4 Jason@zx2c4.com"
P = 2**255 - 19


# RFC 7748, section 5
def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(u, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = (x2 + z2) % P, (x2 - z2) % P, (x3 + z3) % P, (x3 - z3) % P
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = (aa - bb) % P
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(k):
    return x25519(k, (9).to_bytes(32, "little"))


# RFC 8439, section 2
def chacha_block(key, counter, nonce):
    def rotl(v, n):
        return (v << n | v >> (32 - n)) & 0xFFFFFFFF

    start = list(struct.unpack("<4I8II3I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = start[:]

    def quarter(a, b, c, d):
        for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] = rotl(s[z] ^ s[x], n)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))


def chacha(key, nonce, data):
    out = b""
    for i in range(0, len(data), 64):
        block = chacha_block(key, 1 + i // 64, nonce)
        out += bytes(a ^ b for a, b in zip(data[i : i + 64], block))
    return out


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def tag_of(key, nonce, sealed, ad):
    def pad(b):
        return b + bytes(-len(b) % 16)

    return poly1305(chacha_block(key, 0, nonce)[:32], pad(ad) + pad(sealed) + struct.pack("<QQ", len(ad), len(sealed)))


def seal(key, counter, plain, ad):
    nonce = bytes(4) + struct.pack("<Q", counter)
    sealed = chacha(key, nonce, plain)
    return sealed + tag_of(key, nonce, sealed, ad)


def unseal(key, counter, sealed, ad):
    nonce = bytes(4) + struct.pack("<Q", counter)
    assert tag_of(key, nonce, sealed[:-16], ad) == sealed[-16:], "authentication tag"
    return chacha(key, nonce, sealed[:-16])


# Whitepaper 5.4
def blake(*parts):
    return hashlib.blake2s(b"".join(parts)).digest()


def mac(key, data):
    return hashlib.blake2s(data, key=key, digest_size=16).digest()


def kdf(n, key, data):
    prk = hmac.new(key, data, hashlib.blake2s).digest()
    out, last = [], b""
    for i in range(n):
        last = hmac.new(prk, last + bytes([i + 1]), hashlib.blake2s).digest()
        out.append(last)
    return out


class State:
    def __init__(self, responder_pub):
        self.c = blake(CONSTRUCTION)
        self.h = blake(self.c, IDENTIFIER)
        self.mix_hash(responder_pub)

    def mix_hash(self, data):
        self.h = blake(self.h, data)

    def mix(self, data):
        (self.c,) = kdf(1, self.c, data)

    def mix_key(self, data):
        self.c, key = kdf(2, self.c, data)
        return key

    def mix_psk(self, psk):
        self.c, temp, key = kdf(3, self.c, psk)
        self.mix_hash(temp)
        return key


def create_init(s_priv, r_pub, e_priv, index, stamp):
    st = State(r_pub)
    e_pub = public(e_priv)
    st.mix(e_pub)
    st.mix_hash(e_pub)
    static = seal(st.mix_key(x25519(e_priv, r_pub)), 0, public(s_priv), st.h)
    st.mix_hash(static)
    stamp = seal(st.mix_key(x25519(s_priv, r_pub)), 0, stamp, st.h)
    st.mix_hash(stamp)
    msg = struct.pack("<II", 1, index) + e_pub + static + stamp
    msg += mac(blake(b"mac1----", r_pub), msg) + bytes(16)
    return msg, st


def consume_init(r_priv, msg):
    r_pub = public(r_priv)
    assert len(msg) == 148 and msg[:4] == b"\1\0\0\0"
    assert msg[116:132] == mac(blake(b"mac1----", r_pub), msg[:116]), "mac1"
    assert msg[132:] == bytes(16), "mac2 without a cookie is zero"
    st = State(r_pub)
    index, e_pub = struct.unpack("<I", msg[4:8])[0], msg[8:40]
    st.mix(e_pub)
    st.mix_hash(e_pub)
    s_pub = unseal(st.mix_key(x25519(r_priv, e_pub)), 0, msg[40:88], st.h)
    st.mix_hash(msg[40:88])
    stamp = unseal(st.mix_key(x25519(r_priv, s_pub)), 0, msg[88:116], st.h)
    st.mix_hash(msg[88:116])
    return st, index, e_pub, s_pub, stamp


def create_response(st, remote, ei_pub, s_pub, psk, e_priv, index):
    e_pub = public(e_priv)
    st.mix(e_pub)
    st.mix_hash(e_pub)
    st.mix(x25519(e_priv, ei_pub))
    st.mix(x25519(e_priv, s_pub))
    empty = seal(st.mix_psk(psk), 0, b"", st.h)
    st.mix_hash(empty)
    msg = struct.pack("<III", 2, index, remote) + e_pub + empty
    msg += mac(blake(b"mac1----", s_pub), msg) + bytes(16)
    recv, send = kdf(2, st.c, b"")
    return msg, send, recv


def consume_response(st, s_priv, e_priv, psk, my_index, msg):
    assert len(msg) == 92 and msg[:4] == b"\2\0\0\0"
    index, receiver = struct.unpack("<II", msg[4:12])
    assert receiver == my_index
    assert msg[60:76] == mac(blake(b"mac1----", public(s_priv)), msg[:60]), "mac1"
    er_pub = msg[12:44]
    st.mix(er_pub)
    st.mix_hash(er_pub)
    st.mix(x25519(e_priv, er_pub))
    st.mix(x25519(s_priv, er_pub))
    assert unseal(st.mix_psk(psk), 0, msg[44:60], st.h) == b""
    send, recv = kdf(2, st.c, b"")
    return send, recv, index


def fields(lines):
    return dict(line.split() for line in lines)


def we_initiate(partner, i_priv, r_priv, psk, ei, er):
    """Python initiates, C responds."""
    stamp = struct.pack(">QI", 2**62 + 10 + 1767225600, 0)
    init, st = create_init(i_priv, public(r_priv), ei, 0x11223344, stamp)
    run = [partner, "respond", r_priv.hex(), public(i_priv).hex(), psk.hex(), er.hex(), "a1b2c3d4", init.hex()]
    got = fields(subprocess.run(run, check=True, capture_output=True, text=True).stdout.splitlines())
    send, recv, index = consume_response(st, i_priv, ei, psk, 0x11223344, bytes.fromhex(got["response"]))
    assert index == 0xA1B2C3D4 and got["remote"] == "11223344"
    assert (send.hex(), recv.hex()) == (got["recv"], got["send"]), "transport keys differ"
    return got["response"], init.hex(), send.hex(), recv.hex()


def we_respond(partner, i_priv, r_priv, psk, ei, er):
    """C initiates, Python responds."""
    run = [partner, "initiate", i_priv.hex(), public(r_priv).hex(), psk.hex(), ei.hex(), "11223344", str(1767225600 * 10**9)]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        name, init = p.stdout.readline().split()
        assert name == "init"
        st, index, ei_pub, s_pub, stamp = consume_init(r_priv, bytes.fromhex(init))
        assert s_pub == public(i_priv) and index == 0x11223344
        assert stamp == struct.pack(">QI", 2**62 + 10 + 1767225600, 0), "TAI64N"
        msg, send, recv = create_response(st, index, ei_pub, s_pub, psk, er, 0xA1B2C3D4)
        p.stdin.write(msg.hex() + "\n")
        p.stdin.close()
        got = fields(p.stdout.read().splitlines())
    assert p.returncode == 0
    assert (send.hex(), recv.hex()) == (got["recv"], got["send"]), "transport keys differ"
    return msg.hex(), init


def main():
    partner = sys.argv[1]
    fixed = [bytes([n] * 32) for n in (1, 2, 3, 4, 5)]
    response, init, send, recv = we_initiate(partner, *fixed)
    assert (response, init) == we_respond(partner, *fixed), "the roles disagree about the bytes"
    for name, value in (("init", init), ("response", response), ("send", send), ("recv", recv)):
        print(name, value)

    rng = random.Random(1)
    for i in range(8):
        keys = [rng.randbytes(32) for _ in range(5)]
        if i % 2:
            keys[2] = bytes(32)  # no pre-shared key
        we_initiate(partner, *keys)
        we_respond(partner, *keys)

    wrong = subprocess.run(
        [partner, "respond", fixed[1].hex(), public(fixed[0]).hex(), bytes(32).hex(), fixed[4].hex(), "1", init[:-64] + "00" * 32],
        capture_output=True,
    )
    assert wrong.returncode == 1, "a wrong mac1 was accepted"
    print("wg_reference: both roles agree, 9 key sets")


main()
