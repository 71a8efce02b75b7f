"""Measure coverage where people stand beside networks, for docs/intervals.md.

    python docs/intervals_of_people.py [--worlds 500] [--keep FILE]

Participants, faces and networks are drawn anew in every world. Coverage is the share of intervals
that hold the mean of the measure over all worlds; for observers that which their parameters imply,
for read-outs what the same read-outs score on 4,000 other people. With 500 worlds the Monte-Carlo
error is about ±.010. FILE (JSON) keeps what is done, so that a run may be stopped.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from page_blocks import filled, table
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.preprocessing import StandardScaler

from facebench import (
    EffectTask,
    MatchingTask,
    ProbeTask,
    RankingTask,
    RecognitionMemoryTask,
    SeriesTask,
)
from facebench.metrics.predictors import products, r2_of_subsets
from facebench.metrics.uncertainty.explained_variance import ExplainedVariance
from facebench.people import Trials, mean_over, paired_over
from facebench.people.simulation import Observers

PAGE = Path(__file__).with_name("intervals.md")
ASKED = {
    "accuracy": ("accuracy", False),
    "AUC": ("auc", False),
    "AUC, confidence": ("auc", True),
    "d'": ("dprime", False),
}
SIZES = ((12, 14), (30, 14), (12, 40), (30, 40))
ITEMS = {
    "Item Correlation with People": "Item correlation",
    "Noise-Ceiled Item Correlation with People": "Noise-ceiled",
    "Error Consistency with People": "Error consistency",
    "Error Consistency Difference from People": "Error consistency minus people's",
}
OBSERVED = ("Accuracy", "Hit Rate", "d'", "Criterion c")
MEMORY = ("AUC", "Hits", "False Alarms", "d'", "Familiarity Spearman")
ORDERS = ("Kendall Tau-b", "Top-1 Agreement", "Concordance")
READ_OUTS, NUMBERS = ("Balanced Accuracy", "AUC"), ("R²", "r")
# Numbers of people, of mean 0 and variance 1.
LABELS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "t3": lambda rng, n: rng.standard_t(3, size=n) / 3**0.5,
    "lognormal": lambda rng, n: (np.exp(rng.normal(size=n)) - np.e**0.5) / (np.e**2 - np.e) ** 0.5,
    "binary": lambda rng, n: np.where(rng.random(n) < 0.5, 1.0, -1.0),
    "rare": lambda rng, n: (np.where(rng.random(n) < 0.1, 1.0, 0.0) - 0.1) / 0.3,
}
NAMED = {
    "normal": "normal",
    "t3": "t with 3 degrees of freedom",
    "lognormal": "lognormal",
    "binary": "two values",
    "rare": "two values, 10 % of people have one",
}
# Labels, people, images of each.
NUMBER_DESIGNS = (
    ("normal", 12, 5),
    ("normal", 48, 5),
    ("t3", 12, 5),
    ("t3", 48, 5),
    ("t3", 100, 1),
    ("t3", 100, 5),
    ("lognormal", 12, 5),
    ("lognormal", 24, 5),
    ("lognormal", 48, 5),
    ("lognormal", 100, 5),
    ("binary", 12, 1),
    ("binary", 24, 5),
    ("binary", 100, 5),
    ("rare", 24, 2),
    ("rare", 48, 5),
)
VARIANCES = ("Unique, held out", "All, held out", "Unique, in sample", "All, in sample")
THREE, FOUR = 3, 4


def coverage(rows: Iterable[Any], names: Iterable[str], truth: Any = None) -> dict[str, float]:
    """Count how often the intervals in rows of results hold the mean (or the truth given)."""
    frame = pd.DataFrame(rows).reset_index(drop=True)
    found = {"worlds": float(len(frame))}
    for name in names:
        low, high = (frame[f"{name} CI {end}"].astype(float) for end in ("Low", "High"))
        true = frame[name].astype(float).mean() if truth is None else truth[name]
        found[name] = float(((low <= true) & (true <= high))[low.notna()].mean())
    return found


# --- Participants and a network that judge the same pairs ---


def pairs_of(n_people: int) -> pd.DataFrame:
    """Of each person, in each condition, one pair with themselves and one with the next."""
    rows = []
    for condition in ("upright", "inverted"):
        for one in range(n_people):
            for other, same in ((one, 1), ((one + 1) % n_people, 0)):
                images = (f"{condition}/p{one}/1.png", f"{condition}/p{other}/2.png")
                rows.append((*images, same, condition, f"p{one}", f"p{other}"))
    columns = ["img1", "img2", "same", "condition", "identity1", "identity2"]
    return pd.DataFrame(rows, columns=columns)


def beside(
    n_participants: int, n_people: int, measure: str, *, graded: bool, n_worlds: int,
    between: bool = False,
) -> dict[str, float]:  # fmt: skip
    """Compare a network with participants; some people are hard for both.

    Everyone judges both conditions or, with `between`, every second participant each of them.
    """
    rows = []
    pairs = pairs_of(n_people)
    sign = np.where(pairs["same"] == 1, -1.0, 1.0)
    upright = (pairs["condition"] == "upright").to_numpy()
    place = [pairs[side].str[1:].astype(int).to_numpy() for side in ("identity1", "identity2")]
    with tempfile.TemporaryDirectory() as folder:
        pairs.to_csv(Path(folder) / "pairs.csv", index=False)
        for world in range(n_worlds):
            rng = np.random.default_rng((n_participants, n_people, world))
            hard = rng.normal(0, 0.6, n_people)
            clear = np.where(upright, 1.6, 0.9) + (hard[place[0]] + hard[place[1]]) / 2
            clear = clear * sign / 2
            parts = []
            for who in range(n_participants):
                seen = clear + sign * rng.normal(0, 0.3) / 2 + rng.normal(0, 1, len(pairs))
                seen = seen - rng.normal(0, 0.25)
                answers = pairs[["img1", "img2"]].assign(
                    participant=f"s{who}", response=(seen < 0).astype(float)
                )
                answers = answers.assign(confidence=np.abs(seen)) if graded else answers
                parts.append(answers[upright == bool(who % 2)] if between else answers)
            trials = Trials(pd.concat(parts), "same-different", "trials.csv")
            task = EffectTask(
                "effect", Path(folder) / "pairs.csv", folder, people=trials, measure=measure
            )
            distances = 1.5 * clear + rng.normal(0, 1, len(pairs))
            rows.append(
                task.against_people(task.pairs_df.assign(model_computed_distance=distances))
            )
    return coverage(rows, ("Difference from People", *ITEMS))


def observed(over: str, sd_item: float, n_worlds: int) -> dict[str, float]:
    """Measure 30 simulated observers of 40 pairs, in two conditions."""
    observers = Observers(
        {"upright": 1.8, "inverted": 0.9}, criterion=0.2, lapse=0.04, sd_item=sd_item
    )
    truth = observers.expected("upright")
    truth["Difference of d'"] = truth["d'"] - observers.expected("inverted")["d'"]
    rows = []
    for world in range(n_worlds):
        trials = observers.trials(30, 40, seed=world)
        upright = Trials(trials.table[trials.table["condition"] == "upright"], trials.kind)
        found = {name: mean_over(upright, name, over) for name in OBSERVED}
        found["Difference of d'"] = paired_over(
            trials, "d'", "condition", ("upright", "inverted"), over
        ).estimate
        row = {}
        for name, each in found.items():
            row |= {name: each.value, f"{name} CI Low": each.low, f"{name} CI High": each.high}
        rows.append(row)
    return coverage(rows, (*OBSERVED, "Difference of d'"), truth)


# --- Choices, memory and orders of new people ---


def matching(n_targets: int, k: int, *, shared: bool, n_worlds: int) -> dict[str, float]:
    """Ask a network for the right one of k, where targets and foils differ in how hard they are."""
    rng = np.random.default_rng([n_targets, k, shared])
    rows = []
    for _ in range(n_worlds):
        pool = rng.integers(0, n_targets if shared else 4 * n_targets, (n_targets, k - 1))
        hard, alike = rng.normal(size=n_targets), rng.normal(size=4 * n_targets)
        distance = rng.normal(1, 1, (n_targets, k)) + np.c_[hard, 1 + alike[pool]]
        task = _matching_task(pool)
        foils = distance[:, 1:].min(axis=1)
        items = task.line_ups.rows.assign(
            correct=(distance[:, 0] < foils).astype(float),
            margin=foils - distance[:, 0],
            rank=1.0,
            chosen="",
        )
        rows.append(task.compute_task_performance(items).iloc[0])
    return coverage(rows, ("Accuracy",))


def _matching_task(pool: np.ndarray) -> MatchingTask:
    names = np.char.add(np.char.add("f", pool.astype(str)), "/1.png")
    for row in names:
        # A foil that is drawn twice is another image of the person.
        for place in np.flatnonzero([name in row[:j] for j, name in enumerate(row)]):
            row[place] = row[place].replace("/1", f"/{place + 2}")
    shown = pd.DataFrame(names, columns=[f"alt{j + 2}" for j in range(pool.shape[1])])
    own = [f"t{i}/2.png" for i in range(len(shown))]
    shown = shown.assign(target=[f"t{i}/1.png" for i in range(len(shown))], alt1=own, answer=own)
    return MatchingTask("matching", shown, ".")


def memory(n_people: int, n_participants: int, n_worlds: int) -> dict[str, float]:
    """Show half of the people at study, and all at test in another photograph."""
    who = np.arange(n_people)
    study = pd.DataFrame({"image": [f"p{i}/1.png" for i in who[::2]]})
    test = pd.DataFrame(
        {"image": [f"p{i}/2.png" for i in who], "old": np.where(who % 2, "new", "old")}
    )
    rows = []
    for world in range(n_worlds):
        rng = np.random.default_rng((n_people, world))
        hard = rng.normal(0, 0.5, n_people)
        signal = np.where(who % 2, -0.5, 0.5) + hard
        said = rng.random((n_participants, n_people)) < expit(
            1.5 * signal + rng.normal(0, 0.5, (n_participants, 1))
        )
        people = pd.DataFrame(
            {
                "participant": np.repeat([f"s{k}" for k in range(n_participants)], n_people),
                "image": test["image"].tolist() * n_participants,
                "response": said.ravel().astype(int),
            }
        )
        task = RecognitionMemoryTask(
            "memory", study, test, ".", euclidean_distances, memory="nearest", criterion="people",
            people=Trials(people, "old-new"),
        )  # fmt: skip
        centres = rng.normal(size=(n_people, 8))
        spread = 0.55 * np.exp(0.35 * hard)[:, None]
        embeddings = np.array(
            [
                centres[int(name.split("/")[0][1:])]
                + spread[int(name.split("/")[0][1:])] * rng.normal(size=8)
                for name in task.images
            ]
        )
        items = task.compute_items(embeddings).assign(layer_name="fc")
        rows.append(task.compute_task_performance(items).iloc[0])
    return coverage(rows, MEMORY)


def orders(n_targets: int, n_participants: int, n_worlds: int) -> dict[str, float]:
    """Have participants and a network order four faces by their likeness to a target."""
    rows = []
    for world in range(n_worlds):
        rng = np.random.default_rng((n_targets, n_participants, world))
        faces = rng.normal(size=(2 * n_targets, 5))
        shown = np.array(
            [
                rng.choice(np.delete(np.arange(2 * n_targets), target), FOUR, replace=False)
                for target in range(n_targets)
            ]
        )
        apart = np.linalg.norm(faces[:n_targets, None] - faces[shown], axis=2)
        names = np.array([f"p{k}/1.png" for k in range(2 * n_targets)])
        parts = []
        for who in range(n_participants):
            order = np.argsort(apart + rng.normal(size=apart.shape), axis=1)
            part = pd.DataFrame(names[shown], columns=[f"alt{k + 1}" for k in range(FOUR)])
            parts.append(
                part.assign(
                    target=names[:n_targets],
                    participant=f"s{who}",
                    response=["|".join(names[row]) for row in np.take_along_axis(shown, order, 1)],
                )
            )
        people = Trials(pd.concat(parts, ignore_index=True), "order")
        task = RankingTask("orders", None, ".", euclidean_distances, people=people)
        seen = faces + 0.7 * rng.normal(size=faces.shape)
        embeddings = seen[[int(name.split("/")[0][1:]) for name in task.images]]
        items = task.compute_items(embeddings).assign(layer_name="fc")
        rows.append(task.compute_task_performance(items).iloc[0])
    return coverage(rows, ORDERS)


# --- Read-outs ---


def read_outs(
    n_people: int, *, classes: bool, n_worlds: int, labels: str = "normal", n_images: int = 5
) -> dict[str, float]:
    """Read sex or age out of embeddings, five images a person, in new worlds.

    Numbers are distributed as LABELS says.
    """
    held: dict[str, list[bool]] = {}
    who = np.repeat(np.arange(n_people), n_images)
    faces = pd.DataFrame({"image": [f"p{p}/{k}.png" for k, p in enumerate(who)]})
    seed = (n_people, True) if classes else (n_people, n_images, len(labels))
    for world in range(n_worlds):
        rng = np.random.default_rng((*seed, world))
        coded = rng.normal(size=24) / 24**0.5
        draw = partial(_faces, coded, classes=classes, labels=labels, rng=rng)
        x, y = draw(n_people, n_images)
        while np.ptp(y) == 0:
            x, y = draw(n_people, n_images)
        faces["label"] = np.where(y > 0, "f", "m") if classes else y
        task = ProbeTask(
            "probe", faces, ".", "label", kind="classes" if classes else "number", shuffles=0,
            penalties=[0.1], seed=world,
        )  # fmt: skip
        order = [faces.index[faces["image"] == name][0] for name in task.images]
        items = task.compute_items(x[order])
        row = task.compute_task_performance(items).iloc[0]
        fold = items.set_index("image")["fold"][faces["image"]].to_numpy()
        for name, value in _true_scores(x, y, fold, *draw(4000, 1), classes=classes).items():
            low, high = row[f"{name} CI Low"], row[f"{name} CI High"]
            if not np.isnan(low):
                held.setdefault(name, []).append(low <= value <= high)
    return {"worlds": float(n_worlds)} | {name: float(np.mean(own)) for name, own in held.items()}


def _faces(
    coded: np.ndarray, n_people: int, n_images: int, *, classes: bool, labels: str,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Give features in which a label of the person is coded, and the labels."""
    if classes:
        label = np.where(np.arange(n_people) % 2, 1.0, -1.0)
    else:
        label = LABELS[labels](rng, n_people)
    label = np.repeat(label, n_images)
    own = np.repeat(rng.normal(size=(n_people, coded.size)), n_images, axis=0)
    noise = rng.normal(size=own.shape)
    return 1.2 * label[:, None] * coded * coded.size**0.5 / 2 + own + 0.7 * noise, label


def _true_scores(
    x: np.ndarray, y: np.ndarray, fold: np.ndarray, new: np.ndarray, label: np.ndarray, *,
    classes: bool,
) -> dict[str, float]:  # fmt: skip
    """Score the read-outs of all folds on other people, fitted by scikit-learn alone."""
    scores = []
    for place in np.unique(fold):
        train = fold != place
        scaler = StandardScaler().fit(x[train])
        known, other = (scaler.transform(rows) / x.shape[1] ** 0.5 for rows in (x[train], new))
        if classes:
            model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
            model.fit(known, y[train])
            margin = model.decision_function(other)
            found = {
                "Balanced Accuracy": balanced_accuracy_score(label, np.where(margin > 0, 1, -1)),
                "AUC": roc_auc_score(label > 0, margin),
            }
        else:
            predicted = Ridge(alpha=0.1).fit(known, y[train]).predict(other)
            residual = ((label - predicted) ** 2).mean()
            found = {
                "R²": 1 - residual / ((label - y[train].mean()) ** 2).mean(),
                "r": np.corrcoef(label, predicted)[0, 1],
            }
        scores.append(found)
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}


# --- Psychometric functions and unique variance ---


def psychometric(n_people: int, n_worlds: int) -> dict[str, float]:
    """Measure accuracy over levels at which a network loses faces, some people sooner."""
    levels = np.arange(0, 181, 30)
    rows = [
        (f"{level}/p{p}/1.png", f"{level}/p{(p + step) % n_people}/{k}.png", 1 - step, level, p,
         (p + step) % n_people)
        for level in levels for p in range(n_people) for step in (0, 1) for k in (2, 3)
    ]  # fmt: skip
    columns = ["img1", "img2", "same", "level", "identity1", "identity2"]
    pairs = pd.DataFrame(rows, columns=columns)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.csv"
        pairs.to_csv(path, index=False)
        task = SeriesTask("series", path, folder)
        frame = pd.DataFrame(task.pairs_df)
        ends = frame[["identity1", "identity2"]].astype(int).to_numpy()
        for world in range(n_worlds):
            rng = np.random.default_rng((n_people, world))
            middle = 90 + rng.normal(0, 12, n_people)
            kept = expit((middle[ends].mean(axis=1) - frame["level"].astype(float)) / 18)
            distance = rng.normal(size=len(frame)) - 2.5 * kept * frame["same"].astype(float)
            made = frame.assign(model_computed_distance=distance)
            found.append(task.compute_unrounded_performance(made).iloc[0])
    return coverage(found, ("Threshold Level", "Slope"))


def unique_variance(n_images: int, own: float, n_worlds: int) -> dict[str, float]:
    """Explain distances by three predictors that share features; truth is of a million pairs."""
    size = 1_000_000
    y, x = explained(np.arange(size), np.arange(size, 2 * size), np.random.default_rng(1), own)
    r2 = r2_of_subsets(products(y, x), [(0, 1, 2), (1, 2), (0, 2), (0, 1)])
    whole = r2[0, 1, 2][0]
    true = [*(whole - r2[rest][0] for rest in ((1, 2), (0, 2), (0, 1))), whole]
    first, second = np.triu_indices(n_images, 1)
    rng = np.random.default_rng(0)
    hits: dict[str, list[np.ndarray]] = {}
    for _ in range(n_worlds):
        y, x = explained(first, second, rng, own)
        found = ExplainedVariance(y[:, None], first, second, n_resamples=40).explain(x)
        for name, each in (
            ("held out", [*found.unique_cross_validated, found.cross_validated]),
            ("in sample", [*found.unique, found.r2]),
        ):
            right = [e.low <= value <= e.high for e, value in zip(each, true, strict=True)]
            hits.setdefault(name, []).append(np.array(right))
    result = {"worlds": float(n_worlds)}
    for name, rows in hits.items():
        shares = np.mean(rows, axis=0)
        # Of the three the one whose coverage is furthest from .95.
        unique = shares[:THREE][np.abs(shares[:THREE] - 0.95).argmax()]
        result |= {f"Unique, {name}": float(unique), f"All, {name}": float(shares[THREE])}
    return result


def explained(
    first: np.ndarray, second: np.ndarray, rng: np.random.Generator, own: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw distances of images with features in four blocks, of which predictors have some."""
    n_images = int(max(first.max(), second.max())) + 1
    part = {
        key: ((rows[first] - rows[second]) ** 2).mean(axis=1)
        for key, size in {"a": 4, "b": 4, "c": 3, "d": 3}.items()
        for rows in [rng.normal(size=(n_images, size))]
    }
    x = (part["a"] + part["c"], part["a"] + part["b"], part["d"] + 0.5 * part["a"])
    y = part["a"] + own * part["c"] + 0.5 * part["b"] + 0.7 * rng.normal(size=first.size)
    return y, np.stack(x, axis=1)


# --- The tables ---


def main() -> None:
    """Simulate what FILE does not have yet, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    known = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    n = given.worlds

    def cells(key: str, simulate: Callable[[], dict[str, float]], names: Iterable[str]) -> list:
        if key not in known:
            known[key] = simulate()
            if given.keep:
                given.keep.write_text(json.dumps(known))
        shares = (f"{known[key][name]:.3f}".replace("0.", ".", 1) for name in names)
        return [int(known[key]["worlds"]), *shares]

    # Of numbers that cannot be drawn: a psychometric function outside of its levels, for instance.
    warnings.simplefilter("ignore")
    rows = []
    asked = [(*sizes, label, False) for sizes in SIZES for label in ASKED]
    asked += [(24, n_people, label, True) for n_people in (14, 40) for label in ("accuracy", "d'")]
    for n_participants, n_people, label, between in asked:
        measure, graded = ASKED[label]
        given_pairs = {"graded": graded, "between": between}
        made = partial(beside, n_participants, n_people, measure, n_worlds=n, **given_pairs)
        key = f"beside {n_participants} {n_people} {measure} {graded}" + " between" * between
        shares = cells(key, made, ("Difference from People", *ITEMS))
        kind = "12 a condition" if between else n_participants
        rows.append((kind, n_people, label, *shares))
    names = (*OBSERVED, "Difference of d'")
    alone = [
        (label, *cells(f"observed {over} {sd}", partial(observed, over, sd, n), names))
        for label, over, sd in (
            ("participants; items are all alike", "participants", 0.0),
            ("both; items differ", "both", 0.5),
        )
    ]
    line_ups = [
        (k, "drawn from one pool" if shared else "each in one trial", n_targets,
         *cells(f"matching {n_targets} {k} {shared}",
                partial(matching, n_targets, k, shared=shared, n_worlds=n), ("Accuracy",)))
        for k in (2, 10) for shared in (False, True) for n_targets in (20, 40)
    ]  # fmt: skip
    remembered = [
        (n_people, *cells(f"memory {n_people}", partial(memory, n_people, 12, n), MEMORY))
        for n_people in (24, 48, 96)
    ]
    ordered = [
        (n_targets, *cells(f"orders {n_targets}", partial(orders, n_targets, 8, n), ORDERS))
        for n_targets in (12, 24, 48)
    ]
    probed = [
        (n_people, *cells(f"read-outs {n_people}",
                          partial(read_outs, n_people, classes=True, n_worlds=n), READ_OUTS))
        for n_people in (12, 24, 48)
    ]  # fmt: skip
    numbered = []
    for labels, n_people, n_images in NUMBER_DESIGNS:
        made = partial(read_outs, n_people, classes=False, labels=labels, n_images=n_images)
        key = f"numbers {labels} {n_people} {n_images}"
        shares = cells(key, partial(made, n_worlds=500), NUMBERS)
        numbered.append((NAMED[labels], n_people, n_images, *shares))
    functions = [
        (n_people, *cells(f"series {n_people}", partial(psychometric, n_people, n),
                          ("Threshold Level", "Slope")))
        for n_people in (12, 24, 48)
    ]  # fmt: skip
    variances = [
        (n_images, f"{own:g}",
         *cells(f"unique {n_images} {own}", partial(unique_variance, n_images, own, n), VARIANCES))
        for n_images in (24, 40) for own in (1.0, 0.0)
    ]  # fmt: skip
    blocks = {
        "beside": table(
            ("Participants", "People", "Measure", "Worlds", "Difference from people",
             *ITEMS.values()), rows,
        ),
        "observed": table(("Over", "Worlds", *names), alone),
        "line-ups": table(("Alternatives", "Others", "Trials", "Worlds", "Accuracy"), line_ups),
        "memory": table(("Test items", "Worlds", *MEMORY), remembered),
        "orders": table(("Targets", "Worlds", *ORDERS), ordered),
        "read-outs": table(("People", "Worlds", *READ_OUTS), probed),
        "numbers": table(
            ("Numbers", "People", "Images each", "Worlds", *NUMBERS), numbered
        ),
        "functions": table(("People", "Worlds", "Threshold", "Slope"), functions),
        "unique": table(("Images", "Third block", "Worlds", *VARIANCES), variances),
    }  # fmt: skip
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
