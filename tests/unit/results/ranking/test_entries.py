"""Twins have names that say what they differ in; what is provably one model is one row."""

from types import SimpleNamespace

import pytest

from facebench.results.ranking.entries import name_entries


def run_of(models, settings=True, **shared):
    """Stand in for a run: model → (what its file says, digest of its weights)."""
    return SimpleNamespace(
        manifest={
            "config": {"settings": {"models": {name: said for name, (said, _) in models.items()}}
                       | shared} if settings else {},
            "provenance": {"models": {
                name: {"weights_digest": weights, "settings_digest": f"{said}{shared}",
                       "preprocessing_digest": "p"}
                for name, (said, weights) in models.items()
            }},
        }
    )  # fmt: skip


def labels_of(*runs, measured=("AUC",)):
    names = [f"run{number}" for number in range(len(runs))]
    keys = {
        (number, model): measured if isinstance(measured, tuple) else measured[number]
        for number, run in enumerate(runs)
        for model in run.manifest["provenance"]["models"]
    }
    found = name_entries(runs, names, keys)
    return [found[key].label for key in keys], [found[key].differs for key in keys]


def test_a_name_that_is_used_once_stays_as_it_is():
    assert labels_of(run_of({"a": ({}, "w"), "b": ({}, "v")})) == (["a", "b"], ["", ""])


def test_twins_are_named_by_the_setting_that_differs():
    one = run_of({"vgg16": ({"model": "vgg16", "align": True, "layers": ["a", "b"]}, "w")})
    two = run_of({"vgg16": ({"model": "vgg16", "align": False, "layers": ["a", "b"]}, "w")})
    three = run_of({"vgg16": ({"model": "vgg16", "layers": ["a", "b"]}, "w")})
    assert labels_of(one, two)[0] == ["vgg16 (align: true)", "vgg16 (align: false)"]
    assert labels_of(one, three)[0] == ["vgg16 (align: true)", "vgg16 (align: not set)"]


@pytest.mark.parametrize("settings", [True, False])
def test_twins_by_other_weights_alone(settings):
    said = {"model": "mine"}
    runs = [run_of({"net": (said, digest)}, settings) for digest in ("aaa1", "bbb2")]
    assert labels_of(*runs)[0] == ["net (weights: aaa1)", "net (weights: bbb2)"]


def test_twins_that_differ_in_nothing_known_are_named_by_their_runs():
    runs = [run_of({"net": ({"model": "m"}, "w")}) for _ in range(2)]
    assert labels_of(*runs)[0] == ["net (run run0)", "net (run run1)"]


def test_twins_by_what_holds_for_all_models_of_a_run():
    runs = [run_of({"net": ({}, "w")}, precision=kind) for kind in ("float32", "bfloat16")]
    assert labels_of(*runs)[0] == ["net (precision: float32)", "net (precision: bfloat16)"]


def test_files_are_named_briefly_and_never_alike():
    said = [{"weights": f"/a/very/long/way/to/{place}/net.pt"} for place in ("one", "two")]
    found = labels_of(*(run_of({"net": (each, str(n))}) for n, each in enumerate(said)))[0]
    assert len(set(found)) == 2
    said = [{"weights": f"/data/{name}.pt"} for name in ("one", "two")]
    found = labels_of(*(run_of({"net": (each, str(n))}) for n, each in enumerate(said)))[0]
    assert found == ["net (weights: one.pt)", "net (weights: two.pt)"]


def test_one_model_in_two_runs_is_one_row_only_if_it_is_provably_the_same():
    one, two = (run_of({"net": ({"model": "m"}, "w")}) for _ in range(2))
    apart = {0: ("LFW",), 1: ("CFP",)}
    assert labels_of(one, two, measured=apart)[0] == ["net", "net"]
    # Of unknown weights, nothing is proved.
    unknown = [run_of({"net": ({"model": "m"}, None)}) for _ in range(2)]
    assert labels_of(*unknown, measured=apart)[0] == ["net (run run0)", "net (run run1)"]
    # Two values of one number are never merged.
    assert len(set(labels_of(one, two, measured={0: ("LFW", "CFP"), 1: ("CFP",)})[0])) == 2


def test_twins_of_other_names_are_told_by_their_weights():
    run = run_of({"aligned": ({"align": True}, "w"), "plain": ({"align": False}, "w")})
    assert labels_of(run) == (["aligned", "plain"], ["align: true", "align: false"])


def test_no_name_can_be_made_to_look_like_another():
    one = run_of({"net": ({"align": True}, "w"), "net (align: true)": ({}, "v")})
    two = run_of({"net": ({"align": False}, "w")})
    labels = labels_of(one, two)[0]
    assert len(set(labels)) == 3
    forged = "net (align: true) (run run0)"
    third = run_of({"net": ({"align": True}, "w"), "net (align: true)": ({}, "v"),
                    forged: ({}, "u")})  # fmt: skip
    assert len(set(labels_of(third, two)[0])) == 4
