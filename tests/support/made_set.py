"""The tables of a set of stimuli, without its images: what `make_conditions` leaves, in no time."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from facebench.stimuli.catalogue import CONDITIONS
from facebench.stimuli.condition_set import ConditionSet
from facebench.stimuli.pair_tables import build_tables, write_csv
from facebench.stimuli.resolving import resolve


def made_set(folder: Path, conditions, *, n_people: int = 8, n_images: int = 2) -> ConditionSet:
    """Write the tables of conditions of some people."""
    resolved = resolve(conditions)
    faces = [
        SimpleNamespace(name=f"p{who}/{k}.jpg.png", identity=f"p{who}")
        for who in range(n_people)
        for k in range(n_images)
    ]
    names = {face.name for face in faces}
    made = {"upright": names} | {condition.label: names for condition in resolved}
    donors = [
        [(place + n_images * shift) % len(faces) for shift in (1, 2)] for place in range(len(faces))
    ]
    borrowed = any(CONDITIONS[c.kind].donors for c in resolved)
    tables = build_tables(
        resolved, faces, made, donors if borrowed else [[]] * len(faces), n_pairs=None, seed=0
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, rows) in tables.items():
        write_csv(folder / f"{name}.csv", columns, rows)
    paths = {name: folder / f"{name}.csv" for name in tables}
    counts = {label: len(own) for label, own in made.items()}
    return ConditionSet(folder, paths, {}, counts, len(faces), ())


def embeddings_of(tables, target: Path) -> Path:
    """Write embeddings of all images of pairs: those of one person and condition are alike."""
    frames = [pd.read_csv(table) if isinstance(table, Path) else table for table in tables]
    names = sorted({name for frame in frames for side in ("img1", "img2") for name in frame[side]})
    rng = np.random.default_rng(0)
    centres = {}
    rows = []
    for name in names:
        person = Path(name).parent.name
        centre = centres.setdefault(person, rng.normal(size=12))
        rows.append(centre + rng.normal(scale=0.8, size=12))
    np.savez(target, names=names, embeddings=np.array(rows))
    return target
