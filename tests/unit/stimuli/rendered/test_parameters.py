"""Identities and views: draws, distances, exchanges of features, saving."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebench.errors import StimulusError
from facebench.stimuli import (
    FEATURES,
    HAIR_STYLES,
    Identity,
    View,
    change_feature,
    feature_indices,
    identity_distance,
    sample_identity,
    sample_view,
)

seeds = st.integers(0, 2**40)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_draws_repeat_and_stay_within_the_human_range(seed: int) -> None:
    identity = sample_identity(seed)
    assert identity == sample_identity(seed)
    assert sample_view(seed) == sample_view(seed)
    assert identity.vector().dtype == np.float64
    assert np.abs(identity.vector()).max() <= 3.0
    assert 19 <= identity.age <= 75


def test_different_seeds_give_different_people_of_both_sexes_and_many_styles() -> None:
    people = [sample_identity(k) for k in range(60)]
    assert len({p.vector().tobytes() for p in people}) == 60
    assert 15 < sum(p.masculinity > 0 for p in people) < 45
    assert len({p.hair_style for p in people}) >= 8


@given(seeds, seeds, seeds)
@settings(max_examples=30, deadline=None)
def test_identity_distance_is_a_metric(first: int, second: int, third: int) -> None:
    a, b, c = (sample_identity(seed) for seed in (first, second, third))
    assert identity_distance(a, a) == 0
    assert identity_distance(a, b) == identity_distance(b, a)
    assert (identity_distance(a, b) > 0) == (a.vector().tobytes() != b.vector().tobytes())
    assert identity_distance(a, c) <= identity_distance(a, b) + identity_distance(b, c) + 1e-9


@pytest.mark.parametrize("feature", FEATURES)
@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_change_feature_changes_that_feature_alone_and_clearly(feature: str, seed: int) -> None:
    identity = sample_identity(seed % 97)
    changed = change_feature(identity, feature, seed)
    step = np.abs(changed.vector() - identity.vector())
    own = feature_indices(feature)
    others = np.setdiff1d(np.arange(step.size), own)
    assert step[others].max() == 0
    traits = own[own < step.size - len(HAIR_STYLES)]
    assert step[traits].min() >= 1.5 - 1e-9
    assert np.abs(changed.vector()).max() <= 3.0
    assert (changed.hair_style != identity.hair_style) == (feature == "hair")
    assert changed == change_feature(identity, feature, seed)


def test_features_share_no_trait() -> None:
    indices = np.concatenate([feature_indices(feature) for feature in FEATURES])
    assert len(set(indices.tolist())) == len(indices)


@pytest.mark.parametrize("seed", [0, 5])
def test_json_round_trip(seed: int) -> None:
    identity, view = sample_identity(seed), sample_view(seed)
    assert Identity.from_dict(json.loads(json.dumps(identity.to_dict()))) == identity
    assert View.from_dict(json.loads(json.dumps(view.to_dict()))) == view


def test_score_of_the_mean_face_is_zero() -> None:
    assert Identity().score("nose_width") == 0
    assert replace(Identity(), chin_width=1.5).score("chin_width") == 1.5


def test_sample_view_respects_the_largest_yaw() -> None:
    assert max(abs(sample_view(k, max_yaw=5).yaw) for k in range(50)) <= 5
    assert len({sample_view(k).background for k in range(50)}) >= 3


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: change_feature(Identity(), "ears", 0), "eyes, brows, nose"),
        (lambda: Identity(hair_style="mohawk"), "mohawk"),
        (lambda: Identity(nose_width=float("nan")), "nose_width"),
        (lambda: Identity(texture_seed=-1), "texture_seed"),
        (lambda: View(yaw=90), "yaw=90"),
        (lambda: View(yaw=float("inf")), "yaw"),
        (lambda: View(background="beach"), "beach"),
        (lambda: View(zoom=0.0), "zoom"),
        (lambda: sample_view(0, max_yaw=80), "max_yaw"),
        (lambda: sample_identity(-1), "seed"),
        (lambda: Identity.from_dict({"nose": 3}), "'nose'"),
    ],
)
def test_errors_say_what_was_wrong(make: object, told: str) -> None:
    with pytest.raises(StimulusError, match=told) as caught:
        make()  # type: ignore[operator]
    assert isinstance(caught.value, ValueError)
    assert "Got" in str(caught.value)


def test_every_trait_declares_its_population() -> None:
    declared = [f for f in fields(Identity) if "sd" in f.metadata]
    assert len(declared) > 50
    assert all(f.metadata["sd"] > 0 and f.default == f.metadata["mean"] for f in declared)
