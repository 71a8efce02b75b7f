from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from facebench.metrics.probes import (
    LabelShape,
    MissingClassError,
    balanced_accuracy,
    cross_validated_r2,
    deal_folds,
    deviation_correlation,
    fold_auc,
    read_out,
    shuffled_labels,
    training_moves,
)

PEOPLE = np.repeat(np.arange(20), 4)


def features(width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(20, width))[PEOPLE] + rng.normal(size=(80, width))
    # Scales that only standardisation makes alike, and a feature that never varies.
    own *= rng.uniform(0.01, 100, width)
    own[:, 0] = 3.0
    return own.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("width", [10, 300])
@pytest.mark.parametrize("kind", ["logistic", "ridge classes", "ridge"])
def test_predictions_are_those_of_a_pipeline_of_scikit_learn(width: int, kind: str) -> None:
    data, alpha = features(width), 0.1
    labels = PEOPLE % 3 if kind != "ridge" else PEOPLE * 1.5 + np.tile([0, 1, 2, 3], 20)
    fold = deal_folds(PEOPLE, 4, classes=None if kind == "ridge" else labels)
    found = read_out(data, labels, fold, PEOPLE, kind, penalties=[alpha])[0]
    model = {
        "logistic": LogisticRegression(C=1 / (alpha * width), class_weight="balanced", tol=1e-8),
        "ridge classes": RidgeClassifier(alpha=alpha * width, class_weight="balanced"),
        "ridge": Ridge(alpha=alpha * width),
    }[kind]
    for place in range(4):
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.fit(data[fold != place].astype(float), labels[fold != place])
        expected = pipeline.predict(data[fold == place].astype(float))
        np.testing.assert_allclose(found.predicted[fold == place], expected, rtol=1e-5)
        if kind == "ridge":
            np.testing.assert_allclose(found.baseline[fold == place], labels[fold != place].mean())
        if kind == "logistic":
            scores = pipeline.predict_log_proba(data[fold == place].astype(float))
            np.testing.assert_allclose(found.scores[fold == place], scores, atol=0.01)


@pytest.mark.parametrize("width", [10, 300])
def test_leaving_a_group_out_of_training_is_a_fit_without_it(width: int) -> None:
    data, labels = features(width), PEOPLE * 1.5 + np.tile([0, 1, 2, 3], 20)
    fold, group = deal_folds(PEOPLE, 4), np.where(PEOPLE == 7, -1, PEOPLE // 2)
    found = read_out(data, labels, fold, PEOPLE, "ridge", penalties=[0.1], left_out=group)[0]
    for place in range(4):
        train, test = fold != place, fold == place
        scaler = StandardScaler().fit(data[train].astype(float))
        scaled = scaler.transform(data.astype(float)) / width**0.5
        for k in range(10):
            kept = train & (group != k)
            model = Ridge(alpha=0.1).fit(scaled[kept], labels[kept])
            np.testing.assert_allclose(
                found.without[test, k], model.predict(scaled[test]), rtol=1e-7, atol=1e-7
            )
            np.testing.assert_allclose(found.baseline_without[test, k], labels[kept].mean())
    kept = group[:, None] != np.arange(10)
    moved = training_moves(labels, found, kept)
    for k in range(10):
        own = kept[:, k]
        before, after = (
            [
                np.log(((labels - said)[own] ** 2).sum() / ((labels - mean)[own] ** 2).sum()),
                np.arctanh(np.corrcoef((labels - mean)[own], (said - mean)[own])[0, 1]),
                np.log(np.abs(labels - said)[own].mean()),
            ]
            for said, mean in (
                (found.predicted, found.baseline),
                (found.without[:, k], found.baseline_without[:, k]),
            )
        )
        np.testing.assert_allclose(moved[:, k], np.subtract(after, before), rtol=1e-6)


def test_the_penalty_is_the_one_that_a_grid_search_within_the_training_images_chooses() -> None:
    data = features(200)
    labels = PEOPLE + data[:, 5] / np.std(data[:, 5])
    fold, grid = deal_folds(PEOPLE, 4), [0.01, 0.1, 1.0, 10.0]
    drawn = shuffled_labels(labels, PEOPLE, np.random.default_rng(0))
    found = read_out(data, labels, fold, PEOPLE, "ridge", penalties=grid, shuffled=[drawn])
    for target, own in zip((labels, drawn), found, strict=True):
        for place in range(4):
            train = fold != place
            inner = deal_folds(PEOPLE[train], 3)
            parts = [(np.flatnonzero(inner != k), np.flatnonzero(inner == k)) for k in range(3)]
            scaled = StandardScaler().fit_transform(data[train].astype(float)) / 200**0.5
            search = GridSearchCV(
                Ridge(), {"alpha": grid}, cv=parts, scoring="neg_mean_squared_error"
            )
            search.fit(scaled, target[train])
            assert own.penalties[place] == search.best_params_["alpha"]


def test_no_group_is_on_both_sides_and_every_class_is_trained_on() -> None:
    rng = np.random.default_rng(3)
    for seed in range(20):
        groups = rng.integers(0, 12, 60)
        classes = (groups % 5 == 0).astype(int)
        fold = deal_folds(groups, 4, classes=classes, seed=seed)
        for place in range(4):
            assert not set(groups[fold == place]) & set(groups[fold != place])
            assert set(classes[fold != place]) == {0, 1}


def test_a_class_of_one_group_cannot_be_parted() -> None:
    with pytest.raises(ValueError, match="Class 1 has one group only"):
        deal_folds(["a", "a", "b", "c"], 2, classes=[1, 1, 0, 0])


def test_a_class_without_embeddings_is_told() -> None:
    data = features(10)
    data[PEOPLE == 0] = np.nan
    fold = deal_folds(PEOPLE, 4)
    with pytest.raises(MissingClassError) as error:
        read_out(data, (PEOPLE != 0).astype(int), fold, PEOPLE, "logistic", penalties=[1.0])
    assert error.value.number == 0


def test_images_without_embedding_are_not_predicted_and_move_nobody_else() -> None:
    data, labels = features(10), PEOPLE % 2
    fold = deal_folds(PEOPLE, 4, classes=labels)
    data[7] = np.nan
    found = read_out(data, labels, fold, PEOPLE, "logistic", penalties=[1.0])[0]
    kept = np.arange(80) != 7
    alone = read_out(data[kept], labels[kept], fold[kept], PEOPLE[kept], "logistic", penalties=[1])
    assert np.isnan(found.predicted[7])
    np.testing.assert_allclose(found.scores[kept], alone[0].scores)


def test_labels_of_people_are_shuffled_between_people_others_between_images() -> None:
    drawn = shuffled_labels(PEOPLE % 2, PEOPLE, np.random.default_rng(1))
    assert all(np.unique(drawn[p == PEOPLE]).size == 1 for p in range(20))
    poses = np.tile([0, 1, 2, 3], 20)
    mixed = shuffled_labels(poses, PEOPLE, np.random.default_rng(1))
    assert sorted(mixed) == sorted(poses)
    assert (mixed != poses).any()


def test_measures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, hit = rng.integers(0, 3, 90), rng.random(90) < 0.6
    predicted = np.where(hit, labels, (labels + 1) % 3)
    expected = balanced_accuracy_score(labels, predicted)
    assert balanced_accuracy(labels, predicted == labels)[0] == pytest.approx(expected)
    scores = rng.random((90, 3))
    scores /= scores.sum(axis=1, keepdims=True)
    one_fold = fold_auc(labels, scores, np.zeros(90))[0]
    area = roc_auc_score(labels, scores, multi_class="ovr")
    assert one_fold == pytest.approx(area)
    values, said = rng.normal(size=50), rng.normal(size=50)
    mean = np.full(50, values.mean())
    assert cross_validated_r2(values, said, mean)[0] == pytest.approx(r2_score(values, said))
    r = deviation_correlation(values, said, mean)[0]
    assert r == pytest.approx(np.corrcoef(values, said)[0, 1])


def test_weights_of_0_leave_images_out() -> None:
    rng = np.random.default_rng(0)
    labels, scores, fold = rng.integers(0, 2, 60), rng.random((60, 2)), np.tile([0, 1, 2], 20)
    values, said, mean = rng.normal(size=(3, 60))
    kept = rng.random(60) < 0.7
    weights = kept[:, None].astype(float)
    for measure, given in (
        (balanced_accuracy, (labels, scores[:, 0] > 0.5)),
        (fold_auc, (labels, scores, fold)),
        (cross_validated_r2, (values, said, mean)),
        (deviation_correlation, (values, said, mean)),
    ):
        whole = measure(*given, weights)[0]
        assert whole == pytest.approx(measure(*(one[kept] for one in given))[0])


def test_labels_with_longer_tails_leave_more_of_training_out() -> None:
    drawn = np.random.default_rng(0).normal(size=400)
    people = np.repeat(np.arange(400), 2)
    shapes = [LabelShape.of(np.repeat(x, 2), people) for x in (np.sign(drawn), drawn, drawn**3)]
    shares = [shape.training_share for shape in shapes]
    assert shares[0] == 0.41 < shares[1] < shares[2] == 1
    assert [shape.has_long_tails for shape in shapes] == [False, False, True]
    assert shapes[1].skewness == pytest.approx(stats.skew(drawn, bias=False), abs=1e-6)
    assert shapes[1].kurtosis == pytest.approx(stats.kurtosis(drawn, bias=False), abs=1e-6)
    cubes = drawn**3 - (drawn**3).mean()
    expected = np.sqrt((cubes**4).mean() / (cubes**2).mean() ** 2 / 3)
    assert shapes[0].widening == 1
    assert shapes[2].widening == pytest.approx(expected, abs=1e-6)
    # Three people, or equal ones, say nothing of tails.
    unknown = LabelShape.of([1, 2, 3], [*"abc"]), LabelShape.of([1.0] * 5, [*"abcde"])
    assert [shape.training_share for shape in unknown] == [1, 1]
    assert not any(shape.has_long_tails for shape in unknown)
