"""Pooling against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facebench.metrics.templates import combine_flips, pool_templates, unit_rows


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("normalise", ["none", "before", "after", "both"])
@pytest.mark.parametrize("weighting", [None, "norm", "scores"])
@pytest.mark.parametrize("with_media", [True, False])
def test_against_a_loop(normalise: Any, weighting: Any, with_media: bool) -> None:
    generator = np.random.default_rng(2)
    images = generator.normal(size=(40, 5)) * generator.uniform(1, 3, (40, 1))
    images[3] = np.nan
    templates = generator.choice(["b", "a", "c"], 40)
    media = generator.integers(0, 4, 40)
    scores = generator.uniform(0.1, 1, 40)
    found = pool_templates(
        images,
        templates,
        media=media if with_media else None,
        weights=scores if weighting == "scores" else weighting,
        normalise=normalise,
    )
    assert found.names.tolist() == ["a", "b", "c"]
    for name, vector, count in zip(*found, strict=True):
        groups: dict[Any, list[tuple[Any, float]]] = {}
        for row in np.flatnonzero(templates == name):
            if row == 3:
                continue
            weight = {None: 1.0, "norm": np.linalg.norm(images[row]), "scores": scores[row]}
            image = unit(images[row]) if normalise in ("before", "both") else images[row]
            key = media[row] if with_media else row
            groups.setdefault(key, []).append((image, float(weight[weighting])))
        above = np.mean([np.mean([w * x for x, w in group], 0) for group in groups.values()], 0)
        below = np.mean([np.mean([w for _, w in group]) for group in groups.values()])
        expected = above / below
        if normalise in ("after", "both"):
            expected = unit(expected)
        assert_allclose(vector, expected, rtol=1e-5, atol=1e-6)
        assert count == sum(map(len, groups.values()))


def test_a_template_without_a_usable_image_is_nan() -> None:
    found = pool_templates(np.array([[np.nan, 1.0], [1.0, 2.0]]), [7, 9])
    assert np.isnan(found.vectors[0]).all()
    assert found.n_images.tolist() == [0, 1]


def test_without_any_weight_all_images_count() -> None:
    found = pool_templates(np.eye(2), ["a", "a"], weights=[0, 0], normalise="none")
    assert found.vectors.tolist() == [[0.5, 0.5]]


def test_flips_and_units() -> None:
    assert combine_flips(np.ones((1, 2)), np.ones((1, 2))).tolist() == [[2.0, 2.0]]
    assert unit_rows(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"normalise": "maybe"}, "'normalise'.*'maybe'"),
        ({"weights": "score"}, "'weights'.*'score'"),
        ({"weights": [1, -1]}, "0 or more"),
        ({"weights": [1]}, "2 numbers"),
        ({"media": [1]}, "media for 2"),
        ({"templates": ["a"]}, "a template per row"),
    ],
)
def test_what_cannot_be_pooled_is_told(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        pool_templates(np.eye(2), options.pop("templates", ["a", "a"]), **options)


def test_flips_of_other_shapes_and_switches_are_told() -> None:
    with pytest.raises(ValueError, match="mirror image"):
        combine_flips(np.eye(2), np.eye(3))
    with pytest.raises(ValueError, match="'how'"):
        combine_flips(np.eye(2), np.eye(2), "mean")  # type: ignore[arg-type]
