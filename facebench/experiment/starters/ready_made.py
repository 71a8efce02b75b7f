"""Ready-made experiments: the files that the repository has under ``experiments/``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from facebench.errors import InputError, UnknownNameError
from facebench.experiment.starters.blocks import quoted, relative_to
from facebench.utils.files import atomic_path
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["READY_MADE", "text_of", "write_ready_made"]

READY_MADE: Mapping[str, str] = {
    "fairness": "do errors differ between groups of people?",
    "human-effects": "inversion, Thatcher, composite, critical features: as people show them?",
    "human-similarity": "do networks judge similarity as people do, up to the noise ceiling?",
    "layers": "where in a network does identity arise, and where an effect?",
    "lfw": "Labeled Faces in the Wild, View 2: ten official folds",
}
"""Their names, and what they ask."""
_IMAGES = "images: "


def text_of(name: str) -> str:
    """Give the text of a ready-made experiment.

    Parameters
    ----------
    name : str
        One of `READY_MADE`.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    plain = name.removesuffix(".yaml")
    if plain not in READY_MADE:
        msg = (
            f"There is no ready-made experiment {name!r}, only: {listed(READY_MADE)}."
            f"{did_you_mean(plain, READY_MADE)}"
        )
        raise UnknownNameError(msg)
    folder = resources.files("facebench.experiment.starters") / "experiments"
    return (folder / f"{plain}.yaml").read_text(encoding="utf-8")


def write_ready_made(
    name: str, target: Path | None = None, *, images: Path | None = None, replace: bool = False
) -> Path:
    """Copy a ready-made experiment.

    Parameters
    ----------
    name : str
        One of `READY_MADE`.
    target : Path, optional
        The file to write. Default: NAME.yaml in the working directory.
    images : Path, optional
        The folder of its images, in place of the one it names.
    replace : bool, default False
        Whether an existing file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    InputError
        If the file already exists, or there is no such folder of images.
    """
    text = text_of(name)
    path = Path(f"{name.removesuffix('.yaml')}.yaml") if target is None else target
    if path.exists() and not replace:
        msg = f"{path} already exists. Choose another --output, or --force to replace it."
        raise InputError(msg)
    if images is not None:
        if not images.is_dir():
            msg = f"The folder of images {images} does not exist (looked in {Path.cwd()})."
            raise InputError(msg)
        lines = text.splitlines(keepends=True)
        place = next(n for n, line in enumerate(lines) if line.startswith(_IMAGES))
        lines[place] = f"{_IMAGES}{quoted(relative_to(images, path.parent))}\n"
        text = "".join(lines)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
