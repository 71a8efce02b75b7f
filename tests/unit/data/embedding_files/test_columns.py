"""Tables: features in numbered columns, or lists; other widths and cells are told by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facebench.data.embedding_files import open_embeddings
from facebench.errors import InputError


def test_columns_are_put_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    columns = {f"v{number}": [float(number), 0.5] for number in (10, 2, 1, 3, 4, 5, 6, 7, 8, 9)}
    table = pd.DataFrame({"age": [20, 30], **columns, "filename": ["007.jpg", "NA"]})
    table.to_csv(tmp_path / "x.csv", index=False, sep=";")
    table.to_parquet(tmp_path / "x.parquet")
    for file in ("x.csv", "x.parquet"):
        found = open_embeddings(tmp_path / file)
        assert (found.names, found.layers, found.unused) == (["007.jpg", "NA"], ["v"], ["age"])
        assert found.read("v").tolist() == [list(range(1, 11)), [0.5] * 10]


def test_a_frame_as_pandas_writes_it(tmp_path: Path) -> None:
    images = pd.Index(["a.jpg", "b.jpg"], name="image")
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3), index=images)
    frame.to_csv(tmp_path / "x.csv")
    found = open_embeddings(tmp_path / "x.csv")
    assert found.layers == ["default"]
    assert found.read("default").tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,v0,v1\na.jpg,1,x\n", "column 'v1'. Line 2 has 'x'"),
        ("image,v0,v1\na.jpg,1,1_0\n", "column 'v1'. Line 2 has '1_0'"),
        ("image;v0;v1\na.jpg;1;0,5\n", "decimal comma"),
        ("image,v0,v1\na.jpg,1\n", "expected 3 cells in line 2, got 2"),
        ("image,v0,v0\na.jpg,1,2\n", "more than one 'v0'"),
        ("image,age\na.jpg,1\n", "no array of vectors.* It has age"),
        ("a.jpg,0.1,0.2\nb.jpg,0.3,0.4\n", "needs a header.* 'a.jpg' in its first"),
        ("person1,-1.5e-2,2\nb,0.3,0.4\n", "needs a header.* '-1.5e-2' in its first"),
        ("image," + ",".join(f"v{n}" for n in range(20) if n != 7) + "\n", "number 7 is not"),
        ("image,v0,v1\n", "no image names"),
        ("image,v0,v1\n\ufffd,1,inf\n", "infinite numbers"),
    ],
)
def test_what_is_wrong_with_a_text(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        open_embeddings(path).read("v")


def test_gaps_are_nan(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("image,v0,v1\na.jpg,NaN,\nb.jpg,1,2\n", encoding="utf-8")
    assert np.isnan(open_embeddings(tmp_path / "x.csv").read("v")).tolist() == [
        [True] * 2,
        [False] * 2,
    ]


def test_lists_of_another_width_are_told_by_image(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": ["a", "b", "c"], "fc": [[1.0, 2.0], None, [3.0]]}), path)
    with pytest.raises(InputError, match="'c' has 1 numbers, others have 2"):
        open_embeddings(path).read("fc")
    pq.write_table(pa.table({"image": ["a", "b"], "fc": [None, [1.0, None]]}), path)
    rows = open_embeddings(path).read("fc")
    assert np.isnan(rows).tolist() == [[True, True], [False, True]]
    pq.write_table(pa.table({"image": ["a", None], "fc": [[1.0], [2.0]]}), path)
    with pytest.raises(InputError, match="no image name for vector 2"):
        open_embeddings(path)


def test_categories_are_names_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": pd.Categorical(["a", "b"]), "fc": [[1.0, 2.0], [3.0, 4.0]]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert open_embeddings(tmp_path / "x.parquet").names == ["a", "b"]
