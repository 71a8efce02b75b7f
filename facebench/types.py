"""Small shared aliases."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

StrPath: TypeAlias = str | os.PathLike[str]
# A folder of save_pretrained, or what a hub or a library calls a network.
HubSource: TypeAlias = str | os.PathLike[str]
FloatArray: TypeAlias = NDArray[np.floating[Any]]
Float64Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]
MetricFunction: TypeAlias = Callable[[Any, Any], Any]
DistancesByModel: TypeAlias = "Mapping[str, Mapping[str, pd.DataFrame]]"
SHORT_PRECISIONS: Mapping[Any, Any] = {"fp16": "float16", "bf16": "bfloat16"}
OnBadImage: TypeAlias = Literal["stop", "skip"]
OnNoFace: TypeAlias = Literal["keep", "skip", "stop"]
