"""One rule of colours for the report and for figures."""

from facebench.figures.palette import PALETTE, model_colors


def test_a_model_has_one_colour_in_the_whole_run():
    names = [f"m{number}" for number in range(10)]
    found = model_colors(names)
    assert [color for color, _ in found.values()] == [*PALETTE, *PALETTE[:2]]
    assert found["m0"] != found["m8"]
    assert len(set(found.values())) == len(names)
