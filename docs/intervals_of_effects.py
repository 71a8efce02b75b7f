"""Measure coverage and size of effects and fairness, for docs/intervals.md.

    python docs/intervals_of_effects.py [--worlds 200] [--people 8 12 20 30 100] [--keep FILE]

Every world goes through the tasks themselves. Coverage is the share of 95 % intervals that hold the
truth, size the share of worlds without an effect with P < .05; with 200 worlds the Monte-Carlo
error is about ±.015. FILE (JSON) keeps what is done, so that a run may be stopped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from page_blocks import filled, table
from scipy.special import ndtr

from facebench import EffectTask, GroupErrorTask
from facebench.metrics.groups import fairness_replicates

PAGE = Path(__file__).with_name("intervals.md")
PEOPLE = (8, 12, 20, 30, 100)
GROUP_NOISE = 0.35
FAIRNESS = ("FDR", "GARBE", "FMR Max/Min", "FMR Max/Geomean", "FNMR Max/Min", "FNMR Max/Geomean")

# Of each group by itself.
GROUP_RATES = ("FMR", "FNMR", "AUC", "d'")

World = Callable[[np.random.Generator], np.ndarray]
# What a simulation counts: coverage (or size) by column.
Rates = dict[str, float]


def _task(pairs: pd.DataFrame, **options: object) -> EffectTask:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        pairs.to_csv(path, index=False)
        return EffectTask("simulated", path, folder, **options)


def _rows(people: list[tuple[str, str]], condition: str, images: int) -> list[tuple]:
    """Pair images of one person, and of two: all pairs of these people."""
    rows = []
    for one, other in people:
        for a in range(images):
            for b in range(images):
                if one != other or a < b:
                    names = (f"{condition}/{one}/{a}.png", f"{condition}/{other}/{b}.png")
                    rows.append((*names, condition, one, other, int(one == other)))
    return rows


def paired(n_people: int, shift: float = 0.0) -> tuple[EffectTask, World]:
    """Pair two images of each person in both conditions: mean distance."""
    names = [(f"p{k:03d}", f"p{k:03d}") for k in range(n_people)]
    task = _table([("a", names, 2), ("b", names, 2)], measure="mean distance")

    def world(rng: np.random.Generator) -> np.ndarray:
        own = rng.normal(size=n_people) * 0.2
        noise = 0.1 * rng.normal(size=(2, n_people))
        return 1.5 + np.concatenate((own + shift + noise[0], own + noise[1]))

    return task, world


def factorial(n_people: int, between: bool) -> tuple[EffectTask, World]:
    """Cross two factors: mean distance, everyone in all four cells, or in those of one level.

    The first factor has an effect, the second and their interaction have none.
    """
    rows, person, first = [], [], []
    for one in "ab":
        for other in "cd":
            for k in range(n_people):
                if between and (k % 2 == 0) != (one == "a"):
                    continue
                name = f"p{k:03d}"
                cell = f"{one}{other}"
                images = (f"{cell}/{name}/0.png", f"{cell}/{name}/1.png")
                rows.append((*images, one, other, name, name, 1))
                person.append(k)
                first.append(one == "a")
    columns = ["img1", "img2", "race", "view", "identity1", "identity2", "same"]
    task = _task(
        pd.DataFrame(rows, columns=columns), measure="mean distance", factors=("race", "view")
    )
    who, shifted = np.array(person), np.array(first)

    def world(rng: np.random.Generator) -> np.ndarray:
        own = 0.2 * rng.normal(size=(n_people, 2))
        cells = own[who, 0] + shifted * (0.1 + own[who, 1])
        return 1.5 + cells + 0.1 * rng.normal(size=who.size)

    return task, world


def factorial_rates(task: EffectTask, world: World, n_worlds: int) -> Rates:
    """Count how often the effects of two factors and their interaction are held, and rejected."""
    rows = _simulated(task, world, n_worlds)
    truths = {"race ": 0.1, "view ": 0.0, "Interaction ": 0.0}
    rates = {"worlds": float(n_worlds)}
    rates |= {
        f"{prefix}held": _coverage(rows, f"{prefix}Difference", truth)
        for prefix, truth in truths.items()
    }
    for prefix in ("view ", "Interaction "):
        rates[f"{prefix}size"] = float((rows[f"{prefix}P"] < 0.05).mean())
    return rates


def size_rates(task: EffectTask, world: World, shift: float, truth: float, n_worlds: int) -> Rates:
    """Count how often a true effect is found, and its sizes are held by their intervals."""
    rows = _simulated(task, world, n_worlds)
    size = next(name for name in ("dz", "Hedges' g") if name in rows)
    common = ndtr(truth if size == "dz" else truth / 2**0.5)
    return {
        "worlds": float(n_worlds),
        "truth": truth,
        "power": float((rows["P"] < 0.05).mean()),
        "difference": _coverage(rows, "Difference", shift),
        "size": _coverage(rows, size, truth),
        "mean": float(rows[size].mean()),
        "common language": _coverage(rows, "Common Language", float(common)),
    }


def unpaired(
    n_people: int, spreads: tuple[float, float], shift: float = 0.0, share: int = 5
) -> tuple[EffectTask, World]:
    """Take a fifth of the people (4 or more) of one kind, the others of another: mean distance."""
    few = max(4, n_people // share)
    first = [(f"p{k:03d}", f"p{k:03d}") for k in range(few)]
    second = [(f"q{k:03d}", f"q{k:03d}") for k in range(n_people - few)]
    task = _table([("a", first, 2), ("b", second, 2)], measure="mean distance")
    spread = np.repeat(spreads, (few, n_people - few))
    moved = 1.5 + np.repeat((shift, 0.0), (few, n_people - few))
    return task, lambda rng: moved + 0.1 * spread * rng.normal(size=n_people)


def faces(n_people: int, design: str, measure: str, noise: float) -> tuple[EffectTask, World]:
    """Pair three images of each person in two conditions; people differ in how hard they are.

    'linked': all pairs of people. 'blocked': pairs within groups of two. 'unlike': other people in
    each condition, all pairs within it.
    """
    names = [f"p{k:03d}" for k in range(n_people)]
    step = {"linked": n_people, "unlike": n_people, "blocked": 2}[design]
    couples = [
        (names[i], names[j])
        for i in range(n_people)
        for j in range(i, n_people)
        if i // step == j // step
    ]
    other = couples
    if design == "unlike":
        other = [(one.replace("p", "q"), two.replace("p", "q")) for one, two in couples]
    options = {"far": 0.1} if measure == "tar" else {}
    task = _table([("a", couples, 3), ("b", other, 3)], measure=measure, **options)
    frame = pd.DataFrame(task.pairs_df)
    parts = [
        frame[side].str.extract(r"(?P<condition>.)/.(?P<person>\d+)/(?P<image>\d)")
        for side in ("img1", "img2")
    ]
    place = [
        (
            (part["condition"] == "b").to_numpy().astype(int),
            part["person"].to_numpy().astype(int),
            part["image"].to_numpy().astype(int),
        )
        for part in parts
    ]

    def world(rng: np.random.Generator) -> np.ndarray:
        def kept(common: np.ndarray, share: float) -> np.ndarray:
            own = rng.normal(size=(2, *common.shape))
            if design == "unlike":
                return own
            return np.sqrt(share) * common + np.sqrt(1 - share) * own

        centres = kept(rng.normal(size=(n_people, 1, 8)), 0.6)
        spread = np.exp(0.35 * kept(rng.normal(size=(n_people, 1, 1)), 0.3))
        images = kept(rng.normal(size=(n_people, 3, 8)), 0.6)
        seen = centres + noise * spread * images
        return np.sqrt(((seen[place[0]] - seen[place[1]]) ** 2).sum(axis=1))

    return task, world


def _table(conditions: list[tuple], **options: object) -> EffectTask:
    rows = [row for name, people, images in conditions for row in _rows(people, name, images)]
    columns = ["img1", "img2", "condition", "identity1", "identity2", "same"]
    return _task(pd.DataFrame(rows, columns=columns), contrast=("a", "b"), **options)


def _simulated(task: EffectTask, world: World, n_worlds: int) -> pd.DataFrame:
    """Give a row of results for every world."""
    frame = pd.DataFrame(task.pairs_df)
    found = []
    for number in range(n_worlds):
        distances = world(np.random.default_rng([number, len(frame)]))
        rows = task.compute_unrounded_performance(frame.assign(model_computed_distance=distances))
        found.append(rows.iloc[0])
    return pd.DataFrame(found)


def effect_rates(task: EffectTask, world: World, n_worlds: int) -> Rates:
    """Count how often intervals of an absent effect hold it, and P is below .05."""
    rows = _simulated(task, world, n_worlds)
    condition = f"a {task.measure_name}"
    truth = np.concatenate([rows[condition], rows[f"b {task.measure_name}"]]).mean()
    size = next((name for name in ("dz", "Hedges' g") if name in rows), None)
    rates = {
        "worlds": float(n_worlds),
        "size": float((rows["P"] < 0.05).mean()),
        "difference": _coverage(rows, "Difference", 0),
        "ratio": _coverage(rows, "Ratio", 1),
        "effect size": _coverage(rows, size, 0) if size else float("nan"),
        "condition": _coverage(rows, condition, truth),
    }
    if "Mean Item Relative Difference" in rows:
        rates["item index"] = _coverage(rows, "Mean Item Relative Difference", 0)
    return rates


def _coverage(rows: pd.DataFrame, name: str, truth: float) -> float:
    low, high = (rows[f"{name} CI {end}"] for end in ("Low", "High"))
    known = low.notna()
    return float(((low <= truth) & (truth <= high))[known].mean())


def fairness_rates(sizes: list[int], unequal: bool, n_worlds: int) -> Rates:
    """Count how often fairness intervals hold the truth, and equal groups are rejected.

    Four groups; all pairs of the three images of each person within a group, at one threshold.
    """
    rows, group = [], np.repeat(np.arange(4), sizes)
    names = [f"p{k:03d}" for k in range(group.size)]
    for number in range(4):
        own = [names[k] for k in np.flatnonzero(group == number)]
        couples = [(one, two) for i, one in enumerate(own) for two in own[i:]]
        rows += [(*row, number) for row in _rows(couples, "x", 3)]
    columns = ["img1", "img2", "condition", "identity1", "identity2", "same", "group1"]
    pairs = pd.DataFrame(rows, columns=columns).assign(group2=lambda found: found["group1"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        pairs.to_csv(path, index=False)
        task = GroupErrorTask(
            "simulated", path, folder, threshold=3.2, n_resamples=400,
            identity=("identity1", "identity2"),
        )  # fmt: skip
    places = [
        (
            pairs[f"identity{side}"].str[1:].to_numpy().astype(int),
            pairs[f"img{side}"].str.extract(r"/(\d)\.png")[0].to_numpy().astype(int),
        )
        for side in "12"
    ]
    hardness = np.array([1.0, 1.1, 1.2, 1.35] if unequal else [1.0] * 4)[group]

    def world(rng: np.random.Generator) -> np.ndarray:
        spread = 0.62 * hardness * np.exp(GROUP_NOISE * rng.normal(size=group.size))
        seen = rng.normal(size=(group.size, 1, 8)) / hardness[:, None, None] ** 0.5 + spread[
            :, None, None
        ] * rng.normal(size=(group.size, 3, 8))
        return np.sqrt(((seen[places[0]] - seen[places[1]]) ** 2).sum(axis=1))

    found, rates, of_groups = [], [], []
    for number in range(n_worlds):
        distances = world(np.random.default_rng([number, *sizes]))
        table_of = task.compute_unrounded_performance(
            pairs.assign(model_computed_distance=distances)
        ).set_index("Condition")
        found.append(table_of.loc["all groups"])
        of_groups.append(table_of.loc[["0", "1", "2", "3"]])
        rates.append(of_groups[-1][["FMR", "FNMR"]].to_numpy(dtype=float))
    # The true rates are those of all worlds together; equal ones are equal.
    mean = np.mean(rates, axis=0) if unequal else np.broadcast_to(np.mean(rates, (0, 1)), (4, 2))
    truth = fairness_replicates(mean[None, :, 0], mean[None, :, 1])
    rows = pd.DataFrame(found)
    result = {name: _reaches(rows, name, float(truth[name.lower()][0])) for name in FAIRNESS}
    for name in GROUP_RATES:
        # Of each group, its mean over all worlds.
        groups = (pd.DataFrame([each.loc[group] for each in of_groups]) for group in "0123")
        result[name] = float(np.mean([_reaches(own, name, own[name].mean()) for own in groups]))
    return {
        "worlds": float(n_worlds),
        **result,
        "rejected": float((rows["P"] < 0.05).mean()),
    }


def _reaches(rows: pd.DataFrame, name: str, truth: float) -> float:
    low, high = (rows[f"{name} CI {end}"].astype(float) for end in ("Low", "High"))
    known = low.notna()
    inside = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
    return float(inside[known].mean())


def designs(n_people: int) -> dict[str, Callable[[], tuple[EffectTask, World]]]:
    """Name the designs that are simulated with so many people."""
    found: dict[str, Callable[[], tuple[EffectTask, World]]] = {
        "paired, mean distance": lambda: paired(n_people),
        "unpaired 1:4, spread 1:1, mean distance": lambda: unpaired(n_people, (1, 1)),
        "unpaired 1:4, spread 3:1, mean distance": lambda: unpaired(n_people, (3, 1)),
    }
    if n_people <= 30:
        # All pairs of 100 people would take hours.
        for measure, noise, name in (
            ("auc", 0.77, "AUC .85"),
            ("auc", 0.42, "AUC .98"),
            ("dprime", 0.77, "d'"),
            ("tar", 0.77, "TAR at FAR .1"),
        ):
            found[f"linked, {name}"] = lambda m=measure, s=noise: faces(n_people, "linked", m, s)
        found["unpaired, all pairs, AUC .85"] = lambda: faces(n_people, "unlike", "auc", 0.77)
    if n_people >= 12:
        found["blocked, AUC .85"] = lambda: faces(n_people, "blocked", "auc", 0.77)
    return found


def _shown(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else f"{value:.3f}".replace("0.", ".", 1)


def main() -> None:
    """Simulate what FILE does not have yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--people", type=int, nargs="+", default=PEOPLE)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    known = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}

    def rates(key: str, simulate: Callable[[], Rates]) -> Rates:
        if key not in known:
            known[key] = simulate()
            if given.keep:
                given.keep.write_text(json.dumps(known))
        return known[key]

    columns = ("size", "difference", "ratio", "effect size", "condition", "item index")
    rows = []
    for n_people in given.people:
        for name, make in designs(n_people).items():
            found = rates(
                f"{name} {n_people}", lambda m=make: effect_rates(*m(), n_worlds=given.worlds)
            )
            shares = (_shown(found.get(column)) for column in columns)
            rows.append((name, n_people, int(found["worlds"]), *shares))
    rows.sort(key=lambda row: row[0])
    crossed, true = [], []
    for n_people, between in product((n for n in given.people if n <= 30), (False, True)):
        name = "other people in each race" if between else "the same people in all cells"
        found = rates(
            f"factorial {n_people} {between}",
            lambda n=n_people, b=between: factorial_rates(*factorial(n, b), given.worlds),
        )
        shares = [_shown(value) for key, value in found.items() if key != "worlds"]
        crossed.append((name, n_people, int(found["worlds"]), *shares))
    crossed.sort(key=lambda row: row[0], reverse=True)
    for n_people, is_paired in product(given.people, (True, False)):
        # An effect that is found in about half of the studies.
        shift = (0.3 if is_paired else 0.7) / n_people**0.5
        spread = 0.1 * 2**0.5 if is_paired else 0.1 * 2.5**0.5
        found = rates(
            f"sizes {n_people} {is_paired}",
            lambda n=n_people, p=is_paired, d=shift, sd=spread: size_rates(
                *(paired(n, d) if p else unpaired(n, (1, 2), d, 2)), d, d / sd, given.worlds
            ),
        )
        name = "paired, dz" if is_paired else "unpaired 1:1, spread 1:2, Hedges' g"
        cells = (f"{found['truth']:.2f}", f"{found['mean']:.2f}")
        shares = [_shown(found[key]) for key in ("power", "difference", "size", "common language")]
        true.append((name, n_people, int(found["worlds"]), *cells, *shares))
    true.sort(key=lambda row: row[0])
    fair = []
    for sizes in ([8] * 4, [20] * 4, [8, 12, 20, 30]):
        for unequal in (False, True):
            found = rates(
                f"fairness {sizes} {unequal}",
                lambda s=sizes, u=unequal: fairness_rates(s, u, given.worlds),
            )
            cells = [_shown(found[name]) for name in (*FAIRNESS, *GROUP_RATES, "rejected")]
            kind = "unequal" if unequal else "equal"
            fair.append((", ".join(map(str, sizes)), kind, int(found["worlds"]), *cells))
    blocks = {
        "effects": table(
            ("Design", "People", "Worlds", "Size of P", "Difference", "Ratio", "dz or g",
             "Condition", "Item index"), rows,
        ),
        "factorial": table(
            ("Design", "People", "Worlds", "First factor", "Second factor", "Interaction",
             "Size of P, second", "Size of P, interaction"), crossed,
        ),
        "sizes": table(
            ("Effect", "People", "Worlds", "True size", "Mean size", "Power of P", "Difference",
             "dz or g", "Common language"), true,
        ),
        "fairness": table(
            ("People", "Groups", "Worlds", *FAIRNESS,
             *(f"{name} of a group" for name in GROUP_RATES), "P < .05"), fair,
        ),
    }  # fmt: skip
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
