"""How participants are divided between conditions."""

import numpy as np
import pytest

from facebench.tasks.shared.people_designs import design_of


def known(*rows):
    return np.array([[cell == "x" for cell in row] for row in rows])


@pytest.mark.parametrize(
    ("rows", "sample"),
    [
        (["xx", "xx", "xx", "x."], [0, 0, 0, -1]),
        (["x.", ".x", "x.", ".x", "x.", ".x"], [0, 1, 0, 1, 0, 1]),
        # One factor within, the other between; who lacks a part is left out.
        (["xx..", "xx..", "..xx", "..xx", "xx..", "..xx", "x..."], [0, 0, 1, 1, 0, 1, -1]),
        # In the order of the conditions.
        ([".x", ".x", ".x", "x.", "x.", "x.", ".."], [1, 1, 1, 0, 0, 0, -1]),
    ],
)
def test_clear_designs(rows, sample):
    design = design_of(known(*rows), range(len(rows[0])))
    assert design.sample.tolist() == sample
    assert design.is_within == (max(sample) == 0)


@pytest.mark.parametrize(
    "rows",
    [
        ["xx", "x.", "x.", "x.", ".x", ".x", ".x"],
        ["x.", "x.", "x.", ".x", ".x"],
        ["x.", "x.", "x."],
        ["xx.", "xx.", "xx.", ".xx", ".xx", ".xx"],
        ["..", "..", ".."],
    ],
)
def test_unclear_designs(rows):
    assert design_of(known(*rows), range(len(rows[0]))) is None


def test_effects_within_samples_have_no_size():
    design = design_of(known(*["xx.."] * 3, *["..xx"] * 3), range(4))
    assert design.has_size(np.array([0.5, 0.5, -0.5, -0.5]))
    assert design.has_size(np.array([1.0, -1, -1, 1]))
    assert not design.has_size(np.array([0.5, -0.5, 0.5, -0.5]))


def test_samples_add_up_to_the_contrast():
    values = np.array([[0.9, np.nan], [0.8, np.nan], [0.7, np.nan]] + [[np.nan, 0.5]] * 3)
    design = design_of(np.isfinite(values), [0, 1])
    summed = design.summed(values, np.array([1.0, -1.0]))
    assert summed.tolist() == pytest.approx([0.9, 0.8, 0.7, -0.5, -0.5, -0.5])
