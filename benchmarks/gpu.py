"""Whether a graphics card is kept busy: a run's images per second against the bare network's.

Run with ``python benchmarks/gpu.py`` on a machine with a CUDA device. It makes its own JPEGs and
networks of random weights, takes under 6 minutes, and prints a line for each figure as it goes, so
that a run that is cut short leaves figures too. ``--small`` runs the same in seconds on a CPU.

- decoding: JPEGs per second and core (processor time of one process), by decoder, alone and with
  the preprocessing of each network, to its input (float32) and to the pixels for a card (uint8).
- bare: images per second of the network alone, on ready tensors on the card, in the best of two
  batch sizes.
- end to end: images per second from files to rows in a fresh embedding store. Files are digested
  before, once for all models of a run; that rate is printed too.
- ratio: end to end / bare. The goal is 0.9 for ViT-B/32 and iresnet50. Where all processes together
  decode fewer images than the network takes, the ratio to that rate says how near the limit is. A
  run by torch.compile is compared with the eager network.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from facebench import TorchvisionModel
from facebench.data.images import open_image
from facebench.engine.forward import Forward
from facebench.engine.jpeg_decoding import decoded_by
from facebench.engine.model_run import run_model
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest, digests_of
from facebench.engine.settings import Settings
from facebench.models import recipe_model
from facebench.models.base import BaseModel
from facebench.models.split_input import SplitInput, split_input
from facebench.store import open_store
from facebench.utils.cores import usable_cores

GOAL = 0.9
SECONDS = 330.0
_DIFFERENT = 256
_DECODED = 64
_COMPILING = 45.0  # seconds, of torch.compile


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes
    ----------
    side : int
        Of the JPEGs, in pixels.
    n_files : int
        How many of them.
    batches : tuple of int
        Batch sizes tried of the bare network.
    seconds : float
        How long an end-to-end run is to take, and four times a bare one.
    repeats : int
        Passes of the bare network between two looks at the clock.
    """

    side: int
    n_files: int
    batches: tuple[int, ...]
    seconds: float
    repeats: int


FULL = Size(250, 32_768, (64, 256), 8.0, 4)
SMALL = Size(64, 8, (2,), 0.01, 1)


def jpeg(seed: int, side: int) -> bytes:
    """Make a picture about as large and as detailed as a photograph of a face."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(40, 216, (8, 8, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    noisy = (smooth + rng.normal(scale=4.0, size=smooth.shape)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def make_files(folder: Path, size: Size, clock: Clock) -> list[Path]:
    """Write JPEGs of different bytes: a few pictures, each with comments of different text."""
    n_different = min(_DIFFERENT, size.n_files)
    with ProcessPoolExecutor(usable_cores()) as pool:
        pictures = list(pool.map(jpeg, range(n_different), [size.side] * n_different, chunksize=8))
    files = []
    for number in range(size.n_files):
        if number % 1000 == 0 and number and not clock.left(0.75 * SECONDS):
            break
        picture = pictures[number % n_different]
        comment = f"{number:08d}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(picture[:2] + segment + picture[2:])
        files.append(path)
    mean = sum(map(len, pictures)) / n_different / 1000
    clock.say(f"{len(files):,} JPEGs of {size.side} pixels, {mean:.0f} kB on average")
    return files


class Clock:
    """Says what is found, with the time, and how much time is left."""

    def __init__(self, seconds: float) -> None:
        self._started = time.monotonic()
        self._seconds = seconds

    def say(self, text: str) -> None:
        """Print a line at once."""
        print(f"[{time.monotonic() - self._started:5.0f} s] {text}", flush=True)

    def left(self, needed: float) -> bool:
        """Tell whether there is time for something."""
        return time.monotonic() - self._started + needed <= self._seconds


def rate_of(work: Callable[[Path], object], files: list[Path]) -> float:
    """Images per second of processor time, one after another in one thread; the best of three."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = 0.0
    for _time in range(3):
        started = time.process_time()
        for file in files:
            work(file)
        best = max(best, len(files) / max(time.process_time() - started, 1e-9))
    torch.set_num_threads(threads)
    return best


def decoding(models: dict[str, BaseModel], files: list[Path], clock: Clock) -> dict[str, float]:
    """Measure decoding per core; gives the rate to pixels, by model and decoder."""
    rates = {}
    for decoder in ("pillow", "torchvision"):
        with decoded_by(decoder):
            told = [f"alone {rate_of(open_image, files):.0f}"]
            for name, model in models.items():
                split = split_input(model)
                to_input = rate_of(model.preprocess_image, files)
                told.append(f"{name} float32 {to_input:.0f}")
                rates[f"{name} {decoder}"] = to_input
                if isinstance(split, SplitInput):
                    rate = rate_of(lambda path, m=model, s=split: s.read(m, path), files)
                    told.append(f"uint8 {rate:.0f}")
                    rates[f"{name} {decoder}"] = rate
        clock.say(f"decoding by {decoder}, images/s and core: {', '.join(told)}")
    return rates


def bare(model: BaseModel, settings: Settings, size: Size) -> tuple[float, int]:
    """Measure the network alone on ready tensors; gives images per second and the batch size."""
    device = model.device
    example = split_input(model)
    side = 224
    if isinstance(example, SplitInput):
        side = example.pixels(Image.new("RGB", (size.side, size.side))).shape[-1]
    if settings.layout is not None:
        model.use_memory_format(
            torch.channels_last if settings.layout == "channels_last" else torch.contiguous_format
        )
    rates = {}
    for n_images in size.batches:
        ready = model._placed(torch.rand(n_images, 3, side, side, device=device))
        with torch.inference_mode(), Forward(model, settings.precision)._autocast():
            for _time in range(size.repeats):
                model._forward(ready)
            finish(device)
            started, n_done = time.perf_counter(), 0
            while n_done == 0 or time.perf_counter() - started < size.seconds / 4:
                for _time in range(size.repeats):
                    model._forward(ready)
                    n_done += n_images
                # Not of each: the card is to have work waiting, as in a run.
                finish(device)
            rates[n_images] = n_done / (time.perf_counter() - started)
    best = max(rates, key=rates.__getitem__)
    return rates[best], best


def finish(device: torch.device) -> None:
    """Wait for the card."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def end_to_end(
    model: BaseModel, files: list[Path], digests: list[bytes], settings: Settings, folder: Path
) -> tuple[float, ModelRecord]:
    """Measure a run from files to rows in a fresh store: images per second."""
    record = ModelRecord(model.name)
    request = EmbeddingRequest(
        files,
        digests=digests,
        number_of={path: number for number, path in enumerate(files)},
        row_images=np.arange(len(files)),
    )
    store = open_store(folder / "store")
    try:
        started = time.perf_counter()
        settings = replace(settings, store=store)
        run_model(model, request, settings, record=record, keep_all=True)
        return len(files) / (time.perf_counter() - started), record
    finally:
        if store is not None:
            store.close()
        shutil.rmtree(folder / "store", ignore_errors=True)


def variants(on_card: bool) -> Iterator[Settings]:
    """Give what is measured of each network, the most wanted first."""
    usual = Settings(num_workers=None)
    yield usual
    yield replace(usual, precision="bfloat16")
    if on_card:
        yield replace(usual, precision="float16")
        yield replace(usual, precision="tf32")
    yield replace(usual, memory_format="channels_last")
    yield replace(usual, decoder="torchvision", precision="bfloat16")
    yield replace(usual, precision="bfloat16", memory_format="channels_last")
    if on_card:
        yield replace(usual, decoder="nvjpeg", precision="bfloat16")
        yield replace(usual, accelerate="compile")


def measure(
    name: str,
    model: BaseModel,
    settings: Settings,
    files: list[Path],
    digests: list[bytes],
    core_rate: float,
    size: Size,
    clock: Clock,
) -> None:
    """Measure one network in one setting, and print the line."""
    on_card = model.device.type == "cuda"
    is_compiled = settings.accelerate != "none"
    what = f"{name} {settings.variant}" + " compiled" * is_compiled
    if not clock.left(2.5 * size.seconds + _COMPILING * is_compiled):
        clock.say(f"{what}: left out, time is up")
        return
    try:
        rate, batch_size = bare(model, settings, size)
        clock.say(f"{what}: bare network {rate:,.4g} images/s in batches of {batch_size}")
        workers = max(1, usable_cores() - on_card)
        limit = core_rate * workers
        expected = min(rate, limit)
        n_images = max(size.batches[-1], min(len(files), int(expected * size.seconds)))
        settings = replace(settings, batch_size=batch_size)
        with tempfile.TemporaryDirectory() as folder:
            found, record = end_to_end(
                model, files[:n_images], digests[:n_images], settings, Path(folder)
            )
    except Exception as error:
        clock.say(f"{what}: failed, {type(error).__name__}: {str(error).splitlines()[0]}")
        return
    apart = record.agreement.get("layers", {}).get("default")
    told = [
        f"{what}: end to end {found:,.4g} images/s of {len(files[:n_images]):,}",
        f"ratio to bare {found / rate:.2f} (goal {GOAL})",
        f"decoding limit {limit:,.0f} images/s in {workers} processes",
        f"ratio to the lower of both {found / expected:.2f}",
        *([f"sent as {record.sent_as}"] if record.sent_as else []),
        *([f"from float32 {apart:g}"] if apart is not None else []),
        *([f"from Pillow {record.decoder['mean']} grey levels"] if record.decoder else []),
    ]
    clock.say("; ".join(told))


def networks(device: str, *, small: bool) -> dict[str, BaseModel]:
    """Build the networks, with random weights."""
    if small:
        return {"iresnet18": recipe_model.iresnet18("r", pretrained=False, device=device)}
    vit = TorchvisionModel("v", architecture="vit_b_32", pretrained=False, device=device)
    return {
        "vit-b-32": vit,
        "iresnet50": recipe_model.iresnet50("r", pretrained=False, device=device),
    }


def main() -> None:
    """Measure everything that there is time for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="in seconds, for a trial")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time for all of it")
    parser.add_argument("--device", help="default: cuda if there is one")
    parser.add_argument("--side", type=int, help="of the JPEGs in pixels; default 250")
    arguments = parser.parse_args()
    clock = Clock(arguments.seconds)
    size = SMALL if arguments.small else FULL
    if arguments.side:
        size = replace(size, side=arguments.side)
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_card = device.startswith("cuda")
    if arguments.small:
        torch.set_num_threads(1)
    card = torch.cuda.get_device_name(device) if on_card else "no card: figures of a CPU"
    clock.say(f"{card}, torch {torch.__version__}, {usable_cores()} cores")
    models = networks(device, small=arguments.small)
    clock.say(f"built {', '.join(models)}")
    with tempfile.TemporaryDirectory() as scratch:
        files = make_files(Path(scratch), size, clock)
        rates = decoding(models, files[:_DECODED], clock)
        started = time.perf_counter()
        digests = digests_of(files, None)
        clock.say(f"digesting {len(files) / (time.perf_counter() - started):,.0f} images/s")
        for settings in variants(on_card):
            decoder = "pillow" if settings.decoder == "pillow" else "torchvision"
            for name, model in models.items():
                core_rate = rates[f"{name} {decoder}"]
                measure(name, model, settings, files, digests, core_rate, size, clock)
    clock.say("done")


if __name__ == "__main__":
    main()
