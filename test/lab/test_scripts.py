# SPDX-License-Identifier: AGPL-3.0-or-later
"""What `make` does to the machine of somebody who only wants to install the program, with stand-ins for apt and cmake; and how what it
installs to be read looks."""
import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.alone("looks at what the machine has")

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
SOMEBODY = 65534
OF_DEVELOPERS = {"libcmocka-dev", "valgrind", "clang-format", "python3-pytest", "mandoc", "wireguard-go", "tcpdump", "clang"}


def stand_in(folder, name, script):
    path = folder / name
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(0o755)


def run(folder, *argv, **kw):
    env = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
    return subprocess.run([str(a) for a in argv], env=env, capture_output=True, text=True, timeout=300, check=False, **kw)


def installed_for(tmp_path, *what):
    """What scripts/setup would have apt install on a machine that has nothing of it."""
    stand_in(tmp_path, "dpkg-query", "exit 1")
    stand_in(tmp_path, "apt-get", f'''case "$*" in
        *update*) ;;
        *download*) for p in "$@"; do touch -- "${{p}}_1_amd64.deb"; done ;;
        *) echo "$@" > {tmp_path}/asked ;;
    esac''')
    stand_in(tmp_path, "dpkg-deb", '[ "$1" != --fsys-tarfile ] || exec tar -c -T /dev/null; echo one')
    stand_in(tmp_path, "dpkg", '[ "$1" != --print-architecture ] || echo amd64')
    (tmp_path / "scripts").mkdir(exist_ok=True)
    for name in ("setup", "sysroot"):
        shutil.copy(os.path.join(ROOT, "scripts", name), tmp_path / "scripts")  # they unpack beside themselves
    r = run(tmp_path, tmp_path / "scripts/setup", *what)
    assert r.returncode == 0, r.stderr
    packages = set((tmp_path / "asked").read_text(encoding="utf-8").split())
    assert packages & {"gcc", "iproute2"} and all(p in r.stdout for p in packages & OF_DEVELOPERS)
    return packages


def test_who_installs_gets_no_tools_of_developers(tmp_path):
    build = installed_for(tmp_path, "build")
    assert {"gcc", "cmake", "libssl-dev"} <= build and not build & OF_DEVELOPERS
    assert OF_DEVELOPERS - {"clang"} <= installed_for(tmp_path)
    commands = subprocess.run(["make", "-n", "install"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "scripts/setup build\n" in commands and "scripts/setup\n" not in commands


def test_libraries_of_other_architectures_are_unpacked_and_not_installed(tmp_path):
    asked = installed_for(tmp_path, "build", "test", "cross")
    assert "gcc-aarch64-linux-gnu" in asked and not any(":" in p for p in asked)
    linked = {p for p in asked if p.endswith("-dev")} - {"libgcrypt20-dev", "libipsec-mb-dev"}  # these two are of x86-64 alone
    assert {"libssl-dev", "libcmocka-dev"} < linked
    for arch in ("arm64", "armhf"):
        assert linked < set((tmp_path / "build/sysroot" / arch / "packages").read_text(encoding="utf-8").split())


@pytest.fixture
def tree(tmp_path):
    """Sources of somebody else than root, in a place that he can reach, and a cmake that writes a file where it builds."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(parent.stat().st_mode | 0o005)
        if parent.name.startswith("pytest-of-"):
            break
    bin_, sources = tmp_path / "bin", tmp_path / "sources"
    (sources / "scripts").mkdir(parents=True)
    bin_.mkdir()
    shutil.copy(os.path.join(ROOT, "scripts/build"), sources / "scripts")
    stand_in(bin_, "cmake", 'mkdir -p build/release && touch build/release/CMakeCache.txt && id -u > build/release/who')
    for path in (sources, sources / "scripts"):
        os.chown(path, SOMEBODY, SOMEBODY)
    return bin_, sources


def test_root_builds_as_the_owner_of_the_sources(tree):
    bin_, sources = tree
    (sources / "build/release").mkdir(parents=True)
    (sources / "build/release/CMakeCache.txt").touch()  # what root left there another time
    r = run(bin_, sources / "scripts/build", "release")
    assert r.returncode == 0, r.stderr
    assert (sources / "build/release/who").read_text(encoding="utf-8") == f"{SOMEBODY}\n"
    assert {p.stat().st_uid for p in (sources / "build").rglob("*")} == {SOMEBODY}


def test_files_of_root_are_named_to_who_cannot_replace_them(tree):
    bin_, sources = tree
    (sources / "build/release").mkdir(parents=True)
    as_somebody = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "--")
    r = run(bin_, *as_somebody, sources / "scripts/build", "release")
    assert r.returncode == 1
    assert r.stderr == ("build: build/release belongs to somebody else, so nothing can be built there: remove it with "
                        "`sudo make clean`\n")
    shutil.rmtree(sources / "build")
    assert run(bin_, *as_somebody, sources / "scripts/build", "release").returncode == 0


def test_what_tests_leave_as_root_is_in_nobodys_way(tree):
    bin_, sources = tree
    assert run(bin_, sources / "scripts/build", "release").returncode == 0
    (sources / "build/release/Testing").mkdir()
    as_somebody = ("setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups", "--")
    r = run(bin_, *as_somebody, sources / "scripts/build", "release")
    assert r.returncode == 0, r.stderr


@pytest.mark.parametrize("page", sorted(os.listdir(os.path.join(ROOT, "dist/man"))))
def test_every_quotation_in_a_manual_page_ends_before_the_next(page):
    text = subprocess.run(["mandoc", "-T", "utf8", os.path.join(ROOT, "dist/man", page)], capture_output=True, text=True,
                          check=True).stdout
    quotes = "".join(c for c in text if c in "\u201c\u201d")
    assert quotes and quotes == "\u201c\u201d" * (len(quotes) // 2)
