# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rules of a node's own: in its configuration, and those that allow where the policy of the mesh grants that."""
from lab import wait_for
from test_policy import ask, serve, version, write


def test_rules_of_the_configuration_hold_from_the_start_and_change_by_a_reload(net):
    hub, nas = net.node("hub"), net.node("nas").configure(filter="[{reject: tcp/8080, from: hub}]")
    hub.init()
    nas.join(hub.token())
    there = serve(nas)["ip4"]
    wait_for("the node to answer", lambda: ask(hub, there, 8081) == "hello", 8)
    assert ask(hub, there, 8080) == "refused"
    refused = nas.configure(filter="[{reject: tcp/8080, form: hub}]").run("reload", check=False)
    assert refused.returncode and ':1:29: unknown key "form"' in refused.stderr and '"from"' in refused.stderr
    assert ask(hub, there, 8080) == "refused"  # nothing of it is in force
    nas.configure(filter="[{deny: tcp/8081, from: [hub, lapdog]}]").run("reload")
    assert ask(hub, there, 8080) == "hello" and ask(hub, there, 8081) == "silence"
    assert 'line 1 of the configuration; there is no node "lapdog"' in nas.run("filter", "local").stdout
    assert "stands in the configuration, line 1" in nas.run("filter", "remove", "local-config-1", check=False).stderr
    nas.kill9()
    nas.up()
    wait_for("the node to answer", lambda: ask(hub, there, 8080) == "hello", 20)
    assert ask(hub, there, 8081) == "silence"


def test_what_the_policy_does_not_speak_of_a_node_allows_as_long_as_it_may(net):
    hub, nas = net.node("hub"), net.node("nas")
    hub.init("--policy", "deny")
    nas.join(hub.token())
    hub.run("node", "tag", "nas", "--add", "lab")
    there = serve(nas)["ip4"]
    allow = ("filter", "add", "allow", "tcp/8080-8081", "--from", "hub", "--ttl", "1h")
    assert "does not let this node allow anything by rules of its own" in nas.run(*allow, check=False).stderr
    hub.run("filter", "set", write(net, "{local_allow: ['tag:lab'], rules: [{deny: tcp/8081, from: any, to: any}]}"))
    wait_for("the grant to be told", lambda: nas.run(*allow, check=False).returncode == 0)
    wait_for("the other end to let it out", lambda: ask(hub, there, 8080) == "hello", 8)
    assert ask(hub, there, 8081) == "silence"  # what the policy denies stays denied
    assert "unless a rule of nas's own does" in hub.run("filter", "explain", "hub", "nas", "tcp/8080").stdout
    wait_for("the policy to be kept", lambda: version(nas) == 2)
    hub.run("node", "tag", "nas", "--remove", "lab")
    wait_for("the tag to be gone", lambda: "no effect: the policy of the mesh does not grant it" in nas.run("filter", "local").stdout)
    assert ask(hub, there, 8080) == "silence" and version(nas) == 2
