"""A ROC of more scores than fit into memory is within its stated error."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics import verification as v


class TestStreaming:
    @pytest.mark.parametrize("higher", [True, False])
    def test_is_within_its_stated_error(self, higher: bool) -> None:
        generator = np.random.default_rng(3)
        labels = generator.integers(0, 2, 5000).astype(bool)
        scores = generator.normal(size=5000) + (labels if higher else -1.0 * labels)
        scores[:7] = np.nan
        stream = v.StreamingRoc(-3, 4, bins=300, higher_is_better=higher)
        for part in np.array_split(np.arange(5000), 3):
            stream.update(labels[part], scores[part])
        found, exact = stream.result(), v.roc(labels, scores, higher_is_better=higher)
        assert abs(v.auc(found) - v.auc(exact)) <= stream.auc_error
        for method in ("midpoint", "fvc2000", "hull"):
            gap = v.eer(found, method=method).rate - v.eer(exact, method=method).rate
            assert abs(gap) <= stream.rate_error
        for rough, fine in zip(
            v.tar_at_far(found, far=[0.01, 0.1]), v.tar_at_far(exact, far=[0.01, 0.1]), strict=True
        ):
            assert rough.tar <= fine.tar <= rough.tar + stream.rate_error
        for fmr, fnmr, threshold in zip(*found, strict=True):
            accepted = scores >= threshold if higher else scores <= threshold
            assert (fmr, fnmr) == (np.mean(accepted[~labels]), np.mean(~accepted[labels]))
