"""How near `facebench align` comes to the rate of its detector alone, on all cores.

Run with ``python benchmarks/alignment.py [FACES] [--images N] [--detector yunet.onnx]``. FACES is a
folder of photographs; without it, faces are rendered. The limit is the time that the detector takes
for the same images in as many processes: reading them, finding faces, and their landmarks where the
template needs dlib's. Aligning is end to end: processes are started, faces are found and cut, chips
and records written, and faces kept in an embedding store, as the command does it. Both are measured
several times, in turns, by the clock and in CPU time (of a busy machine the second says more).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from facebench.data.images import list_images, open_image
from facebench.faces.alignment import align_folder
from facebench.faces.detection import reduced, scaled_rectangle
from facebench.faces.detectors import detector_named
from facebench.faces.landmarks import FIVE_POINTS, SIXTY_EIGHT_POINTS, predictor
from facebench.stimuli import render_face, sample_identity, sample_view
from facebench.store import open_store
from facebench.utils.cores import usable_cores

LIMIT = 0.80
_TURNS = 3


def render(folder: Path, n_images: int) -> None:
    """Write rendered faces as JPEG files."""
    for number in range(n_images):
        face = render_face(sample_identity(number % 40), sample_view(number)).image
        Image.fromarray(face).save(folder / f"{number:05d}.jpg", quality=90)


def detecting_seconds(
    template: str, detector: str, paths: list[Path], start: object
) -> tuple[float, float]:
    """Read images and find faces and landmarks, all processes together; by the clock, and CPU."""
    finder = detector_named(detector)
    landmarks = predictor(FIVE_POINTS if template == "dlib150" else SIXTY_EIGHT_POINTS)
    needs_landmarks = template == "dlib150" or finder.box_kind == "dlib"
    found = finder(np.asarray(open_image(paths[0])))
    start.wait()  # type: ignore[attr-defined]
    started, used = time.perf_counter(), time.process_time()
    for path in paths:
        image = np.asarray(open_image(path))
        found = finder(reduced(image, finder.longest_side))
        if needs_landmarks and found:
            landmarks(image, scaled_rectangle(found[0], 1.0))
    return time.perf_counter() - started, time.process_time() - used


def limit_seconds(
    template: str, detector: str, paths: list[Path], n_processes: int
) -> tuple[float, float]:
    """Detect faces in as many processes as there are cores; the slowest one's time, and all CPU."""
    with multiprocessing.Manager() as manager, multiprocessing.Pool(n_processes) as pool:
        start = manager.Barrier(n_processes)
        shares = [(template, detector, paths[n::n_processes], start) for n in range(n_processes)]
        clock, cpu = zip(*pool.starmap(detecting_seconds, shares, chunksize=1), strict=True)
        return max(clock), sum(cpu)


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has started and that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


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
                started, used = time.perf_counter(), cpu_seconds()
                done = align_folder(
                    folder,
                    Path(name, f"{template}-{turn}"),
                    template=template,
                    detector=options.detector,
                    num_workers=cores,
                    kept=open_store(Path(name, f"{template}-{turn}-store")),
                )
                times.append((time.perf_counter() - started, cpu_seconds() - used))
            (limit, limit_cpu), (clock, cpu) = np.min(limits, axis=0), np.min(times, axis=0)
            is_reached &= limit / clock >= LIMIT
            print(
                f"{options.detector} {template}: {len(paths)} images, {done.written} chips, "
                f"{cores} cores: detector alone {len(paths) / limit:.0f} images/s, aligned "
                f"{len(paths) / clock:.0f} images/s, ratio {limit / clock:.2f} (limit: at least "
                f"{LIMIT:g}); CPU time of an image {1e3 * limit_cpu / len(paths):.2f} and "
                f"{1e3 * cpu / len(paths):.2f} ms, ratio {limit_cpu / cpu:.2f}"
            )
    return 0 if is_reached else 1


if __name__ == "__main__":
    sys.exit(main())
