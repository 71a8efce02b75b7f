"""Which pairs and rates a report shows."""

import numpy as np
import pandas as pd

from facebench.results.pair_rows import PairRows
from facebench.results.report.pair_samples import gallery_data, group_rates, scatter_data
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.task_facts import TaskFacts
from support.pairs_of import pairs_of
from support.small_run import draw_pairs


def test_groups_that_restate_the_label_have_no_rates():
    labels = np.array([1, 0] * 30)
    pairs = pairs_of(labels, np.linspace(0, 1, 60))
    pairs.frame["kind"] = np.where(labels, "same person", "other person")
    pairs.frame["light"] = np.where(np.arange(60) < 30, "day", "night")
    found = group_rates([("m", "default", PairRows(pairs.frame, pairs.facts))])
    assert [one["column"] for one in found] == ["light"]


def test_people_s_mean_ratings_are_drawn_and_have_hardest_pairs(tmp_path):
    draw_pairs(tmp_path)
    frame = pd.read_csv(tmp_path / "pairs.csv").iloc[:50]
    rng = np.random.default_rng(0)
    frame = frame.drop(columns="distance").assign(
        ann=rng.random(50), bob=rng.random(50), model_computed_distance=rng.random(50)
    )
    facts = TaskFacts(
        "SimilarityTask", images_path=str(tmp_path), rating_columns=["ann", "bob"],
        rates_similarity=True,
    )  # fmt: skip
    series = [("m", "default", PairRows(frame, facts))]
    drawn = scatter_data(series, Thumbnails(10**6, []))
    np.testing.assert_allclose(drawn["given"], -frame[["ann", "bob"]].mean(axis=1))
    [own] = gallery_data(series, Thumbnails(10**6, []))
    assert own["groups"][0]["pairs"][0]["given"] is not None
