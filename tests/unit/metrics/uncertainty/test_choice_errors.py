"""Intervals over choices cover new images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from facebench.metrics.uncertainty.choice_errors import choice_estimate


@pytest.mark.slow
def test_intervals_cover_new_images_and_the_share_of_the_ceiling() -> None:
    generator = np.random.default_rng(4)

    def means(n_images: int, n_choices: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Two correlated judgements of triplets whose images are each easy or hard."""
        images = np.array([generator.choice(n_images, 3, replace=False) for _ in range(n_choices)])
        ease = generator.normal(size=(n_images, 1)) * 0.5
        right = generator.random((n_choices, 2)) < expit(1.2 * ease[images].sum(axis=1) + [0, 1])
        return images, *right.T.astype(float)

    _, model, people = means(4000, 40_000)
    truths, covered = (model.mean(), model.mean() / people.mean()), [[], []]
    for _ in range(150):
        images, one, other = means(30, 120)
        share = one.mean() / other.mean()
        moved = (one - one.mean()) / 120, (one - share * other) / other.mean() / 120
        for hits, value, influence, truth in zip(
            covered, (one.mean(), share), moved, truths, strict=True
        ):
            found = choice_estimate(value, influence, images)
            hits.append(found.low <= truth <= found.high)
    # Of a nominal 95 %, fewer than 134 in 150 come less than once in five hundred times.
    assert min(sum(hits) for hits in covered) >= 134
