"""Where real face data is, if it is."""

import os
from pathlib import Path


def data_folder() -> Path:
    default = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("FACEBENCH_DATA", default))
