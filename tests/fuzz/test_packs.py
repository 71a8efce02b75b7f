"""Mutated packs: read as a plain reader of their bytes has them, or refused; none runs code."""

import io
import pickle
import random
import struct
from functools import cache

import numpy as np
from PIL import Image

from facebench import AccuracyTask
from facebench.data.images import open_image
from facebench.pairs import read_insightface_bin
from support.mutation import canary, damaged, fuzzed, hostile_pickle, other_pickle, told_or_done

SAME = [True, False, True, False]


@cache
def images():
    rng = np.random.default_rng(2)
    found = []
    for number in range(2 * len(SAME)):
        pixels = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, ["PNG", "JPEG", "BMP"][number % 3])
        found.append(stream.getvalue())
    return found


@cache
def undamaged():
    """Pickle the same pack as every version of Python does."""
    python2 = [b"\x80\x02]q\x01("]
    for place, image in enumerate(images()):
        length = b"U" + bytes([len(image)]) if len(image) < 256 else None
        python2.append((length or b"T" + struct.pack("<i", len(image))) + image)
        python2.append(b"q" + bytes([place + 2]))
    python2.append(b"e]r" + struct.pack("<I", 300) + b"(")
    python2 += [b"\x88" if label else b"\x89" for label in SAME]
    python2.append(b"e\x86.")
    whole = [pickle.dumps((images(), SAME), protocol=protocol) for protocol in range(6)]
    return [*whole, b"".join(python2)]


def objects(rng):
    """Pickle something else, or a pack that has been changed as an object."""
    found, labels = list(images()), list(SAME)
    change = rng.randrange(9)
    if change == 0:
        found[rng.randrange(len(found))] = rng.choice([b"", "text", None, 7, [b"x"], bytearray(9)])
    elif change == 1:
        labels[rng.randrange(len(labels))] = rng.choice([2, -1, None, "1", 1.0, [], 10**50, b"\0"])
    elif change == 2:
        del found[rng.randrange(len(found))]
    elif change == 3:
        labels += labels
    elif change == 4:
        found = [found[0]] * len(found)
    elif change == 5:
        return rng.choice([[], {}, (found,), (found, labels, 0), [labels, found], b"x", {1: found}])
    elif change == 6:
        nested = []
        for _ in range(rng.choice([10, 300])):
            nested = [nested]
        return (found, nested) if rng.random() < 0.5 else nested
    elif change == 7:
        found = tuple(found)
        labels = tuple(map(int, labels))
    else:
        return np.array(found, dtype=object), np.array(labels)
    return found, labels


class _Plain(pickle._Unpickler):
    """Reads bytes as they are spelled, in any protocol."""

    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode({"latin1": "latin1"}[encoding])
        if name == "bytes":
            return lambda: b""
        raise pickle.UnpicklingError(name)


def as_read_plainly(content):
    """Give images and labels; None where they are none."""
    try:
        found, labels = _Plain(io.BytesIO(content), encoding="bytes").load()
    except Exception:
        return None
    right = (
        isinstance(found, list | tuple)
        and isinstance(labels, list | tuple)
        and all(isinstance(image, bytes) for image in found)
        and all(isinstance(label, int) and label in (0, 1) for label in labels)
        and len(found) == 2 * len(labels) > 0
    )
    return (list(found), [int(label) for label in labels]) if right else None


@fuzzed(in_ci=60)
def test_packs(seed, tmp_path):
    rng = random.Random(f"packs {seed}")
    kind = rng.randrange(8)
    if kind == 0:
        content = pickle.dumps(objects(rng), rng.randrange(6))
    elif kind == 1:
        content = hostile_pickle(rng)
    elif kind <= 3:
        content = other_pickle(rng.choice(undamaged()), rng)
    else:
        content = damaged(rng.choice(undamaged()), rng, rng.choice(undamaged()))
    path = tmp_path / "mutated.bin"
    path.write_bytes(content)
    with canary(tmp_path):
        found = told_or_done(lambda: read_insightface_bin(path), path.name)
    plain = as_read_plainly(content)
    assert (found is None) == (plain is None)
    if found is None:
        assert told_or_done(lambda: AccuracyTask("t", path, path, true_label="same")) is None
        return
    assert [found.images[name] for name in found.images] == plain[0]
    assert found.pairs["same"].tolist() == plain[1]
    for name, image in zip(found.images, plain[0], strict=True):
        shown = told_or_done(lambda name=name: open_image(path / name), path.name, name)
        try:
            expected = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
        except Exception:
            assert shown is None
        else:
            assert shown is None or np.array_equal(shown, expected)
