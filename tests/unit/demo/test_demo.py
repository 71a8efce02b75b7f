"""What the demo's rendered faces know about themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.data.pairs import find_images, read_pairs
from facebench.demo import prepare_rendered_faces
from facebench.stimuli import FEATURES


@pytest.mark.slow
def test_true_distances_are_told_for_people_and_for_changes(tmp_path: Path) -> None:
    stimuli = prepare_rendered_faces(tmp_path, n_people=3, n_photographs=2, n_changed=1)
    pairs = read_pairs(tmp_path / "true_distances.csv")
    find_images(pairs, stimuli.images_path, task="demo")
    assert (
        list(pairs["condition"]) == [*(f"other {name}" for name in FEATURES)] + ["other person"] * 3
    )
    given = read_pairs(stimuli.distances)
    people = pairs[pairs["condition"] == "other person"]
    np.testing.assert_allclose(people["true_distance"], given["distance"])
    # Each change moves several traits by 1.5 to 2.5 standard deviations.
    assert (pairs["true_distance"] > 1.5).all()
