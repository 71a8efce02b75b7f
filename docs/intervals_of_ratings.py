"""Measure coverage and size of comparisons with people's ratings, for docs/intervals.md.

    python docs/intervals_of_ratings.py [--worlds 300] [--keep FILE]

Every world has new images; raters weigh what they see differently and use the scale differently,
and each pair has noise of its own. A network is compared with them as `SimilarityTask` does, all
pairs of the images or 40 % of them for each rater. Coverage is the share of intervals by image
that hold the mean of the measure over all worlds, size the share of worlds with P < .05 for a
network that sees other things than people. With 300 worlds the Monte-Carlo error is about ±.013.
FILE (JSON) keeps what is done, so that a run may be stopped.
"""

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
from page_blocks import filled, table
from scipy.spatial.distance import pdist

from facebench.metrics.ratings.pairs import RatedPairs

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


def main() -> None:
    """Simulate what FILE does not have yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    known = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    rows = []
    for (n_images, n_raters), missing, likert in product(DESIGNS, MISSING, (False, True)):
        key = f"{n_images} x {n_raters}, {missing}, {likert}"
        if key not in known:
            n_worlds = given.worlds if n_images < SLOW else max(1, given.worlds // 5)
            known[key] = rates(n_images, n_raters, missing, likert, n_worlds)
            if given.keep:
                given.keep.write_text(json.dumps(known))
        cells = [f"{known[key][name]:.3f}".replace("0.", ".", 1) for name in (*COLUMNS, "size")]
        kind = "7 steps" if likert else "free"
        worlds = int(known[key]["worlds"])
        rows.append((f"{n_images} × {n_raters}", f"{missing:.0%}", kind, worlds, *cells))
    header = ("Images × raters", "Missing", "Scale", "Worlds", *COLUMNS.values(), "Size of P")
    page = filled(PAGE.read_text(encoding="utf-8"), {"ratings": table(header, rows)})
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
