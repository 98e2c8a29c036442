# SPDX-License-Identifier: AGPL-3.0-or-later
"""What is asked wrongly of a mesh that runs: names, rules, routes, exits, policy files. One mesh for all: nothing of it changes."""
import json
import os

from mistakes import FAILED, USAGE, assert_one_sentence, tree

# Words of a command on the coordinator; what must be said; the exit status.
COMMANDS = [
    (["node", "rename", "nobody", "x"], r'there is no node "nobody".*node list', FAILED),
    (["node", "rename", "nas", "hub"], r"another node is named hub already", FAILED),
    (["node", "rename", "nas", "files"], r"files is an alias of hub already", FAILED),
    (["node", "rename", "nas", ""], r"a name is 1 to 63", USAGE),
    (["node", "rename", "nas", "a" * 64], r"a name is 1 to 63.*would do", USAGE),
    (["node", "rename", "nas"], r"node rename wants NODE NAME", USAGE),
    (["node", "alias", "nas"], r"node alias wants --add ALIAS or --remove ALIAS", USAGE),
    (["node", "alias", "nas", "--add", "files"], r"files is an alias of hub already", FAILED),
    (["node", "alias", "nas", "--add", "hub"], r"another node is named hub already", FAILED),
    (["node", "alias", "nas", "--add", "nas"], r"nas is its name already", FAILED),
    (["node", "alias", "nas", "--add", "this"], r'not "this"', USAGE),
    (["node", "alias", "nas", "--add", "www.nas"], r'"www" would do', USAGE),
    (["node", "alias", "nas", "--remove", "files"], r'nas has no alias "files".*node list', FAILED),
    (["node", "alias", "nobody", "--add", "x"], r'there is no node "nobody"', FAILED),
    (["node", "alias", "nas", *(w for i in range(5) for w in ("--add", f"{i:063}"))], r"255 characters in all", USAGE),
    (["node", "tag", "nas"], r"node tag wants --add TAG or --remove TAG", USAGE),
    (["node", "tag", "nas", "--add", "No Tag"], r"a tag must be 1 to 32", USAGE),
    (["node", "tag", "nobody", "--add", "x"], r'there is no node "nobody"', FAILED),
    (["node", "tag", "nas", *(w for i in range(17) for w in ("--add", f"t{i}"))], r"--add is given more than 16 times", USAGE),
    (["node", "remove", "hub"], r"the coordinator's own node cannot be removed:.*leave --force", FAILED),
    (["node", "remove", "nobody"], r'there is no node "nobody"', FAILED),
    (["node", "move"], r'node has no command "move"', USAGE),
    (["node", "list", "nas"], r'"nas" is one argument too many', USAGE),
    (["dns", "query"], r"dns query wants NAME", USAGE),
    (["dns", "query", "a..b"], r"no name of the DNS.*labels of 1 to 63", FAILED),
    (["dns", "query", "x" * 64], r"no name of the DNS", FAILED),
    (["dns", "query", "nobody"], r"there is no name nobody\.mesh\. in this mesh", FAILED),
    (["dns", "query", "example.org"], r"example\.org\. is no name of this mesh", FAILED),
    (["dns", "query", "hub", "--type", "LOC"], r"no records of that type.*A, AAAA, PTR, NS and SOA", FAILED),
    (["dns", "query", "203.0.113.1"], r"1\.113\.0\.203\.in-addr\.arpa\. is no name of this mesh", FAILED),
    (["dns", "status", "hub"], r'"hub" is one argument too many', USAGE),
    (["dns", "flush"], r'dns has no command "flush"', USAGE),
    (["log", "level", "loud"], r'a level is error, warn, info or debug, not "loud"', USAGE),
    (["log", "level", "--for", "5m"], r"log level wants a LEVEL with --for", USAGE),
    (["log", "level", "debug", "--for", "soon"], r"--for wants a time such as 30m", USAGE),
    (["log", "level", "debug", "info"], r'"info" is one argument too many', USAGE),
    (["route", "advertise"], r"route advertise wants NETWORK", USAGE),
    (["route", "advertise", "10.1.0.0/33"], r'"10\.1\.0\.0/33" is not a network.*192\.168\.1\.0/24', USAGE),
    (["route", "advertise", "nas"], r'"nas" is not a network', USAGE),
    (["route", "advertise", "0.0.0.0/0"], r"0\.0\.0\.0/0 is all there is.*exit-node offer", USAGE),
    (["route", "advertise", "127.0.0.0/8"], r"loopback", USAGE),
    (["route", "advertise", "100.64.0.0/10"], r"addresses of the mesh itself", USAGE),
    (["route", "advertise", *(f"10.{i}.0.0/16" for i in range(17))], r"a machine offers 1 to 16 networks", USAGE),
    (["route", "withdraw", "10.1.0.0/16"], r"does not offer 10\.1\.0\.0/16.*route list", FAILED),
    (["route", "approve", "nas", "everything"], r'"everything" is not a network', USAGE),
    (["route", "approve", "nobody", "10.1.0.0/16"], r'there is no node "nobody"', FAILED),
    (["route", "approve", "nas"], r"route approve wants NODE NETWORK", USAGE),
    (["route", "reject", "nas", "10.1.0.0/16"], r"nas has no network 10\.1\.0\.0/16.*route list", FAILED),
    (["route", "list", "nas"], r'"nas" is one argument too many', USAGE),
    (["exit-node", "use", "nobody"], r'there is no node "nobody" in this mesh', FAILED),
    (["exit-node", "use", "nas"], r"nas does not offer the way to the internet.*exit-node offer", FAILED),
    (["exit-node", "use", "hub"], r"cannot be its own exit node", FAILED),
    (["exit-node", "use"], r"exit-node use wants NODE", USAGE),
    (["exit-node", "pause", "5m"], r"no exit node is used", FAILED),
    (["exit-node", "pause", "soon"], r"a pause is a time such as 5m", USAGE),
    (["exit-node", "pause", "2d"], r'a day at most, not "2d"', USAGE),
    (["exit-node", "offer", "nas"], r'"nas" is one argument too many', USAGE),
    (["filter", "add", "permit", "tcp/22", "--from", "any", "--to", "any"], r'a rule can allow, deny or reject, not "permit"', USAGE),
    (["filter", "add", "allow", "tcp/70000", "--from", "any", "--to", "any"], r'"70000" is no port from 1 to 65535', FAILED),
    (["filter", "add", "allow", "tcp/9-8", "--from", "any", "--to", "any"], r"the range 9-8 ends before it begins", FAILED),
    (["filter", "add", "allow", "sctp/22", "--from", "any", "--to", "any"], r'"sctp" is no protocol', FAILED),
    (["filter", "add", "allow", "tcp/22", "--from", "nobody", "--to", "any"], r'there is no node "nobody".*tag:nobody', FAILED),
    (["filter", "add", "allow", "tcp/22", "--from", "any"], r"a rule needs --from and --to", USAGE),
    (["filter", "add", "allow", "tcp/22", "--from", "any", "--to", "any", "--id", "No Id"], r'"No Id" is no id.*1 to 32', FAILED),
    (["filter", "add", "deny", "tcp/22", "--from", "any", "--ttl", "soon"], r"--ttl wants a time such as 30m", USAGE),
    (["filter", "add", "deny", "tcp/22", "--from", "nobody", "--ttl", "5m"], r'there is no node "nobody"', FAILED),
    (["filter", "remove", "nothing"], r'there is no rule "nothing".*filter list', FAILED),
    (["filter", "remove", "builtin:ping"], r"builtin:ping is built in", FAILED),
    (["filter", "explain", "hub", "nobody", "tcp/22"], r'"nobody" is no member and behind none', FAILED),
    (["filter", "explain", "hub", "nas", "ssh"], r'"ssh" is no protocol', FAILED),
    (["filter", "explain", "hub", "nas"], r"filter explain wants FROM TO WHAT", USAGE),
    (["filter", "prove", "hub reaches nas"], r'a sentence says "cannot reach" or "can reach"', FAILED),
    (["filter", "prove", "hub cannot reach nobody"], r'there is no node "nobody"', FAILED),
    (["filter", "prove", "hub cannot reach nas tcp/x"], r'"x" is no port', FAILED),
    (["filter", "rollback", "99"], r"there is no version 99 of the policy", FAILED),
    (["filter", "rollback", "first"], r'a version of the policy is a number, not "first"', USAGE),
    (["filter", "show", "99"], r"there is no version 99 of the policy", FAILED),
    (["filter", "set", "/nowhere.yaml"], r"cannot open /nowhere\.yaml: No such file", FAILED),
    (["filter", "test", "/"], r"/ is not a file", FAILED),
    (["filter", "diff"], r"filter diff wants FILE", USAGE),
]
POLICIES = [
    ("rules: [\n", r"2:1: not valid YAML"),
    ("rules:\n\t- allow: any\n", r"2:1: YAML does not allow a tab.*spaces"),
    ("- allow: any\n", r"1:1: a policy consists of"),
    ("rules: []\nrulez: []\n", r'2:1: unknown key "rulez".*did you mean "rules"'),
    ("rules: any\n", r"1:8: rules must be a list"),
    ("rules:\n  - any\n", r"2:5: a rule must be a mapping"),
    ("rules:\n  - from: any\n    to: any\n", r"2:5: this rule has none of allow, deny and reject"),
    ("rules:\n  - allow: any\n    deny: any\n    from: any\n    to: any\n", r"2:5: a rule does one thing"),
    ("rules:\n  - allow: any\n    to: any\n", r'2:5: this rule has no "from"'),
    ("rules:\n  - allow: any\n    from: nobody\n    to: any\n", r'3:11: there is no node "nobody"'),
    ("rules:\n  - allow: any\n    from: group:x\n    to: any\n", r'3:11: there is no group "x"'),
    ("rules:\n  - allow: tcp/0x16\n    from: any\n    to: any\n", r'2:12: "0x16" is no port'),
    ("rules:\n  - allow: any\n    from: tag:NO\n    to: any\n", r'3:11: "tag:NO" is no tag'),
    ("rules:\n  - allow: any\n    from: 10.0.0.0/40\n    to: any\n", r'3:11: "10.0.0.0/40" is'),
    ("rules:\n  - {id: a, allow: any, from: any, to: any}\n  - {id: a, allow: tcp, from: any, to: any}\n", r"3:5: the id a is given twice, first on line 2"),
    ("rules:\n  - {allow: any, from: any, to: any}\n  - {allow: any, from: any, to: any}\n", r"3:5: this rule stands here for the second time, first on line 2"),
    ("rules:\n  - {id: A B, allow: any, from: any, to: any}\n", r'2:10: "A B" is no id'),
    ("groups:\n  a: [group:a]\nrules: []\n", r"2:3: the group a contains itself"),
    ("rules: []\ntests:\n  - hub can reach nas tcp/22\n", r"3:5: the test.* does not hold.*no rule allows it"),
    ("rules: []\ntests:\n  - nobody can reach nas tcp/22\n", r'3:5: there is no node "nobody"'),
    ("rules: []\ntests:\n  - hub likes nas\n", r"3:5: between its sides a sentence says"),
    ("rules: []\nlocal_allow: [hub]\n", r"2:14: local_allow names tags alone"),
    ("rules: &r []\ntests: *r\n", r"1:8: anchors and aliases"),
    ("rules: []\n---\nrules: []\n", r"3:1: the file must be one YAML document"),
]


def refused(node, argv, says, status):
    """The same said to people and to programs."""
    r = node.run(*argv, check=False)
    assert (r.returncode, r.stdout) == (status, ""), f"{argv}: {r.returncode} {r.stdout}{r.stderr}"
    assert_one_sentence(r.stderr, says)
    answer = json.loads(node.run(*argv, "--json", check=False).stdout)
    if answer.get("rcode") in ("NXDOMAIN", "REFUSED"):
        return  # that there is no such name is an answer, for programs
    assert answer["ok"] is False and f"tunnelmesh: {answer['error']}" in r.stderr and (answer["hint"] or "") in r.stderr, argv


def test_what_is_asked_wrongly_is_said_in_one_sentence_and_changes_nothing(net):
    hub, _ = net.mesh("hub", "nas")
    hub.run("node", "alias", "hub", "--add", "files")

    def state():
        files = {k: v for k, v in tree(hub.host.path(hub.state)).items() if k not in ("daemon.log", "clock") and ".db" not in k}
        return files, [hub.json(*words) for words in (("filter", "list"), ("filter", "history"), ("filter", "local"), ("route", "list"))], [
            {k: v for k, v in n.items() if k != "last_seen_at"} for n in hub.json("node", "list")["nodes"]]

    before = state()
    for argv, says, status in COMMANDS:
        refused(hub, argv, says, status)
    path = os.path.join(net.dir, "policy.yaml")
    for text, says in POLICIES:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        for verb in ("set", "test"):
            refused(hub, ["filter", verb, path], r"/policy\.yaml:" + says, FAILED)
    assert state() == before
