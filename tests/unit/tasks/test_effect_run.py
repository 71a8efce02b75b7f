"""What a run makes of an effect: one warning, the numbers that head it, and their intervals."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from facebench.engine.outputs import Embeddings
from facebench.results.task_facts import facts_of
from facebench.results.tidy import tidy_results
from facebench.run.measurement import measure
from facebench.tasks.classic_effects import InversionEffect
from facebench.tasks.effect import EffectTask
from facebench.tasks.measures import headline


def made(tmp_path: Path, **options) -> EffectTask:
    rows = [
        (f"{way}/P{p}/1.png", f"{way}/P{q}/2.png", int(p == q), way, f"P{p}", f"P{q}")
        for way in ("upright", "inverted")
        for p in range(12)
        for q in (p, p ^ 1)
    ]
    columns = ["img1", "img2", "same", "condition", "identity1", "identity2"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "pairs.csv", index=False)
    options = {"n_resamples": 60, "n_permutations": 19, **options}
    return InversionEffect("inversion", tmp_path / "pairs.csv", tmp_path, **options)


def embeddings_of(task: EffectTask, n_layers: int) -> tuple[np.ndarray, np.ndarray, Embeddings]:
    names = pd.unique(task.pairs_df[["img1", "img2"]].to_numpy().ravel()).tolist()
    first, second = (
        np.array([names.index(name) for name in task.pairs_df[side]]) for side in ("img1", "img2")
    )
    rng = np.random.default_rng(0)
    layers = {f"layer{k}": rng.random((len(names), 8)) for k in range(n_layers)}
    return first, second, Embeddings(layers, rows=np.arange(len(names)), names=list(layers))


def test_one_warning_for_all_layers(tmp_path: Path, caplog) -> None:
    task = made(tmp_path, measure="tar", far=0.01)
    with caplog.at_level(logging.WARNING, logger="facebench"):
        measure(task, "net", *embeddings_of(task, 5))
    assert len(caplog.records) == 1
    assert caplog.messages[0] == (
        "Task 'inversion', model 'net': not defined (NaN): upright: FAR 0.01 takes 50 pairs of two "
        "people or more, it has 12; inverted: FAR 0.01 takes 50 pairs of two people or more, it "
        "has 12 (in 5 of 5 layers)."
    )


def test_an_effect_is_headed_by_its_difference(tmp_path: Path) -> None:
    task = made(tmp_path)
    found = measure(task, "net", *embeddings_of(task, 2))
    metrics = [c for c in found.performance.columns if " CI " not in c]
    assert headline(metrics)[0] == "Difference"
    factorial = ["u × no AUC", "orientation Difference", "Interaction Difference", "Interaction P"]
    assert headline(factorial)[0] == "Interaction Difference"


def test_what_has_no_interval_has_no_method(tmp_path: Path) -> None:
    task = made(tmp_path, measure="tar", far=0.01)
    found = measure(task, "net", *embeddings_of(task, 1))
    facts = {"inversion": facts_of(task, found.performance)}
    tidy = tidy_results("run", {"inversion": {"net": found.estimates}}, facts)
    bare = tidy[tidy["ci_low"].isna()]
    assert "upright TAR@FAR=0.01" in set(bare["metric"])
    assert not bare.loc[bare["value"].isna(), "ci_method"].notna().any()
