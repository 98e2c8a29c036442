# SPDX-License-Identifier: AGPL-3.0-or-later
"""A member that floods a relay, and strangers who do, take nothing from the others there (decision 41). The relay has a
tenth of a core, so that the flood is several times what it can hand on; compared are counts of the same seconds."""
import contextlib
import subprocess

import pytest

from lab import find_tool, wait_for
from slices import NoSlices, Slice
from test_relay import cut, relayed

pytestmark = pytest.mark.alone("floods a relay and counts what others keep")

RATE = 100000  # datagrams a second
PINGS = 300
FEW = 150


@pytest.fixture(name="relay")
def a_relay_with_four_members(net):
    hub, a, b, c, d = net.mesh("hub", "a", "b", "c", "d")
    cut(net, a, b)
    wait_for("all to register", lambda: relayed(hub)["members"] == 4, 20)
    wait_for("a to reach b", lambda: a.ping("b", check=False).returncode == 0, 20)
    return hub, a, b, c, d


def number(node):
    return node.status()["self"]["ip4"].split(".")[-1]


def came(a, b, count=PINGS):
    """How many of so many come to b and back, a hundred in a second."""
    text = a.host.sh("ping", "-n", "-q", "-i", 0.01, "-c", count, "-W", 2, b.status()["self"]["ip4"], check=False).stdout
    return int(text.split(" received")[0].split()[-1])


def flood(sender, hub, between, family="ip4", **more):
    to, own = (getattr(host, family) for host in (hub.host, sender))
    p = sender.spawn(find_tool("spate"), f"to={to}", f"from={own}", f"rate={RATE}", f"between={between}",
                     *(f"{k.replace('_', '-')}={v}" for k, v in more.items()), stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "ready\n"
    return p


def stop(process):
    process.stdin.close()
    process.wait(timeout=10)


def lost(hub):
    """What the relay's kernel threw away because it could not keep up, whoever's it was."""
    drops = hub.status()["drops"]
    return sum(drops.get(k, 0) for k in ("relay_share", "udp_queue_full", "no_use"))


def unread(hub):
    """What the kernel threw away unread, because its sender sends nothing of use."""
    return hub.status()["drops"].get("no_use", 0)


def slice_of(net, hub, percent):
    try:
        return contextlib.closing(Slice(net.tag, hub.pid(), percent))
    except NoSlices as e:
        return pytest.skip(str(e))


# A stranger's datagrams cost a relay less, so it takes less of a relay to be flooded by them.
@pytest.mark.parametrize("who,percent", [("member", 10), ("stranger", 4)], ids=["member", "stranger"])
def test_beside_who_floods_a_relay_others_keep_what_they_had(net, relay, who, percent):
    hub, a, b, c, d = relay
    sender = c.host if who == "member" else net.host("stranger")
    with slice_of(net, hub, percent):
        process = flood(sender, hub, f"{number(c)},{number(d)}")
        wait_for("the relay to be flooded", lambda: lost(hub) > RATE / 10, 20)
        before = lost(hub)
        kept = came(a, b)
        more = lost(hub) - before
        stop(process)
        assert more > 0.2 * RATE, "the flood was not more than the relay can carry"
        assert kept >= 0.8 * PINGS
        # What strangers send is not even read.
        assert (unread(hub) > RATE / 10) == (who == "stranger")


# Each from another address, so that it has to be found anew.
KINDS = {"data": {}, "stun": {"kind": "stun"}, "handshakes by IPv6": {"kind": "bare-init", "family": "ip6"}}


def test_beside_strangers_who_flood_a_relay_from_many_ports_others_keep_what_they_had(net, relay):
    hub, a, b, c, d = relay
    senders = {kind: net.host(f"stranger{i}") for i, kind in enumerate(KINDS)}
    with slice_of(net, hub, 4):
        for kind, how in KINDS.items():
            before = unread(hub)
            process = flood(senders[kind], hub, f"{number(c)},{number(d)}", from_port=1024, sources=1000, **how)
            wait_for(f"the relay to be flooded by {kind}", lambda n=before: unread(hub) > n + RATE / 10, 30)
            before = unread(hub)
            kept = came(a, b, FEW)
            more = unread(hub) - before
            stop(process)
            assert more > 0.1 * RATE, f"{kind}: it is read"
            assert kept >= 0.8 * FEW, f"{kind}: the others lose {FEW - kept} of {FEW}"
