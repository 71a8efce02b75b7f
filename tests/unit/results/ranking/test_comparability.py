"""Tasks of one name are one task only where their numbers mean the same."""

from types import SimpleNamespace

import pytest

from facebench.results.ranking.comparability import name_tasks
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure

FACTS = TaskFacts("AccuracyTask", distance="cosine_distances", label_column="same")


def run_of(facts=FACTS, digest="a" * 64, arguments=None, images="i" * 64, **manifest):
    """Stand in for a run of one task."""
    settings = {} if arguments is None else {"settings": {"tasks": {"LFW": arguments}}}
    return SimpleNamespace(
        tasks={"LFW": facts},
        left_out={},
        manifest={
            "schema_version": 3,
            "statistics_version": 1,
            "data": {"LFW": {"pairs_digest": digest, "pairs_file": f"/data/{digest[:3]}.csv",
                             "images": {"digest": images, "n_images": 9, "n_missing": 0}}},
            "config": settings,
            **manifest,
        },
    )  # fmt: skip


def names_of(*runs):
    named = name_tasks(runs, [f"run{number}" for number in range(len(runs))])
    return [named.names[number, "LFW"] for number in range(len(runs))], named.notes


def test_one_task_keeps_its_name():
    same = [
        run_of(),
        run_of(arguments={"task": "accuracy", "pairs": "elsewhere/p.csv", "people": "t.csv"}),
        run_of(),
    ]
    assert names_of(*same) == (["LFW"] * 3, [])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (run_of(digest="b" * 64), "data bbb.csv"),
        (run_of(images="j" * 64), "images jjjjjj"),
        (run_of(TaskFacts("AccuracyTask", distance="euclidean_distances", label_column="same")),
         "distance euclidean"),
        (run_of(TaskFacts("VerificationTask", distance="cosine_distances", label_column="same")),
         "type VerificationTask"),
        (run_of(TaskFacts("AccuracyTask", distance="cosine_distances", label_column="twins")),
         "label twins"),
        (run_of(TaskFacts("AccuracyTask", distance="cosine_distances", label_column="same",
                          measures=(Measure("AUC", better="lower", headline=True),))),
         "measures AUC (lower is better)"),
        (run_of(arguments={"folds": 5}), "folds 5"),
        (run_of(statistics_version=2), "statistics 2"),
    ],
)  # fmt: skip
def test_what_differs_is_ranked_apart_and_said(other, said):
    names, notes = names_of(run_of(), other, run_of())
    assert names[0] == names[2] != names[1]
    assert said in names[1]
    assert all(name.startswith("LFW (") for name in names)
    [note] = notes
    assert "ranked apart" in note
    assert "run0, run2" in note


def test_older_runs_are_of_other_statistics():
    newer = run_of()
    del newer.manifest["statistics_version"]
    older = run_of(schema_version=2)
    del older.manifest["statistics_version"]
    names, _ = names_of(run_of(), newer, older)
    assert names[0] == names[1] == "LFW (statistics 1)"
    assert names[2] == "LFW (statistics schema 2)"


def test_images_that_need_not_exist_are_those_of_the_others():
    recorded = run_of()
    recorded.manifest["data"]["LFW"]["images"] |= {"digest": "x", "n_missing": 9}
    assert names_of(run_of(), recorded) == (["LFW", "LFW"], [])
    # Of two sets of images, it is not known which.
    names, _ = names_of(run_of(), run_of(images="j" * 64), recorded)
    assert len(set(names)) == 3


def test_files_of_a_task_may_lie_elsewhere():
    names, _ = names_of(*(run_of(arguments={"gallery": f"/{p}/gallery.csv"}) for p in "ab"))
    assert names == ["LFW", "LFW"]


def test_items_without_a_table_of_pairs_are_told_by_what_was_measured():
    runs = []
    for digest in ("one", "two"):
        run = run_of(digest="")
        run.manifest["data"]["LFW"]["pairs_digest"] = None
        run.left_out[("LFW", "net", "fc")] = SimpleNamespace(digest=digest)
        runs.append(run)
    assert len(set(names_of(*runs)[0])) == 2
