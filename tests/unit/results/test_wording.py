"""How numbers, names and lists are written in sentences."""

import pytest

from facebench.results.wording import Shown, listed, named_layer, shown_p

NAN = float("nan")


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.35, 0.11, 0.51), ".350 [.110, .510]"),
        ((12.3456, 11.0, 14.0), "12.35 [11.00, 14.00]"),
        ((-0.00012, -0.0003, 0.0001), "−.00012 [−.00030, .00010]"),
        ((1.0, NAN, NAN), "1.000"),
        ((0.5, 0.4, NAN), ".500"),
        ((NAN, 0.1, 0.2), "not defined"),
        ((0.0, 0.0, 0.0), ".000 [.000, .000]"),
        ((2.0, 1.0, float("inf")), "2.000 [1.000, ∞]"),
    ],
)
def test_numbers_show_as_many_decimals_as_they_need(numbers, text):
    assert Shown(*numbers).shown() == text


def test_p_values_names_and_lists():
    assert [shown_p(p) for p in (0.0499, 0.9999, 0.00099)] == ["P = .0499", "P = 1.00", "P < .001"]
    assert named_layer("vgg", "default") == "vgg"
    assert listed(list("abcdefgh"), most=2) == "a, b and 6 more"
    assert listed(list("abc"), most=2) == "a, b and c"
