"""Where benchmarks find the photographs of LFW's View 1."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def arguments_and_lfw(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, Path]:
    """Parse the command line, with --data, and give the folder; end the program without one."""
    default = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("FACEBENCH_DATA", default))
    )
    arguments = parser.parse_args()
    lfw = arguments.data / "lfw_view1"
    if not lfw.is_dir():
        parser.exit(2, f"No data at {lfw}: give --data or set FACEBENCH_DATA.\n")
    return arguments, lfw
