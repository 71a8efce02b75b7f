"""Small pictures of faces for a page, as many as it has room for."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from facebench.data.images import open_image
from facebench.data.pairs import resolve_image
from facebench.errors import ImageError

__all__ = ["Thumbnails"]

_SIDE, _QUALITY = 88, 72


class Thumbnails:
    """Collects pictures as data URLs until its room is used up.

    Parameters
    ----------
    room : int
        Bytes of the page that pictures may take.

    Attributes
    ----------
    urls : list of str
        The pictures; what `add` returns is a place in this list.
    n_missing, n_left_out : int
        Pictures that could not be read, and that there was no room for.
    """

    def __init__(self, room: int) -> None:
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
