"""The pictures of verification: what they show, against loops and the metrics themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.image import imread

from facebench import PlotHelper
from facebench.errors import InputError
from support.verified import comparisons, results

METHODS: dict[str, dict[str, Any]] = {
    "roc_plot": {"identity": "folder", "n_resamples": 50},
    "det_plot": {"identity": ("person1", "person2"), "n_resamples": 50},
    "score_histogram": {"threshold_column": "Threshold"},
    "error_discard_plot": {"quality": "quality", "fmr": 0.1},
    "group_heat_map": {},
    "hardest_pairs": {"images_path": "nowhere", "count": 2},
}


def draw(method: str, frame: pd.DataFrame, folder: Path, **changes: Any) -> list[Path]:
    rows = pd.concat([results(frame, task, Threshold=1.25) for task in ("LFW", "a/b")])
    people = {f"person{side}": frame[f"img{side}"].str[0] for side in (1, 2)}
    given = {"net": dict.fromkeys(("LFW", "a/b"), frame.assign(**people))}
    options = {"performances": rows, "distances": given, "label_column": "same"}
    options |= {"output_dir": folder, "file_name": "picture"} | METHODS[method] | changes
    return getattr(PlotHelper, method)(**options)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_picture_per_task_that_leaves_no_trace(method: str, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    paths = draw(method, comparisons(), tmp_path / "new")
    assert [path.name for path in paths] == ["LFW_picture.png", "a_b-c14cdd_picture.png"]
    picture = imread(paths[0])[..., :3]
    assert picture.min() < 0.5
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    assert all(edge.min() == 1 for edge in edges)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before
    with plt.style.context("dark_background"):
        assert draw(method, comparisons(), tmp_path / "dark")[0].read_bytes() == (
            paths[0].read_bytes()
        )


@pytest.mark.slow
def test_threads_draw_what_one_draws(tmp_path: Path) -> None:
    methods = ["roc_plot", "score_histogram", "group_heat_map"] * 2
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(index) for index in range(len(methods))]
        drawn = list(pool.map(draw, methods, [comparisons()] * len(methods), folders))
    for one, other in zip(drawn[:3], drawn[3:], strict=True):
        assert one[0].read_bytes() == other[0].read_bytes()


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("roc_plot", {"label_column": "truth"}, "It lacks truth"),
        ("roc_plot", {"label_column": "img1"}, "must hold 0/1, true/false, yes/no"),
        ("roc_plot", {"distances": {}}, r"Got none at distances\['net'\]\['LFW'\]"),
        ("roc_plot", {"performances": results(comparisons())[:0]}, "empty table"),
        ("det_plot", {"identity": "files"}, "must be 'folder', two columns or None. Got 'files'"),
        ("det_plot", {"identity": ("group1", "group2")}, "Genuine pairs are of one identity"),
        ("score_histogram", {"threshold_column": "T"}, "'threshold_column' parameter of Plot"),
        ("error_discard_plot", {"fmr": 1e-3}, "cannot be estimated from 24 impostor comparisons"),
        ("error_discard_plot", {"quality": "img1"}, "The 'img1' column of .* must hold numbers"),
        ("group_heat_map", {"group_columns": ("g", "h")}, "It lacks g, h"),
        ("hardest_pairs", {"count": 0}, "'count' parameter of .* must be 1 or more. Got 0"),
    ],
)
def test_errors(method: str, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        draw(method, comparisons(), tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_pairs_without_groups_are_told(tmp_path: Path) -> None:
    frame = comparisons().assign(group1=None)
    with pytest.raises(InputError, match="No row has both"):
        draw("group_heat_map", frame, tmp_path)
