"""`pytest tests/unit` leaves out the tests that take long, and says so.

It does so for this folder and folders in it. What is chosen more narrowly is run in full: a file, a
test, `-k`, `-m`, `--lf`. `pytest`, without a path, runs all there are.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
LEFT_OUT = pytest.StashKey[int]()


def leaves_out(config: pytest.Config) -> bool:
    """Tell whether slow tests are left out: every argument is a folder of unit tests."""
    chosen = any(config.getoption(name, None) for name in ("all", "keyword", "markexpr", "lf"))
    start = config.invocation_params.dir
    folders = [start / argument for argument in config.args]
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    return given and not chosen and all(f.is_dir() and f.is_relative_to(HERE) for f in folders)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    slow = [item for item in items if item.get_closest_marker("slow")]
    if not slow or not leaves_out(config):
        return
    items[:] = [item for item in items if item not in set(slow)]
    config.hook.pytest_deselected(items=slow)
    config.stash[LEFT_OUT] = len(slow)


def pytest_sessionfinish(session):
    # Of a process of xdist, whose master collects nothing.
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    output = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT] = output.get("left_out", 0)


def pytest_terminal_summary(terminalreporter, config):
    n = config.stash.get(LEFT_OUT, 0)
    if n:
        terminalreporter.write_sep("=", f"{n} slow tests were left out", yellow=True, bold=True)
        terminalreporter.write_line(f"All of them: pytest --all {' '.join(config.args)}")
