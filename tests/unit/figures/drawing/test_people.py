"""People drawn beside networks."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from facebench.figures.drawing.people import Human, draw_people, legend_of
from facebench.figures.records.run_facts import RunFacts, humans_of, people_facts

NAN = float("nan")


def test_participants_have_a_band_and_published_values_a_line():
    people = [
        Human("People", 0.1, 0.05, 0.15, published=False),
        Human("Yin 1969", 0.2, NAN, NAN, published=True),
        Human("nobody", NAN, NAN, NAN, published=False),
    ]
    axes = Figure().subplots()
    draw_people(axes, people, "y")
    assert [line.get_ydata()[0] for line in axes.lines] == [0.1, 0.2]
    [band] = axes.patches
    assert np.allclose(band.get_bbox().intervaly, (0.05, 0.15))
    assert [text for _, text in legend_of(people)] == [
        "People: 0.100 [0.050, 0.150]",
        "Yin 1969: 0.200, published",
    ]


def test_a_runs_tables_know_its_people():
    tables, facts = [], {}
    for task in ("one", "two"):
        tables.append(pd.DataFrame({"Task Name": [task], "Accuracy": [0.9]}))
        rows = pd.DataFrame(
            {
                "Model Name": ["People"],
                "Accuracy": [0.8],
                "Accuracy CI Low": [0.7],
                "Accuracy CI High": [0.9],
            }
        )
        facts[task] = people_facts(rows, [("accuracy, LFW", 0.97, "Kumar et al. 2009")])
    RunFacts(people=facts).note(*tables)
    whole = pd.concat(tables)
    for rows in (tables[0], whole[whole["Task Name"] == "two"]):
        people, published = humans_of(rows, "Accuracy")
        assert people == Human("People", 0.8, 0.7, 0.9, published=False)
        assert published[:2] == ("Kumar et al. 2009 (LFW)", 0.97)
        assert published.published
    # Another scale is no scale to draw on.
    other = tables[0].assign(**{"Comparable Accuracy": 0.5})
    assert [human.published for human in humans_of(other, "Accuracy")] == [True]
