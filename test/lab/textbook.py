# SPDX-License-Identifier: AGPL-3.0-or-later
"""What two places can have at best, by the rules of RFC 4787 and RFC 5128, and what we cannot yet.

    both mappings independent          direct
    one is, and filters less than      direct (an address-dependent filter meets a provider's pool by luck)
      address and port
    one is, and filters by both        by guessing ports (a "birthday" attack on the other's)
    none is                            by a relay
    no family in common                by a relay
    UDP does not pass on one side      by a relay, over TCP
"""
from nat import ADDRESS, INDEPENDENT, KINDS, PORT

DIRECT, RELAY, TCP, NONE = "direct", "relay", "tcp", "none"  # ways; the program calls them so, too
HALF = "half"  # direct in one direction, by a relay in the other
GUESSED, LUCK = "guessed", "luck"  # direct, in the end

# What the program cannot do yet, and why. A pair that needs one of these must fail, or the row below goes.
LACKS = {}


def best(a, b):
    """The best that kinds a and b (names) can have."""
    a, b = KINDS[a], KINDS[b]
    if {a.udp, b.udp} & {"none", "first"}:
        return TCP
    families = set(a.families) & set(b.families)
    if "6" in families:
        return DIRECT  # a firewall on each side at most
    return over_ip4(a, b) if "4" in families else RELAY


def over_ip4(a, b):
    easy = [k for k in (a, b) if k.mapping == INDEPENDENT]
    if len(easy) == 2:
        return DIRECT
    if not easy:
        return RELAY
    hard = b if easy[0] is a else a
    if easy[0].filtering == PORT:
        return GUESSED
    return LUCK if easy[0].filtering == ADDRESS and hard.pool > 1 else DIRECT


def needs(a, b):
    """The abilities without which a pair does not have its best, or exchanges no data."""
    found, kinds = {best(a, b)}, (KINDS[a], KINDS[b])
    if any(k.tcp == "proxy" for k in kinds):
        found.add("proxy")
    if any(k.udp == "small" for k in kinds):
        found.add("mtu")  # also where the other side's stream is all that there is: this side's half of the way is UDP
    return found


def lacking(a, b):
    return sorted(needs(a, b) & set(LACKS))


def met(must, had):
    """Is the way that a pair had the best, as it must be?"""
    if must == LUCK:
        return had in (DIRECT, HALF, RELAY)
    return had == (DIRECT if must == GUESSED else must)
