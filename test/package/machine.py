# SPDX-License-Identifier: AGPL-3.0-or-later
"""Machines for what is installed: Debian 12, booted by its own systemd, OpenRC or runit in the network namespace of a host of the lab."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess

from lab import LabError, sh, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIST = ROOT / "build/dist"
CAPABILITIES = "CAP_NET_ADMIN,CAP_BPF"
# What the tests ask with, and what the program works with where it is there.
COMMON = "iproute2,iputils-ping,nftables,procps"
PACKAGES = {"systemd": f"systemd-sysv,dbus,systemd-resolved,{COMMON}",
            "OpenRC": f"sysvinit-core,openrc,{COMMON}",
            "runit": f"runit-init,{COMMON}"}


def make_root(manager="systemd"):
    """Once for all runs: its packages come from where this machine has its own."""
    root, packages = ROOT / "build/roots" / manager, PACKAGES[manager]
    packed, made = root.with_suffix(".tar"), root / "etc/made-of"
    if not made.exists() or made.read_text() != packages:
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        # What it mounts is gone with its mount namespace, also when it is interrupted.
        sh("unshare", "--mount", "mmdebstrap", "-q", "--variant=minbase", f"--include={packages}", "--dpkgopt=force-unsafe-io", "bookworm",
           packed, timeout=1200)
        root.mkdir()
        sh("tar", "-C", root, "--exclude=./dev/*", "-xpf", packed, timeout=600)
        packed.unlink()
        # Its own file, as where nothing manages names.
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        (root / "etc/resolv.conf").write_text("nameserver 192.0.2.53\n")
        made.write_text(packages)
    return root


def architecture():
    return sh("dpkg", "--print-architecture").stdout.strip()


def package(version=None, folder=None):
    """The .deb that was made for this machine's architecture, or the same with another version and another file in the program's place."""
    arch = architecture()
    found = sorted(DIST.glob(f"tunnelmesh_*_{arch}.deb"))
    assert len(found) == 1, f"{DIST} has {len(found)} packages for {arch}: `make release` makes them"
    if not version:
        return found[0]
    stage = pathlib.Path(folder) / f"stage-{version}"
    sh("dpkg-deb", "-R", found[0], stage)
    control = stage / "DEBIAN/control"
    lines = control.read_text().splitlines()
    control.write_text("".join(f"Version: {version}\n" if l.startswith("Version: ") else l + "\n" for l in lines))
    with open(stage / "usr/bin/tunnelmesh", "ab") as f:
        f.write(b"another")  # behind what is loaded
    made = pathlib.Path(folder) / f"tunnelmesh_{version}_{arch}.deb"
    sh("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", stage, made)
    return made


class Machine:
    """root is what it begins with, and stays as it is: what the machine writes is laid over it."""

    IS_UP = {"systemd": "systemctl is-system-running | grep -Eqx 'running|degraded'",
             "OpenRC": "rc-status -r | grep -qx default",
             "runit": "sv status /etc/service/* >/dev/null || test -e /run/runit"}

    def __init__(self, host, root, manager="systemd"):
        self.host, self.manager = host, manager
        self.root, over, work = (pathlib.Path(host.lab.dir) / f"{host.name}-{what}" for what in ("root", "over", "work"))
        for folder in self.root, over, work:
            folder.mkdir()
        sh("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={root},upperdir={over},workdir={work}", self.root)
        try:
            self.boot()
        except BaseException:
            self.end()
            raise

    def boot(self):
        # tun's file is made for all here; the kernel asks for a right at each use of it.
        tun = self.root.parent / f"{self.host.name}-tun"
        if not tun.exists():
            sh("mknod", "-m", "666", tun, "c", "10", "200")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-q", "-b", "-D", self.root, "--register=no", "--keep-unit", f"--network-namespace-path=/run/netns/{self.host.ns}",
             f"--capability={CAPABILITIES}", "--system-call-filter=bpf", f"--bind={tun}:/dev/net/tun", "--resolv-conf=off"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.host.lab.processes.append(self.process)
        wait_for(f"{self.manager} to be up", self.is_up, 120, 0.2)

    def is_up(self):
        assert self.process.poll() is None, "systemd-nspawn ended"
        return sh("pgrep", "-P", self.process.pid, check=False).stdout and self.run("sh", "-c", self.IS_UP[self.manager], check=False).returncode == 0

    def lose_power(self):
        sh("kill", "-KILL", sh("pgrep", "-P", self.process.pid).stdout.split()[0])
        self.process.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        with contextlib.suppress(LabError, subprocess.TimeoutExpired, IndexError):
            if self.manager == "systemd":
                sh("kill", "-RTMIN+4", sh("pgrep", "-P", self.process.pid).stdout.split()[0])  # power off
                self.process.wait(60)
            else:
                self.lose_power()
        self.process.kill()
        self.process.wait()
        sh("umount", "--lazy", self.root)

    def run(self, *argv, **kw):
        init = sh("pgrep", "-P", self.process.pid).stdout.split()[0]
        return sh("nsenter", "-t", init, "-a", "env", "DEBIAN_FRONTEND=noninteractive", *argv, **kw)

    def say(self, *argv, **kw):
        return self.run(*argv, **kw).stdout.strip()

    def json(self, *args):
        return json.loads(self.say("tunnelmesh", *args, "--json"))

    def install(self, deb):
        """By dpkg alone, which says what a script of the package says. Returns that."""
        shutil.copy(deb, self.root / "tmp-package.deb")
        return self.say("dpkg", "-i", "/tmp-package.deb", timeout=180)

    def unit(self, key, unit="tunnelmesh"):
        return self.say("systemctl", "show", "-p", key, "--value", unit)

    def pid(self):
        return int(self.unit("MainPID"))

    def path(self, path):
        return self.root / str(path).lstrip("/")

    def files(self, *folders):
        """All there is in them, with modes and owners."""
        return set(self.say("find", *folders, "-xdev", "-printf", "%M %U %G %p\n").splitlines())
