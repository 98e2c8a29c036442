# SPDX-License-Identifier: AGPL-3.0-or-later
"""Our STUN codec and what we conclude of NATs, against coturn's server, beside coturn's own client (RFC 5780)."""
import pytest

import classify
from lab import find_tool
from nat import KINDS
from sites import Place, public_host

SMOKE = ("addr",)
ASKED = ("open", "firewall", "full", "addr", "port", "linux", "other", "sym", "dual")
kinds = pytest.mark.parametrize("name", [k if k in SMOKE else pytest.param(k, marks=pytest.mark.grid) for k in ASKED])
WORDS = {"independent": "endpoint-independent", "address": "address-dependent", "address and port": "address-and-port-dependent"}


@kinds
def test_we_find_what_coturns_client_finds(net, name):
    server, host = classify.Server(public_host(net, "hub")), Place(net, "x", name).host
    theirs = [WORDS[classify.behaviour(classify.discover(host, server, option), what)]
              for option, what in (("-m", "Mapping"), ("-f", "Filtering"))]
    ours = host.sh(find_tool("natdiscover"), host.ip4, f"{server.of(host)}:{classify.STUN_PORT}").stdout.split()
    print(name, ours)
    assert [ours[1], ours[3]] == theirs
    assert ours[5] == ("changed" if KINDS[name].ports == "random" else "kept")
