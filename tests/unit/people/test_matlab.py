"""The same 2AFC experiment in every shape that MATLAB scripts save it in."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.io

from facebench.errors import InputError
from facebench.people import people_of

PEOPLE, TRIALS = 4, 6
GENERATOR = np.random.default_rng(1)
CHOSEN = GENERATOR.integers(1, 3, (PEOPLE, TRIALS))
RT = GENERATOR.uniform(0.3, 0.9, (PEOPLE, TRIALS))
# Numbers of the target and two alternatives in each trial.
SHOWN = np.array([GENERATOR.permutation(10)[:3] + 1 for _ in range(TRIALS)])
NAMES = [f"f{number:02d}.jpg" for number in range(1, 11)]
COLUMNS = {
    "target": "trip_1",
    "alternatives": ["trip_2", "trip_3"],
    "response": "resp",
    "rt": "rt",
}
PATTERN = {"pattern": "f{:02d}.jpg"}


def cells(values: list[Any]) -> np.ndarray:
    boxed = np.empty((len(values), 1), dtype=object)
    boxed[:, 0] = values
    return boxed


def column(values: Any) -> np.ndarray:
    return np.asarray(values).reshape(-1, 1)


def shapes() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Give the variables of a file, and what the description says beyond `COLUMNS`."""
    who = np.repeat(np.arange(PEOPLE), TRIALS)
    long = {
        "id": column(who),
        "trip": np.tile(SHOWN, (PEOPLE, 1)),
        "resp": column(CHOSEN.ravel()),
        "rt": column(RT.ravel()),
    }
    one_each = [
        {"id": p, "trip": SHOWN[t], "resp": CHOSEN[p, t], "rt": RT[p, t]}
        for p in range(PEOPLE)
        for t in range(TRIALS)
    ]
    people = [
        {"id": f"p{p}", "trip": SHOWN, "resp": column(CHOSEN[p]), "rt": column(RT[p])}
        for p in range(PEOPLE)
    ]
    grid = {"resp": CHOSEN, "rt": RT, "trip": SHOWN, "imnames": cells(NAMES)}
    by_id = {"columns": {**COLUMNS, "participant": "id"}, "images": PATTERN}
    within = {key: f"data.{value}" for key, value in COLUMNS.items() if key != "alternatives"}
    within |= {"alternatives": ["data.trip_2", "data.trip_3"], "participant": "data.id"}
    nested = [{"id": p["id"], "log": {k: p[k] for k in ("trip", "resp", "rt")}} for p in people]
    listed = [
        {
            "id": p,
            "trials": [
                {"trip": SHOWN[t], "resp": CHOSEN[p, t], "rt": RT[p, t]} for t in range(TRIALS)
            ],
        }
        for p in range(PEOPLE)
    ]
    return {
        "variables": (long, by_id),
        "struct of arrays": ({"data": long}, {**by_id, "variable": "data"}),
        "struct of arrays, fields": ({"data": long}, {"columns": within, "images": PATTERN}),
        "struct array of trials": ({"data": one_each}, by_id),
        "struct array of participants": ({"S": people}, by_id),
        "structs within": ({"S": nested}, {**by_id, "columns": {
            **{key: f"log.{value}" for key, value in COLUMNS.items() if key != "alternatives"},
            "alternatives": ["log.trip_2", "log.trip_3"], "participant": "id"}}),
        "struct arrays within": ({"S": listed}, by_id),
        "cell arrays": (
            {
                "id": column(np.arange(PEOPLE)),
                "resp": cells([column(row) for row in CHOSEN]),
                "rt": cells([column(row) for row in RT]),
                "trip": SHOWN,
            },
            by_id,
        ),
        "matrix": (grid, {"columns": COLUMNS, "images": {"names": "imnames"}}),
        "names in a struct array": (
            {
                "resp": CHOSEN,
                "rt": RT,
                "trip": SHOWN,
                "stimuli": [{"name": name, "race": "x"} for name in NAMES],
            },
            {"columns": COLUMNS, "images": {"names": "stimuli.name"}},
        ),
        "matrix of trials in rows": (
            {**grid, "resp": CHOSEN.T, "rt": RT.T},
            {"columns": COLUMNS, "images": {"names": "imnames"}, "participants": "columns"},
        ),
        "one matrix of numbers": (
            {"data": np.column_stack([long["id"], long["trip"], long["resp"], long["rt"]])},
            {
                "columns": {
                    "participant": "data_1", "target": "data_2", "response": "data_5",
                    "alternatives": ["data_3", "data_4"], "rt": "data_6",
                },
                "images": PATTERN,
            },
        ),
        "three matrices": (
            {"resp": CHOSEN, "rt": RT, "trip": np.tile(SHOWN, (PEOPLE, 1, 1))},
            {"columns": COLUMNS, "images": PATTERN},
        ),
    }  # fmt: skip


def read(file: Path, said: dict[str, Any]) -> pd.DataFrame:
    return people_of({"trials": file.name, "kind": "choice", **said}, file.parent).table


@pytest.mark.slow
@pytest.mark.parametrize("shape", shapes())
def test_every_shape_gives_the_same_trials(tmp_path, shape):
    variables, said = shapes()[shape]
    scipy.io.savemat(tmp_path / "data.mat", variables)

    table = read(tmp_path / "data.mat", said)

    names = np.array(NAMES)[SHOWN - 1]
    chosen = np.where(CHOSEN == 1, names[:, 1], names[:, 2])
    assert list(table["target"]) == list(names[:, 0]) * PEOPLE
    assert list(table["response"]) == list(chosen.ravel())
    np.testing.assert_allclose(table["rt"], RT.ravel())
    assert table["participant"].nunique() == PEOPLE
    assert (table["participant"].to_numpy().reshape(PEOPLE, TRIALS)[:, :1]
            == table["participant"].to_numpy().reshape(PEOPLE, TRIALS)).all()  # fmt: skip


def test_vectors_of_people_and_of_trials_go_with_a_matrix(tmp_path):
    variables = {
        "resp": CHOSEN, "trip": SHOWN, "rt": RT,
        "race": cells(["asian", "asian", "white", "white"]), "block": np.arange(TRIALS),
    }  # fmt: skip
    scipy.io.savemat(tmp_path / "d.mat", variables)

    table = read(
        tmp_path / "d.mat",
        {"columns": {**COLUMNS, "group": "race"}, "conditions": "block", "images": PATTERN},
    )

    assert list(table["group"][::TRIALS]) == ["asian", "asian", "white", "white"]
    assert list(table["block"][:TRIALS]) == [str(n) for n in range(TRIALS)]
    assert list(table["participant"].unique()) == ["1", "2", "3", "4"]


@pytest.mark.slow
def test_as_many_people_as_trials_make_vectors_ambiguous(tmp_path):
    square = {"resp": CHOSEN[:, :4], "trip": SHOWN[:4], "race": cells(list("xxyy"))}
    scipy.io.savemat(tmp_path / "d.mat", square)
    columns = {key: value for key, value in COLUMNS.items() if key != "rt"}

    with pytest.raises(InputError, match="'race of trials', 'race of participants'"):
        read(tmp_path / "d.mat", {"columns": {**columns, "group": "race"}, "images": PATTERN})

    table = read(
        tmp_path / "d.mat",
        {"columns": {**columns, "group": "race of participants"}, "images": PATTERN},
    )
    assert list(table["group"][::4]) == list("xxyy")


def write_7_3(path: Path) -> None:
    """Write what ``save -v7.3`` makes of a struct array of participants and a cell array."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def keep(name: str, values: np.ndarray, kind: str) -> Any:
            item = refs.create_dataset(name, data=np.atleast_2d(values).T)
            item.attrs["MATLAB_class"] = np.bytes_(kind)
            return item.ref

        def text(name: str, value: str) -> Any:
            return keep(name, np.array([[ord(c) for c in value]], dtype=np.uint16), "char")

        group = file.create_group("S")
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in ("id", "trip", "resp", "rt"):
            item = group.create_dataset(field, (PEOPLE, 1), dtype=h5py.ref_dtype)
            for p in range(PEOPLE):
                item[p, 0] = {
                    "id": lambda p=p: text(f"id{p}", f"p{p}"),
                    "trip": lambda p=p: keep(f"trip{p}", SHOWN.astype(float), "double"),
                    "resp": lambda p=p: keep(f"resp{p}", column(CHOSEN[p]).astype(float), "double"),
                    "rt": lambda p=p: keep(f"rt{p}", column(RT[p]), "double"),
                }[field]()
        names = file.create_dataset("imnames", (1, len(NAMES)), dtype=h5py.ref_dtype)
        names.attrs["MATLAB_class"] = np.bytes_("cell")
        for number, name in enumerate(NAMES):
            names[0, number] = text(f"name{number}", name)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))


def test_version_7_3_gives_the_same(tmp_path):
    write_7_3(tmp_path / "d.mat")
    said = {"columns": {**COLUMNS, "participant": "id"}, "images": {"names": "imnames"}}

    table = read(tmp_path / "d.mat", said)

    names = np.array(NAMES)[SHOWN - 1]
    assert list(table["participant"][::TRIALS]) == ["p0", "p1", "p2", "p3"]
    assert list(table["target"]) == list(names[:, 0]) * PEOPLE
    assert list(table["response"]) == list(np.where(CHOSEN == 1, names[:, 1], names[:, 2]).ravel())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"columns": {**COLUMNS, "response": "answer"}}, "no variable 'answer' .*'?resp"),
        ({"columns": COLUMNS, "variable": "S"}, "no variable 'S'. It holds: resp"),
        ({"columns": {**COLUMNS, "target": "trip_4"}}, "no column 'trip_4'"),
        ({"columns": COLUMNS, "images": {"names": "nams"}}, "neither a file .* nor a variable"),
    ],
)
def test_what_is_missing_is_named(tmp_path, said, says):
    scipy.io.savemat(tmp_path / "d.mat", {"resp": CHOSEN, "rt": RT, "trip": SHOWN})
    with pytest.raises(InputError, match=says):
        read(tmp_path / "d.mat", said)


def test_a_damaged_file_is_one_sentence(tmp_path):
    (tmp_path / "d.mat").write_bytes(b"MATLAB 5.0 MAT-file, nothing in it")
    with pytest.raises(InputError, match=r"d\.mat cannot be read: the .mat file is damaged"):
        read(tmp_path / "d.mat", {"columns": COLUMNS})


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "trials.", "S.trials."])
def test_struct_arrays_within_struct_arrays_are_named_from_any_level(tmp_path, before):
    fields = ("target", "left", "right", "key")
    people = np.zeros((1, 2), dtype=[("id", object), ("trials", object)])
    for p in range(2):
        trials = np.zeros((1, 3), dtype=[(name, object) for name in fields])
        for t in range(3):
            trials[0, t] = (1, 2 + p, 4 + t, 1 + t % 2)
        people[0, p] = (f"p{p}", trials)
    stimuli = {"names": cells(NAMES)}
    scipy.io.savemat(tmp_path / "d.mat", {"S": people, "stimuli": stimuli})
    target, left, right, key = (f"{before}{name}" for name in fields)
    columns = {"participant": "id", "target": target, "alternatives": [left, right]}
    said = {
        "columns": {**columns, "response": key},
        # The list of names is in a struct, too.
        "images": {"names": "names"},
        "response": {"alt1": 1, "alt2": 2},
        "conditions": [],
    }
    table = read(tmp_path / "d.mat", said)
    assert table["participant"].tolist() == ["p0"] * 3 + ["p1"] * 3
    chosen = [NAMES[k] for k in (1, 4, 1, 2, 4, 2)]
    assert table["response"].tolist() == chosen
