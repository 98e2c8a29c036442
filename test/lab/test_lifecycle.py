# SPDX-License-Identifier: AGPL-3.0-or-later
"""Starting, stopping, reloading, installing: what is left afterwards, and that nothing leaks on the way."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

import lab as lablib
from lab import BINARY, descriptors, kept, resident, sh, wait_for
from test_first_mesh import assert_clean

HERE = os.path.dirname(os.path.abspath(__file__))
INSTALL = os.path.join(HERE, "../../scripts/install")


# --- the demonstration, interrupted ---

def commands_of(pid_of_lab):
    """Command lines of everything that still runs in the directory of a lab."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(f"tunnelmesh-lab-{pid_of_lab}" in w or f"tml{pid_of_lab}-" in w for w in words):
            found.append(" ".join(words))
    return found


def namespaces_of(pid_of_lab):
    return [n for n in sh("ip", "netns", "list").stdout.split() if n.startswith(f"tml{pid_of_lab}-")]


def iperf3_runs(pid_of_lab):
    pids = " ".join(sh("ip", "netns", "pids", n).stdout for n in namespaces_of(pid_of_lab)).split()
    return any(sh("ps", "-o", "args=", "-p", pid, check=False).stdout.startswith("iperf3 -c") for pid in pids)


@pytest.mark.parametrize("at, sent, to_all", [
    ("hub creates the mesh", signal.SIGINT, True),
    ("To add a machine run there", signal.SIGTERM, False),
    ("laptop and nas join", signal.SIGINT, True),
    ("laptop and nas join", signal.SIGTERM, False),
    ("Bulk data", signal.SIGINT, True),
    ("What the network between them sees", signal.SIGHUP, False),
], ids=["ctrl-c-during-init", "term-after-init", "ctrl-c-during-join", "term-during-join", "ctrl-c-during-iperf3",
        "hangup-during-capture"])
def test_an_interrupted_demo_leaves_nothing_behind(at, sent, to_all):
    rules = sh("ip", "rule").stdout
    demo = subprocess.Popen([sys.executable, "-u", "-B", os.path.join(HERE, "demo.py")], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True,
                            # Who runs all this in the background of a shell ignores Ctrl-C, and so would its children.
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                            env={**os.environ, "TUNNELMESH": BINARY})
    seen = ""
    for line in demo.stdout:
        seen += line
        if at in line:
            break
    assert at in seen, seen
    assert namespaces_of(demo.pid)
    if at == "Bulk data":
        wait_for("iperf3 to run", lambda: iperf3_runs(demo.pid))
    # Ctrl-C on a terminal reaches every process of the group, a kill only the one that was named.
    (os.killpg if to_all else os.kill)(demo.pid, sent)
    rest, _ = demo.communicate(timeout=30)
    assert demo.returncode == 130 and "interrupted: cleaning up" in rest, rest
    assert namespaces_of(demo.pid) == []
    assert commands_of(demo.pid) == []
    assert not os.path.exists(os.path.join(tempfile.gettempdir(), f"tunnelmesh-lab-{demo.pid}"))
    assert "tm0" not in sh("ip", "-brief", "link").stdout + sh("ip", "route").stdout
    assert sh("ip", "rule").stdout == rules


def test_what_a_killed_demo_left_is_removed_by_the_next_run():
    demo = subprocess.Popen([sys.executable, "-u", "-B", os.path.join(HERE, "demo.py")], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True,
                            env={**os.environ, "TUNNELMESH": BINARY})
    assert any("To add a machine" in line for line in demo.stdout)
    demo.kill()
    demo.wait()
    demo.stdout.close()
    assert namespaces_of(demo.pid)
    with lablib.Lab():
        assert namespaces_of(demo.pid) == []
        wait_for("its processes to end", lambda: commands_of(demo.pid) == [])
    assert not os.path.exists(os.path.join(tempfile.gettempdir(), f"tunnelmesh-lab-{demo.pid}"))


# --- start and stop ---

def test_kill_9_leaves_no_interface_and_no_route_and_the_next_start_works(net):
    hub, node = net.mesh("hub", "node")
    address = node.status()["self"]
    node.kill9()
    assert_clean(node.host)
    assert "not running" in node.run("status", check=False).stderr
    node.up()
    assert node.status()["self"] == address
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)


def test_down_while_traffic_flows_ends_at_once_and_leaves_nothing(net):
    hub, node = net.mesh("hub", "node")
    node.ping("hub")
    server = hub.host.spawn("iperf3", "-s", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("iperf3 to listen", lambda: ":5201" in hub.host.sh("ss", "-tln").stdout)
    client = node.host.spawn("iperf3", "-c", node.peer("hub")["ip4"], "-t", "60", "-P", "4", stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    wait_for("traffic", lambda: node.peer("hub")["tx_bytes"] > 1 << 20)
    node.down()
    for p in (client, server):
        p.terminate()
        p.wait(timeout=10)
    assert_clean(node.host)
    assert hub.ping("node", check=False).returncode == 1
    node.up()
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)


def test_two_starts_at_once_make_one_daemon(net):
    hub, node = net.mesh("hub", "node")
    for _ in range(5):
        node.down()
        both = [subprocess.Popen(node.host.argv(*node.argv("up")), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for _ in range(2)]
        ends = [(p.returncode, *out) for p in both for out in [p.communicate(timeout=30)]]
        assert any(code == 0 for code, _, _ in ends), ends
        for code, out, err in ends:
            assert code == 0 and err == "" or code == 1 and err.count("\n") == 1, ends
        assert node.host.pids() == [node.pid()]
    node.down()
    assert_clean(node.host)


def test_a_daemon_without_its_socket_is_known_by_its_lock_and_makes_another(net):
    """A cleaned /run: nobody is told that nothing runs, and nothing has to be killed."""
    hub, node = net.mesh("hub", "node")
    pid, path = node.pid(), node.state + ".sock"

    def take_away():
        os.unlink(path)
        os.mkdir(path)  # in its place, so that it cannot be made again
        wait_for("the daemon to miss it", lambda: node.log().count("there is no control socket") > seen)

    seen = node.log().count("there is no control socket")
    take_away()
    asked = node.run("status", check=False)
    assert f"tunnelmesh runs (process {pid}), but its control socket {path} is gone" in asked.stderr and "its log says why" in asked.stderr
    up = node.json("up")
    assert (up["started"], up["pid"]) == (False, pid)
    os.rmdir(path)
    wait_for("another socket", lambda: node.run("status", check=False).returncode == 0)
    assert node.pid() == pid and "was gone and is made again" in node.log()
    node.ping("hub")

    seen = node.log().count("there is no control socket")
    take_away()
    assert "stopped" in node.run("down").stdout
    assert_clean(node.host)
    assert "not running" in node.run("down").stdout
    os.rmdir(path)
    node.up()
    node.ping("hub")


def test_while_a_machine_joins_it_is_said_that_it_is_no_member_yet(net):
    hub = net.node("hub")
    hub.init()
    token = hub.token()
    hub.host.sh("ip", "link", "set", "eth0", "down")  # nobody answers, nor says that nobody does
    guest = net.node("guest")
    joining = guest.host.spawn(*guest.argv("join", token, "--foreground"), stderr=subprocess.DEVNULL)
    wait_for("the sentence", lambda: f"process {joining.pid} is at it" in guest.run("status", check=False).stderr)


def use(pid):
    """Descriptors, threads and resident KiB of a process."""
    return descriptors(pid), len(os.listdir(f"/proc/{pid}/task")), resident(pid)


def use_at_rest(pid):
    """When three looks in a row see the same: a connection or a file that is just being closed is no leak."""
    looks = []

    def settled():
        looks.append(use(pid))
        return len(looks) > 2 and looks[-1][:2] == looks[-2][:2] == looks[-3][:2]
    wait_for("descriptors and threads to come to rest", settled, interval=0.05)
    return looks[-1]


@pytest.mark.parametrize("cycles", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_starts_and_stops_cost_nothing(net, cycles):
    """The node is a new process each time, the hub the same one all along: neither may have more in the end."""
    hub, node = net.mesh("hub", "node")
    wait_for("the hub to keep its map, which is a file that stays open", lambda: kept(hub, "SELECT * FROM state"))
    figures = []
    for _ in range(cycles):
        node.down()
        assert_clean(node.host)
        node.up()
        wait_for("the link", lambda: node.status()["link"]["up"])
        wait_for("the hub to see it", lambda: (hub.peer("node") or {}).get("online"))
        wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)
        figures.append((use_at_rest(hub.pid()), use_at_rest(node.pid())))
    # The least of some looks: for up to 2.5 s after a start, and after a change of its addresses, a node may have a socket
    # more, by which it knocks at its own interface and waits for the answer (node/inbound.c). The hub's from the middle on:
    # by then it has opened what it opens at its first write.
    half = cycles // 2
    hub1, hub2 = (min(hub for hub, _ in part) for part in (figures[half:-2], figures[-2:]))
    node1, node2 = (min(node for _, node in part) for part in (figures[:half], figures[half:]))
    print(f"\n{cycles} up/down cycles: hub {hub1[0]} -> {hub2[0]} descriptors, {hub1[1]} -> {hub2[1]} threads, "
          f"{hub1[2]} -> {hub2[2]} KiB; node {node1[0]} -> {node2[0]} descriptors, {node1[1]} -> {node2[1]} threads, "
          f"{node1[2]} -> {node2[2]} KiB")
    assert hub1[:2] == hub2[:2]
    assert node1[:2] == node2[:2]


def test_what_was_given_at_join_is_changed_by_the_configuration(net):
    hub = net.node("hub")
    hub.init("--listen-port", 51900)
    node = net.node("node")
    node.join(hub.token(), "--listen-port", 51901, "--tun", "tm7")
    assert node.status()["listen_port"] == 51901 and node.status()["tun"] == "tm7"
    node.configure(listen_port=51902, tun="tm8")
    node.down()
    node.up()
    assert node.status()["listen_port"] == 51902 and node.status()["tun"] == "tm8"
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0)


def test_a_reload_refuses_what_would_stop_the_next_start(net):
    hub = net.node("hub")
    hub.configure(log_level="info").init()
    hub.configure(socket_group="no-such-group-here")
    refused = hub.run("reload", check=False)
    assert refused.returncode == 1 and 'no group "no-such-group-here"' in refused.stderr
    assert "the running configuration was kept" in refused.stderr


def test_a_reload_applies_what_can_change_and_keeps_the_rest(net):
    config = os.path.join(net.dir, "config.yaml")

    def write(text):
        with open(config, "w", encoding="ascii") as f:
            f.write(text)

    def reload_and_await(words):
        seen = hub.log().count(words)
        os.kill(hub.pid(), signal.SIGHUP)
        wait_for(words, lambda: hub.log().count(words) > seen)

    write("log_level: info\n")
    hub = net.node("hub", config=config)
    hub.init()
    assert " debug " not in hub.log()

    write("log_level: debug\n")
    reload_and_await("configuration reloaded")
    hub.token()
    hub.run("peers")
    node = net.node("node")
    node.join(hub.token())
    wait_for("debug lines", lambda: " debug " in hub.log())

    write("log_level: warn\nmtu: 1300\nworkers: 1\n")
    reload_and_await('keys="mtu, workers"')
    assert hub.status()["mtu"] == 1420
    assert "a restart is needed for: mtu, workers" in hub.run("reload").stdout

    write("log_level: [debug\n")
    reload_and_await("keeping the old one")
    assert re.search(r"config\.yaml:\d+: not valid YAML", hub.log())
    refused = hub.run("reload", check=False)
    assert refused.returncode == 1 and "the running configuration was kept" in refused.stderr
    assert ") (" not in refused.stderr
    node.ping("hub")


# --- where the log goes, and what stays ---

def test_the_journal_gets_priorities_and_no_second_time(net):
    hub = net.node("hub")
    hub.init("--no-up")
    ours, theirs = socket.socketpair()
    stream = os.fstat(theirs.fileno())
    daemon = hub.host.spawn("env", f"JOURNAL_STREAM={stream.st_dev}:{stream.st_ino}", *hub.argv("up", "--foreground"),
                            stdin=subprocess.DEVNULL, stderr=theirs)
    theirs.close()
    wait_for("the daemon", lambda: hub.run("status", check=False).returncode == 0)
    daemon.terminate()
    assert daemon.wait(timeout=20) == 0
    with ours, ours.makefile(encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert any(line.startswith("<6>node: up ") for line in lines), lines
    assert all(re.match(r"<[3467]>[a-z]+: ", line) for line in lines), lines
    assert hub.log() == ""


def test_leave_takes_all_that_was_made_along(net):
    """In the standard places."""
    host = net.host("hub")
    host.private_mounts("mount -t tmpfs none /run; mount -t tmpfs none /var/lib")

    def there():
        return [d for d in ("/run/tunnelmesh", "/var/lib/tunnelmesh") if os.path.exists(host.path(d))]

    host.sh(BINARY, "init", "--name", "hub", stdin=subprocess.DEVNULL)
    assert len(there()) == 2
    host.sh(BINARY, "leave", "--yes", "--force", stdin=subprocess.DEVNULL)
    assert there() == []


# --- installation ---

def installed(dest):
    return sorted(os.path.relpath(os.path.join(d, f), dest) for d, _, files in os.walk(dest) for f in files)


EXPECTED = """etc/systemd/system/tunnelmesh.service
etc/systemd/system/tunnelmesh@.service
usr/bin/tunnelmesh
usr/share/bash-completion/completions/tunnelmesh
usr/share/fish/vendor_completions.d/tunnelmesh.fish
usr/share/man/man5/tunnelmesh.yaml.5
usr/share/man/man8/tunnelmesh.8
usr/share/zsh/site-functions/_tunnelmesh""".split("\n")


def test_install_and_uninstall_are_each_others_undoing(tmp_path):
    sh(INSTALL, "install", tmp_path, "/usr", BINARY)
    assert installed(tmp_path) == EXPECTED
    assert sh(tmp_path / "usr/bin/tunnelmesh", "version").stdout == sh(BINARY, "version").stdout
    for name, start in zip(EXPECTED, ("up --foreground", "--state-dir /var/lib/tunnelmesh-%i up --foreground")):
        unit = (tmp_path / name).read_text(encoding="utf-8")
        assert f"ExecStart=/usr/bin/tunnelmesh {start}\n" in unit and "/usr/local" not in unit.split("[Unit]")[1]
    sh(INSTALL, "uninstall", tmp_path, "/usr")
    assert installed(tmp_path) == []


def test_the_unit_of_further_meshes_differs_by_its_places_alone():
    def settings(name):
        with open(os.path.join(HERE, "../../dist", name), encoding="ascii") as f:
            lines = [line.rstrip() for line in f if line.strip() and not line.startswith("#")]
        return [re.sub(r"-%i\b| \(%i\)| --state-dir /var/lib/tunnelmesh", "", line) for line in lines]

    assert settings("tunnelmesh@.service") == settings("tunnelmesh.service")


def test_the_unit_leaves_the_kernels_settings_of_the_network_to_a_router():
    with open(os.path.join(HERE, "../../dist/tunnelmesh.service"), encoding="ascii") as f:
        settings = [line.strip().split("=", 1) for line in f if "=" in line and not line.startswith("#")]
    writable = [path for key, value in settings if key == "ReadWritePaths" for path in value.split()]
    assert ["ProtectKernelTunables", "yes"] in settings and "-/proc/sys/net" in writable


@pytest.mark.parametrize("name", ["tunnelmesh.service", "tunnelmesh@work.service"])
def test_systemd_understands_the_unit(tmp_path, name):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    sh(INSTALL, "install", tmp_path, "/usr", BINARY)
    # verify looks for the programs that a unit names: they are under tmp_path.
    source = tmp_path / "etc/systemd/system" / re.sub("@.*", "@.service", name)
    unit = tmp_path / name
    unit.write_text(source.read_text(encoding="utf-8").replace("/usr/bin/", f"{tmp_path}/usr/bin/"), encoding="utf-8")
    r = sh("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit, check=False)
    assert (r.returncode, r.stderr) == (0, "")


@pytest.mark.slow
def test_systemd_starts_restarts_reloads_and_stops_the_installed_unit(net):
    """A Debian that was booted by its own systemd, with nothing but what `make install` put there."""
    missing = [p for p in ("mmdebstrap", "systemd-nspawn") if not shutil.which(p)]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)} (apt-get install mmdebstrap systemd-container)")
    box, node = net.host("box"), net.node("node")
    root = os.path.join(net.dir, "root")
    sh("mmdebstrap", "--variant=minbase", "--include=systemd-sysv,dbus,iproute2", "bookworm", root, timeout=300)
    sh(INSTALL, "install", root, "/usr", BINARY)
    machine = subprocess.Popen(["systemd-nspawn", "-q", "-b", "-D", root, "--register=no", "--keep-unit",
                                f"--network-namespace-path=/run/netns/{box.ns}", "--capability=CAP_NET_ADMIN,CAP_BPF",
                                "--system-call-filter=bpf", "--bind=/dev/net/tun"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    net.processes.append(machine)

    def inside(*argv, **kw):
        init = sh("pgrep", "-P", machine.pid).stdout.split()[0]
        return sh("nsenter", "-t", init, "-a", *argv, **kw).stdout

    def main_pid():
        return int(inside("systemctl", "show", "-p", "MainPID", "--value", "tunnelmesh"))

    wait_for("systemd to be up", lambda: sh("pgrep", "-P", machine.pid, check=False).stdout and inside(
        "systemctl", "is-system-running", check=False).strip() in ("running", "degraded"), 60, 0.2)
    inside("tunnelmesh", "init", "--name", "hub")
    assert inside("systemctl", "is-enabled", "tunnelmesh") == "enabled\n"
    node.join(inside("tunnelmesh", "token", "create").strip())
    node.ping("hub")
    # The unit's sandbox takes nothing away that the daemon makes use of.
    here, there = json.loads(inside("tunnelmesh", "status", "--json")), node.status()
    assert [here[k] for k in ("offloads", "steering", "aead")] == [there[k] for k in ("offloads", "steering", "aead")]

    # Being a router is a part of it.
    box.ip("link add lan0 type veth peer name lan1", "addr add 10.77.0.1/24 dev lan0", "link set lan0 up", "link set lan1 up")
    inside("tunnelmesh", "route", "advertise", "10.77.0.0/24")
    inside("tunnelmesh", "route", "approve", "hub", "10.77.0.0/24")
    wait_for("the way behind it", lambda: any(r["net"] == "10.77.0.0/24" and r["reached"] for r in node.status()["routing"]["networks"]))
    assert json.loads(inside("tunnelmesh", "status", "--json"))["routing"]["trouble"] is None
    assert inside("cat", "/proc/sys/net/ipv4/conf/lan0/forwarding") == "1\n"

    # Another program goes on in the place of the one that runs, with all that the sandbox left to that.
    def interface():
        return json.loads(box.sh("ip", "-j", "link", "show", "tm0").stdout)[0]["ifindex"]

    before, index, program = main_pid(), interface(), os.path.join(root, "usr/bin/tunnelmesh")
    shutil.copy(BINARY, program + ".new")
    os.replace(program + ".new", program)
    assert json.loads(inside("tunnelmesh", "restart", "--json"))["kept"]
    here = json.loads(inside("tunnelmesh", "status", "--json"))
    assert (main_pid(), interface(), here["program_replaced"]) == (before, index, False)
    assert [here[k] for k in ("offloads", "steering", "aead")] == [there[k] for k in ("offloads", "steering", "aead")]
    assert inside("systemctl", "show", "-p", "ActiveState,StatusText,NRestarts", "tunnelmesh").split() == ["NRestarts=0", "StatusText=Running", "ActiveState=active"]
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0, 30)
    wait_for("the router", lambda: inside("cat", "/proc/sys/net/ipv4/conf/lan0/forwarding") == "1\n")

    inside("systemctl", "kill", "-s", "KILL", "tunnelmesh")
    wait_for("systemd to start it again", lambda: main_pid() not in (0, before), 20)
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0, 30)
    inside("tunnelmesh", "route", "withdraw", "10.77.0.0/24")
    wait_for("the setting as it was", lambda: inside("cat", "/proc/sys/net/ipv4/conf/lan0/forwarding") == "0\n")
    box.ip("link del lan0")
    inside("systemctl", "reload", "tunnelmesh")
    journal = inside("journalctl", "-u", "tunnelmesh", "-o", "cat", "--no-pager")
    assert "node: configuration reloaded" in journal and not re.search(r"^\d{4}-\d\d-\d\dT", journal, re.M), journal
    inside("tunnelmesh", "down")
    assert inside("systemctl", "is-active", "tunnelmesh", check=False) == "inactive\n"
    assert "tm0" not in box.sh("ip", "link").stdout
    # Not beside systemd, whatever is asked for: nobody could stop that one, and the next boot would start a second.
    inside("tunnelmesh", "--log-level", "debug", "up")
    assert inside("systemctl", "is-active", "tunnelmesh") == "active\n"

    # A further mesh is a service of its own, by its state directory alone.
    work = ("tunnelmesh", "--state-dir", "/var/lib/tunnelmesh-work")
    inside(*work, "init", "--name", "hub", "--tun", "tm1", "--listen-port", "51821", "--api-port", "8444")
    assert inside("systemctl", "is-enabled", "tunnelmesh@work") == "enabled\n"
    assert json.loads(inside(*work, "status", "--json"))["tun"] == "tm1"
    inside("systemctl", "reload", "tunnelmesh@work")
    inside(*work, "down")
    assert inside("systemctl", "is-active", "tunnelmesh@work", check=False) == "inactive\n"
    assert inside("systemctl", "is-active", "tunnelmesh") == "active\n"
    inside(*work, "up")
    assert inside("systemctl", "is-active", "tunnelmesh@work") == "active\n"
    inside(*work, "leave", "--yes", "--force")
    assert inside("systemctl", "is-enabled", "tunnelmesh@work", check=False) == "disabled\n"
    assert "work" not in inside("ls", "/run", "/var/lib")
    inside("tunnelmesh", "leave", "--yes", "--force")
    assert inside("systemctl", "is-enabled", "tunnelmesh", check=False) == "disabled\n"
    # An init that fails after the start is undone in systemd too: without addresses there is nothing for a token.
    box.sh("ip", "addr", "flush", "dev", "eth0")
    with pytest.raises(lablib.LabError, match="knows no address of its own"):
        inside("tunnelmesh", "init", "--name", "hub")
    assert inside("systemctl", "is-enabled", "tunnelmesh", check=False) == "disabled\n"
    assert inside("systemctl", "is-active", "tunnelmesh", check=False) == "inactive\n"
    machine.terminate()
    machine.wait(timeout=30)


# --- memory ---

def under_valgrind(node, log):
    """The daemon in the foreground of valgrind, and ready."""
    p = node.host.spawn("valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible",
                        "--errors-for-leak-kinds=definite,indirect,possible", "--track-fds=yes", "--error-exitcode=99",
                        f"--log-file={log}", *node.argv("up", "--foreground"), stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the daemon under valgrind",
             lambda: p.poll() is not None or node.run("status", check=False).returncode == 0, 60)
    assert p.poll() is None, open(log, encoding="utf-8").read()
    return p


def assert_no_leak(process, log):
    assert process.wait(timeout=60) == 0, open(log, encoding="utf-8").read()
    with open(log, encoding="utf-8") as f:
        text = f.read()
    assert not re.search(r"definitely lost|indirectly lost|possibly lost|Invalid|uninitialised", text), text
    opened = re.split(r"== Open ", text)[1:]
    assert opened and all("<inherited from parent>" in part for part in opened), text


@pytest.mark.plain("does not run under valgrind")
def test_a_coordinator_under_valgrind_leaks_nothing(net):
    hub = net.node("hub")
    hub.run("init", "--name", "hub", "--no-up")
    log = os.path.join(net.dir, "valgrind")
    p = under_valgrind(hub, log)
    hub.token()
    hub.run("token", "list")
    hub.run("client", "add", "phone")
    hub.run("reload")
    hub.down()
    assert_no_leak(p, log)


@pytest.mark.slow
@pytest.mark.plain("does not run under valgrind")
def test_a_mesh_under_valgrind_leaks_nothing(net):
    hub, node = net.node("hub"), net.node("node")
    logs = [os.path.join(net.dir, f"valgrind-{n.name}") for n in (hub, node)]
    hub.run("init", "--name", "hub", "--no-up")
    on_hub = under_valgrind(hub, logs[0])
    node.run("join", hub.token(), "--name", "node", "--no-up")
    on_node = under_valgrind(node, logs[1])
    wait_for("the tunnel", lambda: node.ping("hub", check=False).returncode == 0, 60)
    for a, b in ((hub, "node"), (node, "hub")):
        for family in ("-4", "-6"):
            a.run("ping", b, "-c", 5, family)
    third = net.node("third")
    third.join(hub.token())
    wait_for("the third", lambda: node.ping("third", check=False).returncode == 0, 60)
    hub.run("node", "rename", "third", "other")
    hub.run("node", "remove", "other")
    wait_for("the node to hear of it", lambda: node.peer("other") is None)
    node.host.sh("ping", "-c", 1, "-s", 4000, node.peer("hub")["ip4"])
    node.down()
    assert_no_leak(on_node, logs[1])
    hub.down()
    assert_no_leak(on_hub, logs[0])
