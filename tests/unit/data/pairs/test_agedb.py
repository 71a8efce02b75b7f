"""AgeDB's protocols."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from facebench.data.pairs import read_agedb_pairs
from facebench.errors import MissingPairsFileError, PairsError
from support.face_sets import agedb_protocol


class TestAgedb:
    def test_reads_names_labels_and_folds(self, tmp_path: Path) -> None:
        path = tmp_path / "30_years.mat"
        one, other = ("1_A_20_f", "1_A_50_f", 1), ("1_A_20_f", "2_B_50_m", -1)
        agedb_protocol(path, [[one, other], [other, one, one]])
        found = read_agedb_pairs(path)
        assert found["img1"].unique().tolist() == ["1_A_20_f.jpg"]
        assert found["img2"][1] == "2_B_50_m.jpg"
        assert found["same"].tolist() == [1, 0, 0, 1, 1]
        assert found["fold"].tolist() == [1, 1, 2, 2, 2]

    def test_what_is_wrong_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "30_years.mat"
        with pytest.raises(MissingPairsFileError):
            read_agedb_pairs(path)
        path.write_bytes(b"<html>not found</html>" * 20)
        with pytest.raises(PairsError, match="cannot be read"):
            read_agedb_pairs(path)
        for content in ({"other": 1}, {"splits": np.zeros((3, 3))}):
            savemat(path, content)
            with pytest.raises(PairsError, match="'splits'"):
                read_agedb_pairs(path)
        agedb_protocol(path, [[("a", "b", 7)]])
        with pytest.raises(PairsError, match=r"must be 1 .* Got 7"):
            read_agedb_pairs(path)
