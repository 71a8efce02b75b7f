"""RDMs, their comparison, Mantel's test, CKA and maps, against SciPy, rsatoolbox, scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import pdist, squareform

from facebench.metrics.cka import cka, linear_cka
from facebench.metrics.mds import mds
from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.rdm import (
    DISTANCES,
    condensed,
    gram,
    n_images_of,
    rdm,
    rdm_from_pairs,
    square,
)
from facebench.metrics.rsa import RDM_MEASURES, compare, mantel
from facebench.metrics.uncertainty.rsa_intervals import rdm_likeness

RSATOOLBOX = {
    "cosine": "cosine", "pearson": "corr", "spearman": "spearman", "tau-a": "tau-a",
    "rho-a": "rho-a", "cosine-whitened": "cosine_cov", "pearson-whitened": "corr_cov",
}  # fmt: skip
seeds = st.integers(0, 10_000)


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


class TestCka:
    @given(seeds)
    @settings(max_examples=20)
    def test_it_is_the_formula_with_dimensions(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        one, other = generator.normal(size=(8, 3)) + 50, generator.normal(size=(8, 5))
        x, y = one - one.mean(0), other - other.mean(0)
        expected = np.linalg.norm(x.T @ y) ** 2
        expected /= np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
        assert linear_cka(one, other) == pytest.approx(expected)
        whitened = compare(rdm(one, "sqeuclidean"), rdm(other, "sqeuclidean"), "cosine-whitened")
        assert whitened == pytest.approx(expected)

    def test_the_unbiased_hsic_is_the_mean_over_quadruples(self) -> None:
        rows = np.random.default_rng(0).normal(size=(5, 2))
        other = np.random.default_rng(1).normal(size=(5, 2))
        k, m = rows @ rows.T, other @ other.T

        def hsic(a: np.ndarray, b: np.ndarray) -> float:
            return np.mean([
                a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q])
                for i, j, q, r in itertools.permutations(range(5), 4)
            ])  # fmt: skip

        expected = hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))
        assert cka(k, m, unbiased=True) == pytest.approx(expected)

    def test_unrelated_layers_are_alike_only_if_biased(self) -> None:
        generator = np.random.default_rng(2)
        pairs = generator.normal(size=(40, 2, 12, 60))
        assert np.mean([linear_cka(*pair) for pair in pairs]) > 0.5
        assert abs(np.mean([linear_cka(*pair, unbiased=True) for pair in pairs])) < 0.05

    def test_it_is_not_defined_without_variation(self) -> None:
        assert np.isnan(linear_cka(np.full((5, 3), 0.1), np.eye(5)))
        assert np.isnan(linear_cka([[1], [2], [3]], [[1], [2], [3]], unbiased=True))
        with pytest.raises(ValueError, match="square"):
            linear_cka([[1], [2]], [[1], [2], [3]])


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


class TestLikeness:
    @pytest.mark.parametrize("measure", RDM_MEASURES)
    @pytest.mark.parametrize("by", ["image", "rater", "both"])
    def test_its_interval_is_that_of_a_loop(self, measure: str, by: str) -> None:
        generator = np.random.default_rng(3)
        first, second = np.triu_indices(7, 1)
        one = rdm(generator.normal(size=(7, 3)))
        people = one[:, None] + generator.normal(size=(21, 4)) ** 2
        units = RatedUnits(first, second, 7, 4, by, "jackknife", 200, 0)
        mean = people.mean(axis=1).round(9)
        stays = [(first != image) & (second != image) for image in range(7)]
        versions = {
            "image": [compare(one[kept], mean[kept], measure) for kept in stays],
            "rater": [
                compare(one, np.delete(people, rater, axis=1).mean(axis=1).round(9), measure)
                for rater in range(4)
            ],
        }
        spread = {
            name: (len(versions[name]) - 1) * np.var(np.arctanh(versions[name]))
            for name in (versions if by == "both" else [by])
        }
        total = sum(spread.values())
        freedom = total**2 / sum(
            value**2 / (len(versions[name]) - 1) for name, value in spread.items()
        )
        value = compare(one, mean, measure)
        step = stats.t.ppf(0.975, freedom) * np.sqrt(total)
        found = rdm_likeness(one, people, measure, units)
        assert found.value == pytest.approx(value)
        assert_allclose(found[1:], np.tanh(np.arctanh(value) + np.array([-step, step])), atol=1e-6)

    def test_images_without_distances_are_left_out(self) -> None:
        generator = np.random.default_rng(3)
        one = square(rdm(generator.normal(size=(7, 3))))
        people = generator.random((21, 4))
        units = RatedUnits(*np.triu_indices(7, 1), 7, 4, "image", "jackknife", 200, 0)
        one[2] = one[:, 2] = np.nan
        stays = np.delete(np.arange(7), 2)
        others = np.stack([condensed(square(each)[np.ix_(stays, stays)]) for each in people.T])
        fewer = RatedUnits(*np.triu_indices(6, 1), 6, 4, "image", "jackknife", 200, 0)
        found = rdm_likeness(condensed(one), people, "cosine-whitened", units)
        expected = rdm_likeness(
            condensed(one[np.ix_(stays, stays)]), others.T, "cosine-whitened", fewer
        )
        assert_allclose(found, expected)
