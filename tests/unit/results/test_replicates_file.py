"""The file of replicates: what is written is read back, and files of earlier runs are read."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.metrics.uncertainty.spread import Replicates
from facebench.results.replicates_file import read_replicates, write_replicates


@pytest.mark.parametrize("sides", [2, 3])
def test_it_is_read_as_it_was_written(tmp_path, sides):
    made = Replicates(0.5, np.array([0.4, 0.5, 0.7]), np.array([0.5, 0.6]), 1.5, sides)
    plain = Replicates(0.2, np.array([0.1, 0.2, 0.3]), sides=sides)
    found = JackknifeReplicates.collect("image", "abc", {("x", "A"): made, (None, "B"): plain})
    path = tmp_path / "replicates.parquet"
    write_replicates(path, {("task", "model", "layer"): found})
    read = read_replicates(path)["task", "model", "layer"]
    assert (read.by, read.digest) == ("image", "abc")
    assert read.of("x", "A", 0.5).spread == made.spread
    assert read.of(None, "B", 0.2).spread == plain.spread
    # Runs of earlier versions.
    pq.write_table(pq.read_table(path).drop_columns(["sides", "df", "dyads"]), path)
    older = read_replicates(path)["task", "model", "layer"].of("x", "A", 0.5)
    assert older.spread == Replicates(0.5, made.units).spread
