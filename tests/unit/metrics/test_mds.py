"""Maps of distances against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist, squareform

from facebench.metrics.mds import mds


class TestMap:
    def test_points_on_a_plane_are_found_again(self) -> None:
        distances = pdist(np.random.default_rng(0).normal(size=(9, 2)))
        found = mds(distances)
        assert_allclose(pdist(found.places), distances, atol=1e-9)
        assert found.stress == pytest.approx(0, abs=1e-9)

    def test_steps_lower_the_stress_to_scikit_learns(self) -> None:
        manifold = pytest.importorskip("sklearn.manifold")
        distances = pdist(np.random.default_rng(3).normal(size=(12, 6)))
        start, found = mds(distances, n_steps=0), mds(distances, n_steps=3000)
        theirs, raw = manifold.smacof(
            squareform(distances), init=start.places, n_init=1, max_iter=3000, eps=1e-12,
            normalized_stress=False, metric=True,
        )  # fmt: skip
        assert found.stress < start.stress
        ours = ((pdist(found.places) - distances) ** 2).sum()
        assert ours == pytest.approx(((pdist(theirs) - distances) ** 2).sum(), rel=1e-3)
        assert raw > 0

    def test_edges(self) -> None:
        assert mds([0.0, 0.0, 0.0]).stress == 0
        assert mds([2.0], 3).places.shape == (2, 3)
        with pytest.raises(ValueError, match="complete"):
            mds([1.0, np.nan, 1.0])
