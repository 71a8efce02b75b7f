"""Mutated files for the fuzz tests: cases by seed, damage to bytes, and what counts as told.

Every case is determined by its seed, which is its name. It is repeated with::

    FACEBENCH_NIGHTLY=1 python -m pytest "tests/fuzz/test_images.py::test_images[2917]"
"""

from __future__ import annotations

import os
import pickletools
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from facebench import FacebenchError

__all__ = ["canary", "damaged", "fuzzed", "hostile_pickle", "other_pickle", "told_or_done"]

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ
N_NIGHTLY = 3000
# No judgement of speed: a case that takes so long hangs.
_HANGS = 120
_Done = TypeVar("_Done")
_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


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


def other_pickle(content: bytes, rng: random.Random) -> bytes:
    """Change a pickle step by step: arguments, order, numbers that claim much."""
    places = [place for _, _, place in pickletools.genops(content)]
    parts = [content[a:b] for a, b in zip(places, [*places[1:], len(content)], strict=True)]
    place = rng.randrange(len(parts))
    change = rng.randrange(5)
    if change == 0:
        del parts[place]
    elif change == 1:
        parts.insert(place, rng.choice(parts))
    elif change == 2:
        huge = struct.pack("<I", rng.choice([2**20, 2**31 - 1, 2**32 - 1]))
        opcode = rng.choice([b"r", b"j", b"B", b"X", b"T", b"\x8a\xff", b"\x8b", b"\x84", b"M"])
        parts.insert(place, opcode + huge)
    elif change == 3:
        huge = struct.pack("<Q", rng.choice([2**20, 2**40, 2**63 - 1, 2**64 - 1]))
        parts.insert(place, rng.choice([b"\x8e", b"\x8d", b"\x95", b"\x96"]) + huge)
    else:
        parts.insert(
            place, rng.choice([b"0", b"1", b"2", b"(", b"N", b"}", b"b", b"R", b"Q", b"o"])
        )
    return b"".join(parts)


def hostile_pickle(rng: random.Random) -> bytes:
    """Pickle something that would write a file when it is loaded."""
    begin = rng.choice([b"", b"\x80\x02", b"\x80\x04"])
    call = rng.choice(
        [
            b"cbuiltins\nopen\n(VCANARY\nVw\ntR.",
            b"cos\nsystem\n(Vtouch CANARY\ntR.",
            b"(Vtouch CANARY\nios\nsystem\n.",
            b"(cos\nsystem\nVtouch CANARY\no.",
            b"c_codecs\nencode\n(VCANARY\nVlatin1\ntRcbuiltins\nopen\n\x85R.",
            b"c_codecs\nencode\n}V__class__\ncos\nsystem\nsb.",
            b"c_codecs\nencode\nN}V__call__\ncos\nsystem\ns\x86b(Vx\ntR.",
            b"cfacebench.data.packs\nos.system\n(Vtouch CANARY\ntR.",
            b"\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch CANARY\x85R.",
            b"\x82\x01.",
            b"]" * 100_000 + b"a" * 99_999 + b".",
        ]
    )
    return begin + call
