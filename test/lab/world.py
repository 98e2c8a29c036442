# SPDX-License-Identifier: AGPL-3.0-or-later
"""A coordinator on the internet and a node in each of some places, all 40 ms away from each other, and by which way they
reach each other in truth."""
import concurrent.futures

import wires
from lab import wait_for
from sites import Place, public_host
from textbook import DIRECT, HALF, NONE, RELAY, TCP
from wiretap import ask

ROUND_TRIP = 40  # ms: between any two
LINE = {"delay": ROUND_TRIP / 4}
API_PORT = 443  # which nearly every network lets through
BIG, BIGS = 1000, 30  # bytes of payload, and number, of the pings that show the way


class World:
    def __init__(self, net, hairpins=False, settings=None, **kinds):
        """kinds: a place and a node for each, by its name; settings: further ones of the coordinator."""
        self.net = net
        self.hub = net.node("hub", public_host(net, "hub", manner=LINE)).configure(api_port=API_PORT, **(settings or {}))
        self.hub.init()
        self.places = {name: Place(net, name, kind, hairpins=hairpins, manner=LINE) for name, kind in kinds.items()}
        self.nodes = {name: net.node(name, place.host) for name, place in self.places.items()}
        for name, node in self.nodes.items():
            if self.places[name].proxy:
                node.configure(proxy=self.places[name].proxy)
        token = self.hub.token("--uses", len(self.nodes))
        self.all_at_once(lambda node: node.join(token))
        for proto in ("udp", "tcp"):
            wires.rules(self.hub.host, f"big_{proto}", f'iifname "eth0" meta l4proto {proto} meta length > {BIG} '
                                                       "counter name hits", hook="prerouting")

    def all_at_once(self, do):
        """Something for every node but the coordinator."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(do, self.nodes.values()))

    def address(self, name):
        return self.hub.peer(name)["ip4"]

    def settle(self):
        """All are up and idle, and the coordinator knows what they know of themselves."""
        for name, node in self.nodes.items():
            wait_for(f"{name}'s link", lambda n=node: n.status()["link"]["up"], 20)
        for name, node in self.nodes.items():
            kind = self.places[name].kind
            if kind.udp in ("all", "small") and kind.translates:
                wait_for(f"{name} to know how it is seen", lambda n=node: sees_itself(n), 20)
            node.run("node", "list", check=False)  # a round trip: what was told before has arrived
        wait_for("all to be known to the relay", lambda: self.hub.status()["relay"]["members"] >= len(self.nodes), 20)

    def restart(self, forget=True):
        """As if all but the coordinator were switched off and on: nobody, also no gateway if it is to forget, knows anything of
        before."""
        self.all_at_once(lambda node: node.down())
        for place in self.places.values() if forget else ():
            place.forget()
        self.all_at_once(lambda node: node.up())
        self.settle()

    def way(self, sender, address):
        """By which way packets go, as the coordinator's wire tells, and how many of BIGS came back."""
        before = self.relayed()
        text = sender.host.sh("ping", "-n", "-q", "-i", 0.02, "-c", BIGS, "-s", BIG, "-W", 2, address, check=False).stdout
        back = int(text.split(" received")[0].split()[-1])
        udp, tcp = ((now - then) / (BIG * max(back, 1)) for now, then in zip(self.relayed(), before))  # directions of two
        return (NONE if not back else TCP if tcp > 0.5 else RELAY if udp > 1.5 else HALF if udp > 0.5 else DIRECT), back

    def relayed(self):
        return [wires.volume(self.hub.host, f"big_{proto}") for proto in ("udp", "tcp")]


def sees_itself(node):
    return any(m["candidate"] == "srflx" for m in node.json("status", "hub")["mine"])


def says(node, name):
    """What a node says of its path to another."""
    return next((p["path"] for p in ask(node, cmd="peers")["peers"] if p["name"] == name), NONE)
