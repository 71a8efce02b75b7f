"""YuNet, a small and fast face detector with five landmarks, from its ONNX file.

The network's outputs are decoded as OpenCV's ``FaceDetectorYN`` does it (face_detect.cpp), so that
both find the same faces in the same image.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from facebench.errors import InputError, MissingWeightsError, WeightsError
from facebench.faces.detection import BoxKind, Face, Pixels
from facebench.faces.digests import content_digest
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["YuNet", "decoded_faces"]

_STRIDES = (8, 16, 32)
_OUTPUTS = tuple(
    f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in _STRIDES
)
# What OpenCV's own example takes for photographs of unknown quality; its default of .9 loses faces
# that are turned or dark.
_LEAST_SCORE, _MOST_OVERLAP, _MOST_BOXES = 0.6, 0.3, 5000
_DIVISOR = 32


class YuNet:
    """YuNet on onnxruntime; the file is ``face_detection_yunet_2023mar.onnx`` or its int8 version.

    It finds faces of 10 to about 300 pixels, so images are reduced to 640 pixels first; one in
    which it finds none is looked at again in half the size, for a face that fills it.

    Parameters
    ----------
    file : str or Path
        The ONNX file (https://github.com/opencv/opencv_zoo, MIT).

    Raises
    ------
    MissingWeightsError
        If it is not there.
    WeightsError
        If it is another network.
    InputError
        If onnxruntime is not installed.

    References
    ----------
    W. Wu, H. Peng and S. Yu, "YuNet: a tiny millisecond-level face detector", Machine Intelligence
    Research 20 (2023) 656-665.
    """

    outputs_version = "yunet-1"
    name = "yunet"
    box_kind: BoxKind = "whole"
    longest_side = 640

    def __init__(self, file: StrPath) -> None:
        self.file = Path(file)
        if not self.file.is_file():
            msg = (
                f"The file of the 'detector', {self.file}, does not exist."
                f"{did_you_mean_file(self.file)} YuNet is face_detection_yunet_2023mar.onnx of https://github.com/opencv/opencv_zoo."
            )
            raise MissingWeightsError(msg)
        self.digest = content_digest(self.file)
        self._network = b""
        self._session: Any = None
        self._process = 0
        self._started()

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_session": None}

    @property
    def identity(self) -> str:
        """Its version, that of onnxruntime, and the digest of its file."""
        return f"{self.outputs_version} onnxruntime {_runtime_version()} {self.digest}"

    def __call__(self, image: Pixels) -> list[Face]:
        """Find the faces of an image, or of the image in half the size if there is none."""
        faces = self._found(image)
        if not faces and min(image.shape[:2]) >= 2 * _DIVISOR:
            height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
            blocks = image[:height, :width].reshape(height // 2, 2, width // 2, 2, 3)
            faces = [_enlarged(face) for face in self._found(blocks.mean(axis=(1, 3)))]
        return faces

    def _found(self, image: NDArray[Any]) -> list[Face]:
        height, width = image.shape[:2]
        padded_size = (-(-height // _DIVISOR) * _DIVISOR, -(-width // _DIVISOR) * _DIVISOR)
        padded = np.zeros((1, 3, *padded_size), dtype=np.float32)
        padded[0, :, :height, :width] = image[..., ::-1].transpose(2, 0, 1)
        outputs = self._started().run(list(_OUTPUTS), {"input": padded})
        by_name = dict(zip(_OUTPUTS, outputs, strict=True))
        return decoded_faces(by_name, padded_size[1])

    def _started(self) -> Any:
        """Give the session of this process: its threads do not survive a fork."""
        if self._session is None or self._process != os.getpid():
            runtime = _runtime()
            if not self._network:
                self._network = _any_size(self.file)
            options = runtime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session = runtime.InferenceSession(
                self._network, options, providers=["CPUExecutionProvider"]
            )
            self._process = os.getpid()
        return self._session


def _enlarged(face: Face) -> Face:
    left, top, right, bottom = (2 * edge for edge in face.box)
    points = None if face.points is None else tuple((2 * x, 2 * y) for x, y in face.points)
    return Face((left, top, right, bottom), face.score, points)


def decoded_faces(outputs: dict[str, NDArray[np.float32]], width: int) -> list[Face]:
    """Decode the network's outputs into faces, the most certain first.

    Parameters
    ----------
    outputs : dict of str to array
        ``cls_8`` … ``kps_32``, for one image.
    width : int
        Of the image as the network saw it, a multiple of 32.

    Returns
    -------
    list of Face
        Scores are the geometric means of the network's two; boxes that overlap a more certain one
        by more than 30 % (intersection over union) are dropped.
    """
    parts = []
    for stride in _STRIDES:
        cls, obj = (outputs[f"{kind}_{stride}"][0, :, 0].clip(0, 1) for kind in ("cls", "obj"))
        scores = np.sqrt(cls * obj)
        (places,) = np.nonzero(scores >= _LEAST_SCORE)
        corner = np.stack([places % (width // stride), places // (width // stride)], axis=1)
        corner = corner.astype(np.float32)
        boxes = outputs[f"bbox_{stride}"][0, places]
        middles, sizes = (corner + boxes[:, :2]) * stride, np.exp(boxes[:, 2:]) * stride
        points = outputs[f"kps_{stride}"][0, places].reshape(-1, 5, 2) + corner[:, None]
        parts.append((scores[places], middles - sizes / 2, sizes, points * stride))
    scores, corners, sizes, points = (np.concatenate(part) for part in zip(*parts, strict=True))
    return [
        Face(
            (*map(float, corners[n]), *map(float, corners[n] + sizes[n])),  # type: ignore[arg-type]
            float(scores[n]),
            tuple((float(x), float(y)) for x, y in points[n]),
        )
        for n in _without_overlap(corners, sizes, scores)
    ]


def _without_overlap(
    corners: NDArray[np.float32], sizes: NDArray[np.float32], scores: NDArray[np.float32]
) -> Sequence[int]:
    """Suppress all but the most certain of overlapping boxes, in whole pixels as OpenCV does."""
    starts, sides = np.trunc(corners), np.trunc(sizes)
    ends, areas = starts + sides, sides.prod(axis=1)
    kept: list[int] = []
    for n in np.argsort(-scores, kind="stable")[:_MOST_BOXES].tolist():
        shared = np.minimum(ends[kept], ends[n]) - np.maximum(starts[kept], starts[n])
        both = shared.clip(0).prod(axis=1)
        if (both <= _MOST_OVERLAP * (areas[kept] + areas[n] - both)).all():
            kept.append(n)
    return kept


def _any_size(file: Path) -> bytes:
    """Read the network, and make it one that takes images of any size.

    The published files are made for 640 x 640, though nothing in the network asks for that. Those
    in int8 give blocks of values a scale where the whole has one, which onnxruntime refuses.
    """
    try:
        import onnx
    except ImportError as error:
        raise _not_installed() from error
    try:
        network = onnx.load(str(file))
        inputs = [given.name for given in network.graph.input]
        found = {output.name for output in network.graph.output}
    except Exception as error:
        msg = f"The file of the 'detector', {file}, cannot be read as an ONNX network: {error}."
        raise WeightsError(msg) from error
    if inputs != ["input"] or not found.issuperset(_OUTPUTS):
        msg = (
            f"The file of the 'detector', {file}, is not YuNet of 2023: its outputs must be "
            f"{', '.join(_OUTPUTS)}. Got {', '.join(sorted(found)) or 'none'}."
        )
        raise WeightsError(msg)
    graph = network.graph
    for side, dimension in zip(
        ("h", "w"), graph.input[0].type.tensor_type.shape.dim[2:], strict=True
    ):
        dimension.dim_param = side
    for output in graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"n_{output.name}"
    del graph.value_info[:]
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and shapes.get(node.input[1]) in ([], [1]):
            for attribute in [one for one in node.attribute if one.name == "block_size"]:
                node.attribute.remove(attribute)
    return bytes(network.SerializeToString())


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise _not_installed() from error
    return onnxruntime


def _not_installed() -> InputError:
    return InputError(
        "The 'detector' YuNet needs onnxruntime. Install it with: pip install 'facebench[onnx]'"
    )


def _runtime_version() -> str:
    return metadata.version("onnxruntime")
