# SPDX-License-Identifier: AGPL-3.0-or-later
"""docs/json.md and the program say the same."""
import json
import os
import re

from lab import wait_for

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/json.md")

# Whose keys a row refers to, and the words in it that are no keys of this one.
SAME_AS = {"status": ["peers"], "status NAME": ["peers"], "join": ["init", "peers"], "client list": ["node list"], "node rename": ["node list"],
           "node alias": ["node list"], "node tag": ["node list"]}
NO_KEYS = {"status NAME": {"peers"}, "ping": {"status", "NAME"}, "join": {"init", "peers", "token"}, "node rename": {"nodes", "list"}, "node alias": {"nodes", "list"}, "node tag": {"nodes", "list"}, "client list": {"nodes"},
           "filter list": {"name"}}  # of nodes that do not go by it yet


def documented():
    """The words in backticks of each command's row, outside of it and inside of what it lists."""
    with open(DOCUMENT, encoding="utf-8") as f:
        rows = re.findall(r"^\| (`[^|]*`) \| (.*) \|$", f.read(), re.M)
    return {command: set(" ".join(re.findall(r"`([^`]*)`", text)).split())
            for commands, text in rows for command in re.findall(r"`([^`]*)`", commands)}


def keys_of(value):
    """Every key of a document, also inside of it; the names of drops are those of another table."""
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    return set(value) | set().union(*(keys_of(v) for k, v in value.items() if k != "drops"))


def test_every_command_prints_the_keys_that_are_documented(net):
    hub, laptop = net.node("hub"), net.node("laptop")
    said = {"init": json.loads(hub.init("--json").stdout)}
    said["token create"] = hub.json("token", "create", "--tag", "x")
    said["join"] = json.loads(laptop.join(said["token create"]["token"], "--json").stdout)
    said["client add"] = hub.json("client", "add", "phone", "--endpoint", "192.0.2.1:51820")
    said["status NAME"] = hub.json("status", "laptop")
    said["netcheck"] = laptop.json("netcheck")  # which has somebody to ask
    for command in ("status", "peers", "metrics", "top -i 0.2", "ping laptop -c 1", "bench laptop -t 1", "whois laptop", "node list", "client list", "token list",
                    "reload", "version", "up", "dashboard password", "node alias laptop --add x", "node tag laptop --add x", "node rename laptop desk", "client remove phone", "token revoke "
                    + said["token create"]["id"]):
        words = [w for w in command.split() if w.isalpha() and w not in ("laptop", "desk", "phone", "x")]
        said[" ".join(words)] = hub.json(*command.split())
    said["bugreport"] = hub.json("bugreport", "-o", os.path.join(net.dir, "report.tar.gz"))
    said["capture"] = hub.json("capture", "desk", "--for", "1s", "-w", os.path.join(net.dir, "x.pcapng"))
    policy = os.path.join(net.dir, "policy.yaml")
    with open(policy, "w", encoding="utf-8") as f:
        f.write("rules: []\n")
    hub.run("filter", "add", "deny", "tcp/23", "--from", "any", "--to", "any")  # or nothing is counted
    wait_for("all to go by the policy", lambda: not hub.json("filter", "list")["holders"]["others"])
    for command in ("filter list", "filter diff " + policy, "filter test " + policy, "filter explain hub desk tcp/22", "filter history",
                    "filter add allow tcp/22 --from any --to any --id ssh", "filter remove ssh", "filter rollback 1", "filter set " + policy):
        said[" ".join(command.split()[:2])] = hub.json(*command.split())
    hub.run("filter", "add", "deny", "tcp/23", "--from", "any", "--ttl", "10m")
    said["filter local"] = hub.json("filter", "local")
    hub.run("filter", "rollback", 1)
    proof = json.loads(hub.run("filter", "prove", "hub cannot reach desk tcp", "--json", check=False).stdout)
    said["filter prove"] = proof
    said["node remove"] = hub.json("node", "remove", "desk")
    said["leave"] = laptop.json("leave", "-y")
    backup = os.path.join(net.dir, "hub.tar")
    said["backup"] = hub.json("backup", backup)
    said["down"] = hub.json("down")
    said["doctor"] = json.loads(hub.run("doctor", "--json", check=False).stdout)  # which has something to find
    said["restore"] = hub.json("restore", "--replace", backup)
    said["down --cleanup"] = hub.json("down", "--cleanup")
    table = documented()
    for command, answer in said.items():
        assert answer.pop("schema") == 1 and answer.pop("ok") is True, command
        got, wanted = keys_of(answer), table[command].union(*(table[c] for c in SAME_AS.get(command, ())))
        wanted -= NO_KEYS.get(command, set())
        assert got == wanted, f"{command}: undocumented {got - wanted}, not there {wanted - got}"


def test_a_failure_has_a_code_for_programs(net):
    hub = net.node("hub")

    def code(*args):
        answer = json.loads(hub.run(*args, "--json", check=False).stdout)
        assert answer["ok"] is False and answer["schema"] == 1 and answer["error"] and "hint" in answer
        return answer["code"]

    assert code("status") == "not_enrolled"
    hub.init()
    assert code("stauts") == "usage"
    assert code("ping", "nobody") == "not_found"
    assert code("node", "remove", "nobody") == "not_found"
    laptop = net.node("laptop")
    laptop.join(hub.token())
    laptop.down()
    assert json.loads(laptop.run("status", "--json", check=False).stdout)["code"] == "not_running"
    laptop.up()
    assert json.loads(laptop.run("token", "list", "--json", check=False).stdout)["code"] == "not_coordinator"
    assert "hub" in laptop.run("token", "list", check=False).stderr
