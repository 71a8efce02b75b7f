"""Representational dissimilarity matrices against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist, squareform

from facebench.metrics.rdm import DISTANCES, gram, n_images_of, rdm, rdm_from_pairs, square


def tied_rdms(seed: int, count: int, n_images: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 6, (count, n_images * (n_images - 1) // 2)) * 1.0


class TestRdm:
    @pytest.mark.parametrize("distance", DISTANCES)
    @pytest.mark.parametrize("offset", [0.0, 1000.0])
    def test_distances_are_scipys(self, distance: str, offset: float) -> None:
        rows = np.random.default_rng(0).normal(size=(12, 40)) + offset
        rows[5] = rows[2]
        found = rdm(rows, distance)
        assert_allclose(found, pdist(rows, distance), rtol=1e-6, atol=1e-9)
        assert square(found)[2, 5] == 0

    def test_blocks_leave_no_trace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
        whole = gram(rows, centred=True)
        monkeypatch.setattr("facebench.metrics.rdm._BLOCK_VALUES", 15)
        assert_allclose(gram(rows, centred=True), whole, rtol=1e-12)

    def test_a_lost_image_has_no_distances(self) -> None:
        rows = np.random.default_rng(0).normal(size=(4, 3))
        rows[1] = np.nan
        for distance in DISTANCES:
            lost = np.isnan(square(rdm(rows, distance)))
            assert lost[1, [0, 2, 3]].all()
            assert not lost[np.ix_([0, 2, 3], [0, 2, 3])].any()

    def test_zero_rows_have_no_direction(self) -> None:
        assert np.isnan(rdm([[0.0, 0.0], [1.0, 2.0]], "cosine")).all()

    def test_pairs_in_any_order_become_a_matrix(self) -> None:
        whole = tied_rdms(1, 1, 5)[0]
        first, second = np.triu_indices(5, 1)
        order = np.random.default_rng(0).permutation(10)
        found = rdm_from_pairs(
            np.r_[second[order], 3], np.r_[first[order], 3], np.r_[whole[order], 9], 5
        )
        assert_allclose(found, whole)
        assert_allclose(square(whole), squareform(whole))

    def test_what_is_no_rdm_is_told(self) -> None:
        with pytest.raises(ValueError, match="Got 4"):
            n_images_of([1, 2, 3, 4])
        with pytest.raises(ValueError, match="'chord'"):
            rdm([[1.0], [2.0]], "chord")
        with pytest.raises(ValueError, match="shape"):
            rdm([1.0, 2.0])
