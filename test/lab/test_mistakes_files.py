# SPDX-License-Identifier: AGPL-3.0-or-later
"""Configurations, identities, databases and state files that are broken, lost or not ours."""
import os
import sqlite3
import subprocess

import pytest

from lab import sh
from mistakes import Attempt, FAILED, NO_OVERRIDE, OF_A_DAEMON, Rows, assert_refused, damage, release

ROWS = Rows()


# --- configuration ---

def configured(text, says):
    """init, join and up read the file by the same code; init stands for them."""
    def prepare(net):
        hub = net.node("hub")
        path = os.path.join(net.dir, "config.yaml")
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        hub.options += ["--config", path]
        return Attempt(hub, "init")
    return prepare, says


for name, text, says in (
        ("an-unknown-key", "mtu: 1400\nlisten_prot: 1\n", r'config\.yaml:2: unknown key "listen_prot" '
                                                         r'\(did you mean "listen_port"\?\)'),
        ("a-word-for-a-number", "\nmtu: big\n", r"config\.yaml:2: mtu .*number.*big"),
        ("a-number-out-of-range", "mtu: 99\n", r"config\.yaml:1: mtu .*1280.*99"),
        ("a-list-for-a-number", "mtu:\n  - 1400\n", r"config\.yaml:2: mtu must be a single value, not a list"),
        ("a-number-for-a-list", "advertise: 7\n", r"config\.yaml:1: advertise must be a list.*- "),
        ("an-impossible-level", "log_level: loud\n", r"config\.yaml:1: log_level .*error, warn, info or debug"),
        ("bad-yaml", "mtu: 1400\ntun: [tm0\nworkers: 1\n", r"config\.yaml:[23]: not valid YAML"),
        ("a-tab", "addresses:\n\t- a\n", r"config\.yaml:2: .*tab.*spaces"),
        ("a-key-twice", "mtu: 1400\nworkers: 1\nmtu: 1300\n", r"config\.yaml:3: mtu is given twice, first on line 1"),
        ("no-text", b"\xff\xfe\x00\x01" * 9, r"config\.yaml:1: the file is not UTF-8 text"),
        ("a-list-at-the-top", "- mtu\n", r"config\.yaml:1: the file must consist of lines")):
    ROWS.add(*configured(text, says), FAILED, f"config-with-{name}")


@ROWS.row(r"open .*nowhere\.yaml.*No such file")
def config_that_is_named_but_missing(net):
    hub = net.node("hub")
    hub.options += ["--config", os.path.join(net.dir, "nowhere.yaml")]
    return Attempt(hub, "init")


@ROWS.row(r"config\.yaml.*[Pp]ermission")
def config_that_may_not_be_read(net):
    prepare, _ = configured("mtu: 1400\n", "")
    attempt = prepare(net)
    os.chown(os.path.join(net.dir, "config.yaml"), 65534, 65534)
    os.chmod(os.path.join(net.dir, "config.yaml"), 0o600)
    attempt.wrap = NO_OVERRIDE
    return attempt


@ROWS.row(r"config\.yaml:1: unknown key")
def up_with_a_config_that_broke_since(net):
    hub = net.node("hub")
    hub.init("--no-up")
    path = os.path.join(net.dir, "config.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write("nonsense: 1\n")
    hub.options += ["--config", path]
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


# --- identity files ---

def key(net, *args):
    path = os.path.join(net.dir, "key")
    sh("ssh-keygen", "-q", "-f", path, *args)
    return path


def init_with(net, path, **kw):
    return Attempt(net.node("hub"), "init", "--identity", path, **kw)


@ROWS.row(r"cannot open \S+/key: No such file")
def identity_that_does_not_exist(net):
    return init_with(net, os.path.join(net.dir, "key"))


@ROWS.row(r"cannot open \S+/key: Permission denied")
def identity_that_may_not_be_read(net):
    path = key(net, "-t", "ed25519", "-N", "")
    os.chown(path, 65534, 65534)
    return init_with(net, path, wrap=NO_OVERRIDE)


@ROWS.row(r"protected by a passphrase .*ssh-keygen -p")
def identity_that_is_encrypted(net):
    return init_with(net, key(net, "-t", "ed25519", "-N", "secret"))


@ROWS.row(r"RSA.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_rsa_key(net):
    return init_with(net, key(net, "-t", "rsa", "-N", ""))


@ROWS.row(r"PEM format.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_rsa_key_in_pem(net):
    return init_with(net, key(net, "-t", "rsa", "-m", "PEM", "-N", ""))


@ROWS.row(r"ECDSA.*Ed25519.*ssh-keygen -t ed25519")
def identity_that_is_an_ecdsa_key(net):
    return init_with(net, key(net, "-t", "ecdsa", "-N", ""))


@ROWS.row(r"public key")
def identity_that_is_the_public_half(net):
    return init_with(net, key(net, "-t", "ed25519", "-N", "") + ".pub")


@ROWS.row(r"do not belong together .*copy")
def identity_that_is_garbled(net):
    path = key(net, "-t", "ed25519", "-N", "")
    with open(path, "r+", encoding="ascii") as f:
        text = f.read()
        f.seek(0)
        f.write(text[:150] + ("AAAA" if text[150:154] != "AAAA" else "BBBB") + text[154:])
    return init_with(net, path)


@ROWS.row(r"garbled or cut short .*copy")
def identity_that_is_cut_short(net):
    path = key(net, "-t", "ed25519", "-N", "")
    os.truncate(path, 200)
    return init_with(net, path)


@ROWS.row(r"/key: the file is empty .*ssh-keygen")
def identity_that_is_empty(net):
    path = os.path.join(net.dir, "key")
    open(path, "w", encoding="ascii").close()
    return init_with(net, path)


@ROWS.row(r"hub/identity: .*garbled or cut short .*copy")
def up_with_a_garbled_identity(net):
    hub = net.node("hub")
    hub.init("--no-up")
    damage(hub.state + "/identity", 100, b"!!!!!!!!")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@ROWS.row(r"hub/identity: .*No such file")
def up_with_a_lost_identity(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.unlink(hub.state + "/identity")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


# --- the coordinator's database ---

def broken_database(net, breakage):
    hub = net.node("hub")
    hub.init()
    for _ in range(3):
        hub.token()
    hub.down()
    breakage(hub.state + "/mesh.db")
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@ROWS.row(r"mesh\.db: .*in use by another process .*stop")
def up_while_another_process_has_locked_the_database(net):
    attempt = broken_database(net, lambda path: None)
    # In a process of its own: the test looks into the file, and POSIX locks end when a process closes any descriptor.
    code = f"import sqlite3, sys; db = sqlite3.connect('{attempt.node.state}/mesh.db', isolation_level=None); " \
           "db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
    holder = attempt.node.host.spawn("/usr/bin/python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"locked\n"
    attempt.may_change |= {"mesh.db-shm", "mesh.db-wal"}
    attempt.then = lambda: (release(holder), attempt.node.up(), attempt.node.token())
    return attempt


@ROWS.row(r"mesh\.db: .*damaged.*backup.*left as it is")
def up_with_garbage_in_the_database(net):
    return broken_database(net, lambda path: damage(path, 4096, os.urandom(4096)))


@ROWS.row(r"mesh\.db: .*damaged.*backup.*left as it is")
def up_with_a_truncated_database(net):
    return broken_database(net, lambda path: os.truncate(path, os.path.getsize(path) // 8192 * 4096))


@ROWS.row(r"mesh\.db: .*not a database.*backup.*left as it is")
def up_with_a_database_that_is_none(net):
    def overwrite(path):
        with open(path, "wb") as f:
            f.write(b"These are not the rows you are looking for.\n" * 1000)
    return broken_database(net, overwrite)


@ROWS.row(r"mesh\.db: .*empty.*backup")
def up_with_an_empty_database(net):
    return broken_database(net, lambda path: os.truncate(path, 0))


@ROWS.row(r"mesh\.db: there is no mesh database .*backup")
def up_with_a_lost_database(net):
    return broken_database(net, os.unlink)


def sql(path, statement):
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


@ROWS.row(r"mesh\.db: .*newer TunnelMesh.*99.*left as it is")
def up_with_a_database_of_the_future(net):
    return broken_database(net, lambda path: sql(path, "PRAGMA user_version = 99"))


@ROWS.row(r"mesh\.db: .*some other program.*left as it is")
def up_with_the_database_of_another_program(net):
    return broken_database(net, lambda path: sql(path, "PRAGMA application_id = 7"))


# --- the node's own files ---

def broken_enrolment(net, text):
    hub = net.node("hub")
    hub.init("--no-up")
    with open(hub.state + "/node.json", "w", encoding="ascii") as f:
        f.write(text)
    return hub


@ROWS.row(r"node\.json is damaged: line 1.*backup")
def up_with_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "up", may_change=OF_A_DAEMON)


@ROWS.row(r"node\.json is damaged.*backup")
def up_with_an_empty_enrolment(net):
    return Attempt(broken_enrolment(net, ""), "up", may_change=OF_A_DAEMON)


@ROWS.row(r"node\.json was written by a newer version .*update")
def up_with_an_enrolment_of_the_future(net):
    return Attempt(broken_enrolment(net, '{"v": 2}'), "up", may_change=OF_A_DAEMON)


@ROWS.row(r"node\.json is damaged: line 1.*backup.*move it away")
def init_over_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "init")


@ROWS.row(r"node\.json is damaged")
def leave_with_a_garbled_enrolment(net):
    return Attempt(broken_enrolment(net, "{garbage"), "leave", "--yes")


@ROWS.row(r"others may write to the directory .*hub .*chmod go-w")
def up_in_a_group_writable_directory(net):
    hub = net.node("hub")
    hub.init("--no-up")
    os.chmod(hub.state, 0o770)
    return Attempt(hub, "up", may_change=OF_A_DAEMON)


@ROWS.row(r"others may write to the directory .*hub .*chmod go-w")
def init_in_a_group_writable_directory(net):
    hub = net.node("hub")
    os.mkdir(hub.state)
    os.chmod(hub.state, 0o770)
    return Attempt(hub, "init")


@ROWS.row(r"belongs to user 65534")
def init_in_someone_elses_directory(net):
    hub = net.node("hub")
    os.mkdir(hub.state, 0o700)
    os.chown(hub.state, 65534, 65534)
    return Attempt(hub, "init")


@ROWS.row(r"hub.*is not a directory|Not a directory|File exists")
def init_in_a_file(net):
    hub = net.node("hub")
    with open(hub.state, "w", encoding="ascii") as f:
        f.write("precious")
    attempt = Attempt(hub, "init")
    attempt.world = lambda: {"file": open(hub.state, encoding="ascii").read()}
    return attempt


@pytest.mark.parametrize("prepare, says, status", ROWS)
def test_a_mistake_is_one_sentence_and_changes_nothing(net, prepare, says, status):
    assert_refused(net, prepare, says, status)
