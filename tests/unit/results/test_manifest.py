"""Where the numbers come from."""

import pytest

from facebench import load_run
from facebench.errors import RunFolderError
from facebench.results.schema import SCHEMA_VERSION


def test_manifest_says_where_numbers_come_from(saved):
    manifest = load_run(saved).manifest
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["config"] == {"folds": 5}
    assert manifest["seeds"] == {"numpy": 3}
    assert manifest["provenance"]["models"]["shallow"]["digest"] == "abc"
    assert set(manifest["versions"]) >= {"facebench", "python", "numpy", "torch"}
    data = manifest["data"]["rate"]
    assert len(data["pairs_digest"]) == 64
    assert data["images"]["n_images"] == 24
    assert data["images"]["n_missing"] == 0


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ('"remarks": {"m": {"Images: no face": NaN}}', "NaN is not JSON"),
        ('"remarks": {"m": {"Images: no face": "many"}}', "remarks → m → Images: no face"),
        ('"tasks": {"same": {"remarks": 0.5}}', "tasks → same → remarks"),
        ('"failures": [{"what": 3}]', "failures → 0 → what"),
        ('"health": {"found": [{"task": "same"}]}', "health → found → 0 → what"),
    ],
)
def test_what_readers_look_into_is_checked_with_its_place(tmp_path, changed, place):
    text = f'{{"schema_version": {SCHEMA_VERSION}, {changed}}}'
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=place):
        load_run(tmp_path)
