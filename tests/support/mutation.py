"""Mutated files for the fuzz tests: cases by seed, damage to bytes, and what counts as told.

Every case is determined by its seed, which is its name. It is repeated with::

    FACEBENCH_NIGHTLY=1 python -m pytest "tests/fuzz/test_images.py::test_images[2917]"
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from facebench import FacebenchError

__all__ = ["HOSTILE", "canary", "damaged", "fuzzed", "told_or_done"]

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ
N_NIGHTLY = 3000
# No judgement of speed: a case that takes so long hangs.
_HANGS = 120
_Done = TypeVar("_Done")
_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
# A pickle that would write to a file named CANARY when it is loaded.
HOSTILE = b"cbuiltins\nopen\n(VCANARY\nVw\ntR."


def fuzzed(in_ci: int) -> Callable[[Any], Any]:
    """Run a test once per seed: 3,000 times at night, a few times in CI."""

    def decorate(test: Any) -> Any:
        seeds = pytest.mark.parametrize("seed", range(N_NIGHTLY if NIGHTLY else in_ci))
        return pytest.mark.timeout(_HANGS)(seeds(test))

    return decorate


def told_or_done(function: Callable[[], _Done], *named: Path | str) -> _Done | None:
    """Call a function: its value, or None where it ends with one clear error of facebench."""
    try:
        return function()
    except FacebenchError as error:
        message = str(error)
        assert len(message) < 2000, f"an endless message: {message[:2000]}"
        assert "Traceback" not in message
        for name in named:
            assert str(name) in message, f"the file is not named: {message}"
        return None


@contextmanager
def canary(folder: Path) -> Iterator[None]:
    """Work in a folder, where hostile files would leave one named CANARY."""
    with chdir(folder):
        yield
        assert not Path("CANARY").exists(), "the file has run code"


def damaged(content: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """Damage bytes in one of the ways that disks, transfers and programs do."""
    data = bytearray(content)
    if not data:
        return rng.randbytes(rng.randrange(64))

    def place(size: int = 1) -> int:
        # Headers are small and matter: half of the damage goes there.
        end = min(512, len(data)) if rng.random() < 0.5 else len(data)
        return rng.randrange(max(1, end - size))

    def span() -> tuple[int, int]:
        first = place()
        return first, min(len(data), first + rng.choice([1, 2, 4, 16, 256, 4096]))

    kind = rng.randrange(10)
    if kind <= 2:
        for _ in range(rng.choice([1, 1, 2, 8, 64])):
            data[place()] ^= 1 << rng.randrange(8)
    elif kind == 3:
        del data[rng.randrange(len(data)) :]
    elif kind == 4:
        first = place()
        data[first:first] = rng.choice([rng.randbytes(rng.randrange(1, 40)), b"\0" * 8, b"\r"])
    elif kind == 5:
        first, last = span()
        del data[first:last]
    elif kind == 6:
        first, last = span()
        data[first:last] = rng.choice([b"\0", b"\xff", b" "]) * (last - first)
    elif kind == 7:
        size = rng.choice([1, 2, 4, 8])
        field = rng.choice(_INTEGERS) & ((1 << 8 * size) - 1)
        first = place(size)
        data[first : first + size] = field.to_bytes(size, rng.choice(["little", "big"]))
    elif kind == 8:
        (first, last), (begin, end) = span(), span()
        data[first:last], data[begin:end] = data[begin:end], data[first:last]
    else:
        cut = rng.randrange(len(data))
        data[cut:] = (other or content)[rng.randrange(len(other or content)) :]
    return bytes(data)
