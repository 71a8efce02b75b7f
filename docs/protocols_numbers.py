"""Measure the numbers in docs/protocols.md and write them into it.

    python docs/protocols_numbers.py [--data DIR]

DIR is the folder of real face data (default: FACEBENCH_DATA, else ../shared/data). Every image of
LFW View 1 goes through `DlibResNetModel()` twice, the second time as its mirror image: about four
minutes on two cores.
"""

import argparse
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from page_blocks import filled, table

from facebench import DlibResNetModel
from facebench.data.images import open_image
from facebench.metrics.bootstrap import bootstrap
from facebench.metrics.verification import accuracy_at, auc, best_accuracy, eer, roc, tar_at_far
from facebench.parity import flip_concat, flip_sum, parity_table, squared_distances

PAGE = Path(__file__).with_name("protocols.md")
REPOSITORY = Path(__file__).parents[1]
PARTS = {"dev-train": "pairs_dev_train.csv", "dev-test": "pairs_dev_test.csv"}


def embed(folder: Path, names: list[str]) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Give the place of each name, and the embeddings of the images and of their mirror images."""
    model = DlibResNetModel()
    upright, mirrored = [], []
    for start in range(0, len(names), 64):
        batch = names[start : start + 64]
        chips = torch.stack([model.preprocess(open_image(folder / name)) for name in batch])
        upright.append(model.get_output(chips)["default"].numpy())
        mirrored.append(model.get_output(chips.flip(-1))["default"].numpy())
    place = {name: index for index, name in enumerate(names)}
    return place, np.concatenate(upright), np.concatenate(mirrored)


def references(parts: dict[str, dict[str, Any]]) -> str:
    """Accuracy and AUC of both parts, upright and with mirror images."""
    chosen = best_accuracy(
        parts["dev-train"]["same"], parts["dev-train"]["plain"], higher_is_better=False
    ).threshold
    rows = []
    for name, part in parts.items():
        for what, label in (
            ("plain", "upright, Euclidean"),
            ("sum", "flip sum, normalised"),
            ("concat", "flip concat, normalised"),
        ):
            distances = part[what]
            oracle = best_accuracy(part["same"], distances, higher_is_better=False)
            at = accuracy_at(part["same"], distances, chosen, higher_is_better=False)
            rows.append(
                (
                    name,
                    label,
                    f"{auc(part['same'], distances, higher_is_better=False):.4f}",
                    f"{oracle.accuracy:.4f} at {oracle.threshold:.3f}",
                    f"{at:.4f}" if what == "plain" and name == "dev-test" else "",
                )
            )
    header = ("Pairs", "Embedding", "AUC", "Oracle accuracy", f"Accuracy at {chosen:.3f}")
    return table(header, rows)


def rules(part: dict[str, Any], order: np.ndarray) -> str:
    """Every rule on the pairs in a given order."""
    left, right, left_mirrored, right_mirrored = (side[order] for side in part["sides"])
    found = parity_table(part["same"][order], left, right, (left_mirrored, right_mirrored))
    rows = []
    for row in found.itertuples(index=False):
        spread = "" if np.isnan(row.Spread) else f" ± {row.Spread:.4f}"
        tar = "" if np.isnan(row.TAR) else f"{row.TAR:.4f} at {row.FAR:.4f}"
        pairs = f"{row[7]:+.0f}".replace("-", "\N{MINUS SIGN}") if row[7] else "0"
        rows.append((f"`{row.Rule}`", f"{row.Accuracy:.4f}{spread}", pairs, tar, row.Why))
    return table(("Rule", "Prints", "Pairs", "TAR at FAR", "Why it differs from `lfw`"), rows)


def dealt(same: np.ndarray) -> np.ndarray:
    """Deal the rows of a file that is sorted by label into ten folds in turn."""
    return np.argsort(np.arange(len(same)) % 10, kind="stable")


def nearest(same: np.ndarray, distances: np.ndarray, target: float) -> tuple[float, float]:
    """Take TAR where the FAR is nearest to the target, as plots of a ROC are often read."""
    curve = roc(same, distances, higher_is_better=False)
    gap = np.abs(curve.fmr - target)
    point = np.flatnonzero(gap == gap.min())[-1]
    return float(curve.tmr[point]), float(curve.fmr[point])


def points(part: dict[str, Any]) -> str:
    """TAR at FAR and EER, each by two rules."""
    same, distances = part["same"], part["plain"]
    rows = []
    for target in (0.1, 0.01, 0.003, 0.001):
        found = tar_at_far(same, distances, target, higher_is_better=False)
        tar, far = nearest(same, distances, target)
        ours = f"{found.tar:.3f} at {found.far:.3f}"
        ours += "" if found.resolvable else " (not resolvable: below 1 / 500)"
        rows.append((f"TAR at FAR {target:g}", ours, f"{tar:.3f} at {far:.3f}"))
    one, other = (
        eer(same, distances, higher_is_better=False, method=method)
        for method in ("midpoint", "hull")
    )
    midpoint = f"{one.rate:.4f} (midpoint of {one.low:.4f} and {one.high:.4f})"
    rows.append(("EER", midpoint, f"{other.rate:.4f} (convex hull)"))
    return table(("", "facebench", "nearest FAR, or the other rule"), rows)


def intervals(part: dict[str, Any]) -> str:
    """95 % intervals of AUC and TAR by what is resampled."""
    rows = []
    for metric, name in (("auc", "AUC"), ("tar@1e-2", "TAR at FAR 0.01")):
        cells = [name]
        for by in ("pair", "image", "identity"):
            members = part["people" if by == "identity" else "images"]
            low, high = bootstrap(
                part["same"],
                part["plain"],
                metric,
                by=by,
                members1=members[0],
                members2=members[1],
                n_resamples=2000,
                higher_is_better=False,
            )
            cells.append(f"{low:.4f} … {high:.4f}")
        rows.append(cells)
    return table(("95 % interval of", "pairs resampled", "images", "identities"), rows)


def measured(data: Path) -> dict[str, str]:
    """Measure every block of the page."""
    folder = data / "lfw_view1"
    tables = {name: pd.read_csv(folder / file) for name, file in PARTS.items()}
    names = sorted({name for t in tables.values() for c in ("img1", "img2") for name in t[c]})
    place, upright, mirrored = embed(folder / "images", names)
    parts: dict[str, dict[str, Any]] = {}
    for name, pairs in tables.items():
        one, other = ([place[image] for image in pairs[c]] for c in ("img1", "img2"))
        sides = (upright[one], upright[other], mirrored[one], mirrored[other])

        def flipped(
            how: Callable[[Any, Any], Any], of: tuple[np.ndarray, ...] = sides
        ) -> np.ndarray:
            return np.sqrt(squared_distances(how(of[0], of[2]), how(of[1], of[3])))

        parts[name] = {
            "same": pairs["same"].to_numpy(),
            "sides": sides,
            "plain": np.sqrt(squared_distances(sides[0], sides[1])),
            "sum": flipped(flip_sum),
            "concat": flipped(flip_concat),
            "images": (pairs["img1"], pairs["img2"]),
            "people": tuple(pairs[c].str.split("/").str[0] for c in ("img1", "img2")),
        }
    train, test = parts["dev-train"], parts["dev-test"]
    return {
        "measured": f"Measured {date.today():%-d %B %Y} with `python docs/protocols_numbers.py`.",
        "references": references(parts),
        "rules dev-test": rules(test, dealt(test["same"])),
        "rules dev-train": rules(train, dealt(train["same"])),
        "rules sorted": rules(test, np.arange(len(test["same"]))),
        "points": points(test),
        "intervals": intervals(test),
    }


def main() -> None:
    """Write the numbers into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("FACEBENCH_DATA", REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(text, measured(parser.parse_args().data)), encoding="utf-8")


if __name__ == "__main__":
    main()
