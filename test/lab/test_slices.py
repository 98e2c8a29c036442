# SPDX-License-Identifier: AGPL-3.0-or-later
"""Where control groups cannot share CPU time, tests that need that are skipped with a sentence and do not fail."""
import pytest

from slices import NoSlices, find_root

pytestmark = pytest.mark.alone("measures what a slice of a CPU is")


def tree(path, controllers=None, enabled=""):
    if controllers is not None:
        (path / "cgroup.controllers").write_text(controllers)
        (path / "cgroup.subtree_control").write_text(enabled)
    return str(path)


def test_version_1_shares_time_where_its_controller_is_mounted(tmp_path):
    with pytest.raises(NoSlices, match="not mounted"):
        find_root(tree(tmp_path))
    (tmp_path / "cpu").mkdir()
    assert find_root(str(tmp_path)) == (False, str(tmp_path / "cpu"))


def test_in_version_2_the_controller_is_switched_on(tmp_path):
    assert find_root(tree(tmp_path, "cpuset cpu io\n")) == (True, str(tmp_path))
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu"


def test_a_tree_without_the_controller_says_so(tmp_path):
    with pytest.raises(NoSlices, match="may share CPU time"):
        find_root(tree(tmp_path, "cpuset io\n"))


def test_a_tree_that_may_not_be_changed_says_why(tmp_path):
    tree(tmp_path, "cpu\n")
    (tmp_path / "cgroup.subtree_control").unlink()
    (tmp_path / "cgroup.subtree_control").mkdir()
    with pytest.raises(NoSlices, match="Is a directory"):
        find_root(str(tmp_path))
