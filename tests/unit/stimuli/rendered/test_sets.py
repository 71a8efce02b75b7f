"""Sets of rendered faces: their true distances, and changes of single parameters."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from facebench import SimilarityTask
from facebench.data.pairs import find_images, read_pairs
from facebench.errors import StimulusError
from facebench.stimuli import (
    TRAIT_NAMES,
    Identity,
    RenderedSet,
    View,
    change_trait,
    identity_distance,
    make_conditions,
    make_rendered_faces,
    render_face,
    sample_identity,
)


@pytest.mark.slow
@given(st.integers(0, 2**40), st.sampled_from(TRAIT_NAMES), st.floats(0.1, 2.5))
def test_one_trait_changes_by_as_much_as_was_asked_for(
    seed: int, trait: str, amount: float
) -> None:
    identity = sample_identity(seed)
    changed = change_trait(identity, trait, amount)
    differing = {name for name, value in asdict(changed).items() if value != asdict(identity)[name]}
    assert differing == {trait}
    assert identity_distance(identity, changed) == pytest.approx(amount, abs=1e-9)
    assert abs(changed.score(trait)) <= 2.5 + 1e-9


@pytest.mark.parametrize(
    ("trait", "amount", "words"),
    [
        ("nose_with", 2.0, "Did you mean 'nose_width'"),
        ("hair_style", 2.0, "no continuous parameter 'hair_style'"),
        ("nose_width", 0.0, "above 0 and at most 2.5"),
        ("nose_width", 3.0, "above 0 and at most 2.5"),
        ("nose_width", True, "Got True"),
    ],
)
def test_traits_that_cannot_be_changed_are_refused(trait: str, amount: float, words: str) -> None:
    with pytest.raises(StimulusError, match=words):
        change_trait(Identity(), trait, amount)


def identities(rendered: RenderedSet) -> dict[str, Identity]:
    records = json.loads(rendered.parameters.read_text())
    return {record["image"]: Identity.from_dict(record["identity"]) for record in records}


def test_true_distances_are_those_of_the_identities(rendered: RenderedSet) -> None:
    known = identities(rendered)
    for name, path in rendered.tables.items():
        pairs = read_pairs(path)
        find_images(pairs, rendered.images_path, task=name)
        find_images(pairs, rendered.root, task=name)
        expected = [
            np.linalg.norm(known[a].vector() - known[b].vector())
            for a, b in zip(pairs["img1"], pairs["img2"], strict=True)
        ]
        np.testing.assert_allclose(pairs["true_distance"], expected, atol=1e-6)
        assert (pairs["same"] == (pairs["identity1"] == pairs["identity2"]).astype(int)).all()


def test_tables_hold_all_pairs_of_people_and_all_changes(rendered: RenderedSet) -> None:
    distances = read_pairs(rendered.tables["distances"])
    assert distances["condition"].value_counts().to_dict() == {"other person": 6, "same person": 4}
    same = distances["condition"] == "same person"
    assert (distances.loc[same, "true_distance"] == 0).all()
    changes = read_pairs(rendered.tables["critical-features"])
    assert changes["condition"].value_counts().to_dict() == {"nose_width": 4, "mouth": 4}
    single = changes["condition"] == "nose_width"
    np.testing.assert_allclose(changes.loc[single, "true_distance"], 2.0, atol=1e-6)


def test_tasks_find_the_images_and_stimuli_are_made_of_people_only(
    rendered: RenderedSet, tmp_path: Path
) -> None:
    pytest.importorskip("dlib", reason="dlib is not installed")
    task = SimilarityTask(
        "rendered", rendered.tables["distances"], rendered.images_path, ratings="true_distance"
    )
    assert len(task.pairs_df) == 10
    made = make_conditions(rendered.images_path, tmp_path / "stimuli", "inverted", workers=1)
    assert made.n_sources == 8
    assert (rendered.images_path / "changed" / "nose_width" / "person_001.png").is_file()
    images = pd.read_csv(made.images_path / "images.csv")
    assert set(images["identity"]) == {f"person_00{k}" for k in (1, 2, 3, 4)}


@pytest.mark.slow
def test_changes_that_do_not_show_are_listed(tmp_path: Path) -> None:
    """Few people have a mole: elsewhere, its place is no difference."""
    arguments: dict[str, Any] = {"n_images": 1, "size": 64, "seed": 3, "workers": 1}
    made = make_rendered_faces(
        tmp_path / "a", n_people=4, changes=["mole_size", "jaw_width"], **arguments
    )
    pairs = read_pairs(made.tables["critical-features"])
    unseen = {item.source for item in made.left_out}
    assert {item.condition for item in made.left_out} <= {"mole_size"}
    seen = set(pairs["img2"])
    changed = {
        path.relative_to(made.images_path).as_posix()
        for path in (made.images_path / "changed").rglob("*.png")
    }
    assert seen | unseen == changed
    assert not seen & unseen
    for name in changed:
        first = made.images_path / f"{Path(name).stem}/{Path(name).stem}_0001.png"
        pictures = [np.asarray(Image.open(p), int) for p in (first, made.images_path / name)]
        assert (np.abs(pictures[0] - pictures[1]).max() >= 8) == (name in seen)
    with pytest.raises(StimulusError, match="'mole_x' can be seen in none of 1 people"):
        make_rendered_faces(tmp_path / "b", n_people=1, changes=["mole_x"], **arguments)


def test_only_the_changed_parameter_is_seen(rendered: RenderedSet) -> None:
    pairs = pd.read_csv(rendered.tables["critical-features"])
    row = pairs[pairs["condition"] == "nose_width"].iloc[0]
    first, second = (np.asarray(Image.open(rendered.root / row[c])) for c in ("img1", "img2"))
    records = {r["image"]: r for r in json.loads(rendered.parameters.read_text())}
    assert records[row["img1"]]["view"] == records[row["img2"]]["view"]
    different = (first != second).any(axis=2)
    assert 0 < different.mean() < 0.2
    record = records[row["img2"]]
    again = render_face(
        Identity.from_dict(record["identity"]), View.from_dict(record["view"]), size=160
    )
    np.testing.assert_array_equal(second, again.image)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_others_are_refused(tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"n_people": 2, "n_images": 1, "size": 64, "workers": 1}
    first = make_rendered_faces(tmp_path / "a", seed=1, **arguments)
    second = make_rendered_faces(tmp_path / "b", seed=1, **arguments)
    for path in first.root.rglob("*"):
        if path.is_file():
            twin = second.root / path.relative_to(first.root)
            assert path.read_bytes() == twin.read_bytes()
    assert make_rendered_faces(tmp_path / "a", seed=1, **arguments) == first
    with pytest.raises(StimulusError, match=r"other settings \(seed\)"):
        make_rendered_faces(tmp_path / "a", seed=2, **arguments)
    other = make_rendered_faces(tmp_path / "c", seed=2, **arguments)
    name = "person_001/person_001_0001.png"
    assert (first.images_path / name).read_bytes() != (other.images_path / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_people": 0}, "'n_people'.*Got 0"),
        ({"n_images": 1.5}, r"'n_images'.*Got 1\.5"),
        ({"seed": -1}, "'seed'.*Got -1"),
        ({"size": 8}, "from 48 to 1024"),
        ({"changes": ["noses"]}, "no continuous parameter 'noses'"),
        ({"changes": ["nose", "nose"]}, "each change once"),
        ({"changes": ["nose_width"], "amount": 9.0}, r"at most 2\.5"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_work(
    tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(StimulusError, match=words):
        make_rendered_faces(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_replacing_by_hand_is_the_same_change() -> None:
    by_hand = replace(Identity(), nose_width=Identity().nose_width + 2 * 0.42)
    assert identity_distance(by_hand, change_trait(Identity(), "nose_width", 2.0)) < 1e-9
