"""What is wrong with data is found, and nothing else."""

from __future__ import annotations

import json
import shutil
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench import AccuracyTask, ThatcherEffect, check_pairs, health_report
from facebench.data import health
from facebench.data.pairs import ImagePaths, find_images, pairs_from_folder
from facebench.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four people with three different pictures each."""
    generator = np.random.default_rng(0)
    for person in ("ann", "bo", "cy", "dee"):
        (tmp_path / person).mkdir()
        for number in range(3):
            coarse = Image.fromarray(generator.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            picture = coarse.resize((64, 64), Image.Resampling.BICUBIC)
            picture.save(tmp_path / person / f"{number}.png")
    return tmp_path


def look(root: Path, pairs: pd.DataFrame, distances: object = None, labels: object = "same"):
    given = pairs[labels] if isinstance(labels, str) else labels
    return check_pairs(pairs, find_images(pairs, root, task="t"), given, distances)


def test_good_data_has_no_findings(root: Path) -> None:
    pairs = pairs_from_folder(root)
    health = look(root, pairs, 1.0 - pairs["same"] + np.linspace(0, 0.2, len(pairs)))
    assert health.to_frame().empty
    assert health.to_frame().columns.tolist() == [
        "Task Name", "Finding", "Image 1", "Image 2", "Rows", "Value", "Detail"
    ]  # fmt: skip
    assert (health.n_pairs, health.n_images, health.counts()) == (24, 12, {})


def test_duplicates_and_leaks(root: Path) -> None:
    shutil.copy(root / "ann" / "0.png", root / "bo" / "copy.png")
    Image.open(root / "ann" / "1.png").save(root / "ann" / "again.jpg", quality=80)
    rows = [
        ("ann/0.png", "bo/copy.png", 0),
        ("ann/1.png", "ann/again.jpg", 1),
        ("cy/0.png", "cy/0.png", 1),
        ("cy/1.png", "dee/0.png", 0),
        ("dee/0.png", "cy/1.png", 0),
        ("cy/1.png", "cy/2.png", 1),
        ("cy/2.png", "./cy/1.png", 0),
    ]
    frame = look(root, pd.DataFrame(rows, columns=["img1", "img2", "same"])).to_frame()
    found = dict(list(frame.groupby("Finding")))
    assert set(found) == {
        "identical images", "near duplicates", "image with itself", "repeated pair",
        "contradicting labels", "label against folder",
    }  # fmt: skip
    assert (frame["Finding"].value_counts() == 1).all()
    assert found["identical images"].iloc[0].tolist()[2:] == [
        "ann/0.png", "bo/copy.png", "1", 0.0, "of different people"
    ]  # fmt: skip
    assert found["near duplicates"].iloc[0].tolist()[2:5] == ["ann/1.png", "ann/again.jpg", "2"]
    assert found["near duplicates"]["Value"].iloc[0] <= 4
    assert found["image with itself"]["Rows"].iloc[0] == "3"
    assert found["repeated pair"]["Rows"].iloc[0] == "4 5"
    assert found["contradicting labels"]["Rows"].iloc[0] == "6 7"
    assert found["label against folder"]["Rows"].iloc[0] == "7"


def test_people_by_score(root: Path) -> None:
    pairs = pairs_from_folder(root)
    distances = 1.0 - pairs["same"] + np.random.default_rng(0).normal(0, 0.02, len(pairs))
    genuine, impostor = pairs.index[pairs["same"] == 1][3], pairs.index[pairs["same"] == 0][5]
    distances[impostor], distances[genuine] = -0.1, 1.1
    frame = look(root, pairs, distances).to_frame().set_index("Finding")
    assert frame.loc["one person under two names?", "Rows"] == str(impostor + 1)
    assert frame.loc["two people under one name?", "Rows"] == str(genuine + 1)
    assert len(frame) == 2


def test_weak_scores_say_nothing(root: Path) -> None:
    pairs = pairs_from_folder(root)
    distances = np.random.default_rng(0).normal(size=len(pairs))
    distances[0] = np.nan
    assert look(root, pairs, distances).to_frame().empty


def test_unreadable_images_are_told(root: Path) -> None:
    (root / "ann" / "0.png").write_bytes(b"no image")
    (root / "ann" / "1.png").write_bytes(b"no image")
    frame = look(root, pairs_from_folder(root)).to_frame()
    assert frame["Finding"].tolist() == ["unreadable image"] * 2


def test_lengths_must_agree(root: Path) -> None:
    pairs = pairs_from_folder(root)
    with pytest.raises(InputError, match="3 distances for 24 pairs"):
        look(root, pairs, [1, 2, 3])


def test_a_report_of_all_tasks(root: Path) -> None:
    shutil.copy(root / "ann" / "0.png", root / "ann" / "copy.png")
    for seed in (0, 1):
        pairs_from_folder(root, seed=seed).to_csv(root / f"{seed}.csv", index=False)
    tasks = [
        AccuracyTask(f"t{seed}", root / f"{seed}.csv", root, true_label="same") for seed in (0, 1)
    ]
    health = health_report(tasks)
    assert health.to_frame()["Task Name"].tolist() == ["t0", "t1"]
    assert health.counts() == {"identical images": 2}
    assert health.n_images == 13
    assert "2 identical images" in repr(health)
    assert health_report(tasks[0]).counts() == {"identical images": 1}


def test_many_near_duplicates_are_counted_in_the_end(root: Path, monkeypatch) -> None:
    for number in range(4):
        Image.open(root / "ann" / "1.png").save(root / "ann" / f"{number}.jpg", quality=60 + number)
    monkeypatch.setattr("facebench.data.health._MOST_NEAR", 3)
    frame = look(root, pairs_from_folder(root)).to_frame()
    assert frame["Finding"].tolist() == ["near duplicates"] * 4
    assert frame["Detail"].tolist() == ["", "", "", "and 7 more"]


def test_manipulated_stimuli_of_one_set_are_no_near_duplicates(root: Path) -> None:
    """But two photographs that nothing was done to are, and stimuli of different sets."""
    content = {"format": 1, "settings": {"conditions": []}, "versions": {"facebench": "1"}}
    picture = Image.open(root / "ann" / "1.png")
    for k, name in enumerate(("upright/0", "upright/1", "blurred/0", "noise/1")):
        path = root / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Other bytes, the same picture.
        picture.putpixel((k, 0), (k, k, k))
        picture.save(path)
    names = sorted(p.relative_to(root).as_posix() for p in (root / "set").rglob("*.png"))
    pairs = pd.DataFrame(combinations(names, 2), columns=["img1", "img2"])
    found = look(root, pairs, labels=None).to_frame()
    assert len(found[found["Finding"] == "near duplicates"]) > 3
    (root / "set" / "manifest.json").write_text(json.dumps(content))
    found = look(root, pairs, labels=None).to_frame()
    told = found[found["Finding"] == "near duplicates"][["Image 1", "Image 2"]]
    assert told.to_numpy().tolist() == [["set/upright/0.png", "set/upright/1.png"]]


def test_stimuli_are_judged_by_the_photographs_they_were_made_from(root: Path) -> None:
    """Two people's manipulated faces whose originals are one photograph are near duplicates."""
    content = {"format": 1, "settings": {"conditions": []}, "versions": {"facebench": "1"}}
    for k, name in enumerate(("upright/ann/0", "upright/bo/0", "blurred/ann/0", "blurred/bo/0")):
        path = root / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.open(root / ("ann/1.png" if k < 2 else f"cy/{k - 2}.png"))
        picture.putpixel((k, 0), (k, k, k))
        picture.save(path)
    (root / "set" / "manifest.json").write_text(json.dumps(content))
    names = ["set/blurred/ann/0.png", "set/blurred/bo/0.png"]
    found = look(root, pd.DataFrame([names], columns=["img1", "img2"]), labels=None).to_frame()
    assert found[["Finding", "Image 1", "Image 2", "Detail"]].to_numpy().tolist() == [
        ["near duplicates", *names, "of different people"]
    ]
    names = [names[0], "set/upright/ann/0.png"]
    assert look(root, pd.DataFrame([names], columns=["img1", "img2"]), labels=None).to_frame().empty


@pytest.mark.parametrize("labelled", [False, True])
def test_versions_of_one_photograph_in_folders_of_conditions_are_no_near_duplicates(
    root: Path, labelled: bool
) -> None:
    """As of stimuli that were made elsewhere; those of two people still are."""
    rows = []
    for k, (condition, folder) in enumerate(product(("up", "down"), ("normal", "thatcher"))):
        for n, name in enumerate(("ann", "bo", "cy")):
            # Ann and Bo are one photograph; the others are not.
            picture = Image.open(root / ("ann/1.png" if n < 2 else "cy/0.png"))
            picture = picture if condition == "up" else picture.rotate(180)
            picture.putpixel((k, n), (9, 9, 9))
            path = root / f"{condition}_{folder}" / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            picture.save(path)
            if folder == "normal":
                rows.append((f"{condition}_normal/{name}.png", f"{condition}_thatcher/{name}.png"))
    pairs = pd.DataFrame(rows, columns=["img1", "img2"])
    pairs["condition"] = [name.partition("_")[0] for name in pairs["img1"]]
    pairs["same"] = [1, 1, 0] * 2
    columns = pairs.columns if labelled else pairs.columns[:3]
    pairs[columns].to_csv(root / "pairs.csv", index=False)
    if labelled:
        task = AccuracyTask("t", root / "pairs.csv", root, true_label="same")
    else:
        task = ThatcherEffect("t", root / "pairs.csv", root, contrast=("up", "down"))
    frame = health_report(task).findings.query("Finding == 'near duplicates'")
    told = {frozenset((Path(row[2]).stem, Path(row[3]).stem)) for row in frame.to_numpy()}
    if labelled:
        # A pair with a label is of two photographs: one that is there twice is worth knowing.
        assert {frozenset(["ann"]), frozenset(["cy"])} < told
    else:
        assert told == {frozenset(["ann", "bo"])}


def test_near_duplicates_of_people_are_told_where_all_pairs_are_rated(root: Path) -> None:
    shutil.copy(root / "ann" / "0.png", root / "bo" / "0.png")
    picture = Image.open(root / "bo" / "0.png")
    picture.putpixel((0, 0), (9, 9, 9))
    picture.save(root / "bo" / "0.png")
    names = [f"{name}/0.png" for name in ("ann", "bo", "cy", "dee")]
    pairs = pd.DataFrame(combinations(names, 2), columns=["img1", "img2"])
    frame = look(root, pairs, labels=None).to_frame()
    assert frame["Finding"].tolist() == ["near duplicates"]
    assert frame["Detail"].tolist() == ["of different people"]


def test_missing_images_are_findings_and_rows_stay_those_of_the_file(root: Path) -> None:
    pairs = pairs_from_folder(root)
    pairs.to_csv(root / "pairs.csv", index=False)
    task = AccuracyTask("t", root / "pairs.csv", root, true_label="same")
    gone = pairs["img1"].iloc[0]
    (root / gone).unlink()
    lost = (pairs["img1"] == gone) | (pairs["img2"] == gone)
    last = pairs.index[~lost][-1]
    shutil.copy(root / pairs["img1"][last], root / pairs["img2"][last])
    frame = health_report(task).to_frame().set_index("Finding")
    assert frame.loc["missing image", "Image 1"] == gone
    assert frame.loc["missing image", "Rows"] == " ".join(map(str, pairs.index[lost] + 1))
    assert frame.loc["identical images", "Rows"] == str(last + 1)
    quick = health_report(task, decode=False).to_frame()
    assert quick["Finding"].tolist() == ["missing image", "identical images"]


@pytest.mark.slow
@pytest.mark.parametrize("near", [0, 1, 4, 9, 63, 64])
def test_near_hashes_are_those_that_a_comparison_of_all_finds(near: int) -> None:
    rng = np.random.default_rng(near)
    hashes = rng.integers(0, 2**63, 40, dtype=np.uint64) * np.uint64(2)
    # Copies in which up to seven bits are turned, and one hash many times.
    for _ in range(3):
        flips = np.bitwise_or.reduce(
            np.uint64(1) << rng.integers(0, 64, (hashes.size, 2), dtype=np.uint64), axis=1
        )
        hashes = np.concatenate((hashes, hashes ^ flips))
    hashes = np.concatenate((hashes, np.repeat(hashes[:1], 20)))
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    wanted = {(one, other) for one, other in np.argwhere(bits <= near).tolist() if one < other}
    found = [
        pair
        for one, other in health._near_pairs(hashes, near)
        for pair in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_rows_of_a_pair_are_found_in_either_order() -> None:
    rng = np.random.default_rng(0)
    images = [Path(f"{number}.jpg") for number in range(6)]
    sides = [[images[number] for number in rng.integers(0, 6, 40)] for _ in range(2)]
    by_pair: dict[frozenset[Path], list[int]] = {}
    for row, pair in enumerate(zip(*sides, strict=True)):
        by_pair.setdefault(frozenset(pair), []).append(row)
    found = health._RowsByPair.of(ImagePaths(*sides))
    assert list(found.odd()) == [
        (rows, len(pair) == 1) for pair, rows in by_pair.items() if len(rows) > 1 or len(pair) == 1
    ]
    for one in images:
        for other in images:
            assert found.rows_of(one, other) == by_pair.get(frozenset((one, other)), [])
    assert sorted(map(frozenset, found.different()), key=sorted) == sorted(by_pair, key=sorted)


def test_files_that_are_known_are_not_looked_for_again(root: Path, monkeypatch) -> None:
    pairs_from_folder(root).to_csv(root / "pairs.csv", index=False)
    task = AccuracyTask("t", root / "pairs.csv", root, true_label="same")
    files = {"t": find_images(task.pairs_df, root, task="t")}
    expected = health_report(task).to_frame()
    monkeypatch.setattr(health, "find_images", lambda *_args, **_kwargs: pytest.fail("found again"))
    found = health_report(task, files=files)
    pd.testing.assert_frame_equal(found.to_frame(), expected)
    assert found.n_images == 12


def test_files_that_were_known_are_looked_for_again_where_they_are_not_those_of_the_pairs(
    root: Path,
) -> None:
    shutil.copy(root / "ann" / "0.png", root / "bo" / "0.png")
    pairs_from_folder(root).to_csv(root / "pairs.csv", index=False)
    task = AccuracyTask("t", root / "pairs.csv", root, true_label="same")
    known = find_images(task.pairs_df, root, task="t")
    expected = health_report(task).to_frame()
    for files in (
        ImagePaths(known.img2, known.img1),
        ImagePaths(known.img1[:-1], known.img2[:-1]),
        ImagePaths(known.img1[::-1], known.img2[::-1]),
    ):
        found = health_report(task, files={"t": files}).to_frame()
        pd.testing.assert_frame_equal(found, expected)
    (root / "cy" / "1.png").unlink()
    counts = health_report(task, files={"t": known}).counts()
    assert counts == health_report(task).counts()
    assert counts["missing image"] == 1
