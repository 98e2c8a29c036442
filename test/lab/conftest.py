# SPDX-License-Identifier: AGPL-3.0-or-later
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import lab as lablib  # noqa: E402
import offloads as rows  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--grid", action="store_true", help="also prove each kind of NAT")
    parser.addoption("--offloads", choices=rows.ROWS, default="all",
                     help="run every daemon of the lab with this row of test/lab/offloads.py")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; only with --slow")
    config.addinivalue_line("markers", "grid: only with --grid, which is a part of `make labgrid`")
    config.addinivalue_line("markers", "plain(why): not for a program built with a sanitizer, and why not")
    row = config.getoption("--offloads")
    if row != "all" and rows.unknown():
        raise pytest.UsageError(f"--offloads={row}: {rows.unknown()}")
    lablib.Lab.offloads = rows.setting(row)
    # A terminated run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_runtest_setup(item):
    mark = item.get_closest_marker("plain")
    if mark and lablib.is_sanitized():
        pytest.skip(f"a sanitizer's program {mark.args[0]}")


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        raise pytest.UsageError("the lab makes network namespaces and needs root: run `make lab`, or pytest under sudo")
    left_out = {mark for mark in ("slow", "grid") if not config.getoption("--" + mark)}
    config.hook.pytest_deselected(items=[i for i in items if left_out & set(i.keywords)])
    items[:] = [i for i in items if not left_out & set(i.keywords)]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    net = item.funcargs.get("net") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and net:
        for node in net.nodes:
            report.sections.append((f"log of {node.name}", node.log()[-6000:]))


@pytest.fixture(scope="session")
def sanitized():
    """Was the program built with a sanitizer? Then every test ends with a clean stop, so that leaks are found too."""
    return lablib.is_sanitized()


@pytest.fixture
def net(sanitized):
    """A fresh laboratory per test. No daemon may have failed an assertion or upset a sanitizer."""
    with lablib.watched_lab(sanitized) as l:
        yield l


@pytest.fixture
def hub_at_443(net):
    """A coordinator that listens where nearly every network lets TCP through, too, and says what it does."""
    hub = net.node("hub").configure(listen="[443]", log_level="debug")
    hub.init()
    return hub


@pytest.fixture
def offloads(request, net):
    """A row of offloads.py, for what is made in the laboratory from now on: see offloads.each."""
    if request.param != "all" and rows.unknown():
        pytest.skip(rows.unknown())
    net.offloads = rows.setting(request.param)
    return request.param
