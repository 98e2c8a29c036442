# SPDX-License-Identifier: AGPL-3.0-or-later
"""Rules of a node's own, in its configuration: they narrow what the policy of the mesh allows."""
from lab import wait_for
from test_policy import ask, serve


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
