"""Any model can align faces: in YAML and Python, in the store's keys, in the record of a run."""

from __future__ import annotations

import json
import logging
import textwrap

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from facebench import AccuracyTask, MultiModelTaskManager, load_run
from facebench.cli import app
from facebench.engine import embed
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import ConfigError, InputError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.faces.aligner import FaceAligner
from facebench.faces.alignment import align_folder
from facebench.faces.detection import Face
from facebench.faces.templates import TEMPLATES
from facebench.results.run_folder import RunFolder
from support.aligner import write_images
from support.small_net import SmallNet, small_transform

pytestmark = pytest.mark.integration


class WhitePixel:
    """Finds two faces where the first pixel is white; writes down each search."""

    name, box_kind, longest_side = "white", "whole", 640

    def __init__(self, log=None, identity="white 1"):
        self.log, self.identity = log, identity

    def __call__(self, image):
        if self.log is not None:
            with self.log.open("a") as file:
                file.write("x")
        if image[0, 0].min() < 255:
            return []
        return [Face((2, 2, 15, 18), 0.9), Face((16, 12, 32, 30), 0.8)]


class Net(SmallNet):
    outputs_version = None

    def _default_preprocess(self, image):
        return small_transform(image)


def net(name="net", **alignment):
    model = Net(name, device="cpu")
    return model.set_alignment(**alignment) if alignment else model


@pytest.fixture
def folder(tmp_path):
    names = [f"{person}/{n}.png" for person in "abc" for n in range(4)]
    write_images(tmp_path / "images", names, {"a/0.png", "b/1.png"})
    rows = [(names[i], names[(i + step) % 12]) for step in (1, 5) for i in range(12)]
    table = pd.DataFrame(rows, columns=["img1", "img2"])
    table["same"] = [int(a[0] == b[0]) for a, b in rows]
    table.to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path


def task_of(folder, name="t", pairs="pairs.csv"):
    return AccuracyTask(name, folder / pairs, folder / "images", true_label="same")


def run(folder, models, tasks=None, out="out", **options):
    options = {"num_workers": 0, "cache_dir": folder / "store", **options}
    manager = MultiModelTaskManager(models, tasks or task_of(folder), **options)
    manager.run_all_tasks_all_models(folder / out, plots=False)
    return manager


def distances(manager, model="net", task="t"):
    return manager.model_task_distances_dfs[model][task]["model_computed_distance"].to_numpy()


def test_a_run_with_align_is_a_run_on_the_chips(folder):
    """Which `facebench align` writes; both workers and none."""
    detector = WhitePixel()
    align_folder(
        folder / "images", folder / "chips", template="facenet160", detector=detector,
        which_face="largest", keep_all=True, num_workers=0,
    )  # fmt: skip
    on_chips = AccuracyTask("t", folder / "pairs.csv", folder / "chips", true_label="same")
    expected = distances(run(folder, net(), on_chips, "plain", cache_dir=None))
    for workers in (0, 2):
        model = net(align="facenet160", detector=detector, which_face="largest")
        manager = run(folder, model, out=f"w{workers}", cache_dir=None, num_workers=workers)
        np.testing.assert_array_equal(distances(manager), expected)
    failures = manager.failures_to_process.iloc[0]
    assert (failures["n_images"], failures["n_images_failed"]) == (12, 2)
    assert not np.array_equal(distances(run(folder, net(), out="p", cache_dir=None)), expected)


def test_faces_are_found_once_for_all_models_and_runs(folder):
    log = folder / "log"
    models = [
        net("one", align="facenet160", detector=WhitePixel(log)),
        net("two", align="vgg224", detector=WhitePixel(log), which_face="centre"),
    ]
    run(folder, models, num_workers=2)
    once = len(log.read_text())
    # A made image tells the layers of each model; it is searched too.
    assert once <= 12 + 1
    run(folder, net("three", align="arcface112", detector=WhitePixel(log)), out="again")
    assert len(log.read_text()) <= once + 1


def test_the_key_holds_the_alignment_and_nothing_of_it_without(folder):
    def key(**alignment):
        return model_fingerprint(net(**alignment)).layer_key("default")

    white = {"detector": WhitePixel()}
    keys = [
        key(),
        key(align="facenet160", **white),
        key(align="vgg224", **white),
        key(align="facenet160", detector=WhitePixel(identity="white 2")),
        key(align="facenet160", which_face="largest", **white),
    ]
    assert len(set(keys)) == len(keys)
    assert key(align=False) == key(align="none") == keys[0]
    assert key(align="facenet160", on_no_face="skip", **white) == keys[1]
    model = net(align="facenet160", **white)
    with model.without_alignment():
        assert model_fingerprint(model).layer_key("default") == keys[0]
    assert model_fingerprint(model).layer_key("default") == keys[1]
    assert model.expected_notes == ("no face found",)
    model.set_alignment(False)
    assert vars(model).keys() == vars(net()).keys() | {"on_no_face"}
    assert model_fingerprint(model).layer_key("default") == keys[0]


def test_on_no_face_of_a_model_goes_before_that_of_the_run(folder):
    models = [
        net("keep", align="facenet160", detector=WhitePixel(), on_no_face="keep"),
        net("skip", align="facenet160", detector=WhitePixel(), on_no_face="skip"),
        net("run", align="facenet160", detector=WhitePixel()),
    ]
    manager = MultiModelTaskManager(models, task_of(folder), cache_dir=None, on_no_face="stop")
    with pytest.raises(InputError, match="Task 't', model 'run': no face was found in 2 of 12"):
        manager.run_all_tasks_all_models(folder / "out", plots=False)
    lost = {name: int(np.isnan(distances(manager, name)).sum()) for name in ("keep", "skip")}
    assert lost == {"keep": 0, "skip": 7}


def test_the_record_says_how_and_the_report_repeats_it(folder):
    model = net(align="facenet160", detector=WhitePixel(), on_no_face="skip")
    manager = MultiModelTaskManager(model, task_of(folder), cache_dir=None)
    saved = RunFolder.create(folder / "runs", "faces")
    manager.run_all_tasks_all_models(saved.path, plots=False)
    saved.save(manager)
    found = load_run(saved.path).manifest["provenance"]["models"]["net"]["alignment"]
    assert found == {
        "template": "facenet160", "size": 160, "margin": 14 / 146, "detector": "white",
        "detector_identity": "white 1", "which_face": "nearest-centre", "on_no_face": "skip",
    }  # fmt: skip
    from facebench.results.face_failures import on_no_face

    assert on_no_face(load_run(saved.path).manifest).endswith("Model 'net': on_no_face: skip.")


@pytest.mark.parametrize("template", TEMPLATES)
def test_made_stimuli_are_taken_as_they_are(folder, caplog, template):
    manifest = {
        "format": 1, "complete": True, "versions": {"facebench": "1"},
        "settings": {"conditions": [], "chip": {"size": 150, "padding": 0.25}},
    }  # fmt: skip
    plain = run(folder, net(), out="plain", cache_dir=None)
    (folder / "images" / "manifest.json").write_text(json.dumps(manifest))
    with caplog.at_level(logging.WARNING):
        made = run(folder, net(align=template, detector=WhitePixel()), out="m", cache_dir=None)
    np.testing.assert_array_equal(distances(made), distances(plain))
    told = [r.message for r in caplog.records if "takes faces cut out as" in r.message]
    assert len(told) == (template != "dlib150")


def test_hints_point_at_the_face_that_is_meant(folder):
    table = pd.read_csv(folder / "pairs.csv")
    meant = {name: "20 20" if name[0] == "b" else "3,3, 14,17" for name in {*table["img1"]}}
    meant["c/3.png"] = None
    table["face1"], table["face2"] = table["img1"].map(meant), table["img2"].map(meant)
    table.to_csv(folder / "hints.csv", index=False)

    aligner = FaceAligner("facenet160", WhitePixel())

    class Expected(Net):
        def preprocess_image(self, image_path):
            name = "/".join(str(image_path).rsplit("/", 2)[1:])
            aligner.hints = {
                "x": (20.0, 20.0) if name[0] == "b" else (8.0, 10.0)
            } if meant[name] else {}  # fmt: skip
            image = np.asarray(Image.open(image_path).convert("RGB"))
            return small_transform(Image.fromarray(aligner(image, "x").pixels))

    tasks = task_of(folder, pairs="hints.csv")
    expected = run(folder, Expected("net", device="cpu"), tasks, "e", cache_dir=None)
    hinted = {"align": "facenet160", "detector": WhitePixel(), "which_face": "column face"}
    for out, options in (("h", {}), ("n", {"cache_dir": None}), ("w", {"num_workers": 2})):
        manager = run(folder, net(**hinted), tasks, out, **options)
        np.testing.assert_array_equal(distances(manager), distances(expected))
    # Other hints are other embeddings.
    table[["face1", "face2"]] = "20 20"
    table.to_csv(folder / "hints.csv", index=False)
    moved = run(folder, net(**hinted), task_of(folder, pairs="hints.csv"), "moved")
    assert not np.array_equal(distances(moved), distances(expected))
    assert moved.records["net"].n_hits == 0

    table.loc[0, "face1"] = "1 1"
    table.to_csv(folder / "hints.csv", index=False)
    with pytest.raises(InputError, match="is pointed at in two places"):
        run(folder, net(**hinted), task_of(folder, pairs="hints.csv"), "two")
    table.loc[0, "face1"] = "left"
    table.to_csv(folder / "hints.csv", index=False)
    with pytest.raises(InputError, match=r"Row 1 of column 'face1', task 't': .*Got 'left'"):
        run(folder, net(**hinted), task_of(folder, pairs="hints.csv"), "bad")
    with pytest.raises(InputError, match=r"needs the columns face1 and face2.*img1, img2, same"):
        run(folder, net(**hinted), task_of(folder), "none")
    with pytest.raises(InputError, match="there is no such table"):
        embed(net(**hinted), [folder / "images" / "a" / "0.png"], store=None)


NET = """
    from facebench import BaseModel
    from torch import nn

    class Own(BaseModel):
        template = "arcface112"

        def _build_model(self):
            self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

        def _forward(self, input_tensor):
            return self.model(input_tensor)

    class Reads(Own):
        def preprocess_image(self, image_path):
            return None
"""


@pytest.fixture
def build(folder):
    (folder / "net.py").write_text(textwrap.dedent(NET))

    def built(**model):
        said = {
            "images": "images", "cache": False, "on_no_face": "keep",
            "models": {"m": {"model": "net.py:Own", **model}},
            "tasks": {"t": {"task": "accuracy", "pairs": "pairs.csv", "true_label": "same"}},
        }  # fmt: skip
        (folder / "x.yaml").write_text(json.dumps(said, indent=1))
        return build_experiment(load_config(folder / "x.yaml")).models

    return built


def test_yaml_takes_align_for_any_model(build):
    (model,) = build()
    assert model.face_alignment is None
    (model,) = build(align=True, which_face="largest", on_no_face="skip")
    found = model.face_alignment
    assert (found["template"], found["detector"]) == ("arcface112", "dlib-hog")
    assert (found["which_face"], found["on_no_face"]) == ("largest", "skip")
    (model,) = build(align="vgg224", detector="dlib-cnn", which_face="column face")
    assert model.face_alignment["detector"] == "dlib-cnn"
    assert model.hint_column == "face"
    made = build(model="vgg16", seeds=[0, 1], align="dlib150")
    assert [model.face_alignment["template"] for model in made] == ["dlib150", "dlib150"]
    (model,) = build(model="dlib-resnet", pretrained=False, align="arcface112")
    assert model.preprocess(Image.new("RGB", (60, 60))).shape == (3, 150, 150)
    assert model.aligns_by_default


@pytest.mark.parametrize(
    ("model", "line", "told"),
    [
        ({"align": "arcface"}, 8, "'align' of a model must be .* Did you mean 'arcface112'"),
        ({"align": True, "detector": "dlib_cnn"}, 9, "Did you mean 'dlib-cnn'"),
        ({"align": True, "detector": "yunet.onnx"}, 9, "yunet.onnx, does not exist"),
        ({"align": True, "which_face": "left"}, 9, "'which_face' parameter must be one of"),
        ({"align": True, "on_no_face": "drop"}, 9, "'on_no_face'.*must be"),
        (
            {"which_face": "largest"},
            8,
            "'which_face' applies to aligned faces only: give 'align' too",
        ),
        ({"aline": True}, 8, "Own takes no 'aline'. Did you mean 'align'"),
        ({"model": "net.py:Reads", "align": True}, 8, "Reads reads or preprocesses images itself"),
        ({"model": "vgg16", "pretrained": False, "align": True}, 9, "says no template"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(build, model, line, told):
    with pytest.raises(ConfigError, match=told) as info:
        build(**model)
    assert f"x.yaml:{line}" in str(info.value)


def test_the_detectors_file_is_relative_to_the_configuration(build, folder, monkeypatch):
    from support.real_weights import YUNET, real_weights

    pytest.importorskip("onnxruntime")
    file = real_weights(YUNET, folder)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    (model,) = build(align=True, detector=file.name)
    found = model.face_alignment
    assert found["detector"] == "yunet"
    tensor = model.preprocess(Image.new("RGB", (60, 60)))
    assert isinstance(tensor, torch.Tensor)
    assert model.take_image_notes() == ["no face found"]


OWN = """
from facebench.faces.detection import Face

class Corner:
    name, box_kind, longest_side, identity = "corner", "whole", 640, "corner IDENTITY"
    def __call__(self, image):
        return [Face((BOX, 2, 18, 20), 0.9)] if image[0, 0].min() == 255 else []
"""


def run_of_own_detector(folder, box, identity):
    """Run an experiment whose YAML names a detector of a file; give what the model saw."""
    code = OWN.replace("BOX", str(box)).replace("IDENTITY", identity)
    (folder / "my_detector.py").write_text(code)
    config = folder / "experiment.yaml"
    config.write_text(
        "models: [{model: torchvision, architecture: squeezenet1_1, pretrained: false, seed: 0, "
        "device: cpu, align: facenet160, detector: my_detector.py:Corner}]\n"
        "tasks: [{task: accuracy, pairs: pairs.csv, images: images, true_label: same}]\n"
        f"output: out{box}\nnum_workers: 0\ncache: store\nplots: false\n"
    )
    result = CliRunner().invoke(app, ["run", str(config)])
    assert result.exit_code == 0, result.output
    (saved,) = (folder / f"out{box}").glob("experiment/2*")
    return saved, load_run(saved)


@pytest.mark.parametrize("identities", ["22", "28"])
def test_an_own_detector_is_named_in_yaml(folder, identities):
    """Its code counts, so that whoever edits it need not think of its identity."""
    saved, found = run_of_own_detector(folder, 2, identities[0])
    assert '"detector_identity": "corner 2"' in json.dumps(
        json.loads((saved / "manifest.json").read_text())
    )
    _, other = run_of_own_detector(folder, 8, identities[1])
    one, two = (run.distances["model_computed_distance"].to_numpy() for run in (found, other))
    assert len(one) == len(two) == 24
    # Only pairs with a or b's found face change.
    assert 0 < (one != two).sum() < 24
