# SPDX-License-Identifier: AGPL-3.0-or-later
"""The policy of a mesh: written, refused, told, kept, asked."""
import os
import re
import subprocess

import wireguard
from lab import kept, wait_for
from test_routes import Lan, await_routes, routers_of

WEB = """# who may do what
rules:
  # everybody
  - id: web
    allow: tcp/80
    from: any
    to: tag:server
tests:
  - hub can reach nas tcp/80
"""


def write(net, text, name="policy.yaml"):
    path = os.path.join(net.dir, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def version(node):
    """The one that the node keeps."""
    rows = kept(node, "SELECT version FROM policy")
    return rows[0][0] if rows else 0


def says(node, *args):
    r = node.run("filter", *args, check=False)
    return r.returncode, r.stdout, r.stderr


def test_a_new_mesh_begins_with_one_visible_rule(net):
    hub, nas = net.mesh("hub", "nas")
    rows = hub.run("filter", "list").stdout.splitlines()
    assert "version 1 of the policy" in rows[0] and rows[2].split() == ["members", "allow", "any", "members", "any"]
    assert rows[3].startswith("  builtin:ping")
    assert hub.run("filter", "prove", "any can reach any").stdout.startswith("  true\n")
    wait_for("the node to be told", lambda: version(nas) == 1)
    wait_for("both to say that it is in force", lambda: hub.json("filter", "list")["holders"] == {
        "linked": 2, "in_force": 2, "others": []})
    assert hub.run("filter", "list").stdout.splitlines()[-1] == "  in force at 2 of 2 linked nodes"


def test_one_that_begins_with_deny_has_none(net):
    hub = net.node("hub")
    hub.init("--policy", "deny")
    assert [r.split()[0] for r in hub.run("filter", "list").stdout.splitlines()[2:-2]] == ["builtin:ping"]
    assert hub.run("filter", "prove", "any cannot reach any tcp, udp, other").stdout.startswith("  true\n")
    # There is one member alone, but the token that was printed makes another.
    assert "a new node by token" in hub.run("filter", "prove", "any can reach any tcp/22", check=False).stdout
    assert net.node("other").run("init", "--policy", "no", check=False).returncode == 2


def test_a_policy_is_refused_with_its_line_or_told_to_all(net):
    hub, nas = net.mesh("hub", "nas")
    hub.run("node", "tag", "nas", "--add", "server")
    code, _, err = says(hub, "set", write(net, WEB.replace("any\n", "anybody\n", 1)))
    assert code == 1 and "policy.yaml:6:11: there is no node \"anybody\"" in err
    code, _, err = says(hub, "set", write(net, WEB.replace("80\n    from", "81\n    from")))
    assert code == 1 and "policy.yaml:9:5: the test \"hub can reach nas tcp/80\" does not hold" in err
    assert "hub does not reach nas by tcp/80: no rule allows it" in err
    assert says(hub, "list")[1].startswith("  version 1 ")

    path = write(net, WEB)
    code, out, _ = says(hub, "diff", path)
    assert code == 0 and "- " in out and "+ " not in out
    assert says(hub, "set", path) == (0, "  version 2 is in force; nodes that are linked are told now, others when they link\n", "")
    assert hub.run("filter", "show").stdout == WEB
    wait_for("the node to be told", lambda: version(nas) == 2)
    assert "rule web allows it" in hub.run("filter", "explain", "hub", "nas", "tcp/80").stdout
    assert "denied, since no rule allows it" in hub.run("filter", "explain", "nas", "hub", "tcp/80").stdout

    says(hub, "add", "deny", "tcp/80,udp", "--from", "nas", "--to", "any", "--id", "quiet")
    assert "  # everybody\n  - id: web\n" in hub.run("filter", "show").stdout
    wait_for("the node to be told", lambda: version(nas) == 3)
    says(hub, "remove", "quiet")
    assert hub.run("filter", "show").stdout == WEB
    assert says(hub, "rollback", 1)[1] == "  version 5 is in force; nodes that are linked are told now, others when they link\n"
    assert [r.split()[0] for r in hub.run("filter", "history").stdout.splitlines()[1:]] == ["5", "4", "3", "2", "1"]
    assert nas.run("filter", "list", check=False).returncode == 1


def test_it_outlives_restarts_and_who_it_names(net):
    hub, nas, web = net.mesh("hub", "nas", "web")
    assert says(hub, "set", write(net, "rules:\n  - {allow: any, from: nas, to: web}\n"))[0] == 0
    wait_for("the nodes to be told", lambda: version(nas) == version(web) == 2)
    hub.down()
    nas.down()
    nas.up()
    assert version(nas) == 2
    hub.up()
    assert says(hub, "list")[1].startswith("  version 2 ")
    hub.run("node", "rename", "nas", "box")
    assert "rule" in hub.run("filter", "explain", "box", "web", "tcp/1").stdout
    hub.run("node", "remove", "box")
    assert "warning: the node nas has been removed" in hub.run("filter", "list").stderr
    wait_for("the log to say it", lambda: "the policy stays in force, but does not fit the mesh any more" in hub.log())


def test_a_test_that_a_token_makes_false_is_warned_of(net):
    hub, _ = net.mesh("hub", "db")
    hub.run("node", "tag", "db", "--add", "db")
    text = "rules:\n  - {id: web, allow: tcp/80, from: any, to: tag:db}\ntests:\n  - tag:guest cannot reach tag:db tcp\n"
    assert says(hub, "set", write(net, text))[0] == 0
    assert "does not hold" not in hub.run("filter", "list").stderr
    hub.run("token", "create", "--tag", "guest")
    broken = r"does not hold any more: a new node by token \w+ reaches db by tcp/80: rule web allows it"
    assert re.search('warning: the test "tag:guest cannot reach tag:db tcp" on line 4 ' + broken, hub.run("filter", "list").stderr)
    wait_for("the log to say it", lambda: re.search(broken, hub.log()))
    assert "does not hold" in says(hub, "add", "allow", "udp/53", "--from", "members", "--to", "db")[2]
    assert says(hub, "list")[1].startswith("  version 2 ")


# --- in force ---

SERVE = """
import socket, sys, threading
def tcp(port):
    s = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    def run():
        while True:
            c, _ = s.accept()
            c.sendall(b"hello")
            c.close()
    threading.Thread(target=run, daemon=True).start()
for p in sys.argv[1:]:
    tcp(int(p))
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind(("::", 9000))
print("bound", flush=True)
while True:
    data, who = u.recvfrom(100)
    u.sendto(b"hello", who)
"""
TCP = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as s:
        print(s.recv(5).decode() or "nothing")
except ConnectionRefusedError:
    print("refused")
except (TimeoutError, OSError) as e:
    print("silence" if isinstance(e, TimeoutError) else e)
"""
UDP = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[3]))
s.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
try:
    print(s.recv(5).decode())
except TimeoutError:
    print("silence")
"""


def serve_at(host):
    p = host.spawn("/usr/bin/python3", "-c", SERVE, "8080", "8081", stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"bound\n"


def serve(node):
    serve_at(node.host)
    return node.status()["self"]


def mesh_with_network(net):
    """A coordinator, a node with a network behind it, and one that knows the way there; a host of that network serves."""
    hub, nas, laptop = net.mesh("hub", "nas", "laptop")
    lan = Lan(net, nas)
    routers_of(hub, nas)
    await_routes(laptop, "nas")
    serve_at(lan.printer)
    return hub, nas, laptop


def ask(node, address, port, script=TCP, timeout=1):
    return node.host.sh("/usr/bin/python3", "-c", script, address, port, timeout).stdout.strip()


def test_what_no_rule_allows_is_silent_and_what_one_allows_works_at_once(net):
    hub, nas = net.node("hub"), net.node("nas")
    hub.init("--policy", "deny")
    nas.join(hub.token())
    there, here = serve(nas), serve(hub)
    hub.ping("nas")
    wait_for("the node to be told", lambda: version(nas) == 1)
    for family in ("ip4", "ip6"):
        assert ask(hub, there[family], 8080) == "silence"
        assert ask(hub, there[family], 9000, UDP) == "silence"
        hub.host.sh("ping", "-c", 1, "-W", 2, there[family])  # the built-in rule
    hub.run("filter", "add", "allow", "tcp/8080,udp/9000", "--from", "hub", "--to", "nas", "--id", "web")
    wait_for("the rule to be in force", lambda: ask(hub, there["ip4"], 8080) == "hello", 3)
    for family in ("ip4", "ip6"):
        assert ask(hub, there[family], 8080) == "hello"
        assert ask(hub, there[family], 9000, UDP) == "hello"  # its answer needs no rule
        assert ask(hub, there[family], 8081) == "silence"  # another port does
        assert ask(nas, here[family], 8080) == "silence"  # and so does the other direction
    hub.run("filter", "add", "reject", "tcp/8081", "--from", "any", "--to", "any", "--id", "no")
    wait_for("the rule to be in force", lambda: ask(hub, there["ip4"], 8081, timeout=3) == "refused", 8)
    assert ask(hub, there["ip6"], 8081, timeout=3) == "refused"
    hub.run("filter", "remove", "web")
    wait_for("the rule to be gone", lambda: ask(hub, there["ip4"], 8080) == "silence", 8)


ECHO = """
import socket
s = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
print("bound", flush=True)
c, _ = s.accept()
while data := c.recv(100):
    c.sendall(data)
"""
# One that talks, until nothing comes back; its end and the other's go on trying then.
TALK = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7000), timeout=10)
for i in range(600):
    s.sendall(b"x")
    s.settimeout(2)
    try:
        s.recv(1)
    except TimeoutError:
        break
    if not i:
        print("talks", flush=True)
    time.sleep(0.05)
else:
    print("talks on", flush=True)
    sys.exit()
s.settimeout(4)
try:
    s.recv(1)
    print("came back", flush=True)
except TimeoutError:
    print("ended", flush=True)
"""


def test_a_new_deny_ends_what_talks_also_where_all_else_is_allowed(net):
    hub, nas = net.mesh("hub", "nas")
    assert nas.host.spawn("/usr/bin/python3", "-c", ECHO, stdout=subprocess.PIPE).stdout.readline() == b"bound\n"
    talk = hub.host.spawn("/usr/bin/python3", "-c", TALK, nas.status()["self"]["ip4"], stdout=subprocess.PIPE)
    assert talk.stdout.readline() == b"talks\n"
    hub.run("filter", "add", "deny", "tcp/7000", "--from", "hub", "--to", "nas")
    assert talk.stdout.readline() == b"ended\n"


def test_a_node_narrows_what_the_policy_allows_for_a_time(net):
    hub, nas = net.mesh("hub", "nas")
    there = serve(nas)
    wait_for("the node to answer", lambda: ask(hub, there["ip4"], 8080) == "hello", 8)
    nas.run("filter", "add", "reject", "tcp/8080", "--from", "hub", "--ttl", "3s")
    assert ask(hub, there["ip4"], 8080) == "refused" and ask(hub, there["ip6"], 8080) == "refused"
    assert ask(hub, there["ip4"], 8081) == "hello"
    assert nas.json("filter", "local")["rules"][0]["who"] == "hub"
    wait_for("its time to be over", lambda: ask(hub, there["ip4"], 8080) == "hello", 8)
    nas.run("filter", "add", "deny", "any", "--to", "hub", "--ttl", "1h")
    assert ask(nas, hub.status()["self"]["ip4"], 8443) == "silence"
    nas.run("filter", "remove", "local-2")
    assert ask(nas, hub.status()["self"]["ip4"], 9) == "refused"


def test_the_policy_holds_without_the_coordinator_and_after_kill_9(net):
    hub, nas, box = net.node("hub"), net.node("nas"), net.node("box")
    hub.init("--policy", "deny")
    for node in (nas, box):
        node.join(hub.token())
    hub.run("filter", "add", "allow", "tcp/8080", "--from", "box", "--to", "nas")
    there = serve(nas)
    wait_for("the nodes to be told", lambda: version(nas) == version(box) == 2)
    wait_for("the rule to be in force", lambda: ask(box, there["ip4"], 8080) == "hello", 8)
    hub.down()
    nas.kill9()
    nas.up()
    wait_for("the rule to be in force", lambda: ask(box, there["ip4"], 8080) == "hello", 20)
    assert ask(box, there["ip4"], 8081) == "silence"


def test_a_client_behind_a_node_is_filtered_there_and_where_it_goes(net):
    hub, nas = net.mesh("hub", "nas")
    phone = wireguard.Client(net.host("phone"), hub.run("client", "add", "phone").stdout).start()
    try:
        there = serve(nas)
        wait_for("the phone to reach the node", lambda: phone.reaches(there["ip4"]), 20)
        assert phone.host.sh("/usr/bin/python3", "-c", TCP, there["ip4"], 8080, 2).stdout.strip() == "hello"
        says(hub, "set", write(net, "rules:\n  - {allow: tcp/8081, from: phone, to: nas}\n"))
        wait_for("the node to be told", lambda: version(nas) == 2)
        wait_for("it to be stopped", lambda: phone.host.sh("/usr/bin/python3", "-c", TCP, there["ip4"], 8080, 1).stdout.strip() == "silence", 8)
        assert phone.host.sh("/usr/bin/python3", "-c", TCP, there["ip4"], 8081, 3).stdout.strip() == "hello"
        assert ask(hub, there["ip4"], 8081) == "silence"
    finally:
        wireguard.end(net)


def test_a_network_behind_a_node_has_rules_of_its_own(net):
    hub, nas, laptop = mesh_with_network(net)
    there = serve(nas)
    wait_for("the printer to answer", lambda: ask(laptop, "10.77.0.9", 8080) == "hello", 20)
    says(hub, "set", write(net, """rules:
  - {allow: tcp/8080, from: laptop, to: nas}
  - {allow: tcp/8081, from: laptop, to: ['route:10.77.0.0/24', 'route:fd77:77::/64']}
"""))
    wait_for("the rules to be in force", lambda: version(laptop) == version(nas) == 2)
    wait_for("the printer's other port to be silent", lambda: ask(laptop, "10.77.0.9", 8080) == "silence", 8)
    for address in ("10.77.0.9", "fd77:77::9"):
        assert ask(laptop, address, 8081) == "hello"
        assert ask(laptop, address, 8080) == "silence"  # which the node itself would answer
    assert ask(laptop, there["ip4"], 8080) == "hello" and ask(laptop, there["ip4"], 8081) == "silence"
    # The node itself, by its address in that network: what is allowed to its neighbours is not allowed to it.
    assert ask(laptop, "10.77.0.1", 8081) == "silence"
    assert hub.run("filter", "prove", "any cannot reach route:10.77.0.0/24 tcp/8080").stdout.startswith("  true")
    assert "10.77.0.0/24 behind nas" in hub.run("filter", "prove", "any cannot reach route:10.77.0.0/24 tcp", check=False).stdout
    assert "nas asks it for 10.77.0.0/24 behind nas" in hub.run("filter", "explain", "laptop", "10.77.0.9", "tcp/8081").stdout
