"""Single participants as competitors of layers in predicting the others' mean rating."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from facebench import SimilarityTask
from facebench.errors import InputError
from facebench.metrics.noise_ceiling import noise_ceiling
from support.data import data_folder
from support.people_worlds import trials_of

FACES = data_folder() / "human_similarity_24_faces"
RATERS = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raters")
    first, second = np.triu_indices(8, 1)
    pairs = pd.DataFrame(
        {"img1": [f"{n}.png" for n in first], "img2": [f"{n}.png" for n in second]}
    )
    pairs.to_csv(folder / "pairs.csv", index=False)
    rng = np.random.default_rng(0)
    truth = rng.normal(size=len(pairs))
    ratings = truth[:, None] + rng.normal(0, 1, (len(pairs), RATERS))
    long = pd.concat(
        [pairs.assign(participant=f"r{who}", response=ratings[:, who]) for who in range(RATERS)]
    )
    return folder, pairs, long, ratings, truth


def made(world, table, **options):
    folder = world[0]
    given = {"n_resamples": 0, "n_permutations": 0, **options}
    return SimilarityTask(
        "s", folder / "pairs.csv", folder, people=trials_of(table, "rating"), **given
    )


def test_people_are_the_lower_ceiling_and_layers_are_held_against_the_same_means(world):
    _, pairs, long, ratings, truth = world
    task = made(world, long, pool="mean")
    [row] = task.people_rows().to_dict("records")
    lower = noise_ceiling(ratings, "spearman").by_rater
    assert row["Comparable Spearman"] == pytest.approx(lower.mean())
    assert row["Participants"] == RATERS
    layer = task.against_people(task.pairs_df.assign(model_computed_distance=truth))
    others = [np.delete(ratings, who, axis=1).mean(axis=1) for who in range(RATERS)]
    expected = np.mean([spearmanr(truth, one).statistic for one in others])
    assert layer["Comparable Spearman"] == pytest.approx(expected)
    difference = layer["Spearman Difference from People"]
    assert difference == pytest.approx(expected - lower.mean())
    # The truth is free of noise, which no participant is.
    assert difference > 0
    # What is rated is the same as with a column for each rater.
    wide = pairs.assign(**{f"rater_{who}": ratings[:, who] for who in range(RATERS)})
    wide.to_csv(world[0] / "wide.csv", index=False)
    twin = SimilarityTask(
        "s", world[0] / "wide.csv", world[0], pool="mean", n_resamples=0, n_permutations=0
    )
    frames = [t.pairs_df.assign(model_computed_distance=truth) for t in (task, twin)]
    pd.testing.assert_frame_equal(
        *(t.compute_task_performance(f) for t, f in zip((task, twin), frames, strict=True))
    )


def test_similarities_are_turned_round(world):
    _, _, long, _, truth = world
    one = made(world, long)
    other = made(world, long.assign(response=10 - long["response"]), rating="similarity")
    found = [
        t.against_people(t.pairs_df.assign(model_computed_distance=truth)) for t in (one, other)
    ]
    assert found[0]["Comparable Spearman"] == pytest.approx(found[1]["Comparable Spearman"])


def test_bad_people_are_refused(world):
    _, _, long, _, _ = world
    with pytest.raises(InputError, match="both 'people' and 'ratings'"):
        made(world, long, ratings="distance")
    with pytest.raises(InputError, match="three participants or more who rated"):
        made(world, long[long["participant"].isin(["r0", "r1"])])
    with pytest.raises(InputError, match="must be trials of kind 'rating'"):
        SimilarityTask("s", world[0] / "pairs.csv", world[0], people=trials_of(long))


@pytest.mark.skipif(not FACES.exists(), reason="needs the ratings of 24 faces (FACEBENCH_DATA)")
def test_sixteen_raters_as_trials_give_their_ceilings(tmp_path):
    table = pd.read_csv(FACES / "pairs.csv")
    raters = [name for name in table if name.startswith("rater_")]
    for rows, n_pairs, ceiling in (
        (slice(None), 276, 0.80),
        (table["kind"] == "human-human", 66, 0.63),
    ):
        own = table[rows]
        own[["img1", "img2"]].to_csv(tmp_path / "pairs.csv", index=False)
        long = own.melt(["img1", "img2"], raters, "participant", "response")
        task = SimilarityTask(
            "s", tmp_path / "pairs.csv", FACES / "images", pool="mean",
            people=trials_of(long, "rating"), n_resamples=0, n_permutations=0,
        )  # fmt: skip
        [row] = task.people_rows().to_dict("records")
        assert row["Pairs"] == n_pairs
        assert row["Participants"] == 16
        assert row["Comparable Spearman"] == pytest.approx(ceiling, abs=0.006)
