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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("documented", "home"),
    [
        ("pairs", "data.pairs"),
        ("registry", "experiment.registry"),
        ("plots", "figures.plot_helper"),
        ("manager", "run.manager"),
    ],
)
def test_a_documented_path_has_all_public_names_of_its_home(documented, home):
    shim, real = (importlib.import_module(f"facebench.{name}") for name in (documented, home))
    assert set(shim.__all__) == set(real.__all__)
    assert all(getattr(shim, name) is getattr(real, name) for name in real.__all__)
