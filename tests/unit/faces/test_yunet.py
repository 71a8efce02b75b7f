"""YuNet's outputs decoded against a second transcription of OpenCV's face_detect.cpp."""

from __future__ import annotations

import math
import pickle
import sys

import numpy as np
import pytest

from facebench.errors import InputError, MissingWeightsError, WeightsError
from facebench.faces.yunet import YuNet, decoded_faces
from support.real_weights import YUNET, real_weights

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def as_opencv(outputs, width, threshold=0.6, overlap=0.3):
    """FaceDetectorYNImpl::postProcess and dnn::NMSBoxes, cell by cell, in float32."""
    rows = []
    for stride in (8, 16, 32):
        columns = width // stride
        cls, obj, bbox, kps = (
            outputs[f"{kind}_{stride}"][0] for kind in ("cls", "obj", "bbox", "kps")
        )
        for index in range(len(cls)):
            r, c = divmod(index, columns)
            score = math.sqrt(
                min(max(float(cls[index, 0]), 0.0), 1.0) * min(max(float(obj[index, 0]), 0.0), 1.0)
            )
            if score < threshold:
                continue
            x, y = (c + float(bbox[index, 0])) * stride, (r + float(bbox[index, 1])) * stride
            w, h = (math.exp(float(bbox[index, k])) * stride for k in (2, 3))
            points = [
                (
                    (float(kps[index, 2 * n]) + c) * stride,
                    (float(kps[index, 2 * n + 1]) + r) * stride,
                )
                for n in range(5)
            ]
            rows.append((x - w / 2, y - h / 2, w, h, score, points))
    kept = []
    for row in sorted(rows, key=lambda row: -row[4]):
        ax, ay, aw, ah = map(int, row[:4])
        for other in kept:
            bx, by, bw, bh = map(int, other[:4])
            shared = max(0, min(ax + aw, bx + bw) - max(ax, bx)) * max(
                0, min(ay + ah, by + bh) - max(ay, by)
            )
            if shared / (aw * ah + bw * bh - shared) > overlap:
                break
        else:
            kept.append(row)
    return kept


def assert_same(found, expected):
    assert len(found) == len(expected)
    for face, (x, y, w, h, score, points) in zip(found, expected, strict=True):
        np.testing.assert_allclose(face.box, (x, y, x + w, y + h), atol=1e-3)
        np.testing.assert_allclose(face.points, points, atol=1e-3)
        assert face.score == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_decoding_of_made_outputs(seed):
    rng = np.random.default_rng(seed)
    width, height, outputs = 96, 64, {}
    for stride in (8, 16, 32):
        cells = (width // stride) * (height // stride)
        outputs[f"cls_{stride}"] = rng.uniform(-0.1, 1.1, (1, cells, 1)).astype(np.float32)
        outputs[f"obj_{stride}"] = rng.uniform(-0.1, 1.1, (1, cells, 1)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 0.6, (1, cells, 4)).astype(np.float32)
        outputs[f"kps_{stride}"] = rng.normal(0, 0.6, (1, cells, 10)).astype(np.float32)
    expected = as_opencv(outputs, width)
    assert len(expected) > 10
    assert_same(decoded_faces(outputs, width), expected)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return real_weights(YUNET, tmp_path_factory.mktemp("yunet"))


def test_real_images_give_the_faces_that_opencv_would(file, photographs):
    detector = YuNet(file)
    found = 0
    for image in [*photographs, photographs[0][:201, :173]]:
        height, width = image.shape[:2]
        padded = np.zeros((-(-height // 32) * 32, -(-width // 32) * 32, 3), np.float32)
        padded[:height, :width] = image[..., ::-1]
        names = [output.name for output in detector._started().get_outputs()]
        raw = detector._started().run(names, {"input": padded.transpose(2, 0, 1)[None]})
        expected = as_opencv(dict(zip(names, raw, strict=True)), padded.shape[1])
        assert_same(detector(image), expected)
        found += len(expected)
    assert found >= len(photographs)


def test_a_face_that_fills_the_image_is_found_in_half_the_size(file, chips):
    from PIL import Image

    face = np.asarray(Image.fromarray(chips[0]).resize((640, 640), Image.Resampling.BICUBIC))
    detector = YuNet(file)
    (found, *_) = detector(face)
    left, top, right, bottom = found.box
    assert left < 320 < right
    assert top < 320 < bottom
    assert right - left > 250
    assert detector(np.zeros((40, 40, 3), np.uint8)) == []


def test_identity_holds_the_file_and_survives_a_pickle(file, tmp_path):
    detector = YuNet(file)
    other = tmp_path / "other.onnx"
    network = onnx.load(str(file))
    network.doc_string = "another file"
    onnx.save(network, str(other))
    assert YuNet(other).identity != detector.identity
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.identity == detector.identity
    assert copy(np.zeros((64, 64, 3), np.uint8)) == []


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"'detector'.*yunet\.onnx.*does not exist"):
        YuNet(tmp_path / "yunet.onnx")
    page = tmp_path / "page.onnx"
    page.write_text("<html>")
    with pytest.raises(WeightsError, match=r"page\.onnx, cannot be read as an ONNX network"):
        YuNet(page)
    value = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    out = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    node = onnx.helper.make_node("Relu", ["input"], ["out"])
    onnx.save(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])),
        str(tmp_path / "relu.onnx"),
    )
    with pytest.raises(WeightsError, match=r"relu\.onnx, is not YuNet of 2023.*Got out"):
        YuNet(tmp_path / "relu.onnx")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_extra_is_one_sentence(file, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'facebench\[onnx\]'"):
        YuNet(file)
