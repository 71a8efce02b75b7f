"""Measure how often intervals hold the truth and equal networks are rejected (docs/intervals.md).

    python docs/intervals_numbers.py [--worlds 1000] [--people 8 12 20 30 100] [--keep FILE]

Every world has people who differ in how hard they are, and two networks of equal quality that
find other people hard: people × network interaction, and noise of each person's own. Coverage is
the share of intervals that hold the mean of the measure over all worlds, size the share of worlds
with P < .05. With 400 worlds the Monte-Carlo error is about ±.008 for coverage (two networks each)
and ±.011 for size. All of it takes about an hour of one core; FILE (JSON) keeps what is done,
so that a run may be stopped.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from page_blocks import filled, table
from sklearn.metrics.pairwise import euclidean_distances

from facebench import IdentificationTask, TemplateVerificationTask
from facebench.metrics.accuracy import kfold_accuracy, kfold_decisions
from facebench.metrics.folds import make_folds
from facebench.metrics.uncertainty.correlation_influence import (
    kendall_influence,
    pearson_influence,
    spearman_influence,
)
from facebench.metrics.uncertainty.influence import (
    auc_influence,
    eer_influence,
    linear_replicates,
    mean_influence,
    relative_difference_influence,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import effective_counts, jackknife_proportion
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_jackknife,
    youden_accuracy_jackknife,
)
from facebench.metrics.uncertainty.spread import LargestError, Replicates, max_statistic
from facebench.results.held_out import held_out_replicates

PAGE = Path(__file__).with_name("intervals.md")
PEOPLE = (8, 12, 20, 30, 100)
# The spread of one person's images, and the AUC that it gives.
NOISE = {".85": 0.77, ".98": 0.38}
IMAGES, DIMENSIONS, SHARED = 5, 8, 0.6
FAR = (0.1, 0.01)
LAYERS = 16
LAYER_COLUMNS = {
    "own": "Each layer's P",
    "Holm": "Holm",
    "max": "Maximum statistic",
    "best": "Best layer's own interval",
    "headline": "Its interval in headlines",
    "against": "P against one layer, by itself",
    "letters": "P of letters",
    "held-out": "Held-out interval",
    "chosen": "Held-out P",
}
SHARES = {
    "AUC": "auc",
    "EER": "eer",
    "Accuracy": "accuracy",
    "Oracle accuracy": "accuracy",
    "Youden accuracy": "accuracy",
}
MEASURES = (
    *("AUC", "Accuracy", "EER", "d'", "TAR@.1", "TAR@.01"),
    *("Oracle accuracy", "Youden accuracy"),
)
TEMPLATES = ("AUC", "EER", "TAR@FAR=0.1", "Oracle Accuracy")
SEARCHED = ("Rank-1", "Rank-3", "TPIR@FPIR=0.1")
# The AUC about, the spread of one person's images, and probes of each person.
GALLERIES = ((".85", NOISE[".85"], 4), (".98", NOISE[".98"], 4), (".85", NOISE[".85"], 1))
CORRELATIONS = ("Pearson", "Spearman", "Kendall", "Mean", "Relative difference")

Cell = tuple[float, float, float]


def mixed(rng: np.random.Generator, common: np.ndarray, shared: float = SHARED) -> np.ndarray:
    """Give what one network sees: in part what all of them see."""
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=common.shape)


def networks(
    rng: np.random.Generator, n_people: int, noise: float, first: np.ndarray, second: np.ndarray
) -> Iterator[np.ndarray]:
    """Draw one world and give two networks' distances of pairs of its images."""
    centres = rng.normal(size=(n_people, 1, DIMENSIONS))
    images = rng.normal(size=(n_people, IMAGES, DIMENSIONS))
    hard = rng.normal(size=(n_people, 1, 1))
    for _ in range(2):
        spread = noise * np.exp(0.35 * mixed(rng, hard, 0.3))
        seen = (mixed(rng, centres) + spread * mixed(rng, images)).reshape(-1, DIMENSIONS)
        yield np.sqrt(((seen[first] - seen[second]) ** 2).sum(axis=1))


def pairs(rng: np.random.Generator, n_people: int, design: str) -> tuple[np.ndarray, np.ndarray]:
    """Give all pairs of images; or two of each person, and as many of different people."""
    n_images = n_people * IMAGES
    first, second = np.triu_indices(n_images, 1)
    if design == "all":
        return first, second
    same = first // IMAGES == second // IMAGES
    genuine = np.flatnonzero(same).reshape(n_people, -1)
    own = rng.permuted(genuine, axis=1)[:, :2].ravel()
    other = rng.choice(np.flatnonzero(~same), own.size, replace=False)
    chosen = np.concatenate((own, other))
    return first[chosen], second[chosen]


def verification(
    labels: np.ndarray, distances: np.ndarray, groups: JackknifeGroups
) -> dict[str, tuple[Replicates, float, float]]:
    """Measure one network in every way, with intervals."""
    way = {"higher_is_better": False}
    folds = make_folds(labels, min(10, int(labels.sum())), groups.first, groups.second).of_pair
    crossed = kfold_accuracy(labels, distances, folds, **way)
    right = kfold_decisions(labels, distances, folds, crossed.thresholds, **way)
    made = verification_jackknife(labels, distances, groups, far=FAR, **way)
    found = {
        "AUC": linear_replicates(auc_influence(labels, distances, **way), groups.shared),
        "Accuracy": Replicates(crossed.mean, fold_accuracy_replicates(right, folds, groups)),
        "EER": linear_replicates(eer_influence(labels, distances, **way), groups.shared),
        "d'": made["dprime"],
        "Oracle accuracy": made["best accuracy"],
        "Youden accuracy": youden_accuracy_jackknife(labels, -distances, groups),
    }
    n_impostor = int((labels == 0).sum())
    found |= {
        name: made[f"tar@{target:g}"]
        for name, target in zip(("TAR@.1", "TAR@.01"), FAR, strict=True)
        if target * n_impostor >= 1
    }
    counts = effective_counts(labels == 1, distances, groups.first, groups.second)
    return {
        name: (
            each,
            *(
                each.interval()
                if name == "d'"
                else jackknife_proportion(SHARES.get(name, "tar"), each, counts)
            ),
        )
        for name, each in found.items()
    }


def rated(
    rng: np.random.Generator, n_images: int
) -> list[dict[str, tuple[Replicates, float, float]]]:
    """Correlate two networks' distances of all pairs of some images with given ones."""
    first, second = np.triu_indices(n_images, 1)
    groups = JackknifeGroups(first, second)
    points = rng.normal(size=(n_images, 4))

    def distances() -> np.ndarray:
        seen = mixed(rng, points)
        return np.sqrt(((seen[first] - seen[second]) ** 2).sum(axis=1))

    given = distances()
    half = first % 2 == second % 2
    found = []
    for own in (distances(), distances()):
        ratio = relative_difference_influence(own[half], own[~half])
        values = np.empty(own.size)
        values[half], values[~half] = np.split(ratio.values, [half.sum()])
        influences = {
            "Pearson": pearson_influence(own, given),
            "Spearman": spearman_influence(own, given),
            "Kendall": kendall_influence(own, given),
            "Mean": mean_influence(own),
            "Relative difference": ratio._replace(values=values, classes=half),
        }
        made = {name: linear_replicates(each, groups.shared) for name, each in influences.items()}
        found.append(
            {
                name: (each, *each.interval("identity" if name == "Mean" else "fisher"))
                for name, each in made.items()
            }
        )
    return found


def measured(worlds: list[list[dict[str, tuple[Replicates, float, float]]]]) -> dict[str, Cell]:
    """Give coverage, size and the mean of every measure over worlds of two networks each."""
    found = {}
    for name in worlds[0][0]:
        made = [[network[name] for network in world] for world in worlds]
        mean = np.mean([each.value for world in made for each, _, _ in world])
        held = [low <= mean <= high for world in made for _, low, high in world]
        tests = [one[0].minus(other[0]) for one, other in made]
        told = [test is not None and test.p_value < 0.05 for test in tests]
        found[name] = (float(np.mean(held)), float(np.mean(told)), float(mean))
    return found


def verification_design(n_people: int, design: str, noise: float, n_worlds: int) -> dict[str, Cell]:
    """Simulate worlds of people."""
    rng = np.random.default_rng([n_people, len(design), int(100 * noise)])
    worlds = []
    for _ in range(n_worlds):
        first, second = pairs(rng, n_people, design)
        people = first // IMAGES, second // IMAGES
        labels = (people[0] == people[1]).astype(int)
        groups = JackknifeGroups(*people)
        drawn = networks(rng, n_people, noise, first, second)
        worlds.append([verification(labels, distances, groups) for distances in drawn])
    return measured(worlds)


def images_design(n_images: int, n_worlds: int) -> dict[str, Cell]:
    """Simulate worlds of images."""
    return measured(
        [rated(np.random.default_rng([n_images, world]), n_images) for world in range(n_worlds)]
    )


def templates_design(n_people: int, n_worlds: int) -> dict[str, Cell]:
    """Simulate worlds of templates of three photographs, three of each person, through the task."""
    people = np.repeat(np.arange(n_people), 3)
    images = pd.DataFrame(
        {"template": np.repeat(np.arange(people.size), 3), "identity": np.repeat(people, 3)}
    )
    images["image"] = np.arange(len(images))
    rng = np.random.default_rng([n_people, 3])
    first, second = np.triu_indices(people.size, 1)
    same = people[first] == people[second]
    other = rng.choice(np.flatnonzero(~same), int(same.sum()), replace=False)
    chosen = np.concatenate((np.flatnonzero(same), other))
    pairs_table = pd.DataFrame(
        {"template1": first[chosen], "template2": second[chosen], "same": same[chosen].astype(int)}
    )
    task = TemplateVerificationTask(
        "simulated", images, pairs_table, ".", euclidean_distances, normalise="none", far=(0.1,)
    )
    worlds = []
    for _ in range(n_worlds):
        centres = rng.normal(size=(n_people, 1, 1, DIMENSIONS))
        photographs = rng.normal(size=(n_people, 3, 3, DIMENSIONS))
        # What the photographs of a template have in common: a place and a day.
        common = rng.normal(size=(n_people, 3, 1, DIMENSIONS))
        hard = rng.normal(size=(n_people, 1, 1, 1))
        world = []
        for _ in range(2):
            spread = np.exp(0.35 * mixed(rng, hard, 0.3))
            seen = mixed(rng, centres) + spread * (
                0.7 * mixed(rng, common) + 0.7 * mixed(rng, photographs)
            )
            world.append(through(task, seen.reshape(-1, DIMENSIONS), TEMPLATES))
        worlds.append(world)
    return measured(worlds)


def through(
    task: IdentificationTask | TemplateVerificationTask, embeddings: np.ndarray, names: tuple
) -> dict[str, tuple[Replicates, float, float]]:
    """Measure one network by the task itself."""
    items = task.compute_items(embeddings).assign(layer_name="simulated")
    row, left = task.compute_task_performance(items).iloc[0], task.left_out(items)
    return {
        name: (left.of(None, name, row[name]), row[f"{name} CI Low"], row[f"{name} CI High"])
        for name in names
    }


def gallery_design(
    n_people: int, noise: float, n_worlds: int, n_probes: int = IMAGES - 1
) -> dict[str, Cell]:
    """Simulate worlds of a gallery of one photograph of each person, through the task.

    As many other people are outside the gallery; all of them have so many probes.
    """
    people = np.arange(2 * n_people)
    probes = np.repeat(people, n_probes)
    task = IdentificationTask(
        "simulated",
        pd.DataFrame({"image": people[:n_people], "identity": people[:n_people]}).astype(str),
        pd.DataFrame({"image": n_people + np.arange(probes.size), "identity": probes}).astype(str),
        ".",
        euclidean_distances,
        ranks=(1, 3),
        fpir=(0.1,),
    )
    rng = np.random.default_rng([n_people, int(100 * noise), n_probes])
    worlds = []
    for _ in range(n_worlds):
        centres = rng.normal(size=(2 * n_people, 1, DIMENSIONS))
        images = rng.normal(size=(2 * n_people, 1 + n_probes, DIMENSIONS))
        hard = rng.normal(size=(2 * n_people, 1, 1))
        world = []
        for _ in range(2):
            spread = noise * np.exp(0.35 * mixed(rng, hard, 0.3))
            seen = mixed(rng, centres) + spread * mixed(rng, images)
            parts = seen[:n_people, 0], seen[:, 1:].reshape(-1, DIMENSIONS)
            world.append(through(task, np.concatenate(parts), SEARCHED))
        worlds.append(world)
    return measured(worlds)


def layers_design(n_people: int, design: str, n_worlds: int) -> dict[str, float]:
    """Compare two equal networks in 16 equal layers: how often is any P below .05?

    Gives the shares by each layer's own P, by Holm's and by the maximum statistic; how often the
    AUC that all layers have is held by the best layer's own interval, by that which allows for the
    choice, and by that of the layer that is chosen on other people; how often the latter differ;
    and how often the best layer differs from one layer of the other network.
    """
    rng = np.random.default_rng([n_people, LAYERS])
    first, second = pairs(rng, n_people, design)
    people = first // IMAGES, second // IMAGES
    labels = people[0] == people[1]
    groups = JackknifeGroups(*people)
    told = np.zeros((n_worlds, 6))
    best, headline, held_out, means = [], [], [], []
    for world in range(n_worlds):
        common = [list(networks(rng, n_people, 0.77, first, second))]
        sides, chosen = [], []
        for network in range(2):
            made, intervals = [], []
            for _ in range(LAYERS):
                own = next(networks(rng, n_people, 0.77, first, second))
                distances = np.sqrt(0.7) * common[0][network] + np.sqrt(0.3) * own
                influence = auc_influence(labels, distances, higher_is_better=False)
                made.append(linear_replicates(influence, groups.shared))
                counts = effective_counts(labels, distances, groups.first, groups.second)
                intervals.append(jackknife_proportion("auc", made[-1], counts))
            values = [each.value for each in made]
            top = int(np.argmax(values))
            best.append(intervals[top])
            rivals = [
                one
                for one, interval in zip(made, intervals, strict=True)
                if interval.high >= best[-1].low
            ]
            largest = LargestError(rivals)
            low = largest.end(values[top], best[-1].low, (0, 1))
            headline.append((low, best[-1].high))
            means.append(np.mean(values))
            chosen.append(held_out_replicates(made, made, 1)[0])
            held_out.append(chosen[-1].interval("logit"))
            sides.append(made)
        # The best layer of the second network, against one of the first.
        against = sides[1][top].minus(sides[0][0])
        p = 1.0 if against is None else against.p_value
        leads = against is not None and against.difference > 0
        tests = [one.minus(other) for one, other in zip(*sides, strict=True)]
        own_p = min(test.p_value for test in tests)
        both = chosen[0].minus(chosen[1])
        told[world] = [
            own_p < 0.05,
            own_p * LAYERS < 0.05,
            max_statistic(tests).min() < 0.05,
            both is not None and both.p_value < 0.05,
            p < 0.05,
            (largest.two_sided(p) if leads else p) < 0.05,
        ]
    truth = np.mean(means)
    names = ("own", "Holm", "max", "chosen", "against", "letters")
    shares = dict(zip(names, told.mean(axis=0).tolist(), strict=True))
    for name, found in (("best", best), ("headline", headline), ("held-out", held_out)):
        shares[name] = float(np.mean([low <= truth <= high for low, high in found]))
    return shares


def shown(cell: Cell | None) -> str:
    """Write coverage and size, as .95 / .050."""
    if cell is None:
        return "–"
    return f"{cell[0]:.3f} / {cell[1]:.3f}".replace("0.", ".")


def main() -> None:
    """Simulate what FILE does not have yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--people", type=int, nargs="+", default=PEOPLE)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    kept = arguments.keep
    known = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}

    def cells(key: str, n_worlds: int, simulate: Callable[[], dict[str, Cell]]) -> dict[str, Cell]:
        if key not in known:
            known[key] = {"worlds": n_worlds, **simulate()}
            if kept is not None:
                kept.write_text(json.dumps(known))
        return known[key]

    n_worlds = arguments.worlds
    rows, images, layers, templates, searched = [], [], [], [], []
    for n_people, design, area in product(arguments.people, ("sparse", "all"), NOISE):
        # All pairs of 100 people are 125,000.
        number = n_worlds if n_people * (design == "all") < 100 else max(1, n_worlds // 10)
        simulate = partial(verification_design, n_people, design, NOISE[area], number)
        found = cells(f"{n_people} {design} {area}", number, simulate)
        shares = (shown(found.get(name)) for name in MEASURES)
        rows.append((n_people, design, area, found["worlds"], *shares))
    for n_people in (n for n in arguments.people if n <= 30):
        found = cells(
            f"{n_people} templates", n_worlds, partial(templates_design, n_people, n_worlds)
        )
        shares = (shown(found[name]) for name in TEMPLATES)
        templates.append((n_people, found["worlds"], *shares))
    for n_people, (area, noise, n_probes) in product(arguments.people, GALLERIES):
        number = max(1, n_worlds // (2 if n_people < 100 else 4))
        simulate = partial(gallery_design, n_people, noise, number, n_probes)
        found = cells(f"{n_people} gallery {area} {n_probes}", number, simulate)
        shares = (shown(found.get(name)) for name in SEARCHED)
        searched.append((n_people, n_probes, area, found["worlds"], *shares))
    for n_images in (8, 12, 24, 48):
        found = cells(f"{n_images} images", n_worlds, partial(images_design, n_images, n_worlds))
        images.append((n_images, found["worlds"], *(shown(found[name]) for name in CORRELATIONS)))
    for n_people, design in product(arguments.people, ("sparse", "all")):
        if n_people <= 30:
            simulate = partial(layers_design, n_people, design, n_worlds // 2)
            found = cells(f"{n_people} layers {design}", n_worlds // 2, simulate)
            shares = (f"{found[name]:.3f}".replace("0.", ".", 1) for name in LAYER_COLUMNS)
            layers.append((n_people, design, found["worlds"], *shares))
    blocks = {
        "verification": table(("People", "Pairs", "AUC about", "Worlds", *MEASURES), rows),
        "identification": table(
            ("People", "Probes each", "AUC about", "Worlds", *SEARCHED), searched
        ),
        "correlations": table(("Images", "Worlds", *CORRELATIONS), images),
        "templates": table(("People", "Worlds", *TEMPLATES), templates),
        "layers": table(("People", "Pairs", "Worlds", *LAYER_COLUMNS.values()), layers),
    }
    page = filled(PAGE.read_text(encoding="utf-8"), blocks)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
