# SPDX-License-Identifier: AGPL-3.0-or-later
"""The stack of compose.yaml: the images, a Docker daemon in a network namespace of its own, and what no compose file can say:
the routes of the peers and the rules of their routers, put in from outside."""
import contextlib
import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "test/lab"))

import lab  # noqa: E402
from lab import LabError  # noqa: E402

# Docker is slower than what else a laboratory runs, and each look costs more.
sh, wait_for = functools.partial(lab.sh, timeout=120), functools.partial(lab.wait_for, interval=0.2)

WORK = ROOT / "build" / "compose"
NETNS = "tunnelmesh-compose"
BASE = "debian:bookworm-slim"

# The peer's way out, and what its router does with it. What comes in unasked it drops, as every router for homes does: answering it
# would make the router's own connection of it, in whose place the peer's would get another port.
MASQUERADE = """
table ip home {
	chain in { type filter hook input priority 0; iifname %(wan)s ct state new drop; }
	chain out { type nat hook postrouting priority 100; oifname %(wan)s masquerade %(how)s; }
}
"""
NO_UDP = "table ip office { chain forward { type filter hook forward priority 0; meta l4proto udp drop; }; }\n"
ROUTERS = {
    "home": lambda wan: MASQUERADE % {"wan": wan, "how": ""},
    "flat": lambda wan: MASQUERADE % {"wan": wan, "how": ""},
    "symmetric": lambda wan: MASQUERADE % {"wan": wan, "how": "fully-random"},
    "office": lambda wan: MASQUERADE % {"wan": wan, "how": ""} + NO_UDP,
}
# What the coordinator's configuration says when the fallback of all who have no direct way is broken on purpose.
BROKEN = {"relay": "relay: off\n"}
PEERS = ("open", "home", "flat", "symmetric", "office", "lost", "proxied")


class Unavailable(Exception):
    """Why there can be no stack on this machine, in a sentence."""


class Docker:
    """A daemon of our own, beside whatever else runs here. Networks are there in a namespace alone: what builds images has none but
    the machine's."""

    def __init__(self, netns=None):
        self.socket = WORK / "docker.sock"
        WORK.mkdir(parents=True, exist_ok=True)
        # What it mounts, and does not unmount at its end, goes with its mount namespace.
        inside = ["unshare", "--mount", *(["nsenter", f"--net=/run/netns/{netns}"] if netns else [])]
        options = [] if netns else ["--bridge=none", "--iptables=false", "--ip-forward=false"]
        self.log = open(WORK / "dockerd.log", "w")
        self.process = subprocess.Popen(
            [*inside, "dockerd", "--data-root", WORK / "data", "--exec-root", WORK / "exec", "-p", WORK / "docker.pid",
             "-H", f"unix://{self.socket}", *options],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait_for("the Docker daemon", self.answers, 40)
        except LabError as e:
            self.stop()
            raise Unavailable(f"dockerd does not start here, see {self.log.name}") from e

    def answers(self):
        if self.process.poll() is not None:
            raise Unavailable(f"dockerd ends at once, see {self.log.name}")
        return self.run("info", check=False).returncode == 0

    def run(self, *args, **kw):
        return sh("docker", "-H", f"unix://{self.socket}", *args, **kw)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def remove_leftovers():
    """What a killed run left behind: its daemon, which takes its containers along, and the namespace."""
    pidfile = WORK / "docker.pid"
    with contextlib.suppress(OSError, ValueError):
        pid = int(pidfile.read_text())
        if str(WORK) in pathlib.Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGTERM)
            wait_for("the Docker daemon of a killed run to end", lambda: not pathlib.Path(f"/proc/{pid}").exists(), 40)
    pidfile.unlink(missing_ok=True)
    if pathlib.Path(f"/run/netns/{NETNS}").exists():
        sh("ip", "netns", "del", NETNS)


def check_machine():
    missing = [p for p in ("dockerd", "docker", "mmdebstrap", "nft") if not shutil.which(p)]
    if missing:
        raise Unavailable(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise Unavailable("only root may run a Docker daemon and make network namespaces")


def base_image(docker):
    """Debian's slim image, or, where no registry is to be reached, what this machine's package sources make of it."""
    if docker.run("image", "inspect", BASE, check=False).returncode == 0:
        return
    if docker.run("pull", "-q", BASE, check=False).returncode == 0:
        return
    sources = [p for p in (pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*"))
               if p.is_file() and p.suffix in (".list", ".sources")]
    options = [f"--aptopt={p}" for p in pathlib.Path("/etc/apt/apt.conf.d").glob("*proxy*")]
    tar = WORK / "base.tar"
    sh("mmdebstrap", "-q", "--variant=minbase", "--include=ca-certificates", *options, "bookworm", tar, *sources, timeout=600)
    docker.run("import", tar, BASE)
    tar.unlink()


def build_images():
    check_machine()
    remove_leftovers()
    docker = Docker()
    try:
        base_image(docker)
        env = dict(os.environ, DOCKER_BUILDKIT="0")
        for tag, context, name in (("tunnelmesh:test", ROOT, "Dockerfile"),
                                   ("tunnelmesh-router:test", HERE, "router.Dockerfile")):
            docker.run("build", "-q", "--network=host", "-t", tag, "-f", context / name, context, timeout=1800, env=env)
    finally:
        docker.stop()


class Stack:
    def __init__(self, config=None):
        check_machine()
        self.env = dict(os.environ, CONFIG=str(config or HERE / "coordinator.yaml"), TOKEN="none")
        sh("ip", "netns", "add", NETNS)
        sh("ip", "-n", NETNS, "link", "set", "lo", "up")
        self.docker = None
        try:
            self.docker = Docker(NETNS)
            # What bridges pass on is not the firewall's business: Docker's would drop what goes through a peer's router.
            for family in ("ip", "ip6"):
                sh("ip", "netns", "exec", NETNS, "sysctl", "-qew", f"net.bridge.bridge-nf-call-{family}tables=0")
            self.env["DOCKER_HOST"] = f"unix://{self.docker.socket}"
            self.down()  # what a killed run left
        except BaseException:
            self.close()
            raise

    def compose(self, *args, **kw):
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        return sh(*program, "-p", "mesh", "-f", HERE / "compose.yaml", *args, env=self.env, cwd=HERE, **kw)

    def container(self, service):
        return self.compose("ps", "-q", service).stdout.strip()

    def inside(self, service, *argv, **kw):
        """A command of this machine in the network namespace of a container, which needs no tools of its own."""
        pid = self.docker.run("inspect", "-f", "{{.State.Pid}}", self.container(service)).stdout.strip()
        return sh("nsenter", "-t", pid, "-n", *argv, **kw)

    def node(self, service, *args, **kw):
        return self.docker.run("exec", self.container(service), "tunnelmesh", *args, **kw)

    def json(self, service, *args):
        return json.loads(self.node(service, *args, "--json").stdout)

    def device(self, service, ip):
        for link in json.loads(self.inside(service, "ip", "-j", "addr").stdout):
            if any(a["local"] == ip for a in link["addr_info"]):
                return link["ifname"]
        raise LabError(f"{service} has no {ip}")

    def up(self):
        places = [f"{p}-place" for p in PEERS]
        self.compose("up", "-d", "coordinator", *places, *(f"{r}-router" for r in ROUTERS), "proxied-router")
        for i, (name, rules) in enumerate(ROUTERS.items(), 1):
            wan = self.device(f"{name}-router", f"198.51.100.{30 + i}")
            self.inside(f"{name}-router", "nft", "-f", "-", input=rules(wan))
            self.inside(f"{name}-place", "ip", "route", "replace", "default", "via", f"10.{i}.0.2")
        self.inside("lost-place", "ip", "route", "replace", "default", "via", "10.5.0.99")  # nobody has that address
        wait_for("the coordinator", lambda: self.node("coordinator", "status", check=False).returncode == 0, 30)
        token = self.node("coordinator", "token", "create", "--uses", len(PEERS)).stdout
        self.env["TOKEN"] = next(word for word in token.split() if word.startswith("tm1_"))
        self.compose("up", "-d", *PEERS)

    def down(self):
        self.compose("down", "-v", "-t", "5")

    def close(self):
        if self.docker:
            with contextlib.suppress(LabError, subprocess.SubprocessError):
                self.down()
            self.docker.stop()
        sh("ip", "netns", "del", NETNS, check=False)
