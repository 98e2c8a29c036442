# SPDX-License-Identifier: AGPL-3.0-or-later
"""The image of a release, in a Docker daemon of our own in the namespace of a host of the lab."""
import hashlib
import json
import os
import sys
import tarfile

import pytest

import machine
from lab import sh, wait_for

sys.path.append(str(machine.ROOT / "test/compose"))

import stack  # noqa: E402


def image():
    found = sorted(machine.DIST.glob(f"tunnelmesh-*-oci-{machine.architecture()}.tar"))
    assert len(found) == 1
    return found[0]


@pytest.fixture
def docker(net, monkeypatch, tmp_path):
    try:
        stack.check_machine()
        monkeypatch.setattr(stack, "WORK", tmp_path)
        d = stack.Docker(net.host("box").ns)
    except stack.Unavailable as e:
        pytest.skip(str(e))
    yield d
    d.stop()


def test_each_part_is_named_by_what_is_in_it():
    with tarfile.open(image()) as t:
        blobs = {m.name.removeprefix("blobs/sha256/"): t.extractfile(m).read() for m in t if m.isfile() and m.name.startswith("blobs/")}
        assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
        assert all(m.mtime == next(iter(t)).mtime and (m.uid, m.gid) == (0, 0) for m in t)
        index = json.load(t.extractfile("index.json"))
        loaded = json.load(t.extractfile("manifest.json"))[0]

    def blob(described):
        assert len(blobs[described["digest"].removeprefix("sha256:")]) == described["size"]
        return blobs[described["digest"].removeprefix("sha256:")]

    manifest = json.loads(blob(index["manifests"][0]))
    assert json.loads(blob(manifest["config"]))["config"]["Entrypoint"] == ["/usr/bin/tunnelmesh"]
    assert loaded["Config"].endswith(manifest["config"]["digest"].removeprefix("sha256:"))
    assert [layer.rpartition("/")[2] for layer in loaded["Layers"]] == [l["digest"].removeprefix("sha256:") for l in manifest["layers"]]
    assert len(blobs) == 3 and all(blob(l) for l in manifest["layers"])


def test_a_container_of_it_is_a_node_whom_others_than_root_may_ask(net, docker):
    hub = net.node("hub")
    hub.init()
    name = docker.run("load", "-q", "-i", image()).stdout.split("Loaded image: ")[1].strip()
    docker.run("run", "-d", "--name", "mesh", "--network=host", "--cap-add=NET_ADMIN", "--device=/dev/net/tun", "-v", "mesh:/var/lib/tunnelmesh", name,
               "join", hub.token(), "--foreground", "--name", "box")

    def ask(*args, user="0", **kw):
        return docker.run("exec", "-u", user, "mesh", "/usr/bin/tunnelmesh", *args, **kw)

    wait_for("the tunnel", lambda: hub.ping("box", check=False).returncode == 0, 60)
    wait_for("the health check", lambda: docker.run("inspect", "-f", "{{.State.Health.Status}}", "mesh").stdout.strip() == "healthy", 120, 0.5)
    # By its group, and by nobody else.
    for user, may in (("65532", True), ("65532:65532", True), ("1000:1000", False)):
        assert (ask("reload", user=user, check=False).returncode == 0) == may, user
    assert ask("ping", "hub", "-c", 1).returncode == 0
    assert not ask("leave", "-y", user="65532", check=False).returncode == 0  # its state is root's
    docker.run("stop", "mesh", timeout=60)
    assert docker.run("inspect", "-f", "{{.State.ExitCode}}", "mesh").stdout.strip() == "0"
    assert "tm0" not in net.hosts["box"].sh("ip", "link").stdout


def test_nothing_of_a_system_is_in_it(docker):
    name = docker.run("load", "-q", "-i", image()).stdout.split("Loaded image: ")[1].strip()
    docker.run("create", "--name", "still", name)
    docker.run("export", "-o", str(machine.DIST.parent / "image.tar"), "still")
    with tarfile.open(machine.DIST.parent / "image.tar") as t:
        programs = [m.name for m in t if m.isfile() and m.mode & 0o111 and not m.name.startswith((".dockerenv", "dev/", "etc/"))]
    os.unlink(machine.DIST.parent / "image.tar")
    assert programs == ["usr/bin/tunnelmesh"]
    assert "tunnelmesh" in docker.run("run", "--rm", name, "version").stdout
    assert sh("readelf", "-d", machine.DIST.parent / "static/tunnelmesh.stripped").stdout.count("NEEDED") == 0
