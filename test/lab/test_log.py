# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the log tells: at info who comes, goes and moves, once each; at debug what was tried and what came of it."""
import re

from lab import wait_for


def lines(node, pattern):
    return [line for line in node.log().splitlines() if re.search(pattern, line)]


def test_info_tells_peers_up_and_down_names_and_removals_once_each(net):
    hub, a, b = net.mesh("hub", "a", "b")
    a.ping("b")
    wait_for("b to be told as up", lambda: lines(a, r" info node: peer is up name=b at=(198|\[2001)"))
    b.kill9()
    a.host.spawn(*a.argv("ping", "b", "-c", 3))  # somebody wants it
    wait_for("b to be told as lost", lambda: lines(a, r" info node: peer is (lost|out of reach).* name=b"), 30)
    wait_for("the coordinator to say so", lambda: lines(hub, r" info coord: node has gone node=b"), 60)
    b.up()
    wait_for("b to be told as up again", lambda: len(lines(a, r"peer is up name=b")) == 2
             or a.ping("b", check=False) is None, 30)
    hub.run("node", "rename", "b", "nas")
    wait_for("the new name", lambda: lines(a, r" info node: member has another name from=b to=nas"))
    assert lines(hub, r" info coord: node renamed from=b to=nas")
    hub.run("node", "remove", "nas")
    wait_for("the removal", lambda: lines(a, r" info node: peer was removed from the mesh name=nas"))
    assert len(lines(a, r"peer is up name=hub")) == 1, a.log()


def test_debug_tells_what_was_tried_and_what_came_of_it(net):
    hub = net.node("hub").configure(relay="use")  # nobody stands in for what does not answer
    hub.init()
    a, b = net.node("a").configure(log_level="debug"), net.node("b")
    a.join(hub.token())
    b.join(hub.token())
    a.ping("b")
    for what in (r"path: candidate peer=b type=host at=198\.18\.", r"path: .* send \S+ \(does this address answer\?\) peer=b",
                 r"path: .* note \S+ \(answers\) peer=b", r"path: .* use \S+ \(.*\) peer=b",
                 r"node: handshake what=\"(asked for|answered).* peer=b with="):
        wait_for(what, lambda what=what: lines(a, r" debug " + what))
    # A door that is closed: what does not answer is named, and so is the end of the attempt.
    b.host.sh("ip", "route", "add", "blackhole", a.host.ip4)
    b.host.sh("ip", "-6", "route", "add", "blackhole", a.host.ip6)
    a.host.spawn(*a.argv("ping", "b", "-c", 20, "-i", 0.3))
    wait_for("the failure", lambda: lines(a, r" debug path: .* note \S+ \(does not answer\) peer=b"), 60)
    assert lines(a, r" info node: peer is lost, looking for another way name=b"), a.log()
