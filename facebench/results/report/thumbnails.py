"""Small pictures of faces for a page, as many as it has room for."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from facebench.data.images import open_image
from facebench.data.pairs import resolve_image
from facebench.errors import ImageError
from facebench.results.provenance import Digests
from facebench.results.reader import Run

__all__ = ["Thumbnails"]

_SIDE, _QUALITY = 88, 72


class Thumbnails:
    """Collects pictures as data URLs until its room is used up.

    A run's folder may be a stranger's and name any folder of this machine, and a page is sent
    around: pictures are shown of folders whose images have the digest that the run recorded.

    Parameters
    ----------
    room : int
        Bytes of the page that pictures may take.
    runs : sequence of Run
        Whose pictures they are.
    beside : Thumbnails, optional
        Others of the same runs, which share what they know of the folders.

    Attributes
    ----------
    urls : list of str
        The pictures; what `add` returns is a place in this list.
    n_missing, n_left_out : int
        Pictures that could not be read, and that there was no room for.
    """

    def __init__(self, room: int, runs: Sequence[Run], beside: Thumbnails | None = None) -> None:
        self._runs = runs
        # Looking takes a digest of all images.
        self._is_of_runs: dict[str, bool] = {} if beside is None else beside._is_of_runs
        self.urls: list[str] = []
        self.n_missing = self.n_left_out = 0
        self._room = room
        self._known: dict[str, int | None] = {}

    def add(self, folder: str | None, name: str) -> int | None:
        """Add a picture, once.

        Parameters
        ----------
        folder : str or None
            The task's folder of images.
        name : str
            The image in it.

        Returns
        -------
        int or None
            Its place; None if it cannot be read or there is no room.
        """
        if folder is None:
            return None
        path = str(Path(folder) / name)
        if path not in self._known:
            self._known[path] = self._made(folder, name)
        return self._known[path]

    def _made(self, folder: str, name: str) -> int | None:
        if self._room <= 0:
            self.n_left_out += 1
            return None
        if folder not in self._is_of_runs:
            self._is_of_runs[folder] = any(_has_images(run, folder) for run in self._runs)
        if not self._is_of_runs[folder]:
            self.n_missing += 1
            return None
        try:
            # The table may be a stranger's: no name leads out of the folder.
            image = open_image(resolve_image(folder, name))
        except ImageError:
            self.n_missing += 1
            return None
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        url = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
        self._room -= len(url)
        self.urls.append(url)
        return len(self.urls) - 1


def _has_images(run: Run, folder: str) -> bool:
    """Tell whether the images of a folder are those that a task of the run was measured on."""
    for task, facts in run.tasks.items():
        recorded = run.manifest["data"].get(task, {}).get("images")
        if facts.images_path != folder or not isinstance(recorded, dict) or not run.models:
            continue
        if recorded.get("n_missing") == recorded.get("n_images"):
            # There was no image to show.
            continue
        first = run.of_task(task).rows.iloc[0]
        # Every layer has the same pairs.
        rows = run.task_distances(str(first["model"]), task, [str(first["layer"])])
        if {"img1", "img2"} <= set(rows.columns):
            names = {*rows["img1"].astype(str), *rows["img2"].astype(str)}
            if Digests().of_images(Path(folder), names)["digest"] == recorded.get("digest"):
                return True
    return False
