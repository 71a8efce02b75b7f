"""Galleries with distractors in files, against the same people in the gallery table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facebench import IdentificationTask
from facebench.data.embedding_files import write_embeddings
from facebench.errors import InputError
from facebench.tasks.embedding import LayerSource
from facebench.tasks.shared import distractors

PEOPLE, OTHERS, WIDTH = 12, 40, 7


def table(prefix: str, people: range, copies: int = 1) -> pd.DataFrame:
    rows = [(f"{prefix}{n}/{copy}", f"p{n:03}") for n in people for copy in range(copies)]
    return pd.DataFrame(rows, columns=["image", "identity"])


GALLERY, PROBES = table("g", range(PEOPLE), 2), table("q", range(4, PEOPLE + 6), 2)


def embeddings(seed: int = 0) -> tuple[Any, Any]:
    """Of gallery images and probes; and of distractors, with ties, a zero vector and NaN."""
    generator = np.random.default_rng(seed)
    people = generator.normal(size=(PEOPLE + 6, WIDTH))
    images = np.repeat(people[:PEOPLE], 2, axis=0) + generator.normal(size=(2 * PEOPLE, WIDTH))
    probes = np.repeat(people[4:], 2, axis=0) + generator.normal(size=(len(PROBES), WIDTH))
    others = generator.normal(size=(OTHERS, WIDTH)).astype(np.float32)
    others[5] = others[6]
    others[7] = np.nan
    others[8] = 0
    return np.concatenate((images, probes)).astype(np.float32), others


def make(pattern: Any = None, gallery: Any = GALLERY, **options: Any) -> IdentificationTask:
    given = {"distance_metric": "cosine", "candidates": 9, **options}
    return IdentificationTask("find", gallery, PROBES, "images", distractors=pattern, **given)


def saved(folder: Path, others: Any, cuts: tuple[int, ...] = (3, 17)) -> str:
    for number, part in enumerate(np.split(others, cuts)):
        np.save(folder / f"d{number}.npy", part)
    return f"{folder}/d*.npy"


@pytest.mark.parametrize("normalise", ["none", "before", "after", "both"])
@pytest.mark.parametrize("measure", ["cosine", "euclidean"])
def test_results_are_those_of_one_gallery(tmp_path: Path, measure: str, normalise: Any) -> None:
    own, others = embeddings()
    options: dict[str, Any] = {"distance_metric": measure, "normalise": normalise}
    # People whose names come after those of the table: of equal distances the first counts.
    more = table("z", range(900, 900 + OTHERS))
    whole = make(gallery=pd.concat([GALLERY, more]), **options)
    split = 2 * PEOPLE
    items = whole.compute_items(np.concatenate((own[:split], others, own[split:])))
    task = make(saved(tmp_path, others), **options)
    found = task.compute_items(own)
    n_failed = 2 if measure == "cosine" else 1
    assert found["failed_distractors"].unique().tolist() == [n_failed]
    assert found["templates"].unique().tolist() == [PEOPLE + OTHERS - n_failed]
    for column in items:
        if column.startswith("identity_"):
            names = {f"p{900 + row}": f"distractor d{part}.npy:{row - start}"
                     for part, (start, stop) in enumerate([(0, 3), (3, 17), (17, OTHERS)])
                     for row in range(start, stop)}  # fmt: skip
            assert items[column].map(lambda name, names=names: names.get(name, name)).tolist() == (
                found[column].tolist()
            )
        else:
            pd.testing.assert_series_equal(found[column], items[column], check_exact=True)
    expected = whole.compute_task_performance(items.assign(layer_name="l"))
    measured = task.compute_task_performance(found.assign(layer_name="l"))
    assert measured[["Distractors", "Failed Distractors"]].to_numpy().tolist() == [
        [OTHERS, n_failed]
    ]
    same = [name for name in expected if name != "Images"]
    pd.testing.assert_frame_equal(measured[same], expected[same], check_exact=True)


def shared(tmp_path: Path, count: int = 3) -> tuple[IdentificationTask, Any, LayerSource, Path]:
    own, others = embeddings()
    task = make(saved(tmp_path, others))
    source = LayerSource("net", "fc", searches=tmp_path / "searches")
    for number in range(count):
        (part,) = task.search_share(own, source, number, count)
        assert part.is_new
    assert part.stop == OTHERS
    return task, own, source, tmp_path / "searches" / "find" / "net" / "fc"


def test_shards_are_merged_and_not_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, own, source, folder = shared(tmp_path)
    files = sorted(folder.iterdir())
    assert len(files) == 3
    alone = task.compute_items(own)
    monkeypatch.setattr(distractors, "_searched", None)
    assert not task.search_share(own, source, 1, 3)[0].is_new
    assert sorted(folder.iterdir()) == files
    pd.testing.assert_frame_equal(task.compute_items_of(own, source), alone, check_exact=True)


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def of_another_version(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"facebench_search":"1"', b'"facebench_search":"7"'))


def not_ours(path: Path) -> None:
    path.write_bytes(b"hello")


def a_link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (damaged, "damaged or cut short"),
        (cut_short, "damaged or cut short"),
        (of_another_version, r"another version .*\(format 7; this one knows 1\)"),
        (not_ours, "not part of a search"),
        (a_link, "not a plain file"),
        (removed, ""),
    ],
)
def test_parts_that_are_not_sound_are_searched_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any, match: str
) -> None:
    task, own, source, folder = shared(tmp_path)
    spoil(sorted(folder.iterdir())[1])
    found = task.compute_items_of(own, source)
    pd.testing.assert_frame_equal(found, task.compute_items(own), check_exact=True)
    assert re.search(match, caplog.text)


def test_parts_of_other_rows_probes_or_settings_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task, own, source, _ = shared(tmp_path)
    rows = np.load(tmp_path / "d1.npy")
    np.save(tmp_path / "d1.npy", rows[::-1])
    found = task.compute_items_of(own, source)
    assert "are not those that another machine has searched" in caplog.text
    pd.testing.assert_frame_equal(found, task.compute_items(own), check_exact=True)
    caplog.clear()
    task.compute_items_of(own * np.float32(1.5), source)
    assert "are of other embeddings, probes or settings" in caplog.text


def test_named_files_of_layers(tmp_path: Path) -> None:
    own, others = embeddings()
    plain = make(saved(tmp_path, others)).compute_items(own)
    names = [f"megaface/{n}.jpg" for n in range(OTHERS)]
    for number, suffix in enumerate((".npz", ".parquet")):
        rows = np.arange(OTHERS)[number * 20 : number * 20 + 20]
        layers = {"conv": np.zeros((OTHERS, 3), np.float32), "fc": others}
        write_embeddings(
            tmp_path / f"a_net-{number}{suffix}", [names[row] for row in rows], layers, rows
        )
    task = make(f"{tmp_path}/{{model}}-*")
    sources = [LayerSource("a_net", "fc"), LayerSource("a_net", "conv")]
    task.check_sources(sources)
    found = task.compute_items_of(own, sources[0])
    numbers = found.select_dtypes("number").columns
    pd.testing.assert_frame_equal(found[numbers], plain[numbers], check_exact=True)
    nearest = found["identity_1"][found["identity_1"].str.startswith("distractor")]
    assert nearest.str.match(r"distractor megaface/\d+\.jpg").all()
    assert len(nearest)


def test_copies_of_probes_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own, others = embeddings()
    others[3] = own[-1]
    make(saved(tmp_path, others)).compute_items(own)
    assert "1 probes have the same embedding as a distractor" in caplog.text


def test_all_galleries_have_the_distractors(tmp_path: Path) -> None:
    own, others = embeddings()
    halves = GALLERY.assign(gallery=np.where(np.arange(2 * PEOPLE) < 12, "one", "two"))
    task = make(saved(tmp_path, others), halves)
    items = task.compute_items(own)
    measured = task.compute_task_performance(items.assign(layer_name="l"))
    assert measured["Distractors"].tolist() == [OTHERS, OTHERS, 2 * OTHERS]
    assert measured["Gallery Templates"].tolist() == [44, 44, 88]


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        ("{folder}/gone*.npy", "do not exist: .*gone"),
        ("{folder}/d0.npi", r"do not exist.*d0\.npi"),
        ("{folder}", r"folder without packs: name its files, as .*/\*\.npy"),
        ("{folder}/d*.npy", r"{model} and {layer} into 'distractors'"),
        ("{folder}/text.npy", "cannot be read"),
        ("{folder}/whole*.npy", r"floating-point numbers. It holds int64 of shape \[3, 7\]"),
        ("{folder}/*wide.npy", "same width. .*wide.npy has 2 values, .*a_wide.npy has 7"),
        ("{folder}/named.npz", "no layer 'fc'. It has conv"),
    ],
)
def test_files_that_do_not_fit_are_told_before_the_run(
    tmp_path: Path, pattern: str, match: str
) -> None:
    _, others = embeddings()
    saved(tmp_path, others)
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "whole.npy", np.ones((3, 7), dtype=int))
    np.save(tmp_path / "a_wide.npy", np.ones((3, 7)))
    np.save(tmp_path / "b_wide.npy", np.ones((3, 2)))
    write_embeddings(tmp_path / "named.npz", ["a"], {"conv": np.ones((1, 3), np.float32)}, [0])
    task = make(pattern.replace("{folder}", str(tmp_path)))
    with pytest.raises(InputError, match=match):
        task.check_sources([LayerSource("net", "fc"), LayerSource("net", "conv")])


def test_what_only_shows_in_the_numbers_is_told(tmp_path: Path) -> None:
    own, others = embeddings()
    task = make(saved(tmp_path, others))
    with pytest.raises(InputError, match="have 7 values, embeddings of 'net', layer 'fc', have 5"):
        task.compute_items_of(own[:, :5], LayerSource("net", "fc"))
    with pytest.raises(InputError, match="centred or whitened"):
        task.check_sources([LayerSource("net", "fc", adjusted=True)])
    others[20, 1] = np.inf
    saved(tmp_path, others)
    with pytest.raises(InputError, match=r"Row 3 .* of .*d2.npy has infinite numbers"):
        task.compute_items(own)
    with pytest.raises(InputError, match="measure it in a run"):
        make("{model}.npy").compute_items(own)


def test_faiss_gives_the_same_and_an_approximate_search_says_so(tmp_path: Path) -> None:
    pytest.importorskip("faiss", reason="FAISS is an optional extra")
    own, others = embeddings()
    pattern = saved(tmp_path, others)
    exact = make(pattern).compute_items(own)
    found = make(pattern, engine="faiss").compute_items(own)
    pd.testing.assert_frame_equal(found, exact, check_exact=True)
    near = make(pattern, engine="faiss", index="IVF4,Flat", ranks=[1], fpir=[0.1])
    source = LayerSource("net", "fc", searches=tmp_path / "searches")
    with pytest.raises(InputError, match=r"'IVF4,Flat' of 2 templates"):
        near.search_share(own, source, 0, 20)
    near.search_share(own, source, 0, 1)
    items = near.compute_items_of(own, source).assign(layer_name="l")
    assert 0 < items["recall"].iloc[0] < 1
    exact_ranks = exact["rank"].dropna().to_numpy(int)
    ranks = items["rank"].dropna().to_numpy(int)
    # Too good, or beyond the candidates and then the last.
    assert ((ranks <= exact_ranks) | ((exact_ranks > 9) & (ranks == items["templates"][0]))).all()
    row = near.compute_task_performance(items).iloc[0]
    names = [measure.name for measure in near.measures]
    assert names == ["Rank-1 by IVF4,Flat", "TPIR@FPIR=0.1 by IVF4,Flat",
                     "TPIR@FPIR=0.1 by IVF4,Flat Threshold"]  # fmt: skip
    assert set(names) <= set(row.index)
    assert not {"Rank-1", "TPIR@FPIR=0.1"} & set(row.index)
    assert row["Recall of Search"] == round(items["recall"].iloc[0], 5)
    assert {measure for _, measure in near.left_out(items).values} == set(names[:2])


def test_galleries_of_other_sizes_are_not_compared(tmp_path: Path) -> None:
    own, others = embeddings()
    digests = set()
    for number, size in enumerate((OTHERS, OTHERS - 1, None)):
        (tmp_path / str(number)).mkdir()
        found = None if size is None else saved(tmp_path / str(number), others[:size])
        task = make(found)
        digests.add(task.left_out(task.compute_items(own)).digest)
    assert len(digests) == 3


def test_galleries_of_other_images_are_not_compared(tmp_path: Path) -> None:
    """Models' own embeddings of the same images, in any order and number of files, are."""
    own, others = embeddings()

    def digest(name: str, names: list[str], files: int = 1) -> str:
        for number, part in enumerate(np.array_split(np.arange(OTHERS), files)):
            write_embeddings(
                tmp_path / f"{name}-{number}.npz", [names[row] for row in part], {"": others}, part
            )
        task = make(f"{tmp_path}/{name}-*.npz")
        return str(task.left_out(task.compute_items(own)).digest)

    names = [f"{n}.jpg" for n in range(OTHERS)]
    first = digest("a", names)
    others = others[::-1] + np.float32(0.1)
    assert digest("b", names[::-1], files=3) == first
    assert digest("c", [*names[1:], "another.jpg"]) != first


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"engine": "annoy"}, "'engine'.*'annoy'"),
        ({"index": "HNSW8"}, "'index'.*engine 'numpy' and some distractors"),
        ({"engine": "faiss", "index": "HNSW8", "pattern": None}, "'index'.*no distractors"),
        (
            {"engine": "faiss", "index": "HNSW8", "ranks": [10]},
            "no ranks beyond the 9 'candidates'",
        ),
    ],
)
def test_engines_that_do_not_fit_are_refused(options: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        make(**{"pattern": "d.npy", "ranks": [1], **options})
