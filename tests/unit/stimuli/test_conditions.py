"""make_conditions: folders, tables, lists and what a second run does."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench.data.pairs import find_images, read_pairs
from facebench.errors import MissingImageError, StimulusError, UnknownNameError
from facebench.faces.chips import face_landmarks_68
from facebench.stimuli import (
    CONDITIONS,
    Condition,
    ConditionSet,
    RenderedSet,
    find_landmarks,
    invert,
    low_pass,
    make_conditions,
    part_mask,
)

pytest.importorskip("dlib", reason="dlib is not installed")
pytestmark = pytest.mark.slow


_COARSE = {"cycles_per_face": 4.0, "contrast": None}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def everything(rendered: RenderedSet, tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    """Make all conditions, and one with parameters of its own."""
    return make_conditions(
        rendered.images_path,
        tmp_path_factory.mktemp("all") / "stimuli",
        [*CONDITIONS, Condition("low-pass", _COARSE, label="low-pass-4")],
        seed=5,
        workers=1,
    )


def test_every_condition_is_made_of_every_face(everything: ConditionSet) -> None:
    assert everything.n_sources == 8
    labels = ["upright", *CONDITIONS, "low-pass-4", "rotated_0"]
    assert everything.made == dict.fromkeys(labels, 8)
    assert everything.left_out == ()
    names = {"person_001/person_001_0001.png.png", "person_004/person_004_0002.png.png"}
    for condition in [Condition(kind, label=kind) for kind in CONDITIONS]:
        assert everything.contact_sheets[condition.label].is_file()
        for folder in condition.folders:
            root = everything.images_path / folder
            made = {path.relative_to(root).as_posix() for path in root.rglob("*.png")}
            assert len(made) == 8
            assert names < made
            assert pixels(root / min(names)).shape == (150, 150, 3)


def test_versions_are_those_of_the_pure_functions(everything: ConditionSet) -> None:
    name = "person_002/person_002_0001.png.png"
    root = everything.images_path
    upright = pixels(root / "upright" / name)
    np.testing.assert_array_equal(pixels(root / "inverted" / name), invert(upright))
    np.testing.assert_array_equal(
        pixels(root / "thatcherised-inverted" / name), invert(pixels(root / "thatcherised" / name))
    )
    # The same contrast, so that only the frequencies differ.
    found = find_landmarks(upright)
    assert found is not None
    inside = part_mask(found, "face", upright.shape) > 0.9
    spreads = {
        kind: pixels(root / kind / name)[inside].mean(axis=1).std()
        for kind in ("low-pass", "high-pass", "equal-contrast")
    }
    assert max(spreads.values()) < 1.15 * min(spreads.values())
    images = pd.read_csv(root / "images.csv").set_index("image")
    # Written with two decimals.
    width = images.loc[name, "face_width"]
    landmarks = np.zeros((68, 2))
    landmarks[16, 0], landmarks[42:48, 0] = width, 1.0
    unchanged = pixels(root / "low-pass-4" / name)
    assert np.abs(low_pass(upright, landmarks, 4.0).astype(int) - unchanged).max() <= 1
    assert np.abs(images["yaw"]).max() < 25


def test_every_table_is_one_that_tasks_read(everything: ConditionSet) -> None:
    for name, path in everything.tables.items():
        pairs = read_pairs(path)
        assert {"img1", "img2", "same", "condition", "identity1", "identity2"} <= {*pairs.columns}
        find_images(pairs, everything.images_path, task=name)
        is_same = pairs["identity1"] == pairs["identity2"]
        assert (pairs["same"] == is_same.astype(int)).all()
        assert not pairs.duplicated(["img1", "img2", "condition"]).any()


def test_conditions_are_compared_on_the_same_pairs(everything: ConditionSet) -> None:
    pairs = read_pairs(everything.tables["inverted"])
    for column in ("img1", "img2"):
        assert (pairs[column].str.split("/").str[0] == pairs["condition"]).all()
        pairs[column] = pairs[column].str.split("/", n=1).str[1]
    upright, inverted = (rows for _, rows in pairs.groupby("condition", sort=False))
    without = ["img1", "img2", "same", "identity1", "identity2"]
    assert (upright[without].to_numpy() == inverted[without].to_numpy()).all()
    assert upright["same"].sum() == 4
    assert len(upright) == 8
    whole = read_pairs(everything.tables["verification"])
    kept = [k for k, kind in CONDITIONS.items() if kind.design == "verification"]
    assert list(whole["condition"].unique()) == ["upright", *kept, "low-pass-4", "rotated_0"]
    assert set(whole["condition"].value_counts()) == {8}


def test_thatcher_pairs_are_normal_and_thatcherised_both_ways_up(everything: ConditionSet) -> None:
    pairs = read_pairs(everything.tables["thatcherised"])
    folders = pairs[["img1", "img2"]].apply(lambda column: column.str.split("/").str[0])
    cells = pd.concat([folders, pairs["condition"]], axis=1).value_counts().to_dict()
    assert cells == {
        ("upright", "thatcherised", "upright"): 8,
        ("inverted", "thatcherised-inverted", "inverted"): 8,
    }
    factorial = read_pairs(everything.tables["thatcherised-factorial"])
    assert set(factorial.groupby(["orientation", "thatcherised", "same"]).size()) == {4}


def test_composite_pairs_share_upper_halves_and_differ_in_lower_ones(
    everything: ConditionSet,
) -> None:
    pairs = read_pairs(everything.tables["composite"])
    images = pd.read_csv(everything.images_path / "images.csv").set_index("image")
    lent = images["donors"].str.split(" ")
    for row in pairs.itertuples():
        (folder1, name1), (folder2, name2) = row.img1.split("/", 1), row.img2.split("/", 1)
        assert folder1 == f"composite-{row.condition}-1"
        assert folder2 == f"composite-{row.condition}-2"
        lower1, lower2 = lent[name1][0], lent[name2][1]
        assert images["identity"][lower1] != images["identity"][lower2]
        assert row.identity1 != images["identity"][lower1]
        assert (row.same == 1) == (name1 == name2)
    assert (pairs.loc[pairs["same"] == 1, "condition"].value_counts() == 8).all()
    top = slice(0, 60)
    for row in pairs[pairs["same"] == 1].itertuples():
        first, second = (pixels(everything.images_path / name) for name in (row.img1, row.img2))
        np.testing.assert_array_equal(first[top], second[top])
        assert (first != second).any()


def test_pixels_show_no_composite_effect(everything: ConditionSet) -> None:
    """Aligned and misaligned composites show the same: what knows no faces sees no difference."""
    pairs = read_pairs(everything.tables["composite"])
    values = {
        name: pixels(everything.images_path / name).astype(float).ravel()
        for name in {*pairs["img1"], *pairs["img2"]}
    }
    pairs["distance"] = [
        np.linalg.norm(values[a] - values[b])
        for a, b in zip(pairs["img1"], pairs["img2"], strict=True)
    ]
    means = pairs.groupby(["same", "condition"])["distance"].mean()
    assert means[1, "aligned"] == pytest.approx(means[1, "misaligned"], rel=1e-3)
    assert means[0, "aligned"] == pytest.approx(means[0, "misaligned"], rel=0.01)


def test_changes_are_compared_with_the_face_itself(everything: ConditionSet) -> None:
    pairs = read_pairs(everything.tables["critical-features"])
    counts = pairs["condition"].value_counts().to_dict()
    features = [k for k, kind in CONDITIONS.items() if kind.design == "feature"]
    assert counts == {**dict.fromkeys(features, 8), "same person": 4, "other person": 4}
    changed = pairs[pairs["condition"] == "mouth-height"]
    assert (changed["img1"].str.split("/").str[0] == "upright").all()
    assert (changed["img2"].str.split("/").str[0] == "mouth-height").all()
    alone = read_pairs(everything.tables["mouth-height"])
    assert (alone["img1"].to_numpy() == changed["img1"].to_numpy()).all()


def levels(made: ConditionSet, table: str) -> list[tuple[str, float]]:
    pairs = read_pairs(made.tables[table])
    find_images(pairs, made.images_path, task=table)
    assert not pairs.duplicated(["img1", "img2", "condition"]).any()
    assert pairs.groupby("condition").size().nunique() == 1
    return list(dict.fromkeys(zip(pairs["condition"], pairs["level"], strict=True)))


@pytest.fixture(scope="module")
def ordered(rendered: RenderedSet, tmp_path_factory: pytest.TempPathFactory) -> ConditionSet:
    """Make series of conditions, and what is read of all faces."""
    return make_conditions(
        rendered.images_path,
        tmp_path_factory.mktemp("ordered") / "stimuli",
        ["rotated_180", "rotated_-45", "blurred_0.05", "blurred_0.02", "morph_0.75", "morph_0.25",
         "noise_2", "noise_0.5", "matched-luminance", "matched-histogram", "average"],
        workers=1,
    )  # fmt: skip


def test_series_are_in_the_order_of_their_levels(ordered: ConditionSet) -> None:
    assert levels(ordered, "rotated-series") == [
        ("rotated_-45", -45.0), ("rotated_0", 0.0), ("rotated_180", 180.0),
    ]  # fmt: skip
    # At level 0 nothing is blurred: those are the upright faces. Noise has no such level.
    assert levels(ordered, "blurred-series") == [
        ("upright", 0.0), ("blurred_0.02", 0.02), ("blurred_0.05", 0.05),
    ]  # fmt: skip
    assert levels(ordered, "noise-series") == [("noise_0.5", 0.5), ("noise_2", 2.0)]
    manifest = json.loads((ordered.images_path / "manifest.json").read_text())
    assert manifest["levels"]["rotated_-45"] == {"angle": -45.0}
    assert "average" not in manifest["levels"]


def test_rotated_faces_are_compared_with_unrotated_ones_shown_alike(ordered: ConditionSet) -> None:
    pairs = read_pairs(ordered.tables["rotated_180"])
    assert list(pairs["condition"].unique()) == ["rotated_0", "rotated_180"]
    root, name = ordered.images_path, "person_001/person_001_0001.png.png"
    straight = pixels(root / "rotated_0" / name)
    np.testing.assert_array_equal(pixels(root / "rotated_180" / name), invert(straight))
    assert (straight[0, 0] == 128).all()
    np.testing.assert_array_equal(straight[75], pixels(root / "upright" / name)[75])


def test_a_morph_shows_whoever_has_the_larger_share(ordered: ConditionSet) -> None:
    assert levels(ordered, "morph-series") == [("morph_0.25", 0.25), ("morph_0.75", 0.75)]
    pairs = read_pairs(ordered.tables["morph-series"])
    images = pd.read_csv(ordered.images_path / "images.csv").set_index("image")
    for row in pairs.itertuples():
        name = row.img1.split("/", 1)[1]
        assert row.img2.split("/", 1)[1] == name
        lent = images.loc[images.loc[name, "donors"].split(" ")[0], "identity"]
        assert row.identity1 == images.loc[name, "identity"] != lent
        assert row.identity2 == (row.identity1 if row.level < 0.5 else lent)
        assert row.same == (row.level < 0.5)


def test_averages_hold_no_photograph_that_they_are_compared_with(ordered: ConditionSet) -> None:
    members = pd.read_csv(ordered.images_path / "averages.csv")
    inside = members.groupby("image")["photograph"].agg(set).to_dict()
    pairs = read_pairs(ordered.tables["average"])
    find_images(pairs, ordered.images_path, task="average")
    averaged = pairs[pairs["condition"] == "average"]
    assert set(averaged["same"]) == {0, 1}
    for row in averaged.itertuples():
        assert row.img1.removeprefix("upright/") not in inside[row.img2]
    assert len(inside["average/person_001.png"]) == 2
    assert len(inside["average-of-groups/everyone.png"]) == 8
    for name in inside:
        assert pixels(ordered.images_path / name).shape == (150, 150, 3)


def test_matched_faces_have_what_the_manifest_says(ordered: ConditionSet) -> None:
    manifest = json.loads((ordered.images_path / "manifest.json").read_text())
    targets = manifest["read"]["luminance"]
    table = pd.read_csv(ordered.images_path / "luminance.csv")
    assert len(table) == 16
    by_label = table.groupby(table["image"].str.split("/").str[0])
    matched = by_label.get_group("matched-luminance")
    # The targets are the means of the set before.
    for measure in ("mean", "contrast"):
        target = targets["matched-luminance"][measure]
        assert target == pytest.approx(matched[f"{measure}_before"].mean(), abs=1e-4)
        np.testing.assert_allclose(matched[measure], target, atol=0.6 / 255)
        assert matched[measure].std() < 0.1 * matched[f"{measure}_before"].std()
    equal = by_label.get_group("matched-histogram")
    for measure in ("mean", "contrast"):
        np.testing.assert_allclose(
            equal[measure], targets["matched-histogram"][measure], atol=0.6 / 255
        )
    assert ((table["clipped"] >= 0) & (table["clipped"] < 0.2)).all()


def test_one_photograph_of_a_person_makes_no_average(rendered: RenderedSet, tmp_path: Path) -> None:
    with pytest.raises(StimulusError, match="needs people with two or more photographs"):
        make_conditions(
            rendered.images_path, tmp_path / "a", "average", n_people=2, n_images=1, workers=1
        )
    with pytest.raises(StimulusError, match="'caricature' needs faces of 2 or more people"):
        make_conditions(
            rendered.images_path, tmp_path / "b", "caricature", n_people=1, n_images=1, workers=1
        )


def test_the_manifest_tells_what_was_made(everything: ConditionSet) -> None:
    manifest = json.loads((everything.images_path / "manifest.json").read_text())
    assert manifest["complete"] is True
    settings = manifest["settings"]
    assert settings["seed"] == 5
    assert settings["conditions"][-2] == {
        "label": "low-pass-4", "kind": "low-pass", "parameters": _COARSE,
    }  # fmt: skip
    assert len(settings["source"]["sha256"]) == 64
    assert manifest["versions"]["numpy"] == np.__version__


@pytest.fixture(scope="module")
def small(rendered: RenderedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("small")
    made = ["inverted", "noise", "eyes-replaced"]
    result = make_conditions(rendered.images_path, folder / "a", made, seed=1, workers=1)
    return {"set": result, "conditions": made, "source": rendered.images_path}


def test_two_processes_give_the_same_bytes_as_one(small: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "b"
    result = make_conditions(small["source"], out, small["conditions"], seed=1, workers=2)
    assert contents(out) == contents(small["set"].images_path)
    assert result.made == small["set"].made
    # Another folder of the same photographs, too.
    copy = tmp_path / "elsewhere"
    shutil.copytree(small["source"], copy)
    make_conditions(copy, tmp_path / "c", small["conditions"], seed=1, workers=1)
    assert contents(tmp_path / "c") == contents(out)


def test_another_seed_draws_other_noise(small: dict[str, Any], tmp_path: Path) -> None:
    make_conditions(small["source"], tmp_path / "b", small["conditions"], seed=2, workers=1)
    name = "noise/person_001/person_001_0001.png.png"
    first, second = pixels(small["set"].images_path / name), pixels(tmp_path / "b" / name)
    assert (first != second).mean() > 0.5


def test_an_interrupted_run_goes_on(small: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "b"
    shutil.copytree(small["set"].images_path, out)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["complete"] = False
    (out / "manifest.json").write_text(json.dumps(manifest))
    kept = out / "noise" / "person_001" / "person_001_0001.png.png"
    before = kept.stat().st_mtime_ns
    (out / "noise" / "person_001" / "person_001_0002.png.png").unlink()
    shutil.rmtree(out / "inverted")
    (out / "noise.csv").unlink()
    make_conditions(small["source"], out, small["conditions"], seed=1, workers=1)
    assert contents(out) == contents(small["set"].images_path)
    assert kept.stat().st_mtime_ns == before


def test_a_finished_run_is_found_again(small: dict[str, Any]) -> None:
    out = small["set"].images_path
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = make_conditions(small["source"], out, small["conditions"], seed=1, workers=1)
    assert again == small["set"]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 2}, "seed"),
        ({"conditions": ["inverted"]}, "conditions"),
        ({"size": 100}, "chip"),
        ({"n_people": 3}, "source"),
    ],
)
def test_other_settings_are_refused(
    small: dict[str, Any], changed: dict[str, Any], named: str
) -> None:
    arguments = {"conditions": small["conditions"], "seed": 1, "workers": 1, **changed}
    with pytest.raises(StimulusError, match=rf"made with other settings \(.*{named}"):
        make_conditions(small["source"], small["set"].images_path, **arguments)


def test_other_files_are_not_touched(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StimulusError, match="must be new or empty"):
        make_conditions(small["source"], tmp_path, "inverted", workers=1)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(StimulusError, match="cannot be read"):
        make_conditions(small["source"], tmp_path, "inverted", workers=1)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unusable_photographs_are_listed_and_odd_names_are_safe(
    rendered: RenderedSet, tmp_path: Path
) -> None:
    source = tmp_path / "photographs"
    faces = sorted(rendered.images_path.glob("person*/*.png"))
    odd = ['Zoë "Z", O\'Neil', "a:b", " spaced ", "新"]
    for person, face in zip(odd, faces[::2], strict=True):
        (source / person).mkdir(parents=True)
        shutil.copy(face, source / person / "1,5 &.PNG")
    shutil.copy(faces[1], source / "alone.png")
    (source / "a:b" / "broken.jpg").write_bytes(faces[0].read_bytes()[:500])
    Image.new("RGB", (80, 80), "red").save(source / "a:b" / "wall.jpg")
    (source / "a:b" / "notes.txt").write_text("no image")
    (source / ".hidden").mkdir()
    shutil.copy(faces[0], source / ".hidden" / "x.png")
    made = make_conditions(source, tmp_path / "out", ["thatcherised", "grey"], workers=1)
    assert made.n_sources == 7
    assert made.made == {"upright": 5, "thatcherised": 5, "grey": 5, "inverted": 5}
    reasons = {item.source: item.reason for item in made.left_out}
    assert reasons.keys() == {"a:b/broken.jpg", "a:b/wall.jpg"}
    assert "cannot be decoded" in reasons["a:b/broken.jpg"]
    assert str(tmp_path) not in reasons["a:b/broken.jpg"]
    assert reasons["a:b/wall.jpg"] == "No face was found."
    listed = pd.read_csv(made.images_path / "left_out.csv", keep_default_na=False)
    assert set(listed["source"]) == reasons.keys()
    for name, table in made.tables.items():
        find_images(read_pairs(table), made.images_path, task=name)
    # No person has two photographs: pairs of two people only.
    assert set(read_pairs(made.tables["grey"])["same"]) == {0}
    assert read_pairs(made.tables["thatcherised"])["identity1"].nunique() == 5


def test_features_beyond_the_picture_are_no_thatcher_face(
    rendered: RenderedSet, tmp_path: Path
) -> None:
    source = tmp_path / "photographs"
    source.mkdir()
    faces = sorted(rendered.images_path.glob("person*/*.png"))
    shutil.copy(faces[0], source / "whole.png")
    image = Image.open(faces[2])
    landmarks = face_landmarks_68(np.asarray(image))
    assert landmarks is not None
    # Cut off through the lower lip: the detector still sees a face.
    image.crop((0, 0, 160, landmarks[57, 1] - 5)).save(source / "cut.png")
    made = make_conditions(source, tmp_path / "out", "thatcherised", align=False, workers=1)
    assert made.made == {"upright": 2, "thatcherised": 1, "inverted": 2}
    assert [(item.source, item.condition) for item in made.left_out] == [
        ("cut.png", "thatcherised")
    ]
    assert "within the picture" in made.left_out[0].reason
    assert pixels(made.images_path / "upright" / "whole.png.png").shape == (160, 160, 3)


def test_turned_heads_are_listed_where_a_face_must_be_seen_from_the_front(
    rendered: RenderedSet, everything: ConditionSet, tmp_path: Path
) -> None:
    turns = pd.read_csv(everything.images_path / "images.csv").set_index("source")["yaw"].abs()
    limit = float(turns.median())
    made = make_conditions(
        rendered.images_path,
        tmp_path / "out",
        ["thatcherised", "eyes-only", "eyes-replaced", "grey"],
        max_yaw=limit,
        workers=1,
    )
    turned = set(turns.index[turns > limit])
    assert 0 < len(turned) < 8
    assert made.made["grey"] == made.made["inverted"] == 8
    for label in ("thatcherised", "eyes-only", "eyes-replaced"):
        reasons = {item.source: item.reason for item in made.left_out if item.condition == label}
        assert reasons.keys() == turned
        assert made.made[label] == 8 - len(turned)
        for source, reason in reasons.items():
            assert f"turned by about {turns[source]:.1f} degrees" in reason
            assert "max_yaw" in reason
    # They do not lend anything, either.
    images = pd.read_csv(made.images_path / "images.csv").set_index("image")
    lent = images["donors"].dropna()
    assert len(lent) == 8 - len(turned)
    assert not {images.loc[name, "source"] for name in lent} & turned
    with pytest.raises(StimulusError, match="turned by at most 0 degrees"):
        make_conditions(rendered.images_path, tmp_path / "b", "composite", max_yaw=0, workers=1)


def test_donors_are_other_people_who_look_alike(everything: ConditionSet) -> None:
    images = pd.read_csv(everything.images_path / "images.csv").set_index("image")
    for name, row in images.iterrows():
        people = [images.loc[donor, "identity"] for donor in row["donors"].split(" ")]
        assert len({*people, row["identity"]}) == 3, name


def test_people_and_images_are_drawn(rendered: RenderedSet, tmp_path: Path) -> None:
    made = make_conditions(
        rendered.images_path, tmp_path / "a", "grey", n_people=3, n_images=1, seed=4, workers=1
    )
    assert made.n_sources == 3
    images = pd.read_csv(made.images_path / "images.csv")
    assert images["identity"].nunique() == 3
    made = make_conditions(
        rendered.images_path, tmp_path / "b", "grey", min_images=2, n_pairs=2, workers=1
    )
    counts = read_pairs(made.tables["grey"]).groupby(["condition", "same"]).size()
    assert set(counts) == {2}
    with pytest.raises(StimulusError, match="people with 3 or more images"):
        make_conditions(rendered.images_path, tmp_path / "c", "grey", min_images=3)


@pytest.mark.parametrize(
    ("conditions", "error", "words"),
    [
        ("thatcherized", UnknownNameError, "Did you mean 'thatcherised'"),
        (["inverted", "lowpass"], UnknownNameError, "Did you mean 'low-pass'"),
        ("xyzzy", UnknownNameError, r"no condition 'xyzzy'\. The conditions are"),
        ("rotatd_30", UnknownNameError, "Did you mean 'rotated'"),
        ("grey_30", StimulusError, "'grey' has no level: 'grey_30'. These have one: rotated"),
        ("morph_1.5", StimulusError, "from 0 to 1. Got 1.5"),
        (["rotated_30", "rotated_30.0"], StimulusError, "Got 'rotated_30' twice"),
        ([Condition("rotated", {"aperture": 0})], StimulusError, "from 0.1 to 1. Got 0"),
        ([Condition("matched-luminance", {"mean": 1})], StimulusError, "from 0.01 to 0.99"),
        (["rotated", Condition("grey", label="Rotated-series")], StimulusError, "is taken"),
        (["average", Condition("grey", label="average-of-groups")], StimulusError, "twice"),
        ([], StimulusError, "at least one of inverted"),
        (["upright"], StimulusError, "at least one of inverted"),
        ([3], StimulusError, "a name or a Condition. Got 3"),
        (["grey", "grey"], StimulusError, "Got 'grey' twice"),
        ([Condition("grey", label="upright")], StimulusError, "Got 'upright' twice"),
        ([Condition("grey", label="a/b")], StimulusError, "names a folder"),
        ([Condition("grey", label="Inverted"), "inverted"], StimulusError, "'inverted' twice"),
        ([Condition("low-pass", {"cycles": 8})], StimulusError, "Did you mean 'cycles_per_face'"),
        ([Condition("grey", {"cycles": 8})], StimulusError, "it has: none"),
        ([Condition("noise", {"snr": 0})], StimulusError, "a positive number. Got 0"),
        ([Condition("mouth-height", {"shift": "up"})], StimulusError, "a finite number. Got 'up'"),
    ],
)
def test_conditions_that_cannot_be_made_are_told_before_any_work(
    rendered: RenderedSet, tmp_path: Path, conditions: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make_conditions(rendered.images_path, tmp_path / "out", conditions, workers=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": -1}, {"n_people": 0}, {"n_images": 1.5}, {"min_images": None}, {"size": 1},
        {"padding": float("nan")}, {"n_pairs": True}, {"workers": 0}, {"max_yaw": -1},
        {"max_yaw": True},
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(
    rendered: RenderedSet, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    (name,) = arguments
    with pytest.raises(StimulusError, match=f"'{name}'.*Got"):
        make_conditions(rendered.images_path, tmp_path / "out", "grey", **arguments)


def test_folders_that_do_not_serve_are_refused(rendered: RenderedSet, tmp_path: Path) -> None:
    with pytest.raises(MissingImageError, match="does not exist"):
        make_conditions(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StimulusError, match="must hold images"):
        make_conditions(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(StimulusError, match="must lie outside of images_path"):
        make_conditions(rendered.images_path, rendered.images_path / "out")
    Image.new("RGB", (80, 80), "red").save(tmp_path / "empty" / "wall.png")
    with pytest.raises(StimulusError, match="In none of the photographs"):
        make_conditions(tmp_path / "empty", tmp_path / "out", workers=1)


def test_too_few_people_and_impossible_changes_are_told(
    rendered: RenderedSet, tmp_path: Path
) -> None:
    two = {"n_people": 2, "n_images": 1, "workers": 1}
    with pytest.raises(
        StimulusError, match=r"'composite' needs faces of 3 or more people. Found 2"
    ):
        make_conditions(rendered.images_path, tmp_path / "a", "composite", **two)
    huge = Condition("eye-distance", {"change": 3.0})
    with pytest.raises(StimulusError, match=r"of none of 2 faces.*would fold"):
        make_conditions(rendered.images_path, tmp_path / "b", huge, **two)


def test_importing_the_names_loads_nothing_heavy() -> None:
    code = (
        "import sys, facebench.stimuli as s; "
        "assert 'make_conditions' in dir(s); "
        "print([m for m in ('numpy', 'scipy', 'torch', 'dlib', 'PIL') if m in sys.modules]); "
        "s.make_conditions; "
        "print([m for m in ('torch', 'dlib', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
