"""Identification rates against loops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facebench.metrics import identification


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("sign", [1, -1])
def test_identification_against_loops(seed: int, sign: int) -> None:
    generator = np.random.default_rng(seed)
    gallery = [f"p{index}" for index in range(5)]
    probes = [f"p{index}" for index in [0, *generator.integers(0, 8, 12), 7]]
    scores = generator.integers(0, 4, (14, 5)).astype(float)
    scores[generator.random((14, 5)) < 0.05] = np.nan
    ranks, outside = [], []
    for row, person in zip(scores, probes, strict=True):
        if person in gallery:
            mate = row[gallery.index(person)]
            better = sum(score >= mate for score in row)
            ranks.append((better or np.inf, mate))
        else:
            outside.append(max([s for s in row if not np.isnan(s)], default=np.nan))
    given = (sign * scores, probes, gallery)
    way = {"higher_is_better": sign > 0}
    expected = [np.mean([rank <= k for rank, _ in ranks]) for k in range(1, 6)]
    assert_allclose(identification.cmc(*given, **way).rates, expected)
    assert_allclose(identification.rank_k(*given, k=2, **way), expected[1])
    for rank in (1, 3):
        best = 0.0
        for threshold in [0, 1, 2, 3, 4]:
            if np.mean([score >= threshold for score in outside]) <= 0.5:
                hits = [mate >= threshold and place <= rank for place, mate in ranks]
                best = max(best, float(np.mean(hits)))
        found = identification.tpir_at_fpir(*given, fpir=[0.5], rank=rank, **way)[0]
        assert_allclose(found.tpir, best)
        assert found.n_outside == len(outside)


def test_wrong_galleries_are_told() -> None:
    with pytest.raises(ValueError, match="one template per identity"):
        identification.cmc([[1, 2]], ["a"], ["a", "a"])
    with pytest.raises(ValueError, match="No probe"):
        identification.cmc([[1, 2]], ["z"], ["a", "b"])
    with pytest.raises(ValueError, match="outside"):
        identification.tpir_at_fpir([[1, 2]], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="shape"):
        identification.cmc([[1, 2, 3]], ["a"], ["a", "b"])
    with pytest.raises(ValueError, match="'k'"):
        identification.rank_k([[1, 2]], ["a"], ["a", "b"], k=0)


def test_galleries_are_averaged() -> None:
    one = identification.cmc([[2, 1]], ["a"], ["a", "b"])
    other = identification.cmc([[1, 2]], ["a"], ["a", "b"])
    assert identification.per_gallery_average([one, other]).rates.tolist() == [0.5, 1.0]
    with pytest.raises(ValueError, match="no galleries"):
        identification.per_gallery_average([])
