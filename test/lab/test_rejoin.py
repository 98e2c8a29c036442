# SPDX-License-Identifier: AGPL-3.0-or-later
"""`join` on a machine that is in the mesh already: whoever gives the command again finds what it asks for."""
import signal
import subprocess

from lab import wait_for


def linked(node):
    status = node.run("status", "--json", check=False)
    return status.returncode == 0 and node.status()["link"]["up"]


def members(hub):
    return sorted(n["name"] for n in hub.json("node", "list")["nodes"])


def foreground(node, *args):
    """The process of `join --foreground`, once its node answers."""
    p = node.host.spawn(*node.argv("join", *args, "--name", node.name, "--foreground"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for("the node to answer", lambda: node.run("status", check=False).returncode == 0)
    return p


def ended(p):
    p.send_signal(signal.SIGTERM)
    out, err = p.communicate(timeout=10)
    assert p.returncode == 0, err
    return out.decode(), err.decode()


def test_a_second_join_changes_nothing_and_starts_what_is_stopped(net):
    hub, guest = net.node("hub"), net.node("guest")
    hub.init()
    token = hub.token()
    guest.join(token)
    pid = guest.pid()
    assert "enrolled as guest" in guest.run("join", token).stdout  # it is used up
    assert guest.pid() == pid
    guest.down()
    guest.join(token, "--listen-port", 51999)
    assert guest.status()["listen_port"] == 51999
    assert members(hub) == ["guest", "hub"]


def test_a_new_token_says_where_the_coordinator_is_now(net):
    hub, guest = net.mesh("hub", "guest")
    guest.down()
    hub.host.move()
    # No tunnel shows the way either.
    for family, address in (("-4", hub.host.ip4), ("-6", hub.host.ip6)):
        guest.host.sh("ip", family, "route", "add", "unreachable", address)
    guest.up()
    pid = guest.pid()
    wait_for("the failure", lambda: hub.host.ip4[:-2] in guest.status()["link"]["error"])
    for family, address in (("-4", hub.host.ip4), ("-6", hub.host.ip6)):
        guest.host.sh("ip", family, "route", "del", "unreachable", address)
    guest.join(hub.token())
    wait_for("the link", lambda: linked(guest))
    assert guest.pid() == pid
    guest.down()
    guest.up()
    wait_for("the link of the next start", lambda: linked(guest))


def test_a_tunnel_leads_to_a_coordinator_whose_addresses_nobody_told(net):
    hub, guest = net.mesh("hub", "guest")
    guest.down()
    hub.host.move()
    guest.up()
    wait_for("the tunnel", lambda: hub.ping("guest", check=False).returncode == 0)
    wait_for("the link", lambda: linked(guest))
    wait_for("its other end to be told", lambda: "linked to the coordinator by=- at=" in guest.log())
    guest.down()
    guest.up()
    wait_for("the link", lambda: linked(guest))  # the coordinator said where it is
    assert guest.status()["link"]["coordinator_ip"] in (hub.host.ip4, hub.host.ip6)


def test_a_removed_node_joins_again(net):
    hub, guest = net.node("hub"), net.node("guest")
    hub.init()
    token = hub.token()
    guest.join(token)
    hub.run("node", "remove", "guest")
    wait_for("the news", lambda: guest.status()["link"]["removed"])
    assert "this node was removed from the mesh: `join` with a new token" in guest.run("status").stdout
    refused = guest.run("join", token, check=False)
    assert refused.returncode == 1 and "used already" in refused.stderr
    net.node("other").join(hub.token())  # perhaps with the address that guest had
    guest.join(hub.token())
    guest.ping("other")
    assert not guest.status()["link"]["removed"]
    assert members(hub) == ["guest", "hub", "other"]


def test_a_removed_node_leaves_without_a_word_about_the_coordinator(net):
    hub, guest = net.mesh("hub", "guest")
    hub.run("node", "remove", "guest")
    wait_for("the news", lambda: guest.status()["link"]["removed"])
    assert guest.run("leave", "--yes").stderr == ""


def test_join_is_a_containers_entry_point(net):
    hub, guest = net.node("hub"), net.node("guest")
    hub.init()
    token = hub.token()
    first = foreground(guest, token)
    assert "already" in guest.run("join", token, "--foreground", check=False).stderr
    out, _ = ended(first)
    assert "enrolled as guest" in out
    ended(foreground(guest, token))
    hub.down()
    _, err = ended(foreground(guest, token))
    assert "in the mesh already" in err and "cannot be reached" in err


def test_settings_with_which_it_cannot_start_leave_it_as_it_was(net):
    hub, guest = net.mesh("hub", "guest")
    token = hub.token()
    before = guest.status()
    assert guest.run("join", token, "--tun", "lo", check=False).returncode == 1
    now = guest.status()
    assert (now["tun"], now["self"]) == (before["tun"], before["self"])
    guest.ping("hub")
