"""Measure the numbers and pictures of docs/effects.md on photographs, and write them into it.

    python docs/effects_numbers.py [--data DIR] [--out DIR] [--people 210] [--seeds 1]

DATA is the folder of real face data (default: FACEBENCH_DATA, else ../shared/data); stimuli, tables
and all pictures go to OUT, and what it holds already is not made again. Two networks see every
stimulus: `DlibResNetModel` in all its blocks, and untrained copies of VGG16 in all 39 layers, which
take most of the time: a quarter of an hour each, or more, on two cores.
"""

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from page_blocks import filled, table
from PIL import Image
from sklearn.metrics.pairwise import euclidean_distances

from facebench import (
    DlibResNetModel,
    EffectTask,
    InversionEffect,
    MultiModelTaskManager,
    PlotHelper,
    ThatcherEffect,
    Vgg16Model,
    layer_profile,
    untrained_copies,
)
from facebench.data.images import open_image
from facebench.faces.chips import face_chip
from facebench.stimuli import ConditionSet, make_conditions

PAGE = Path(__file__).with_name("effects.md")
PICTURES = Path(__file__).with_name("pictures")
REPOSITORY = Path(__file__).parents[1]
PARTS = {"dev-test": "pairs_dev_test.csv", "dev-train": "pairs_dev_train.csv"}
TRAINED = "dlib-resnet"
BLOCKS = ["conv1", "layer?.?", "fc"]
SHOWN = ["layer1.0", "layer2.0", "layer3.0", "layer4.0", "layer5.0", "fc"]


def interval(row: pd.Series, column: str, digits: int = 3) -> str:
    """Write a value with its interval."""
    value, low, high = (row[f"{column}{end}"] for end in ("", " CI Low", " CI High"))
    if np.isnan(value):
        return "not defined"
    return f"{value:.{digits}f} ({low:.{digits}f} – {high:.{digits}f})".replace("-", "−")


def view1(data: Path, out: Path) -> str:
    """Measure the inversion effect on the pairs of LFW's View 1, upside-down as a mirror image."""
    folder, chips = data / "lfw_view1", out / "chips"
    tables = {name: pd.read_csv(folder / file) for name, file in PARTS.items()}
    names = sorted({name for t in tables.values() for c in ("img1", "img2") for name in t[c]})
    for name in names:
        upright = (chips / "upright" / name).with_suffix(".png")
        inverted = (chips / "inverted" / name).with_suffix(".png")
        if inverted.exists():
            continue
        pixels = face_chip(np.asarray(open_image(folder / "images" / name))).pixels
        for path, picture in ((upright, pixels), (inverted, pixels[::-1])):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path, compress_level=1)
    tasks = []
    for name, pairs in tables.items():
        both = [
            pd.DataFrame(
                {
                    **{
                        column: condition + "/" + pairs[column].str.replace(".jpg", ".png")
                        for column in ("img1", "img2")
                    },
                    "same": pairs["same"],
                    "condition": condition,
                    "identity1": pairs["img1"].str.split("/").str[0],
                    "identity2": pairs["img2"].str.split("/").str[0],
                }
            )
            for condition in ("upright", "inverted")
        ]
        path = out / f"view1 {name}.csv"
        pd.concat(both).to_csv(path, index=False)
        tasks.append(InversionEffect(name, path, chips, euclidean_distances))
    manager = MultiModelTaskManager(DlibResNetModel(TRAINED, align=False), tasks)
    manager.run_all_tasks_all_models(out / "view1")
    rows = []
    for name in tables:
        [row] = (found for _, found in manager.tasks_performance_dfs[name].iterrows())
        values = [interval(row, c, 4) for c in ("upright AUC", "inverted AUC", "Difference")]
        rows.append((name, row["Pairs"], *values, f"{row['P']:.3f}"))
    header = ("Pairs of View 1", "Pairs", "AUC upright", "AUC upside-down", "Difference", "P")
    return table(header, rows)


def effect_tasks(stimuli: ConditionSet) -> list[EffectTask]:
    """Make the tasks that both kinds of network are asked."""
    tables, images = stimuli.tables, stimuli.images_path
    return [
        InversionEffect("Inversion", tables["inverted"], images),
        ThatcherEffect("Thatcher", tables["thatcherised"], images),
        EffectTask(
            "Orientation x Thatcher",
            tables["thatcherised-factorial"],
            images,
            factors=("orientation", "thatcherised"),
        ),
    ]


def networks(
    stimuli: ConditionSet, out: Path, n_seeds: int, max_memory: str | None
) -> tuple[MultiModelTaskManager, list[str]]:
    """Run all networks on all stimuli; gives the manager and the names of the untrained ones."""
    untrained = untrained_copies(
        partial(Vgg16Model, extract_layers="all"), n_seeds, name="VGG16 untrained"
    )
    trained = DlibResNetModel(TRAINED, align=False, extract_layers=BLOCKS)
    manager = MultiModelTaskManager(
        [trained, *untrained],
        effect_tasks(stimuli),
        cache_dir=out / "store",
        max_memory=max_memory,
    )
    manager.run_all_tasks_all_models(out / "results")
    return manager, [model.name for model in untrained]


def effects(manager: MultiModelTaskManager, untrained: Sequence[str]) -> str:
    """Show both effects at some layers of the trained network, and the last of the untrained."""
    inversion = manager.tasks_performance_dfs["Inversion"]
    thatcher = manager.tasks_performance_dfs["Thatcher"]
    rows = []
    for model, layers in ((TRAINED, SHOWN), (untrained[0], ["features.30", "classifier.6"])):
        for layer in layers:
            one, other = (
                found[(found["Model Name"] == model) & (found["Layer Name"] == layer)].iloc[0]
                for found in (inversion, thatcher)
            )
            values = [interval(one, c) for c in ("upright AUC", "inverted AUC", "Difference")]
            rows.append((model, layer, *values, interval(other, "Relative Difference")))
    header = (
        "Network",
        "Layer",
        "AUC upright",
        "AUC upside-down",
        "Inversion effect",
        "Thatcher index",
    )
    return table(header, rows)


def depths(manager: MultiModelTaskManager) -> str:
    """Say where in the trained network each effect appears, peaks and nearly peaks."""
    rows = []
    for task, measure in (("Inversion", "Difference"), ("Thatcher", "Relative Difference")):
        found = manager.tasks_performance_dfs[task]
        profile = layer_profile(found[found["Model Name"] == TRAINED], measure)
        appears = profile[profile["excludes_zero"]]
        rows.append(
            (
                f"{task}, {measure}",
                "nowhere" if appears.empty else appears["Layer Name"].iloc[0],
                profile.loc[profile["is_peak"], "Layer Name"].iloc[0],
                profile.loc[profile["reaches_95"], "Layer Name"].iloc[0],
            )
        )
    return table(("Effect", "First interval without zero", "Peak", "95 % of the peak"), rows)


def pictures(manager: MultiModelTaskManager, untrained: Sequence[str], out: Path) -> None:
    """Draw both effects over the layers, and a map of all."""
    results = manager.tasks_performance_dfs
    for task, measure in (("Inversion", "Difference"), ("Thatcher", "Relative Difference")):
        [path] = PlotHelper.plot_layer_profile(
            results[task], measure, out, "over layers", controls={"VGG16 untrained": untrained}
        )
        shutil.copyfile(path, PICTURES / f"lfw_{task.lower()}.png")
    PlotHelper.layer_heat_map(
        results,
        {"Inversion": "Difference", "Thatcher": "Relative Difference"},
        out,
        "effects over layers",
        title="Effects over layers",
    )


def main() -> None:
    """Write the numbers into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("FACEBENCH_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path, default=Path("effects_on_photographs"))
    parser.add_argument("--people", type=int, default=210)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-memory")
    given = parser.parse_args()
    started = time.perf_counter()
    references = view1(given.data, given.out)
    minutes = [(time.perf_counter() - started) / 60]
    stimuli = make_conditions(
        given.data / "lfw_view1" / "images",
        given.out / "stimuli",
        ["inverted", "thatcherised"],
        n_people=given.people,
        n_images=2,
        min_images=2,
    )
    minutes.append((time.perf_counter() - started) / 60)
    manager, untrained = networks(stimuli, given.out, given.seeds, given.max_memory)
    minutes.append((time.perf_counter() - started) / 60)
    pictures(manager, untrained, given.out / "pictures")
    made = stimuli.made["thatcherised"]
    blocks = {
        "view 1": references,
        "stimuli": (
            f"Of {stimuli.n_sources} photographs of {given.people} people, {made} "
            f"({made / stimuli.n_sources:.1%}) could be thatcherised; the others are listed in "
            "`left_out.csv` with the reason."
        ),
        "effects": effects(manager, untrained),
        "depths": depths(manager),
        "measured": (
            f"Measured {date.today():%-d %B %Y} with `python docs/effects_numbers.py`: View 1 "
            f"{minutes[0]:.1f} min, stimuli {minutes[1] - minutes[0]:.1f} min, networks and "
            f"effects {minutes[2] - minutes[1]:.1f} min on {os.cpu_count()} cores."
        ),
    }
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
