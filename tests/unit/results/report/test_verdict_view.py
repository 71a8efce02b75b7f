"""The small figures at the top of a report, and the stimuli beside them."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from facebench.results.pair_rows import PairRows
from facebench.results.report.pages import _environment
from facebench.results.report.verdict_view import VerdictView, examples_of, figure_of, skipped_pairs
from facebench.results.task_facts import TaskFacts
from facebench.results.verdicts import ModelVerdict, Verdict
from support.pairs_of import pairs_of

NAN = math.nan
COLORS = {f"m{k}": [f"#00000{k % 10}", 0] for k in range(40)}


def one(model, value, low=NAN, high=NAN):
    return ModelVerdict(model, "default", "AUC", value, low, high, NAN, f"{model}: <{value}>")


def drawn(models, people=(), **more):
    verdict = Verdict("T", "All <told>.", list(models), [], "AUC", people=list(people), **more)
    return figure_of(verdict, COLORS, ["#b5651d"])


def test_numbers_and_lines_lie_on_one_scale():
    people = [one("People", 0.8, 0.7, 0.9)]
    models = [one("m0", 0.9, 0.6, 1.0), one("m1", NAN)]
    figure = drawn(models, people, chance=0.5, ceiling=(0.85, 0.95))
    assert [row.name for row in figure.rows] == ["m0", "People"]
    assert [row.color for row in figure.rows] == ["#000000", "#b5651d"]
    scale = (figure.rows[0].high - figure.rows[0].low) / 0.4
    assert figure.rows[0].value - figure.rows[0].low == pytest.approx(0.3 * scale, abs=0.2)
    assert figure.rows[0].low - figure.chance[0] == pytest.approx(0.1 * scale, abs=0.2)
    assert figure.ceiling[1] - figure.ceiling[0] == pytest.approx(0.1 * scale, abs=0.2)
    assert figure.ticks == sorted(figure.ticks)
    assert all(figure.left <= place <= figure.right for place, _ in figure.ticks)
    assert [text for _, text in figure.ticks] == [".6", ".8", "1"]


def test_what_cannot_be_drawn_is_told():
    assert drawn([one("m0", NAN)]) is None
    assert drawn([]) is None
    many = drawn([one(f"m{k}", k / 40) for k in range(40)])
    assert (len(many.rows), many.n_more) == (24, 16)
    assert many.rows[0].low is None
    of_conditions = [
        replace(one(f"m{k}", k / 40), condition=name) for name in "abcde" for k in range(40)
    ]
    rows = drawn(of_conditions).rows
    assert [row.name for row in rows] == [f"{c} · m{k}" for c in "abcde" for k in range(4)]
    single = drawn([one("m0", 0.5)])
    assert single.left < single.rows[0].value < single.right
    endless = drawn([one("m0", 2.0, 1.0, math.inf), one("m1", 3.0, 2.5, 4.0)])
    assert endless.rows[0].high == endless.right


@pytest.mark.parametrize("values", [(0.00012, 0.0001, 0.0002), (-9e4, -1e5, 2e6), (0.0, 0.0, 0.0)])
def test_scales_of_any_size_have_ticks(values):
    figure = drawn([one("m0", *values)])
    assert 2 <= len(figure.ticks) <= 7
    assert len({text for _, text in figure.ticks}) == len(figure.ticks)


def test_names_of_models_cannot_end_the_drawing():
    figure = drawn([one("m0", 0.9, 0.6, 1.0)], chance=0.5)
    view = VerdictView("task-0", Verdict("</svg><b>", "A <b>.", [], ["<i>"]), figure)
    module = _environment().get_template("macros.html.j2").module
    html = str(module.verdict(view))
    assert "&lt;/svg&gt;&lt;b&gt;" in html
    assert not re.search(r"<b>|<i>|: <0", html)
    assert 'aria-label="AUC: m0: &lt;0.9&gt;"' in html


class Faces:
    """Pictures that are all there."""

    def __init__(self):
        self.urls = []

    def add(self, folder, name):
        self.urls.append(f"data:{name}")
        return len(self.urls) - 1


def test_examples_are_of_every_class_and_skipped_pairs_are_counted_by_it():
    labels = np.arange(20) % 2
    distances = np.linspace(0, 1, 20)
    distances[[0, 1, 2]] = NAN
    pairs = pairs_of(labels, distances)
    found = examples_of(pairs, Faces())
    assert [example.condition for example in found] == ["same person", "different people"]
    first = [str(side[1]) for side in pairs.names]
    assert [name for _, name in found[0].images] == first
    assert skipped_pairs([("a", "fc", pairs)]) == (
        "a fc has no distance for 1 of 10 pairs in 'same person' and 2 of 10 pairs in 'different "
        "people'"
    )
    whole = pairs_of(labels, np.linspace(0, 1, 20))
    assert skipped_pairs([("a", "fc", whole)]) == ""
    assert examples_of(None, Faces()) == []


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({"img1": ["a"], "img2": ["b"], "img3": ["c"]}, [("one triplet", ["a", "b", "c"])]),
        (
            {"target": ["a"], "alt2": ["c"], "alt1": ["b"], "alt3": [NAN]},
            [("target", ["a"]), ("alternatives", ["b", "c"])],
        ),
        (
            {"image": list("abcde"), "label": ["f", "m", "f", "f", "m"]},
            [("f", ["a", "c"]), ("m", ["b", "e"])],
        ),
        ({"image": list("abcdefgh"), "label": range(8)}, [("0", ["a"]), ("7", ["h"])]),
        ({"template": ["t"]}, []),
    ],
)
def test_examples_of_items_that_are_no_pairs(items, expected):
    found = examples_of(PairRows(pd.DataFrame(items), TaskFacts("Task")), Faces())
    shown = [(one.condition, [name for _, name in one.images]) for one in found]
    assert shown == expected
