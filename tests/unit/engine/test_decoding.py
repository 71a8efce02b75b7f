"""What is decoded has the bytes of its digest; the image or the preprocessing is to blame."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench.data.images import image_bytes, open_image
from facebench.engine import Embeddings, decoding, embed
from facebench.engine.decoding import ImageFile
from facebench.errors import ImageError, ModelError
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import StrPath
from support.forwarded import Small, damage, one_by_one, raising


class Net(BaseModel):
    """Lets something happen just before and just after one of its images is decoded."""

    def __init__(self, victim: Path, before: Callable[[], None], after: Callable[[], None]) -> None:
        self.fingerprint = "the same, whatever happens"
        self.victim, self.before, self.after = victim, before, after
        super().__init__("net", preprocess_function=to_tensor, device="cpu")

    def _build_model(self) -> None:
        self.model = nn.Flatten()

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)

    def preprocess_image(self, image_path: StrPath) -> torch.Tensor:
        if Path(image_path) != self.victim:
            return super().preprocess_image(image_path)
        self.before()
        try:
            return super().preprocess_image(image_path)
        finally:
            self.after()


def picture(seed: int) -> bytes:
    """Make a picture; all have the same size in bytes."""
    values = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    path = Path("picture.bmp")
    Image.fromarray(values).save(path)
    content = path.read_bytes()
    path.unlink()
    return content


def swap(path: Path, content: bytes) -> None:
    """Replace the content of a file: size, time of modification and inode stay."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size, before.st_mtime_ns, before.st_ino,
    )  # fmt: skip


@pytest.fixture(params=["files", "a pack"])
def images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> tuple[list[Path], Path, bytes, bytes]:
    """Six images; the file that holds the fourth, as it is and with another fourth image."""
    monkeypatch.chdir(tmp_path)
    contents = [picture(seed) for seed in range(6)]
    others = [*contents[:3], picture(99), *contents[4:]]
    if request.param == "a pack":
        pack = tmp_path / "faces.bin"
        old, new = (pickle.dumps((images, [True] * 3)) for images in (contents, others))
        pack.write_bytes(old)
        return [pack / f"{number:06d}.jpg" for number in range(1, 7)], pack, old, new
    paths = [tmp_path / f"{number}.bmp" for number in range(6)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths, paths[3], contents[3], others[3]


def run(model: Net, paths: list[Path], store: Path | None, workers: int, how: Any) -> Embeddings:
    opened = None if store is None else EmbeddingStore(store)
    return embed(
        model, paths, batch_size=2, num_workers=workers, store=opened, on_bad_image=how
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("has_store", [True, False])
@pytest.mark.parametrize("way", ["replaced", "replaced and put back"])
def test_an_image_replaced_as_it_is_decoded_is_never_taken_for_what_it_was(
    images: tuple[list[Path], Path, bytes, bytes],
    tmp_path: Path,
    way: str,
    has_store: bool,
    workers: int,
) -> None:
    paths, file, old, new = images
    store = tmp_path / "store" if has_store else None
    if store is not None:
        store.mkdir()
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    put_back = nothing if way == "replaced" else lambda: swap(file, old)
    model = Net(paths[3], lambda: swap(file, new), put_back)
    with pytest.raises(ImageError, match="of 6 images") as caught:
        run(model, paths, store, workers, "stop")
    told = "changed while the run" if way == "replaced" else "keeps changing"
    assert told in str(caught.value)
    assert str(paths[3]) in str(caught.value)
    # Put back, it has the numbers that it always had.
    swap(file, old)
    again = run(Net(paths[3], nothing, nothing), paths, store, workers, "stop")
    undisturbed = run(Net(paths[3], nothing, nothing), paths, None, 0, "stop")
    assert np.array_equal(again.layers["default"], undisturbed.layers["default"])


def test_an_image_that_comes_and_goes_once_is_read_again(
    images: tuple[list[Path], Path, bytes, bytes], tmp_path: Path
) -> None:
    paths, file, old, new = images
    calls = []

    def once() -> None:
        calls.append(1)
        if len(calls) == 1:
            swap(file, new)

    (tmp_path / "store").mkdir()
    found = run(
        Net(paths[3], once, lambda: swap(file, old) if len(calls) == 1 else None),
        paths, tmp_path / "store", 0, "stop",
    )  # fmt: skip
    undisturbed = run(Net(paths[3], lambda: None, lambda: None), paths, None, 0, "stop")
    assert len(calls) == 2
    assert np.array_equal(found.layers["default"], undisturbed.layers["default"])


@pytest.mark.parametrize("way", ["replaced before", "replaced as it is decoded"])
def test_an_image_is_read_once_for_its_digest_and_its_pixels(
    images: tuple[list[Path], Path, bytes, bytes], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    paths, file, old, new = images
    digest = hashlib.sha256(image_bytes(paths[3])).digest()[:16]
    read, expected = [], to_tensor(open_image(paths[3]))
    content = decoding.image_content

    def noted(path: Any) -> Any:
        read.append(path)
        found = content(path)
        swap(file, new)
        return found

    if way == "replaced before":
        swap(file, new)
    else:
        monkeypatch.setattr(decoding, "image_content", noted)
    part = decoding.load_part(
        Small(preprocess_function=to_tensor), [0], [ImageFile(paths[3], digest)]
    )
    if way == "replaced before":
        assert "changed while the run" in part.items[0].reason
        return
    assert part.tensor is not None
    assert torch.equal(part.tensor[0], expected)
    assert read == [paths[3]]
    assert old != new


class Plain(Small):
    """Reads images with Pillow itself, as a user would write it."""

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            return to_tensor(image.convert("RGB"))


class Buggy(Small):
    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            if Path(image_path).stem.endswith("3"):
                image = image.crop(None, 5)  # type: ignore[call-arg]
            return to_tensor(image)


class TestOwnPreprocessing:
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bad_file_is_the_images_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        damage(paths[2])
        paths[4].unlink()
        result = embed(Plain(), paths, batch_size=4, num_workers=num_workers, on_bad_image="skip")
        assert set(result.bad_images) == {paths[2], paths[4]}
        good = [paths[index] for index in (0, 1, 3, 5)]
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(good)["default"], rtol=0, atol=1e-5
        )

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_the_preprocessings_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        with pytest.raises(ModelError) as caught:
            embed(Buggy(), paths, num_workers=num_workers, on_bad_image="skip")
        message = str(caught.value)
        assert "preprocessing of model 'small'" in message
        assert str(paths[3]) in message
        assert "raised TypeError" in message
        assert not isinstance(caught.value, ImageError)


def third(wrong: Callable[[torch.Tensor], Any]) -> Callable[[Image.Image], Any]:
    """Preprocess rightly but for the image whose first pixel is pure red."""

    def preprocess(image: Image.Image) -> Any:
        tensor = to_tensor(image)
        return wrong(tensor) if image.getpixel((0, 0)) == (255, 0, 0) else tensor

    return preprocess


class UnusualError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"code {code}: {reason}")


class TestPreprocessingErrors:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(6)
        image = Image.open(paths[3])
        image.putpixel((0, 0), (255, 0, 0))
        image.save(paths[3])
        return paths

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (lambda tensor: tensor.numpy(), "ndarray"),
            (lambda _tensor: None, "NoneType"),
            (lambda tensor: tensor[0], "[32, 32]"),
            (lambda tensor: tensor[None, None], "[1, 1, 3, 32, 32]"),
            (lambda tensor: torch.stack([tensor, tensor]), "[2, 3, 32, 32]"),
            (lambda tensor: tensor[:, :20], "[3, 20, 32]"),
            (raising(ValueError("no eyes")), "ValueError: no eyes"),
            (raising(ModelError("no eyes")), "no eyes"),
            (raising(KeyError("left_eye")), "left_eye"),
            (raising(RuntimeError("first line\nsecond line")), "first line"),
            (raising(UnusualError(5, "no eyes")), "UnusualError: code 5: no eyes"),
        ],
        ids=[
            "array", "none", "two axes", "five axes", "two images", "shape", "ValueError",
            "ModelError", "KeyError", "two lines", "own error",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_the_image_is_named_in_one_sentence(
        self, paths: list[Path], wrong: Any, told: str, num_workers: int
    ) -> None:
        model = Small(preprocess_function=third(wrong))
        with pytest.raises(ModelError) as caught:
            embed(model, paths, num_workers=num_workers)
        message = str(caught.value)
        assert str(paths[3]) in message
        assert "'small'" in message
        assert told in message
        assert "Traceback" not in message
        assert message.startswith("The preprocessing of model 'small' must")

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_not_skipped_as_a_bad_image(self, paths: list[Path], num_workers: int) -> None:
        model = Small(preprocess_function=third(raising(OSError("no such mask"))))
        with pytest.raises(ModelError, match="no such mask"):
            embed(model, paths, num_workers=num_workers, on_bad_image="skip")


class Noting(BaseModel):
    """Says of each image which file it is, by the file in work and by its pixels."""

    def _build_model(self) -> None:
        self.model = nn.Flatten()

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        shown = int(np.asarray(image)[0, 0, 0])
        assert self._path_in_work == str(Path(self._path_in_work).parent / f"{shown}.png")
        if shown == 5:
            msg = "five"
            raise ImageError(msg)
        if shown % 2:
            self.note_image(f"odd: {shown}")
        return torch.full((3, 1, 1), float(shown))


@pytest.mark.parametrize("at_once", [1, 20, 1 << 21], ids=["one by one", "some", "all"])
def test_images_decoded_together_keep_their_own_inputs_notes_and_reasons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(decoding, "_PIXELS_AT_ONCE", at_once)
    files = []
    for shown in range(8):
        path = tmp_path / f"{shown}.png"
        Image.new("RGB", (3, 3), (shown, 0, 0)).save(path)
        digest = hashlib.sha256(path.read_bytes()).digest()[:16]
        files.append(ImageFile(path, None if shown == 7 else digest))
    (tmp_path / "2.png").write_bytes(b"damaged")
    files[2] = ImageFile(files[2].path)
    (tmp_path / "4.png").write_bytes((tmp_path / "3.png").read_bytes())

    part = decoding.load_part(Noting("noting", device="cpu"), list(range(8)), files)

    assert part.tensor is not None
    assert part.tensor[:, 0, 0, 0].tolist() == [0, 1, 3, 6, 7]
    assert [item.path for item in part.items] == [file.path for file in files]
    assert [item.notes for item in part.items if not item.reason] == [
        (),
        ("odd: 1",),
        ("odd: 3",),
        (),
        ("odd: 7",),
    ]
    reasons = [item.reason for item in part.items]
    assert "damaged" in reasons[2]
    assert "changed while the run was going on" in reasons[4]
    assert reasons[5] == "five"


def test_a_preprocessing_that_fails_is_blamed_on_the_image_it_fails_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for number in range(3):
        Image.new("RGB", (3 + number, 3)).save(tmp_path / f"{number}.png")
        files.append(ImageFile(tmp_path / f"{number}.png"))

    def preprocess(image: Image.Image) -> torch.Tensor:
        return torch.zeros(3, 1, 1) / (image.width != 4 or int("no number"))

    model = Noting("small", device="cpu")
    monkeypatch.setattr(model, "preprocess", preprocess)
    with pytest.raises(ModelError, match=r"1\.png it raised ValueError"):
        decoding.load_part(model, [0, 1, 2], files)
