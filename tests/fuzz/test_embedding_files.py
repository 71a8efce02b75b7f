"""Mutated files of embeddings: what has checksums is right or refused; nothing else crashes."""

import random
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from facebench import EmbeddingsModel
from support.embedding_files import SUFFIXES, write_file
from support.mutation import damaged, fuzzed, told_or_done

NAMES = [f"p{number}/é{number}.jpg" for number in range(9)]
ROWS = np.random.default_rng(0).normal(size=(9, 6)).astype("f4")


@cache
def whole(suffix):
    with tempfile.TemporaryDirectory() as folder:
        path, _ = write_file(Path(folder), suffix, NAMES, {"fc_a": ROWS})
        return path.read_bytes()


@fuzzed(in_ci=16)
def test_embedding_files(tmp_path, seed):
    rng = random.Random(seed)
    suffix = SUFFIXES[seed % len(SUFFIXES)]
    path, options = write_file(tmp_path, suffix, NAMES, {"fc_a": ROWS})
    path.write_bytes(damaged(whole(suffix), rng))
    model = told_or_done(lambda: EmbeddingsModel("m", path, **options), path.name)
    if model is None:
        return
    for rows in model.vectors.values():
        assert len(rows) == len(model.image_names)
        assert not np.isinf(rows).any()
    if suffix in (".npz", ".parquet") and set(model.vectors) == {"fc_a"}:
        assert model.image_names == NAMES
        assert np.array_equal(model.vectors["fc_a"], ROWS)
