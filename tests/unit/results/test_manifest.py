"""Where the numbers come from."""

from facebench import load_run
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
