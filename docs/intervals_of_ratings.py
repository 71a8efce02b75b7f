"""Measure coverage and size of comparisons with ratings and choices, for docs/intervals.md.

    python docs/intervals_of_ratings.py [--worlds 300] [--keep FILE]

Every world has new images; raters weigh what they see differently and use the scale differently,
and each pair has noise of its own. A network is compared with them as `SimilarityTask` does, all
pairs of the images or 40 % of them for each rater. Coverage is the share of intervals by image
that hold the mean of the measure over all worlds, size the share of worlds with P < .05 for a
network that sees other things than people. With 300 worlds the Monte-Carlo error is about ±.013.
Choices of the odd one of three images are simulated likewise, each triplet judged by two people,
and two networks of equal quality compared; whitened measures of RDMs as `RsaTask` has them.
FILE (JSON) keeps what is done, so that a run may be stopped.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
from page_blocks import filled, table
from scipy.spatial.distance import pdist, squareform

from facebench import OddOneOutTask
from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.ratings.pairs import RatedPairs
from facebench.metrics.uncertainty.rsa_intervals import rdm_likeness

PAGE = Path(__file__).with_name("intervals.md")
DESIGNS = ((8, 4), (12, 5), (24, 10), (92, 16))
MISSING = (0.0, 0.6)
# Of the largest table a world takes seconds.
SLOW = 92
COLUMNS = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "tau-a": "Tau-a",
    "rho-a": "Rho-a",
    "raters": "Single rater",
    "lower": "Ceiling lower",
    "upper": "Ceiling upper",
    "share": "Share of ceiling",
}
IMAGES = (8, 12, 24, 48)
CHOICES = ("Agreement", "Log Likelihood", "Ceiling Lower", "Ceiling Upper", "Share of Ceiling")
WHITENED = {
    "cosine": "Cosine",
    "cosine-whitened": "Whitened Cosine",
    "pearson-whitened": "Whitened Pearson",
}


def ratings_of(
    rng: np.random.Generator, points: np.ndarray, raters: np.ndarray, missing: float, likert: bool
) -> np.ndarray:
    """Let raters judge the distances of all pairs of some images, on seven steps or freely."""
    seen = np.stack([pdist(points * weights) for weights in raters[:, :-2]], axis=1)
    seen += 0.5 * rng.normal(size=seen.shape)
    judged = raters[:, -2] + raters[:, -1] * (seen - seen.mean())
    if likert:
        judged = np.clip(np.rint(4 + 1.2 * judged), 1, 7)
    judged[rng.random(judged.shape) < missing] = np.nan
    return judged


def rates(
    n_images: int, n_raters: int, missing: float, likert: bool, n_worlds: int
) -> dict[str, float]:
    """Count how often intervals hold the truth, and P of nothing is below .05."""
    rng = np.random.default_rng([n_images, n_raters, int(10 * missing), likert])
    raters = np.exp(0.4 * rng.normal(size=(n_raters, 6)))
    raters[:, -2] = rng.normal(size=n_raters)
    first, second = np.triu_indices(n_images, 1)
    found, rejected = [], []
    for world in range(n_worlds):
        points, other = rng.normal(size=(2, n_images, 4))
        judged = ratings_of(rng, points, raters, missing, likert)
        rated = RatedPairs(judged, first, second, n_permutations=199, seed=world)
        made = rated.compare(pdist(points + 0.7 * rng.normal(size=points.shape)))
        lower, upper = rated.ceiling_intervals()
        found.append(
            {
                **made.correlations,
                "raters": made.with_raters,
                "lower": lower,
                "upper": upper,
                "share": made.share,
            }
        )
        rejected.append(rated.compare(pdist(other)).p_value < 0.05)
    result = {"worlds": float(n_worlds), "size": float(np.mean(rejected))}
    means = {name: np.nanmean([each[name].value for each in found]) for name in COLUMNS}
    # Of a quotient whose denominator may be small the mean says little.
    means["share"] = means["raters"] / means["lower"]
    for name, truth in means.items():
        _, low, high = np.array([each[name] for each in found]).T
        known = ~np.isnan(low)
        result[name] = float(np.mean((low <= truth)[known] & (truth <= high)[known]))
    return result


def choices(n_images: int, n_worlds: int) -> dict[str, float]:
    """Count how often intervals of choices hold the truth, and equal networks are rejected.

    Ten triplets an image (of eight images all 56), each judged by two people.
    """
    rng = np.random.default_rng([n_images, 3])
    every = np.array(list(combinations(range(n_images), 3)))
    names = np.array([f"{number}.png" for number in range(n_images)])
    rows, tests = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "triplets.csv"
        for _ in range(n_worlds):
            chosen = rng.choice(len(every), min(len(every), 10 * n_images), replace=False)
            triplets = np.repeat(every[chosen], 2, axis=0)
            points = rng.normal(size=(n_images, 4))
            apart = squareform(pdist(points))
            # The odd one is outside the pair that looks most alike.
            pairs = [apart[triplets[:, a], triplets[:, b]] for a, b in ((1, 2), (0, 2), (0, 1))]
            seen = np.stack(pairs, axis=1) + 0.7 * rng.normal(size=triplets.shape)
            table_ = pd.DataFrame(names[triplets], columns=["img1", "img2", "img3"])
            table_.assign(odd=1 + seen.argmin(axis=1)).to_csv(path, index=False)
            task = OddOneOutTask("simulated", path, folder, similarity="euclidean")
            order = np.argsort(names)[np.searchsorted(np.sort(names), task.images)]
            left = []
            for _ in range(2):
                embeddings = (points + 0.7 * rng.normal(size=points.shape))[order]
                items = task.compute_items(embeddings)
                row = task.compute_task_performance(items).iloc[0]
                rows.append(row)
                left.append(task.left_out(items).of(None, "Agreement", row["Agreement"]))
            tests.append(left[0].minus(left[1]))
    frame = pd.DataFrame(rows)
    result = {
        "worlds": float(n_worlds),
        "size": float(np.mean([found is not None and found.p_value < 0.05 for found in tests])),
    }
    for name in CHOICES:
        low, high = (frame[f"{name} CI {end}"] for end in ("Low", "High"))
        truth = frame[name].mean()
        if name == "Share of Ceiling":
            truth = frame["Agreement"].mean() / frame["Ceiling Lower"].mean()
        result[name] = float(((low <= truth) & (truth <= high))[low.notna()].mean())
    return result


def whitened(n_images: int, n_worlds: int) -> dict[str, float]:
    """Count how often intervals of an RDM's likeness to another hold the truth."""
    rng = np.random.default_rng([n_images, 5])
    first, second = np.triu_indices(n_images, 1)
    units = RatedUnits(first, second, n_images, 1, "image", "jackknife", 200, 0)
    found: dict[str, list] = {name: [] for name in WHITENED}
    for _ in range(n_worlds):
        points = rng.normal(size=(n_images, 4))
        one, other = (pdist(points + 0.7 * rng.normal(size=points.shape)) for _ in range(2))
        for name, made in found.items():
            made.append(rdm_likeness(one, other[:, None], name, units))
    result = {"worlds": float(n_worlds)}
    for name, made in found.items():
        value, low, high = np.array(made).T
        result[name] = float(np.mean((low <= value.mean()) & (value.mean() <= high)))
    return result


def main() -> None:
    """Simulate what FILE does not have yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    known = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}

    def cells(key: str, simulate: Callable[[], dict[str, float]], columns: Iterable[str]) -> list:
        if key not in known:
            known[key] = simulate()
            if given.keep:
                given.keep.write_text(json.dumps(known))
        shares = (f"{known[key][name]:.3f}".replace("0.", ".", 1) for name in columns)
        return [int(known[key]["worlds"]), *shares]

    rows = []
    for (n_images, n_raters), missing, likert in product(DESIGNS, MISSING, (False, True)):
        key = f"{n_images} x {n_raters}, {missing}, {likert}"
        n_worlds = given.worlds if n_images < SLOW else max(1, given.worlds // 5)
        made = partial(rates, n_images, n_raters, missing, likert, n_worlds)
        found = cells(key, made, (*COLUMNS, "size"))
        kind = "7 steps" if likert else "free"
        rows.append((f"{n_images} × {n_raters}", f"{missing:.0%}", kind, *found))
    header = ("Images × raters", "Missing", "Scale", "Worlds", *COLUMNS.values(), "Size of P")
    blocks = {"ratings": table(header, rows)}
    for block, simulate, columns in (
        ("choices", choices, {**{name: name for name in CHOICES}, "size": "Size of P"}),
        ("whitened", whitened, WHITENED),
    ):
        rows = []
        for n_images in IMAGES:
            made = partial(simulate, n_images, given.worlds)
            rows.append((n_images, *cells(f"{block} {n_images}", made, columns)))
        blocks[block] = table(("Images", "Worlds", *columns.values()), rows)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
