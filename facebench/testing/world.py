"""Pictures of made-up people and tables of them, for tasks to be tried with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from facebench.data.identity import person_of

__all__ = ["arguments_of_world", "generated_image", "write_world"]

_PEOPLE, _PHOTOGRAPHS = 6, 3
_NAMES = [
    f"person{person}/{index}.png" for person in range(_PEOPLE) for index in range(_PHOTOGRAPHS)
]


def generated_image(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Draw a picture of smooth random colours; different seeds give different ones."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def write_world(folder: Path) -> None:
    """Write pictures, and a table of every kind that a task may ask for.

    Parameters
    ----------
    folder : Path
        Where to.
    """
    for index, name in enumerate(_NAMES):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        person, photograph = divmod(index, _PHOTOGRAPHS)
        generated_image(10 * person + photograph, (32, 32)).save(path)
    people = [person_of(name) for name in _NAMES]
    images = pd.DataFrame({"image": _NAMES, "identity": people})
    first = images.index % _PHOTOGRAPHS == 0
    tables = {
        "pairs": _pairs(),
        "table": images.assign(
            label=["ab"[int(name[-1]) % 2] for name in images["identity"]],
        ),
        # The last person is in no gallery.
        "gallery": images[first & (images["identity"] != people[-1])],
        "probes": images[~first],
        "templates": images.assign(
            template=images["identity"] + np.where(first, "-first", "-rest"),
            media=range(len(images)),
        ),
        "template_pairs": _template_pairs(list(dict.fromkeys(people))),
        "triplets_file_path": _triplets(),
        "trials": _line_ups(),
        # The first half of the people are studied.
        "study": images[first].head(_PEOPLE // 2),
        "test": images[~first].assign(
            old=[int(name in people[: len(people) // 2]) for name in images["identity"][~first]]
        ),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)


def arguments_of_world(folder: Path, parameters: Any) -> dict[str, Any]:
    """Give what the world holds for a task's parameters, by their names.

    Parameters
    ----------
    folder : Path
        From `write_world`.
    parameters : iterable of str
        The parameters.

    Returns
    -------
    dict of str to object
    """
    pairs = "template_pairs" if "templates" in parameters else "pairs"
    known: dict[str, Any] = {
        "name": "contract",
        "images_path": folder / "images",
        "images": list(_NAMES),
        "pairs": folder / f"{pairs}.csv",
        "pairs_file_path": folder / "pairs.csv",
        "reference": folder / "pairs.csv",
        "target": "label",
    }
    tables = ("gallery", "probes", "templates", "triplets_file_path", "table")
    for table in (*tables, "trials", "study", "test"):
        known[table] = folder / f"{table}.csv"
    return {name: value for name, value in known.items() if name in parameters}


def _pairs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pairs = [(a, b) for a in range(len(_NAMES)) for b in range(a)]
    same = [pair for pair in pairs if _alike(*pair)]
    other = [pair for pair in pairs if not _alike(*pair)]
    drawn = [other[i] for i in rng.choice(len(other), len(same), replace=False)]
    chosen = [pair for both in zip(same, drawn, strict=True) for pair in both]
    truth = [int(_alike(a, b)) for a, b in chosen]
    return pd.DataFrame(
        {
            "img1": [_NAMES[a] for a, _ in chosen],
            "img2": [_NAMES[b] for _, b in chosen],
            "truth": truth,
            "same": truth,
            "distance": rng.uniform(0, 1, len(chosen)).round(3),
            # Both classes in every condition and group.
            "condition": [["near", "far"][i // 2 % 2] for i in range(len(chosen))],
            # What a person is stays the same in every image.
            "group1": ["ab"[a // _PHOTOGRAPHS % 2] for a, _ in chosen],
            "group2": ["ab"[b // _PHOTOGRAPHS % 2] for _, b in chosen],
            "level": [i // 2 % 3 for i in range(len(chosen))],
            "group": [["upright", "inverted"][i // 4 % 2] for i in range(len(chosen))],
        }
    )


def _alike(a: int, b: int) -> bool:
    return a // _PHOTOGRAPHS == b // _PHOTOGRAPHS


def _template_pairs(people: list[str]) -> pd.DataFrame:
    """Compare everybody's first photograph with everybody's others."""
    pairs = [(a, b) for a in people for b in people]
    return pd.DataFrame(
        {
            "template1": [f"{a}-first" for a, _ in pairs],
            "template2": [f"{b}-rest" for _, b in pairs],
            "same": [int(a == b) for a, b in pairs],
        }
    )


def _triplets() -> pd.DataFrame:
    """Ask which of three is the odd one: mostly the one of another person."""
    rng = np.random.default_rng(1)
    rows = [
        (_NAMES[first], _NAMES[first + 1], _NAMES[(first + step) % len(_NAMES)])
        for first in range(0, len(_NAMES), _PHOTOGRAPHS)
        for step in range(_PHOTOGRAPHS, 3 * _PHOTOGRAPHS)
    ]
    odd = np.where(rng.random(len(rows)) < 0.8, 3, 1)
    return pd.DataFrame(rows, columns=["img1", "img2", "img3"]).assign(odd=odd)


def _line_ups() -> pd.DataFrame:
    """Show everybody among four people, and the four in an order of similarity."""
    rng = np.random.default_rng(2)
    rows = []
    for target in range(len(_NAMES)):
        person = target // _PHOTOGRAPHS
        others = rng.choice([p for p in range(_PEOPLE) if p != person], 3, replace=False)
        answer = person * _PHOTOGRAPHS + (target + 1) % _PHOTOGRAPHS
        shown = [_NAMES[i] for i in rng.permutation([answer, *(others * _PHOTOGRAPHS)])]
        order = "|".join([_NAMES[answer], *(name for name in shown if name != _NAMES[answer])])
        rows.append([_NAMES[target], *shown, _NAMES[answer], order])
    return pd.DataFrame(
        rows, columns=["target", *(f"alt{i}" for i in range(1, 5)), "answer", "order"]
    )
