"""Former module paths lead to the modules that took their places."""

import importlib
import subprocess
import sys

import pytest

from facebench._moved import MOVED


@pytest.mark.parametrize("old", sorted(MOVED))
def test_a_former_path_gives_the_very_module(old):
    new = importlib.import_module(f"facebench.{MOVED[old]}")
    spec = new.__spec__
    assert importlib.import_module(f"facebench.{old}") is new
    assert new.__spec__ is spec
    assert new.__name__ == f"facebench.{MOVED[old]}"


def test_names_come_from_former_paths_in_a_fresh_interpreter():
    code = (
        "from facebench.metrics.influence import auc_influence\n"
        "from facebench.metrics.rated_pairs import RatedPairs\n"
        "import facebench.images, facebench.data.images\n"
        "assert facebench.images is facebench.data.images\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_path_that_never_was_is_missing():
    with pytest.raises(ModuleNotFoundError, match=r"facebench\.nowhere"):
        importlib.import_module("facebench.nowhere")
