"""Inputs that workers write to shared memory are those that they would hand over."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facebench.engine import embed
from facebench.engine.decoding import ImageFile
from facebench.engine.loading import Loader
from facebench.engine.shared_blocks import SharedBlocks, Target
from support.forwarded import Small, damage

INPUTS = [torch.arange(60.0).reshape(3, 4, 5) + 100 * number for number in range(3)]


@pytest.mark.parametrize("colours_last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_images_lie_in_their_places(colours_last: bool, dtype: torch.dtype) -> None:
    blocks = SharedBlocks(colours_last=colours_last)
    block = blocks.take()
    assert block is not None
    inputs = [values.to(dtype) for values in INPUTS]
    # Two workers, each with every other image.
    rows = blocks.write(Target(block, 3), [0, 2], [inputs[0], inputs[2]])
    assert rows is not None
    assert rows == blocks.write(Target(block, 3), [1], [inputs[1]])
    batch = rows.of(blocks.read(block), 3)
    assert torch.equal(batch, torch.stack(inputs))
    layout = torch.channels_last if colours_last else torch.contiguous_format
    assert batch.is_contiguous(memory_format=layout)


def test_what_does_not_fit_or_is_of_two_types_is_handed_over() -> None:
    blocks = SharedBlocks(colours_last=False)
    assert blocks.write(Target(0, 10**6), [0], [INPUTS[0]]) is None
    assert blocks.write(Target(0, 2), [0, 1], [INPUTS[0], INPUTS[1].byte()]) is None


@pytest.mark.slow
def test_a_block_is_used_again_when_no_tensor_needs_it() -> None:
    blocks = SharedBlocks(colours_last=False)
    taken = [block for _ in range(20) if (block := blocks.take()) is not None]
    assert len(taken) == len(set(taken)) > 1
    rows = blocks.write(Target(taken[0], 3), [0, 1, 2], INPUTS)
    assert rows is not None
    # A layer that gives its input back, as nn.Identity does.
    part = rows.of(blocks.read(taken[0]), 3)[1].flatten()
    gc.collect()
    assert blocks.take() is None
    assert torch.equal(part, INPUTS[1].flatten())
    del part
    assert blocks.take() == taken[0]


class Resized(Small):
    """Gives inputs of another shape, or type, for every other image."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__()

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        pixels = super().preprocess_image(image_path)
        if int(Path(image_path).stem[-2:]) % 2:
            return pixels
        return pixels.double() if self.what == "type" else pixels


@pytest.mark.slow
@pytest.mark.parametrize("what", ["nothing", "type", "unreadable"])
def test_two_workers_give_what_one_process_gives(image_folder: Any, what: str) -> None:
    paths = image_folder(20)
    if what == "unreadable":
        damage(paths[1])
        damage(paths[6])
    files = [ImageFile(path) for path in paths]
    chunks = [files[first : first + 5] for first in range(0, 20, 5)]
    found = []
    for workers in (0, 2):
        with Loader(Resized(what), workers, 20) as loader:
            # All are kept, so that the last ones find no free block.
            found.append(list(loader.batches(chunks * 2)))
    for here, there in zip(*found, strict=True):
        assert here.paths == there.paths
        assert here.bad.keys() == there.bad.keys()
        assert here.tensor is not None
        assert there.tensor is not None
        assert torch.equal(here.tensor.to(there.tensor.dtype), there.tensor)


def test_outputs_that_are_the_input_stay_what_they_were(forty: list[Path]) -> None:
    class Given(Small):
        def _forward(self, input_tensor: torch.Tensor) -> Any:
            return input_tensor

    here, there = (
        embed(Given(), forty, batch_size=3, num_workers=workers).layers["default"]
        for workers in (0, 2)
    )
    assert np.array_equal(here, there)
