"""Runs saved once for all tests of results."""

import pytest

from support.small_run import save_small_run


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Save one run."""
    folder = tmp_path_factory.mktemp("faces")
    return save_small_run(
        folder, tmp_path_factory.mktemp("runs"), config={"folds": 5}, seeds={"numpy": 3}
    )


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Save two runs of the same faces."""
    folder = tmp_path_factory.mktemp("faces")
    root = tmp_path_factory.mktemp("runs")
    return (
        save_small_run(folder, root, 0, config={"folds": 5}),
        save_small_run(folder, root, 1, config={"folds": 10}),
    )
