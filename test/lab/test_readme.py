# SPDX-License-Identifier: AGPL-3.0-or-later
"""README's first mesh, typed word for word on two machines by a user who has sudo."""
import os
import re
import shutil
import subprocess

import pytest

from lab import BINARY

pytestmark = pytest.mark.alone("runs the demonstration, which has names of its own")

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../README.md")
SOMEBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def typed():
    """The lines of the script with a prompt: machine and what is typed there."""
    with open(README, encoding="utf-8") as f:
        block = re.search(r"^## Two machines in two minutes\n.*?^```\n(.*?)^```", f.read(), re.M | re.S).group(1)
    lines = re.findall(r"^(\w+)\$ (.*?)(?: +#.*)?$", block, re.M)
    assert block.startswith("sudo make install ") and len(lines) >= 4
    return lines


def test_the_two_machines_of_the_readme_work_as_typed(net):
    shutil.copy(BINARY, os.path.join(net.dir, "tunnelmesh"))
    path = f"{net.dir}:{os.environ['PATH']}"
    machines, said, token = {}, [], None
    for name, line in typed():
        if name not in machines:
            machines[name] = net.host(name)
            machines[name].private_mounts("mount -t tmpfs none /var/lib; mount -t tmpfs none /run")
        words = re.sub(r"tm1_\S+", token or "", line).split()
        who = () if words[0] == "sudo" else SOMEBODY
        said.append(machines[name].sh("env", f"PATH={path}", *who, *words[words[0] == "sudo":],
                                      stdin=subprocess.DEVNULL).stdout)
        token = token or re.search(r"sudo tunnelmesh join (tm1_\S+)", said[0]).group(1)
    ping, status = said[-2:]
    assert " 0 % lost" in ping and "direct" in ping
    assert re.search(r"^  hub +\S+ +direct ", status, re.M), status
