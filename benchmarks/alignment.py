"""How near `facebench align` comes to the rate of its detector alone, on all cores.

Run with ``python benchmarks/alignment.py [FACES] [--images N] [--detector yunet.onnx]``. FACES is a
folder of photographs; without it, faces are rendered. The limit is the time that the detector takes
for the same images in as many processes: reading them, finding faces, and their landmarks where the
template needs dlib's. Aligning is end to end: processes are started, faces are found and cut, chips
and records written. Both are measured twice, in turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facebench.data.images import list_images, open_image
from facebench.engine.loading import usable_cores
from facebench.faces.alignment import align_folder
from facebench.faces.detection import reduced, scaled_rectangle
from facebench.faces.detectors import detector_named
from facebench.faces.landmarks import FIVE_POINTS, SIXTY_EIGHT_POINTS, predictor
from facebench.stimuli import render_face, sample_identity, sample_view

LIMIT = 0.80
_TURNS = 2


def render(folder: Path, n_images: int) -> None:
    """Write rendered faces as JPEG files."""
    for number in range(n_images):
        face = render_face(sample_identity(number % 40), sample_view(number)).image
        Image.fromarray(face).save(folder / f"{number:05d}.jpg", quality=90)


def detecting_seconds(template: str, detector: str, paths: list[Path], start: object) -> float:
    """Read images and find faces and landmarks; all processes begin together."""
    finder = detector_named(detector)
    landmarks = predictor(FIVE_POINTS if template == "dlib150" else SIXTY_EIGHT_POINTS)
    needs_landmarks = template == "dlib150" or finder.box_kind == "dlib"
    found = finder(np.asarray(open_image(paths[0])))
    start.wait()  # type: ignore[attr-defined]
    started = time.perf_counter()
    for path in paths:
        image = np.asarray(open_image(path))
        found = finder(reduced(image, finder.longest_side))
        if needs_landmarks and found:
            landmarks(image, scaled_rectangle(found[0], 1.0))
    return time.perf_counter() - started


def limit_seconds(template: str, detector: str, paths: list[Path], n_processes: int) -> float:
    """Detect faces in as many processes as there are cores; gives the slowest one's time."""
    with multiprocessing.Manager() as manager, multiprocessing.Pool(n_processes) as pool:
        start = manager.Barrier(n_processes)
        shares = [(template, detector, paths[n::n_processes], start) for n in range(n_processes)]
        return max(pool.starmap(detecting_seconds, shares, chunksize=1))


def main() -> int:
    """Measure, print a line for each template, and say whether the limit was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", nargs="?", type=Path)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--detector", default="dlib-hog")
    parser.add_argument("--templates", nargs="+", default=["dlib150", "arcface112"])
    options = parser.parse_args()
    cores = usable_cores()
    is_reached = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "faces")
        folder.mkdir()
        if options.faces is None:
            render(folder, options.images)
        else:
            for number, path in enumerate(list_images(options.faces).images[: options.images]):
                (folder / f"{number:05d}{path.suffix}").symlink_to(path.resolve())
        paths = list_images(folder).images
        for template in options.templates:
            limits, times = [], []
            for turn in range(_TURNS):
                limits.append(limit_seconds(template, options.detector, paths, cores))
                started = time.perf_counter()
                done = align_folder(
                    folder,
                    Path(name, f"{template}-{turn}"),
                    template=template,
                    detector=options.detector,
                    num_workers=cores,
                )
                times.append(time.perf_counter() - started)
            ratio = min(limits) / min(times)
            is_reached &= ratio >= LIMIT
            print(
                f"{options.detector} {template}: {len(paths)} images, {done.written} chips, "
                f"{cores} cores: detector alone {len(paths) / min(limits):.0f} images/s, aligned "
                f"{len(paths) / min(times):.0f} images/s, "
                f"ratio {ratio:.2f} (limit: at least {LIMIT:g})"
            )
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
