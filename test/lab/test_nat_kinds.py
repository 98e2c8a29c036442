# SPDX-License-Identifier: AGPL-3.0-or-later
"""Each kind of NAT is what it says, by the judgement of programs that know nothing of how we make it."""
import socket

import pytest

import classify
from nat import INDEPENDENT, KINDS, RANDOM, forget
from sites import Place, Site, public_host
from wiretap import udp_socket

SMOKE = ("addr", "sym")  # the others with `make labgrid`
kinds = pytest.mark.parametrize("name", [k if k in SMOKE else pytest.param(k, marks=pytest.mark.grid) for k in KINDS])


@pytest.fixture
def server(net):
    return classify.Server(public_host(net, "hub"))


def stun_words(kind):
    """What stun-client prints of such a NAT; it hairpins."""
    if kind.udp == "none":
        return "Blocked or could not reach STUN server"
    if not kind.translates:
        return "Open" if kind.filtering == INDEPENDENT else "Firewall"
    if kind.mapping != INDEPENDENT:
        return "Dependent Mapping"
    filters = {"independent": "Independent Filter", "address": "Address Dependent Filter"}
    ports = "random port" if kind.ports == RANDOM else "preserves ports"
    return f"Independent Mapping, {filters.get(kind.filtering, 'Port Dependent Filter')}, {ports}"


def expected_tcp(kind):
    return {"all": [443, 8080], "443": [443], "proxy": []}[kind.tcp]


@kinds
def test_a_kind_is_judged_to_be_what_it_says(net, server, name):
    kind = KINDS[name]
    place = Place(net, "x", name, hairpins=kind.maps())
    found = classify.classify(place.host, server, place.proxy)
    print(f"\n{kind.title}: " + ", ".join(f"{k} {found[k]}" for k in ("mapping", "filtering", "hairpins", "large", "tcp")))
    udp = kind.udp != "none"
    assert found["mapping"] == (kind.mapping if udp else None), found["told"]
    assert found["filtering"] == (kind.filtering if udp else None), found["told"]
    assert found["large"] == (udp and kind.udp != "small"), found["told"]
    assert found["hairpins"] == (udp and (kind.maps() or not kind.translates)), found["told"]
    assert found["tcp"] == expected_tcp(kind) and found["proxied"] == ([443] if kind.tcp == "proxy" else [])
    if place.host.ip4:
        assert stun_words(kind) in found["stun"], found["stun"]


def questions(host, server, count):
    """How many of a socket's STUN questions to one server are answered."""
    with udp_socket(host) as s:
        s.settimeout(0.5)
        answered = 0
        for n in range(count):
            s.sendto(bytes.fromhex("00010000 2112a442") + bytes(11) + bytes([n]), (server.addresses[0], classify.STUN_PORT))
            try:
                answered += s.recv(2000)[19] == n
            except socket.timeout:
                continue
        return answered


def test_where_only_first_packets_pass_a_second_question_is_not_answered(net, server):
    place, other = Place(net, "x", "first"), Place(net, "y", "port")
    assert questions(place.host, server, 4) == 1 and questions(place.host, server, 4) == 1
    assert questions(other.host, server, 4) == 4


def mapped(s, server):
    """The endpoint under which the server sees a socket."""
    s.sendto(bytes.fromhex("00010000 2112a442") + bytes(12), (server.addresses[0], classify.STUN_PORT))
    answer = s.recv(2000)
    at = answer.index(bytes.fromhex("00200008")) + 6
    return int.from_bytes(answer[at:at + 2], "big") ^ 0x2112


def test_a_nat_that_forgets_gives_another_port_and_lets_nothing_old_in(net, server):
    place = Place(net, "x", "forgets")
    with udp_socket(place.host) as s:
        s.settimeout(2)
        before = mapped(s, server)
        assert mapped(s, server) == before
        forget(place.site.gateway)
        with udp_socket(server.host) as out:
            out.sendto(b"old", (place.site.outsides[0], before))
        after = mapped(s, server)  # and "old" was not the first to come
        assert after != before


def test_a_block_of_ports_and_two_addresses_are_all_that_a_provider_uses(net, server):
    place, seen = Place(net, "x", "cgn2"), set()
    listener = udp_socket(server.host, address=(server.addresses[0], 5000))
    listener.settimeout(2)
    for _ in range(40):
        with udp_socket(place.host) as s:
            s.sendto(b"x", (server.addresses[0], 5000))
        seen.add(listener.recvfrom(10)[1])
    listener.close()
    assert {a for a, _ in seen} == set(place.provider.outsides) and len(place.provider.outsides) == 2
    assert all(40960 <= port <= 41471 for _, port in seen) and len(seen) > 30


@pytest.mark.parametrize("hairpins", [False, True])
@pytest.mark.parametrize("shared", ["lan", "carrier"])
def test_neighbours_reach_each_other_by_the_outside_only_where_it_hairpins(net, server, shared, hairpins):
    """Two hosts of one LAN, or two homes of one provider: the same by the outside endpoint, and otherwise not in the way."""
    upper = Site(net, "upper", KINDS["port"], hairpins=hairpins)
    if shared == "lan":
        a, b = upper.host("a"), upper.host("b")
    else:
        a, b = (Site(net, f"home{h}", KINDS["linux"], behind=upper).host(h) for h in "ab")
    with udp_socket(a) as one, udp_socket(b) as other:
        for s in (one, other):
            s.settimeout(1)
        ends = [(upper.outsides[0], mapped(s, server)) for s in (one, other)]
        heard = None
        for _ in range(3):  # both open their own way, as when punching holes
            one.sendto(b"from a", ends[1])
            other.sendto(b"from b", ends[0])
            try:
                heard = one.recvfrom(100)
                break
            except socket.timeout:
                continue
    assert heard == ((b"from b", ends[1]) if hairpins else None)


