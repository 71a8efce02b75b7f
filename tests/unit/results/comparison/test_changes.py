"""Changes are said; what follows from them is folded."""

from copy import deepcopy
from types import SimpleNamespace

import pytest

from facebench.results.comparison.changes import (
    changed_settings,
    changes_in_words,
    renamed_models,
)

RECORD = {
    "weights_digest": "w1",
    "settings_digest": "s1",
    "preprocessing_digest": "p1",
    "alignment": None,
    "device": "cpu",
    "n_images": 40,
}
MANIFEST = {
    "config": {
        "digest": "c1",
        "file": "/a/x.yaml",
        "settings": {
            "name": "first",
            "batch_size": 32,
            "distance": "cosine",
            "models": {"dlib": {"model": "dlib-resnet", "align": False}, "vgg": {"model": "vgg16"}},
            "tasks": {"LFW": {"task": "verification", "pairs": "/a/pairs.csv"}},
        },
    },
    "seeds": {"seed": 0},
    "models": {"dlib": {"type": "DlibResNetModel"}, "vgg": {"type": "Vgg16Model"}},
    "tasks": {"LFW": {"type": "VerificationTask", "remarks": {"Folds": "10"}}},
    "data": {"LFW": {"pairs_digest": "d1", "pairs_file": "/a/pairs.csv",
                     "images": {"digest": "i1", "n_images": 40}}},
    "versions": {"torch": "2.1"},
    "code": {"digest": "k1"},
    "machine": {"host": "one"},
    "provenance": {"models": {"dlib": RECORD, "vgg": {**RECORD, "weights_digest": "w2"}}},
}  # fmt: skip


def run_of(change=lambda manifest: None):
    manifest = deepcopy(MANIFEST)
    change(manifest)
    return SimpleNamespace(manifest=manifest, models=list(manifest["provenance"]["models"]))


def said(change):
    a, b = run_of(), run_of(change)
    renamed = renamed_models(a, b)
    settings = changed_settings(a, b, renamed)
    return changes_in_words(a, b, settings, renamed), settings


def config(manifest):
    return manifest["config"]["settings"]


def test_nothing_changed():
    words, settings = said(lambda manifest: None)
    assert words == []
    assert settings.empty


def test_what_follows_from_a_change_is_folded():
    def change(manifest):
        config(manifest)["models"]["dlib"]["align"] = True
        config(manifest)["name"] = "second"
        del config(manifest)["models"]["vgg"]
        del manifest["models"]["vgg"], manifest["provenance"]["models"]["vgg"]
        manifest["config"] |= {"digest": "c2", "file": "/b/y.yaml"}
        manifest["provenance"]["models"]["dlib"] |= {
            "settings_digest": "s2",
            "alignment": {"template": "dlib150"},
            "n_images": 39,
        }
        manifest["versions"]["torch"] = "2.2"
        manifest["tasks"]["LFW"]["remarks"]["Folds"] = "9"

    words, settings = said(change)
    assert words == ["model vgg removed", "dlib: align: false → true"]
    kinds = settings.set_index("setting")["kind"]
    assert kinds["versions › torch"] == kinds["config › digest"] == "technical"
    assert kinds["provenance › models › dlib › settings_digest"] == "follows"
    assert kinds["tasks › LFW › remarks › Folds"] == "follows"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # The file says the same, but holds something else.
        (lambda m: m["provenance"]["models"]["dlib"].update(weights_digest="w9"),
         ["dlib: weights changed (w1 → w9)"]),
        (lambda m: m["data"]["LFW"].update(pairs_digest="d9"),
         ["LFW: contents of the table of pairs changed (d1 → d9)"]),
        (lambda m: m["data"]["LFW"]["images"].update(digest="i9"),
         ["LFW: contents of the images changed (i1 → i9)"]),
        (lambda m: m["provenance"]["models"]["dlib"].update(preprocessing_digest="p9"),
         ["dlib: preprocessing changed (p1 → p9)"]),
        # Moved, but the same.
        (lambda m: m["data"]["LFW"].update(pairs_file="/b/pairs.csv"), []),
        (lambda m: config(m).update(batch_size=8, device="cuda"), []),
        (lambda m: config(m).update(distance="euclidean"), ["distance: cosine → euclidean"]),
        (lambda m: config(m)["tasks"]["LFW"].update(folds=5), ["LFW: folds: not set → 5"]),
        (lambda m: (config(m).update(seed=1), m["seeds"].update(seed=1)), ["seed: not set → 1"]),
        (lambda m: config(m)["models"]["dlib"].update(weights_path="/b/new.pt"),
         ["dlib: weights_path: not set → new.pt"]),
    ],
)  # fmt: skip
def test_each_change_is_said_once(change, expected):
    assert said(change)[0] == expected


def test_other_weights_are_said_though_something_else_changed_too():
    def change(manifest):
        config(manifest)["models"]["dlib"]["align"] = True
        manifest["provenance"]["models"]["dlib"] |= {"weights_digest": "w9"}

    assert said(change)[0] == ["dlib: align: false → true", "dlib: weights changed (w1 → w9)"]

    def named(manifest):
        config(manifest)["models"]["dlib"]["weights"] = "b.pt"
        manifest["provenance"]["models"]["dlib"] |= {"weights_digest": "w9"}

    assert said(named)[0] == ["dlib: weights: not set → b.pt"]


def test_a_renamed_model_is_found_by_what_it_is():
    def rename(manifest):
        for part in (config(manifest)["models"], manifest["models"],
                     manifest["provenance"]["models"]):  # fmt: skip
            part["resnet"] = part.pop("dlib")

    assert said(rename)[0] == ["model dlib renamed resnet (same weights and settings)"]

    def other(manifest):
        rename(manifest)
        manifest["provenance"]["models"]["resnet"]["settings_digest"] = "s9"

    assert said(other)[0] == ["model dlib removed", "model resnet added"]

    def swap(manifest):
        models = manifest["provenance"]["models"]
        models["dlib"], models["vgg"] = models["vgg"], models["dlib"]

    # Names that both runs use are taken as they are; the weights are said.
    assert said(swap)[0] == ["dlib: weights changed (w1 → w2)", "vgg: weights changed (w2 → w1)"]


def test_of_a_script_the_tasks_say_what_was_set():
    a, b = run_of(), run_of()
    for run in (a, b):
        run.manifest["config"] = {}
    b.manifest["tasks"]["LFW"]["distance"] = "euclidean"
    b.manifest["tasks"]["LFW"]["question"] = "?"
    settings = changed_settings(a, b, {})
    assert changes_in_words(a, b, settings, {}) == ["LFW: distance: not set → euclidean"]
