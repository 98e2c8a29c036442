# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the shells offer when Tab is pressed, with a stand-in for the program that lists two nodes, a client and two tokens."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest

DIST = os.path.normpath(os.path.join(os.path.dirname(__file__), "../../dist/completions"))
PROGRAM = """#!/bin/sh
case "$*" in
*"token list"*) cat <<END
{"ok": true, "tokens": [
  {"id": "a1a1", "revoked": false, "tags": []},
  {"id": "b2b2", "revoked": true, "tags": []},
  {"id": "c3c3", "revoked": false, "tags": []}], "schema": 1}
END
;;
*"filter list"*) cat <<END
{"ok": true, "rules": [
  {"id": "web", "builtin": false},
  {"id": "builtin:ping", "builtin": true}], "schema": 1}
END
;;
"--state-dir /elsewhere peers --json") echo '{"ok": true, "peers": [{"name": "faraway", "id": "09", "kind": "node"}]}' ;;
*peers*) cat <<END
{"ok": true, "peers": [
  {"name": "hub",
   "id": "01", "kind": "node", "via": null},
  {"name": "nas", "id": "02", "kind": "node", "via": null},
  {"name": "phone", "id": "03", "kind": "client", "via": "01"}], "schema": 1}
END
;;
esac
"""
ROWS = [
    ("token create --", {"--uses", "--ttl", "--ephemeral"}, {"--endpoint"}),
    ("client add --", {"--endpoint"}, {"--uses"}),
    ("token revoke ", {"a1a1"}, {"b2b2", "hub"}),
    ("node remove ", {"hub", "nas"}, {"phone"}),
    ("bench ", {"hub", "nas"}, {"phone"}),
    ("ping ", {"hub", "nas", "phone"}, set()),
    ("client remove ", {"phone"}, {"hub"}),
    ("filter ", {"list", "prove", "rollback"}, {"create"}),
    ("filter remove ", {"web"}, {"builtin:ping"}),
    ("filter prove --", {"--transitive"}, {"--uses"}),
    ("--state-dir /elsewhere node remove ", {"faraway"}, {"hub"}),
    ("--state-dir /elsewhere token ", {"create", "list", "revoke"}, {"init"}),
    ("--state-dir /elsewhere ", {"init", "status"}, {"create"}),
]


def bash(env, line):
    script = ('source "$0"; words=($1); [ "${1: -1}" != " " ] || words+=(""); COMP_WORDS=(tunnelmesh "${words[@]}"); '
              'COMP_CWORD=${#words[@]}; _tunnelmesh; printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "--norc", "-c", script, os.path.join(DIST, "bash"), line], env=env, capture_output=True,
                          text=True, timeout=20, check=True).stdout


def fish(env, line):
    out = subprocess.run(["fish", "--no-config", "-c", f'source {DIST}/fish; complete -C "tunnelmesh {line}"'], env=env,
                         capture_output=True, text=True, timeout=20, check=True).stdout
    return "\n".join(row.split("\t")[0] for row in out.splitlines())


def zsh(env, line):
    """A shell on a terminal, which prints what it has to offer when Tab is pressed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], dict(env, TERM="dumb", COLUMNS="200", PS1="ready> "))

    def type_and_read(keys, end):
        """What comes until the end and the prompt after it: before that, the terminal would take the keys for itself."""
        os.write(fd, keys.encode())
        text, deadline = "", time.monotonic() + 20
        while end not in text or "ready> " not in text.rsplit(end, 1)[1]:
            assert time.monotonic() < deadline, text
            if select.select([fd], [], [], 0.1)[0]:
                text += os.read(fd, 65536).decode(errors="replace")
        return text
    try:
        type_and_read(f"fpath=({os.path.dirname(env['PROGRAM'])} $fpath); autoload -Uz compinit; compinit -u -D; LISTMAX=1000; "
                      "unsetopt zle_bracketed_paste; bindkey '^I' list-choices; echo se''t\n", "set\r\n")
        # What is typed next runs after the list: its output is the list's end.
        text = type_and_read(f"tunnelmesh {line}\t\x15echo do''ne\n", "done\r\n")
    finally:
        os.close(fd)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    rows = text.split("\n", 1)[1].split("ready> ")[0].splitlines()
    return "\n".join(row.split(" -- ")[0] for row in rows)


@pytest.mark.parametrize("shell", [bash, fish, zsh])
def test_the_shell_offers_what_fits_and_nothing_else(tmp_path, shell):
    if not shutil.which(shell.__name__):
        pytest.skip(f"{shell.__name__} is not installed")
    program = tmp_path / "tunnelmesh"
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    shutil.copy(os.path.join(DIST, "zsh"), tmp_path / "_tunnelmesh")
    env = dict(os.environ, PATH=f"{tmp_path}:{os.environ['PATH']}", HOME=str(tmp_path), PROGRAM=str(program))
    for line, wanted, unwanted in ROWS:
        words = set(shell(env, line).split())
        assert wanted <= words and not unwanted & words, (line, sorted(words))
