"""Measure coverage and size of verification in uneven designs, for docs/intervals.md.

    python docs/intervals_of_designs.py [--worlds 150] [--keep FILE]

Every world has people who differ in how hard they are, and two networks of equal quality, measured
through the task itself. Coverage is the share of intervals that hold the mean of the measure over
all worlds (of thresholds the median), size the share of worlds with P < .05 for the difference of
the two. With 150 worlds the Monte-Carlo error is about ±.018. FILE (JSON) keeps what is done, so
that a run may be stopped.
"""

import argparse
import json
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from intervals_numbers import mixed
from page_blocks import filled, table

from facebench import VerificationTask
from facebench.results.comparison.paired import Evidence
from facebench.results.pair_rows import layers_of
from facebench.results.task_facts import facts_of
from facebench.run.estimates import Estimator

PAGE = Path(__file__).with_name("intervals.md")
IMAGES = (1, 1, 2, 2, 3, 4, 6, 10)
# Images of each person, all pairs of them.
UNEQUAL = {
    "unequal images": lambda n: [IMAGES[p % len(IMAGES)] for p in range(n)],
    "2 to 20 images": lambda n: np.geomspace(2, 20, n).round().astype(int),
    "one person has 60% of images": lambda n: [3 * (n - 1)] + [2] * (n - 1),
    "five images": lambda n: [5] * n,
}
MEASURES = ("AUC", "EER", "d'", "TAR@FAR=0.1", "EER Threshold")
# The name, people, steps of distances, and the share of people whose images are near duplicates.
DESIGNS = (
    ("unequal images", 12, 0.0, 0.0),
    ("unequal images", 20, 0.0, 0.0),
    ("unequal images", 30, 0.0, 0.0),
    ("few impostors", 20, 0.0, 0.0),
    ("few impostors", 24, 0.0, 0.3),
    ("blocks", 10, 0.0, 0.0),
    ("blocks", 40, 0.0, 0.0),
    ("sparse", 20, 0.0, 0.0),
    ("sparse", 30, 0.5, 0.0),
    ("2 to 20 images", 12, 0.0, 0.0),
    ("one person has 60% of images", 12, 0.0, 0.0),
    ("one person has 60% of images", 20, 0.0, 0.0),
    ("each person in one pair", 60, 0.0, 0.0),
    ("each person in one pair", 200, 0.0, 0.0),
    ("five images", 5, 0.0, 0.0),
)


def pairs_of(design: str, n_people: int) -> np.ndarray:
    """Give the person and image of both sides of every pair, [N, 4]."""
    if design in UNEQUAL:
        counts = UNEQUAL[design](n_people)
        images = [(p, k) for p, count in enumerate(counts) for k in range(count)]
        return np.array([(*one, *two) for one, two in combinations(images, 2)])
    if design == "each person in one pair":
        # A third of the people have a genuine pair, the others an impostor pair with another.
        own = [(p, 0, p, 1) for p in range(n_people // 3)]
        return np.array(own + [(p, 0, p + 1, 0) for p in range(n_people // 3, n_people - 1, 2)])
    if design == "blocks":
        found = []
        for start in range(0, n_people, 5):
            images = [(p, k) for p in range(start, start + 5) for k in range(3)]
            found += [(*one, *two) for one, two in combinations(images, 2)]
        return np.array(found)
    if design == "few impostors":
        own = [(p, j, p, k) for p in range(n_people) for j, k in combinations(range(3), 2)]
        return np.array(own + [(p, 0, (p + 1) % n_people, 1) for p in range(n_people)])
    rng = np.random.default_rng(1)
    own = [(p, 0, p, 1) for p in range(0, n_people, 2)]
    drawn = rng.integers(n_people, size=(11 * n_people, 2))
    shots = rng.integers(3, size=drawn.shape)
    other = np.stack((drawn[:, 0], shots[:, 0], drawn[:, 1], shots[:, 1]), axis=1)
    other = np.unique(other[drawn[:, 0] != drawn[:, 1]], axis=0)
    return np.concatenate((own, other))


def rates(
    design: str, n_people: int, step: float, alike: float, n_worlds: int
) -> dict[str, list[float]]:
    """Simulate worlds; gives coverage and size of each measure."""
    pairs = pairs_of(design, n_people)
    names = [[f"p{p:03d}/{k}.png" for p, k in pairs[:, side : side + 2]] for side in (0, 2)]
    given = pd.DataFrame({"img1": names[0], "img2": names[1]})
    given["same"] = (pairs[:, 0] == pairs[:, 2]).astype(int)
    found: dict[str, list] = {name: [] for name in MEASURES}
    told: dict[str, list] = {name: [] for name in MEASURES}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        given.to_csv(path, index=False)
        task = VerificationTask("simulated", path, folder, far=(0.1,))
        frame = pd.DataFrame(task.pairs_df).assign(layer_name="fc")
        for world in range(n_worlds):
            rng = np.random.default_rng([n_people, world, len(design)])
            centres = rng.normal(size=(n_people, 1, 8))
            images = rng.normal(size=(n_people, int(pairs[:, [1, 3]].max()) + 1, 8))
            hard = rng.normal(size=(n_people, 1, 1))
            sides = []
            for _ in range(2):
                spread = 0.77 * np.exp(0.35 * mixed(rng, hard, 0.3))
                seen = mixed(rng, centres) + spread * mixed(rng, images)
                twins = rng.random(n_people) < alike
                seen[twins, 1:] = seen[twins, :1] + 0.01 * rng.normal(size=seen[twins, 1:].shape)
                apart = seen[pairs[:, 0], pairs[:, 1]] - seen[pairs[:, 2], pairs[:, 3]]
                distances = np.linalg.norm(apart, axis=1)
                if step:
                    distances = np.round(distances / step) * step
                layer = frame.assign(model_computed_distance=distances)
                row = task.compute_unrounded_performance(layer).assign(**{"Layer Name": "fc"})
                made = Estimator().estimates_of(task, layer, row)["fc"]
                rows = layers_of(layer, facts_of(task, row))["fc"]
                own = {one.measure: one for one in made.estimates if one.measure in MEASURES}
                for name, one in own.items():
                    found[name].append((one.value, one.low, one.high))
                sides.append(
                    {n: Evidence(n, None, e.value, rows, made.replicates) for n, e in own.items()}
                )
            for name, one in sides[0].items():
                test = one.minus(sides[1][name])
                told[name].append(test is not None and test.p_value < 0.05)
    result = {}
    for name, each in found.items():
        value, low, high = np.array(each, dtype=float).T
        truth = np.median(value) if name.endswith("Threshold") else np.nanmean(value)
        held = (low <= truth) & (truth <= high)
        result[name] = [float(held[~np.isnan(low)].mean()), float(np.mean(told[name]))]
    return result


def main() -> None:
    """Simulate what FILE does not have yet, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=150)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    known = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    rows = []
    for design in DESIGNS:
        key = " ".join(map(str, design))
        if key not in known:
            known[key] = {"worlds": given.worlds, **rates(*design, given.worlds)}
            if given.keep:
                given.keep.write_text(json.dumps(known))
        name, n_people, step, alike = design
        name += f", distances in steps of {step:g}" if step else ""
        name += f", {alike:.0%} of people near duplicates" if alike else ""
        shown = [
            f"{held:.3f}" + ("" if measure.endswith("Threshold") else f" / {size:.3f}")
            for measure in MEASURES
            for held, size in [known[key][measure]]
        ]
        cells = (cell.replace("0.", ".") for cell in shown)
        rows.append((name, n_people, known[key]["worlds"], *cells))
    header = ("Design", "People", "Worlds", *MEASURES)
    blocks = {"designs": table(header, rows)}
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
