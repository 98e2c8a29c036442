# SPDX-License-Identifier: AGPL-3.0-or-later
"""Commands that are no commands, or not now, or not here."""
import pytest

from mistakes import Attempt, FAILED, Rows, USAGE, assert_refused

ROWS = Rows()


@ROWS.row(r"lock is locked by process \d+ .*another tunnelmesh .*down")
def up_foreground_beside_a_running_daemon(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "up", "--foreground", may_change={"daemon.log"}, then=lambda: hub.status())


for command in (["status"], ["peers"], ["ping", "hub"], ["token", "create"], ["node", "list"], ["reload"],
                ["node", "remove", "x"], ["client", "list"]):
    def without_daemon(net, command=command):
        hub = net.node("hub")
        hub.init("--no-up")
        return Attempt(hub, *command)
    ROWS.add(without_daemon, r"not running .*tunnelmesh.* up", FAILED, "-".join(command) + "-without-a-daemon")


@ROWS.row(r"not running, and this machine is in no mesh yet .*init.*join TOKEN")
def status_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "status")


@ROWS.row(r"in no mesh yet .*init, or join TOKEN")
def up_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "up")


@ROWS.row(r"in no mesh")
def leave_of_a_machine_that_never_joined(net):
    return Attempt(net.node("hub"), "leave", "--yes")


@ROWS.row(r"coordinator .*leave --force")
def leave_of_the_coordinator(net):
    hub = net.node("hub")
    hub.init()
    return Attempt(hub, "leave", "--yes", may_change={"daemon.log"}, then=lambda: hub.status())


@ROWS.row(r"not the mesh's coordinator .*on hub, 100\.")
def token_create_on_another_machine_than_the_coordinator(net):
    _, node = net.mesh("hub", "node")
    return Attempt(node, "token", "create", may_change={"daemon.log"})


for name, argv, says in (
        ("rename-to-the-coordinators-word", ["node", "rename", "hub", "this"], r'a name is .* and not "this"'),
        ("rename-to-an-impossible-name", ["node", "rename", "hub", "Big Hub"], r'a name is .*"big-hub" would do'),
        ("impossible-tag", ["token", "create", "--tag", "Not a tag"], r"a tag must be"),
        ("impossible-id-of-a-token", ["token", "revoke", "it"], r"a token's id is .*token list")):
    def asked_wrongly(net, argv=argv):
        hub = net.node("hub")
        hub.init()
        return Attempt(hub, *argv, may_change={"daemon.log"})
    ROWS.add(asked_wrongly, says, USAGE, name)


for name, argv, says in (
        ("unknown-command", ["jion"], r'no command "jion" .*did you mean `tunnelmesh join`'),
        ("unknown-verb", ["token", "make"], r'token has no command "make"'),
        ("noun-alone", ["token"], r"token wants one of: create"),
        ("unknown-option", ["status", "--colour"], r'"?--colour"?'),
        ("unknown-global-option", ["--colour", "status"], r'"?--colour"?'),
        ("option-without-value", ["init", "--name"], r"--name"),
        ("word-for-a-port", ["init", "--listen-port", "many"], r"--listen-port.*many"),
        ("port-out-of-range", ["init", "--listen-port", "65536"], r"--listen-port.*65536"),
        ("bad-ttl", ["token", "create", "--ttl", "soon"], r"--ttl.*soon"),
        ("bad-log-level", ["status", "--log-level", "loud"], r"--log-level wants error, warn, info or debug"),
        ("missing-argument", ["join"], r"join wants TOKEN"),
        ("one-argument-too-many", ["peers", "now"], r'"now" is one argument too many'),
        ("exclusive-options", ["init", "--foreground", "--no-up"], r"exclude each other")):
    def usage(net, argv=argv):
        return Attempt(net.node("hub"), *argv)
    ROWS.add(usage, says, USAGE, name)


@pytest.mark.parametrize("prepare, says, status", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(net, prepare, says, status):
    assert_refused(net, prepare, says, status)
