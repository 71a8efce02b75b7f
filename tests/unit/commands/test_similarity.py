"""`facebench rdm` of a folder of images, by the names that tables of pairs use."""

import json

import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.data.rdms import read_rdms


@pytest.mark.slow
def test_images_of_a_folder_are_named_relative_to_it(tmp_path, monkeypatch, image_folder):
    for person, path in enumerate(image_folder(3)):
        (tmp_path / "faces" / f"p{person}").mkdir(parents=True)
        path.rename(tmp_path / "faces" / f"p{person}" / "1.png")
    monkeypatch.chdir(tmp_path)
    # What rendered faces and stimuli have beside them; runs have a file of that name.
    manifest = {"format": 1, "settings": {}, "versions": {"facebench": "0"}}
    (tmp_path / "faces" / "manifest.json").write_text(json.dumps(manifest))
    model = ["--model", "dlib-resnet", "--set", "pretrained=false", "--distance", "euclidean"]
    for folder in ("faces", tmp_path / "faces"):
        done = CliRunner().invoke(app, ["rdm", str(folder), *model, "-o", "rdm.csv"])
        assert done.exit_code == 0, done.output + done.stderr
        assert read_rdms("rdm.csv").names == ["p0/1.png", "p1/1.png", "p2/1.png"]
