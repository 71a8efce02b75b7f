"""Error against discard, against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics import verification as v
from support.counted import LABELS, SCORES


class TestErrorVsDiscard:
    def test_against_a_loop(self) -> None:
        generator = np.random.default_rng(2)
        labels, quality = generator.integers(0, 2, 200), generator.integers(0, 6, 200)
        scores = generator.normal(size=200) + labels
        found = v.error_vs_discard(labels, scores, quality, fmr=0.1)
        assert found.threshold == v.fnmr_at_fmr(labels, scores, fmr=0.1).threshold
        for index, level in enumerate(np.unique(quality)):
            kept = quality >= level
            assert found.discard[index] == np.mean(~kept)
            assert found.fnmr[index] == np.mean(scores[kept & (labels == 1)] < found.threshold)
            assert found.fmr[index] == np.mean(scores[kept & (labels == 0)] >= found.threshold)

    def test_too_few_impostors_and_nan_quality_are_told(self) -> None:
        with pytest.raises(ValueError, match="cannot be estimated"):
            v.error_vs_discard(LABELS, SCORES, range(12), fmr=1e-3)
        with pytest.raises(ValueError, match="NaN"):
            v.error_vs_discard([1, 0], [1, 0], [1, np.nan], fmr=0.5)
