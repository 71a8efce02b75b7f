"""PredictorsTask: numbers against plain least squares, sources against plain arrays, remarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import pdist

from facebench import PredictorsTask
from facebench.data.rdms import write_rdms
from facebench.errors import InputError, MissingImageError, PairsError

N = 12
NAMES = [f"{number:02d}.png" for number in range(N)]
FIRST, SECOND = np.triu_indices(N, 1)
RNG = np.random.default_rng(1)
ROWS = RNG.normal(size=(N, 6)).astype("f4")
OTHER = RNG.normal(size=(N, 4)).astype("f4")
OWN, THEIRS = pdist(ROWS, "cosine"), pdist(OTHER, "cosine")
AGES = RNG.integers(20, 60, N)
RATINGS = (OWN + 0.5 * THEIRS)[:, None] + RNG.normal(size=(OWN.size, 5)) * 0.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictors")
    for name in NAMES:
        Image.fromarray(RNG.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / name)
    table = pd.DataFrame({"img1": np.array(NAMES)[FIRST], "img2": np.array(NAMES)[SECOND]})
    for rater in range(5):
        table[f"rater_{rater}"] = RATINGS[:, rater]
    table.assign(rated=THEIRS**2).to_csv(folder / "pairs.csv", index=False)
    write_rdms(folder / "theirs.npz", NAMES, {"fc": THEIRS})
    write_rdms(folder / "two.npz", NAMES, {"fc6": OWN, "fc7": THEIRS})
    np.savez(folder / "vectors.npz", images=np.array(NAMES[::-1]), fc=OTHER[::-1])
    ages = pd.DataFrame({"image": NAMES, "age": AGES, "kind": ["ab"[n % 2] for n in range(N)]})
    ages.to_csv(folder / "images.csv", index=False)
    return folder


def made(folder: Path, predictors: object = None, **options: object) -> PredictorsTask:
    pairs = options.pop("pairs", folder / "pairs.csv")
    return PredictorsTask("x", pairs, folder, predictors, **options)


def row_of(task: PredictorsTask, rows: np.ndarray = ROWS) -> pd.Series:
    return task.compute_task_performance(task.compute_items(rows)).iloc[0]


def plain_r2(y: np.ndarray, *x: np.ndarray) -> float:
    design = np.column_stack((np.ones(y.size), *x))
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - (left**2).sum() / ((y - y.mean()) ** 2).sum())


class TestNumbers:
    def test_variance_is_partitioned_as_by_least_squares(self, folder: Path) -> None:
        task = made(folder, {"theirs": folder / "theirs.npz", "rated": "rated"})
        found, y = row_of(task), RATINGS.mean(axis=1)
        x = {"theirs": THEIRS, "rated": THEIRS**2, "model": OWN}
        whole = plain_r2(y, *x.values())
        assert found["R2 (in sample)"] == pytest.approx(whole, abs=1e-5)
        for name, column in x.items():
            before = "" if name == "model" else f"{name}: "
            rest = [values for other, values in x.items() if other != name]
            assert found[f"{before}Unique R2 (in sample)"] == pytest.approx(
                whole - plain_r2(y, *rest), abs=1e-5
            )
            assert found[f"{before}Alone R2 (in sample)"] == pytest.approx(
                plain_r2(y, column), abs=1e-5
            )
        parts = [name for name in found.index if name.endswith("(in sample)")]
        common = [name for name in parts if name.startswith("Common")]
        unique = [name for name in parts if "Unique R2" in name]
        assert len(common) == 4
        assert found[[*common, *unique]].sum() == pytest.approx(whole, abs=1e-5)
        assert found["Cross-validated R2"] < whole
        assert found["Share of Ceiling"] == pytest.approx(
            found["Cross-validated R2"] / found["Noise Ceiling R2"]
        )
        assert (found["Pairs"], found["Images"], found["Raters"], found["Folds"]) == (66, 12, 5, 12)
        assert "jackknife over 12 images" in found["CI Method"]

    def test_a_similarity_is_turned_over(self, folder: Path) -> None:
        table = pd.read_csv(folder / "pairs.csv")
        raters = [f"rater_{rater}" for rater in range(5)]
        table[raters] = 9 - table[raters]
        table.to_csv(folder / "alike.csv", index=False)
        alike = row_of(made(folder, pairs=folder / "alike.csv", rating="similarity"))
        assert alike["Cross-validated R2"] == pytest.approx(
            row_of(made(folder))["Cross-validated R2"]
        )

    def test_an_rdm_is_a_target(self, folder: Path) -> None:
        task = made(folder, pairs=folder / "theirs.npz")
        found = row_of(task, OTHER)
        assert found["R2 (in sample)"] == pytest.approx(1, abs=1e-6)
        assert "Noise Ceiling R2" not in found

    @pytest.mark.parametrize("reweight", ["features", "components"])
    def test_reweighted(self, folder: Path, reweight: str) -> None:
        found = row_of(made(folder, reweight=reweight))
        name = "Reweighted R2 (cross-validated)"
        assert found[name] < 1
        assert found[f"{name} CI Low"] < found[name] < found[f"{name} CI High"]

    def test_images_that_failed_are_counted(self, folder: Path) -> None:
        rows = ROWS.copy()
        rows[3] = np.nan
        found = row_of(made(folder, {"theirs": folder / "theirs.npz"}, reweight="components"), rows)
        assert (found["Failed"], found["Images"], found["Pairs"]) == (1, 11, 55)
        assert np.isfinite(found["Cross-validated Unique R2"])

    def test_left_out_is_of_the_headlines(self, folder: Path) -> None:
        task = made(folder, {"theirs": folder / "theirs.npz"})
        found = task.left_out(task.compute_items(ROWS))
        assert set(found.values) == {
            (None, "Cross-validated R2"),
            (None, "Cross-validated Unique R2"),
        }
        assert all(values.size == N for values in found.values.values())


class TestSources:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ({"rdm": "theirs.npz"}, THEIRS),
            ({"rdm": "two.npz", "layer": "fc7"}, THEIRS),
            ({"embeddings": "vectors.npz"}, THEIRS),
            ({"embeddings": "vectors.npz", "distance": "euclidean"}, pdist(OTHER)),
            ({"column": "rated"}, THEIRS**2),
            ({"table": "images.csv", "column": "age"}, np.abs(AGES[FIRST] - AGES[SECOND])),
            ({"table": "images.csv", "column": "kind"}, (FIRST + SECOND) % 2),
        ],
    )
    def test_values(self, folder: Path, source: dict[str, str], expected: np.ndarray) -> None:
        files = ("rdm", "embeddings", "table")
        source = {key: str(folder / text) if key in files else text for key, text in source.items()}
        items = made(folder, {"it": source}).compute_items(ROWS)
        np.testing.assert_allclose(items["it"], expected, rtol=1e-5)

    def test_pixels(self, folder: Path) -> None:
        items = made(folder, {"pixels": "pixels"}).compute_items(ROWS)
        one, two = (np.asarray(Image.open(folder / name)) / 255 for name in NAMES[:2])
        assert items["pixels"].iloc[0] == pytest.approx(np.linalg.norm(one - two))

    @pytest.mark.parametrize(
        ("source", "error", "told"),
        [
            ("ratd", InputError, r"'pixels', a column of pairs.csv .*Did you mean 'rated'"),
            ({"rdm": "two.npz"}, InputError, "holds 2 RDMs: fc6, fc7. Say which"),
            ({"rdm": "theirs.npz", "polarity": "similarity"}, InputError, "holds distances"),
            ({"rdm": "theirs.npz", "lyer": "x"}, InputError, "must say one of rdm, embeddings"),
            ({"embeddings": "vectors.npz", "layer": "fx"}, InputError, "no layer 'fx'"),
            (
                {"embeddings": "vectors.npz", "distance": "l1"},
                InputError,
                "'distance' of predictor",
            ),
            ({"table": "images.csv", "column": "agee"}, PairsError, "Did you mean 'age'"),
            ({"table": "images.csv"}, InputError, "which 'column' of it"),
            ({"rdm": "few.npz"}, MissingImageError, "1 of 12 images have no row .*'11.png'"),
        ],
    )
    def test_refused(self, folder: Path, source: object, error: type, told: str) -> None:
        write_rdms(folder / "few.npz", NAMES[:-1], {"x": np.arange(55.0) + 1})
        if isinstance(source, dict):
            source = {
                key: str(folder / text) if "." in text else text for key, text in source.items()
            }
        with pytest.raises(error, match=told):
            made(folder, {"it": source})

    def test_a_table_that_contradicts_itself_is_refused(self, folder: Path) -> None:
        table = pd.DataFrame({"image": [*NAMES, NAMES[3], NAMES[2], NAMES[3]]})
        table["age"] = [*range(N), 3, 1, 4]
        table.to_csv(folder / "twice.csv", index=False)
        source = {"table": folder / "twice.csv", "column": "age"}
        told = f"twice.csv gives '{NAMES[2]}' several values of 'age': 2, 1."
        with pytest.raises(InputError) as error:
            made(folder, {"it": source})
        assert str(error.value).endswith(told)

    def test_an_rdm_of_similarities_is_not_taken_for_distances(self, folder: Path) -> None:
        matrix = np.full((N, N), 5.0)
        matrix[FIRST, SECOND] = matrix[SECOND, FIRST] = 5 - THEIRS
        np.savez(folder / "alike.npz", images=np.array(NAMES), d=matrix)
        with pytest.raises(InputError, match=r"holds similarities.*Say polarity: similarity"):
            made(folder, {"it": folder / "alike.npz"})
        with pytest.raises(InputError, match=r"holds similarities.*rating='similarity'"):
            made(folder, pairs=folder / "alike.npz")
        source = {"rdm": folder / "alike.npz", "polarity": "similarity"}
        items = made(folder, {"it": source}).compute_items(ROWS)
        np.testing.assert_allclose(items["it"], THEIRS - 5)


class TestRemarks:
    def test_the_same_twice_a_constant_and_a_similarity(self, folder: Path) -> None:
        write_rdms(folder / "own.npz", NAMES, {"x": OWN * 3})
        write_rdms(folder / "flat.npz", NAMES, {"x": np.ones(66)})
        table = pd.read_csv(folder / "pairs.csv")
        table.assign(alike=-table["rater_0"]).to_csv(folder / "more.csv", index=False)
        sources = {"own": folder / "own.npz", "flat": folder / "flat.npz", "alike": "alike"}
        found = row_of(made(folder, sources, pairs=folder / "more.csv"))["Remark"]
        assert "own and model are the same but for the scale" in found
        assert "all values of flat are equal" in found
        assert "alike is the smaller the less alike people find images" in found

    def test_predictors_that_do_not_predict(self, folder: Path) -> None:
        noise = np.random.default_rng(5).normal(size=(N, 6)).astype("f4")
        found = row_of(made(folder), noise)
        assert found["Cross-validated R2"] < 0 < found["R2 (in sample)"]
        assert "do worse than the mean, although R2 in sample" in found["Remark"]

    def test_too_few_images(self, folder: Path) -> None:
        table = pd.read_csv(folder / "pairs.csv")
        few = table[table["img1"].isin(NAMES[:4]) & table["img2"].isin(NAMES[:4])]
        few.to_csv(folder / "few.csv", index=False)
        found = row_of(made(folder, pairs=folder / "few.csv"), ROWS[:4])
        assert np.isnan(found["Cross-validated R2"])
        assert "6 pairs of 4 images are too few" in found["Remark"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"distance": "l1"}, "'distance' parameter of PredictorsTask"),
        ({"scale": "kendall"}, "'scale' parameter"),
        ({"reweight": "all"}, "'reweight' parameter"),
        ({"n_folds": 2}, "'n_folds' .* 3 or more"),
        ({"confidence": 2}, "0 < confidence < 1"),
        ({"predictors": ["pixels"]}, "mapping of names"),
        ({"predictors": {"model": "pixels"}}, "cannot be called 'model'"),
    ],
)
def test_refused_parameters(folder: Path, options: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        made(folder, options.pop("predictors", None), **options)


def test_too_many_features_are_refused(folder: Path) -> None:
    task = made(folder, reweight="features")
    with pytest.raises(InputError, match=r"1,024 features at most.*'components'"):
        task.compute_items(np.ones((N, 1025), "f4"))
