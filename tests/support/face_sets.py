"""Tiny trees of the layout that the usual face data sets have."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.io import savemat

from facebench.testing.world import generated_image
from support.packs import jpeg

PEOPLE = ("Ann_Lee", "Bea_Moe", "Cy_Noe", "Di_Ort")
# Of each person two photographs: in every fold two genuine and two impostor pairs.
FOLDS = 10


def image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    generated_image(seed, (40, 40)).save(path)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def lfw_people(folder: Path, suffix: str = ".jpg", people: tuple[str, ...] = PEOPLE) -> None:
    for place, name in enumerate(people):
        for number in (1, 2):
            image(folder / name / f"{name}_{number:04d}{suffix}", 10 * place + number)


def lfw_lines(people: tuple[str, ...] = PEOPLE, start: int = 0) -> list[str]:
    """A block: two genuine, then two impostor pairs."""
    names = [people[(start + place) % len(people)] for place in range(4)]
    return [
        *(f"{name}\t1\t2" for name in names[:2]),
        *(f"{one}\t1\t{other}\t2" for one, other in pairwise(names[:3])),
    ]


def lfw_list(people: tuple[str, ...] = PEOPLE, folds: int = FOLDS) -> list[str]:
    return [line for fold in range(folds) for line in lfw_lines(people, fold)]


def lfw_view1(root: Path, suffix: str = ".jpg") -> None:
    lfw_people(root / "lfw", suffix)
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt"):
        block = lfw_lines() + lfw_lines(start=1)
        ordered = sorted(block, key=lambda line: line.count("\t"))
        write(root / name, "\n".join(["4", *ordered]))


def lfw_view2(root: Path, suffix: str = ".jpg") -> None:
    lfw_people(root / "lfw-deepfunneled", suffix)
    write(root / "pairs.txt", "\n".join([f"{FOLDS}\t2", *lfw_list()]))


def xqlfw(root: Path) -> None:
    lfw_people(root / "xqlfw_aligned_112")
    write(root / "xqlfw_pairs.txt", "\n".join([f"{FOLDS}\t2", *lfw_list()]))


def twin_lines(root: Path, name: str, digits: int, numbered: bool) -> None:
    def file(person: str, number: int) -> str:
        return f"{person}_{number:0{digits}d}.jpg"

    for place, person in enumerate(PEOPLE):
        for number in (1, 2):
            image(root / "aligned images" / file(person, number), 10 * place + number)
    lines = []
    for pair in range(2 * FOLDS):
        token = pair // 2 + 1 if numbered else 1
        person = PEOPLE[pair % 4]
        lines += [f"{file(person, 1)} {token}", f"{file(person, 2)} {token}"]
    for pair in range(2 * FOLDS):
        lines += [f"{file(PEOPLE[pair % 4], 1)} 0", f"{file(PEOPLE[(pair + 1) % 4], 2)} 0"]
    write(root / name, "\n".join(lines))


def calfw(root: Path) -> None:
    twin_lines(root, "pairs_CALFW.txt", 4, numbered=True)


def cplfw(root: Path) -> None:
    twin_lines(root, "pairs_CPLFW.txt", 1, numbered=False)


def cfp(root: Path) -> None:
    protocol = root / "cfp-dataset" / "Protocol"
    for letter, kind in (("F", "frontal"), ("P", "profile")):
        lines = []
        for person in range(1, 5):
            name = f"Data/Images/{person:03d}/{kind}/01.jpg"
            image(root / "cfp-dataset" / name, 10 * person + (letter == "P"))
            lines.append(f"{person} ../{name}")
        write(protocol / f"Pair_list_{letter}.txt", "\n".join(lines))
    for fold in range(FOLDS):
        one = fold % 4 + 1
        other = one % 4 + 1
        folder = protocol / "Split" / "FP" / f"{fold + 1:02d}"
        write(folder / "same.txt", f"{one},{one}\n{other},{other}\n")
        write(folder / "diff.txt", f"{one},{other}\n{other},{one}\n")


def agedb_protocol(path: Path, folds: list[list[tuple[str, str, int]]]) -> None:
    """Write a protocol as AgeDB's MATLAB files nest it."""

    def struct(**fields: object) -> np.ndarray:
        made = np.empty((1, 1), dtype=[(name, object) for name in fields])
        made[0, 0] = tuple(fields.values())
        return made

    splits = np.empty((len(folds), 1), dtype=object)
    for place, pairs in enumerate(folds):
        images = np.empty((2, len(pairs)), dtype=object)
        for column, pair in enumerate(pairs):
            for side in (0, 1):
                images[side, column] = struct(name=pair[side], age=30)
        labels = np.array([[label for _, _, label in pairs]])
        splits[place, 0] = struct(pairs=images, labels=labels)
    savemat(path, {"splits": splits})


def agedb(root: Path) -> None:
    # The person, the name, the image's number, the age, the sex; names may have several parts.
    names = [f"{place}_{name}_7" for place, name in enumerate(PEOPLE)]
    for place, name in enumerate(names):
        for age in (20, 55):
            image(root / "03_Protocol_Images" / f"{name}_{age}_f.jpg", 10 * place + age)
    folds = []
    for fold in range(FOLDS):
        one, other = names[fold % 4], names[(fold + 1) % 4]
        folds.append(
            [
                (f"{one}_20_f", f"{one}_55_f", 1),
                (f"{other}_20_f", f"{other}_55_f", 1),
                (f"{one}_20_f", f"{other}_55_f", -1),
                (f"{other}_20_f", f"{one}_55_f", -1),
            ]
        )
    agedb_protocol(root / "04_FINAL_protocol_30_years.mat", folds)


def rfw(root: Path) -> None:
    for place, group in enumerate(("African", "Asian", "Caucasian", "Indian")):
        people = tuple(f"m.0{place}{letter}" for letter in "abcd")
        lfw_people(root / "test" / "data" / group, people=people)
        folder = root / "test" / "txts" / group
        write(folder / f"{group}_pairs.txt", "\n".join(lfw_list(people)))
        write(folder / f"{group}_people.txt", "m.00a 2")


def bfw(root: Path) -> None:
    rows = ["ID,fold,p1,p2,label,id1,id2,att1,att2,vgg16"]
    groups = ("asian_females", "black_males")
    for g, group in enumerate(groups):
        for person in range(10):
            for number in (10, 43):
                name = f"{group}/n{person:06d}/{number:04d}_01.jpg"
                image(root / "bfw-cropped-aligned" / name, 1000 * g + 10 * person + number % 7)
    for fold in range(5):
        for g, group in enumerate(groups):
            one, other = 2 * fold, 2 * fold + 1

            def name(person: int, number: int, group: str = group) -> str:
                return f"{group}/n{person:06d}/{number:04d}_01.jpg"

            for a, b, label in ((one, one, 1), (other, other, 1), (one, other, 0), (other, one, 0)):
                cells = [fold + 1, name(a, 10), name(b, 43), label]
                cells += [10 * g + a, 10 * g + b, group, group, 0.5]
                rows.append(",".join(map(str, [len(rows) - 1, *cells])))
    write(root / "bfw-v0.1.5-datatable.csv", "\n".join(rows))


def packs(root: Path, name: str = "lfw.bin", same: list[bool] | None = None) -> None:
    root.mkdir(parents=True, exist_ok=True)
    labels = [True, True, False, False] * FOLDS if same is None else same
    images = [jpeg(seed) for seed in range(2 * len(labels))]
    (root / name).write_bytes(pickle.dumps((images, labels)))


TREES: dict[str, Callable[[Path], None]] = {
    "agedb-30": agedb,
    "bfw": bfw,
    "calfw": calfw,
    "cfp-fp": cfp,
    "cplfw": cplfw,
    "lfw-view1": lfw_view1,
    "lfw-view2": lfw_view2,
    "packs": packs,
    "rfw": rfw,
    "xqlfw": xqlfw,
}
