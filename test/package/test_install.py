# SPDX-License-Identifier: AGPL-3.0-or-later
"""install.sh with a release in a folder, into a folder that stands for a machine."""
import shutil

import pytest

import machine
from lab import sh


@pytest.fixture
def release(tmp_path):
    """What is in build/dist for this machine, to be spoilt."""
    folder = tmp_path / "release"
    folder.mkdir()
    for name in ("SHA256SUMS", "install.sh", *archives()):
        shutil.copy(machine.DIST / name, folder / name)
    return folder


def archives():
    return [f.name for f in machine.DIST.glob(f"tunnelmesh-*-linux-{machine.architecture()}*.tar.gz")]


def install(release, root, *args, path=None):
    env = {"PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin:/usr/sbin:/sbin"}
    return sh("sh", release / "install.sh", "--root", root, *args, check=False, env=env)


def is_static(root):
    return "NEEDED" not in sh("readelf", "-d", root / "usr/local/bin/tunnelmesh").stdout


def test_it_installs_the_program_and_removes_all_of_it(release, tmp_path):
    root = tmp_path / "root"
    r = install(release, root)
    assert r.returncode == 0 and "installed" in r.stdout, r.stderr
    assert sh(root / "usr/local/bin/tunnelmesh", "version").stdout.startswith("tunnelmesh") and not is_static(root)
    unit = (root / "etc/systemd/system/tunnelmesh.service").read_text()
    assert "ExecStart=/usr/local/bin/tunnelmesh up" in unit
    assert (root / "usr/local/share/man/man8/tunnelmesh.8").exists()
    assert install(release, root, "--uninstall").returncode == 0
    assert [p for p in root.rglob("*") if p.is_file()] == []


def test_where_libc_does_not_fit_it_takes_the_program_that_has_one(release, tmp_path):
    # A tar in whose hands the program needs a libc that nobody has.
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin/tar"
    fake.write_text('#!/bin/sh\n/usr/bin/tar "$@" || exit\nfor p in "$5"/*/bin/tunnelmesh; do case $p in *-static/*) ;; *) '
                    "printf '#!/nowhere\\n' >\"$p\" ;; esac; done\n")
    fake.chmod(0o755)
    root = tmp_path / "root"
    r = install(release, root, path=tmp_path / "bin")
    assert r.returncode == 0, r.stderr
    assert is_static(root)


def test_what_is_not_what_was_released_is_refused(release, tmp_path):
    for name in archives():
        with open(release / name, "r+b") as f:
            f.seek(1000)
            f.write(b"changed")
    r = install(release, tmp_path / "root")
    assert r.returncode == 1 and "another checksum than SHA256SUMS says" in r.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("kind", ["minisign", "signify"])
def test_only_who_is_trusted_may_have_signed_it(release, tmp_path, kind):
    for who in "builder", "stranger":
        if kind == "minisign":
            sh("minisign", "-G", "-W", "-f", "-p", tmp_path / f"{who}.pub", "-s", tmp_path / f"{who}.sec")
        else:
            sh("signify-openbsd", "-G", "-n", "-p", tmp_path / f"{who}.pub", "-s", tmp_path / f"{who}.sec")
    sums = release / "SHA256SUMS"
    if kind == "minisign":
        sh("minisign", "-S", "-s", tmp_path / "builder.sec", "-m", sums)
    else:
        sh("signify-openbsd", "-S", "-s", tmp_path / "builder.sec", "-m", sums, "-x", release / "SHA256SUMS.sig")
    r = install(release, tmp_path / "root", "--key", tmp_path / "stranger.pub")
    assert r.returncode == 1 and "did not sign these checksums" in r.stderr
    assert not (tmp_path / "root").exists()
    assert install(release, tmp_path / "root", "--key", tmp_path / "builder.pub").returncode == 0
