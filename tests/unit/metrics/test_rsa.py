"""RDMs, their comparison, Mantel's test, CKA and maps, against SciPy, rsatoolbox, scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import squareform

from facebench.metrics.rdm import rdm
from facebench.metrics.rsa import RDM_MEASURES, compare, mantel

RSATOOLBOX = {
    "cosine": "cosine", "pearson": "corr", "spearman": "spearman", "tau-a": "tau-a",
    "rho-a": "rho-a", "cosine-whitened": "cosine_cov", "pearson-whitened": "corr_cov",
}  # fmt: skip

seeds = st.integers(0, 10_000)


def tied_rdms(seed: int, count: int, n_images: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 6, (count, n_images * (n_images - 1) // 2)) * 1.0


class TestCompare:
    @settings(max_examples=40)
    @given(seeds)
    def test_all_measures_are_rsatoolboxs(self, seed: int) -> None:
        toolbox = pytest.importorskip("rsatoolbox.rdm")
        rdms = tied_rdms(seed, 4)
        left, right = toolbox.RDMs(rdms[:2]), toolbox.RDMs(rdms[2:])
        for measure in RDM_MEASURES:
            expected = toolbox.compare(left, right, RSATOOLBOX[measure])
            assert_allclose(compare(rdms[:2], rdms[2:], measure), expected, atol=1e-9)

    def test_whitening_is_by_the_covariance_of_distances(self) -> None:
        one, other = tied_rdms(3, 2)
        contrasts = np.zeros((15, 6))
        for row, (i, j) in enumerate(itertools.combinations(range(6), 2)):
            contrasts[row, [i, j]] = 1, -1
        inverse = np.linalg.inv((contrasts @ contrasts.T) ** 2)
        expected = one @ inverse @ other
        expected /= np.sqrt((one @ inverse @ one) * (other @ inverse @ other))
        assert compare(one, other, "cosine-whitened") == pytest.approx(expected)

    def test_missing_pairs_are_left_out(self) -> None:
        one, other = tied_rdms(4, 2)
        one[2], other[7] = np.nan, np.nan
        kept = ~np.isnan(one + other)
        found = compare(one, other, "spearman")
        assert found == pytest.approx(stats.spearmanr(one[kept], other[kept]).statistic)
        assert np.isnan(compare(one, other, "cosine-whitened"))

    def test_what_cannot_be_compared_is_told(self) -> None:
        with pytest.raises(ValueError, match="same images"):
            compare([1, 2, 3], [1])
        with pytest.raises(ValueError, match="'corr'"):
            compare([1, 2, 3], [1, 2, 3], "corr")


class TestMantel:
    def test_few_images_are_permuted_in_every_way(self) -> None:
        one, other = tied_rdms(0, 2, 5)
        matrix, values = squareform(other), []
        for order in itertools.permutations(range(5)):
            moved = squareform(matrix[np.ix_(order, order)])
            values.append(stats.spearmanr(one, moved).statistic)
        found = mantel(one, other)
        assert found.n_permutations == 119
        assert found.p_value == pytest.approx(np.mean(np.array(values) >= values[0] - 1e-10))

    def test_alike_is_significant_and_opposite_is_not(self) -> None:
        one = tied_rdms(0, 1, 9)[0]
        noise = np.random.default_rng(1).normal(size=one.size)
        assert mantel(one, one + noise).p_value <= 0.002
        assert mantel(one, -one).p_value > 0.99

    def test_p_values_are_uniform_where_there_is_nothing(self) -> None:
        generator = np.random.default_rng(7)
        p = []
        for _ in range(200):
            # Distances that share images are dependent: pairs must not be permuted one by one.
            points = generator.normal(size=(2, 9, 2))
            p.append(mantel(rdm(points[0]), rdm(points[1]), "pearson", n_permutations=99).p_value)
        assert stats.kstest(p, "uniform").pvalue > 0.01

    def test_missing_pairs(self) -> None:
        one = rdm(np.random.default_rng(0).normal(size=(10, 2)))
        other = one.copy()
        other[::6] = np.nan
        assert mantel(one, other, n_permutations=199).p_value == 1 / 200

    def test_fewer_than_three_images(self) -> None:
        assert np.isnan(mantel([1.0], [2.0]).p_value)

    def test_whitened_measures_are_refused(self) -> None:
        with pytest.raises(ValueError, match="whitened"):
            mantel([1, 2, 3], [1, 2, 3], "cosine-whitened")
