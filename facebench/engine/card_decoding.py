"""JPEGs that a graphics card decodes, resizes and normalises itself."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from facebench.engine.decoding import LoadedImage, LoadedPart, Wanted
from facebench.engine.jpeg_decoding import difference_of
from facebench.engine.transfer import Card
from facebench.errors import ModelError
from facebench.models.base import BaseModel
from facebench.models.split_input import SplitInput, split_input

__all__ = ["CardDecoder"]

_log = logging.getLogger(__name__)
_COMPARED = 16
# From images by number to what a process without the card makes of them.
OnHost = Callable[[list[int]], LoadedPart]


class CardDecoder:
    """Makes a network's input of files that processes have read.

    Pixels of the first batch are compared with Pillow's, resizing included.

    Parameters
    ----------
    card : Card or None
        What decodes.
    model : BaseModel
        Whose input is made.

    Attributes
    ----------
    facts : dict
        How far the pixels are from Pillow's, after the first batch.

    Raises
    ------
    ModelError
        If there is no card, or the preprocessing is more than resizing and normalising.
    """

    def __init__(self, card: Card | None, model: BaseModel) -> None:
        split = split_input(model)
        why = ""
        if card is None:
            why = f"it runs on {model.device}"
        elif model.active_aligner is not None:
            why = "it aligns faces"
        elif isinstance(split, str):
            why = split
        elif split.sizing is None or model.preprocess_function is not None:
            why = "its preprocessing is not known to be resizing and normalising"
        if why or card is None or not isinstance(split, SplitInput):
            msg = (
                f"Model {model.name!r}: decoder='nvjpeg' is for models on a CUDA device that "
                f"resize and normalise whole images; {why}. Choose decoder='torchvision'."
            )
            raise ModelError(msg)
        self._card = card
        self._model = model
        self._split = split
        self.facts: dict[str, Any] = {}

    @property
    def wanted(self) -> Wanted:
        """What processes are to give of an image."""
        return "file" if self.facts else "file and pixels"

    def batch(
        self, parts: Sequence[LoadedPart], size: int, on_host: OnHost
    ) -> tuple[list[LoadedImage | None], torch.Tensor | None]:
        """Make a batch.

        Parameters
        ----------
        parts : sequence of LoadedPart
            What processes have read.
        size : int
            How many images it has.
        on_host : callable
            Gives pixels of images that the card cannot decode.

        Returns
        -------
        items : list of LoadedImage
            By number.
        tensor : Tensor, shape [n, 3, H, W], or None
            The input for those that could be read, on the card.
        """
        items: list[LoadedImage | None] = [None] * size
        pixels: dict[int, torch.Tensor] = {}
        for part in parts:
            rows = iter(()) if part.pixels is None else iter(part.pixels)
            all_have = part.pixels is not None and len(part.pixels) == part.n_good
            for position, item in zip(part.positions, part.items, strict=True):
                items[position] = item
                if not item.reason and (all_have or item.data is None):
                    pixels[position] = next(rows)
        files = [place for place, item in enumerate(items) if item is not None and item.data]
        decoded = self._decoded(items, files)
        if files and decoded is None:
            found = on_host(files)
            rows = iter(()) if found.pixels is None else iter(found.pixels)
            for position, item in zip(files, found.items, strict=True):
                items[position] = item
                if not item.reason:
                    pixels[position] = next(rows)
            files = []
        elif decoded is not None and not self.facts:
            self._compare(items, files, decoded, pixels)
        good = [place for place, item in enumerate(items) if item is not None and not item.reason]
        if not good:
            return items, None
        from_host = [place for place in good if place not in set(files)]
        row_of = {place: row for row, place in enumerate(good)}
        joined: torch.Tensor | None = decoded
        if from_host:
            shape = tuple(pixels[from_host[0]].shape)
            host = self._card.pinned((len(from_host), *shape), torch.uint8)
            torch.stack([pixels[place] for place in from_host], out=host)
            sent = self._card.send(host)
            joined = torch.empty((len(good), *shape), dtype=torch.uint8, device=sent.device)
            joined[[row_of[place] for place in from_host]] = sent
            if decoded is not None:
                joined[[row_of[place] for place in files]] = decoded
        return items, None if joined is None else self._split.finish(joined)

    def _decoded(
        self, items: Sequence[LoadedImage | None], files: Sequence[int]
    ) -> torch.Tensor | None:
        """Give the pixels of files, in the size of the input; None where one cannot be decoded."""
        data = [item.data for item in (items[place] for place in files) if item and item.data]
        if not data:
            return None

        def make(pictures: list[torch.Tensor]) -> torch.Tensor:
            alike: dict[torch.Size, list[int]] = defaultdict(list)
            for number, picture in enumerate(pictures):
                alike[picture.shape].append(number)
            made: list[torch.Tensor] = [torch.empty(0)] * len(pictures)
            for numbers in alike.values():
                sized = self._split.sized(torch.stack([pictures[number] for number in numbers]))
                for number, row in zip(numbers, sized, strict=True):
                    made[number] = row
            return torch.stack(made)

        try:
            return self._card.decode(data, make)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            _log.info("Model %r: a batch is decoded by Pillow: %s", self._model.name, error)
            return None

    def _compare(
        self,
        items: Sequence[LoadedImage | None],
        files: Sequence[int],
        decoded: torch.Tensor,
        pixels: dict[int, torch.Tensor],
    ) -> None:
        few = [(row, place) for row, place in enumerate(files) if place in pixels][:_COMPARED]
        known = [(item.path, place, row) for row, place in few if (item := items[place])]
        self.facts = difference_of(
            self._model.name,
            "nvjpeg",
            [
                (path, pixels[place].numpy(), decoded[row].cpu().numpy())
                for path, place, row in known
            ],
        )
