"""Sentences about people beside networks."""

import pandas as pd

from facebench.results.report.people_words import people_sentences
from facebench.results.task_facts import TaskFacts

EFFECT = TaskFacts("InversionEffect", effect={"upright": "upright AUC", "inverted": "inverted AUC"})


def rows(model, layer, **values):
    table = pd.DataFrame(
        [[name, *numbers] for name, numbers in values.items()],
        columns=["metric", "value", "ci_low", "ci_high"],
    )
    return table.assign(model=model, layer=layer)


def difference(value, low, high, **more):
    return {
        "Difference": (value, low, high),
        **{f"{name} from People": numbers for name, numbers in more.items()},
    }


def test_effects_are_told_beside_those_of_people():
    people = rows("People", "", Difference=(0.064, 0.024, 0.103))
    networks = pd.concat(
        [
            rows("dlib", "fc", **difference(0.237, 0.127, 0.333, Difference=(0.17, 0.06, 0.28))),
            rows(
                "untrained VGG16",
                "default",
                **difference(0.004, -0.03, 0.038, Difference=(-0.06, -0.11, -0.01)),
            ),
        ]
    )
    best = {"dlib": "fc", "untrained VGG16": "default"}
    assert people_sentences(networks, people, EFFECT, best) == [
        "Difference: People: .064 [.024, .103]; dlib fc: .237 [.127, .333], larger than people's "
        "(difference .17 [.06, .28]); untrained VGG16: none found (.004 [−.030, .038]), smaller "
        "than people's (difference −.06 [−.11, −.01])."
    ]
    assert people_sentences(networks, people.iloc[:0], EFFECT, best) == []


def test_measures_equivalence_groups_and_error_consistency_are_told():
    measured = {
        "AUC": (0.9, 0.85, 0.94),
        "AUC Difference from young": (0.01, -0.02, 0.04),
        "AUC Equivalence P to young": (0.01, None, None),
        "AUC Equivalence Margin to young": (0.035, None, None),
        "Error Consistency with young": (0.2, 0.1, 0.3),
    }
    networks = rows("net", "default", **measured)
    people = rows(
        "young", "", **{"AUC": (0.89, 0.87, 0.91), "Error Consistency": (0.3, 0.25, 0.35)}
    )
    assert people_sentences(networks, people, TaskFacts("AccuracyTask"), {"net": "default"}) == [
        "AUC: young: .890 [.870, .910]; net: .900 [.850, .940], not found to differ from that of "
        "young, and equivalent (within ±.04) (difference .01 [−.02, .04]).",
        "Error consistency (kappa) of net with young: .200 [.100, .300]; among young: .300 [.250, "
        ".350].",
    ]


def test_a_difference_without_an_interval_is_not_called_larger():
    measured = {"AUC": (0.9, 0.85, 0.94), "AUC Difference from People": (0.3, None, None)}
    people = rows("People", "", AUC=(0.6, 0.55, 0.65))
    [said] = people_sentences(
        rows("net", "default", **measured), people, TaskFacts("AccuracyTask"), {"net": "default"}
    )
    assert said.endswith(
        "net: .900 [.850, .940], difference from people's without an interval (.30)."
    )


def test_groups_are_compared_with_those_before_them():
    people = pd.concat(
        [
            rows(
                "controls",
                "",
                **{"AUC": (0.9, 0.85, 0.95), "AUC Difference from patients": (0.2, 0.1, 0.3)},
            ),
            rows(
                "patients",
                "",
                **{"AUC": (0.7, 0.65, 0.75), "AUC Difference from controls": (-0.2, -0.3, -0.1)},
            ),
        ]
    )
    networks = rows(
        "net",
        "default",
        **{"AUC": (0.9, 0.85, 0.94), "AUC Difference from controls": (0.0, -0.1, 0.1)},
    )
    [said] = people_sentences(networks, people, TaskFacts("AccuracyTask"), {"net": "default"})
    assert said == (
        "AUC: controls: .900 [.850, .950]; patients: .700 [.650, .750], smaller than that of "
        "controls (difference −.20 [−.30, −.10]); net: .900 [.850, .940], not found to differ from "
        "that of controls (difference .00 [−.10, .10])."
    )
