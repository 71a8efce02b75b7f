"""Which other faces lend their parts to a face."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice

import numpy as np

from facebench.faces.pictures import Field
from facebench.stimuli.sources import PreparedFace, own_seed

_CANDIDATES = 200  # so many random faces are compared to find the most similar donors
_STREAM = 712
_INNER_LIPS = (62, 66)
# What one unit costs of: degrees of turn, misfit of the landmarks (face widths), difference of
# lightness (logarithm) and of chroma of the skin, opening of the mouth (face widths), sharpness
# (logarithm). Ten degrees are seen about as well as a quarter more light.
_TURN, _MISFIT, _LIGHT, _CHROMA, _OPENING, _SHARPNESS = 1 / 40, 4.0, 1.0, 2.0, 2.0, 0.2


def choose_donors(
    faces: Sequence[PreparedFace], count: int, seed: int, max_yaw: float = np.inf
) -> list[list[int]]:
    """Choose for each face the most similar faces of other people, all different people.

    Of 200 faces drawn at random, those are taken that are turned most alike, have skin of the most
    similar tone and light, open their mouths as far and are as sharp, so that parts fit.

    Parameters
    ----------
    faces : sequence of PreparedFace
    count : int
        How many for each.
    seed : int
    max_yaw : float
        Faces turned by more degrees lend nothing and get nothing.

    Returns
    -------
    list of list of int
        Positions in `faces`; fewer than `count` where there are not enough people.
    """
    usable = [i for i, face in enumerate(faces) if abs(face.yaw) <= max_yaw]
    looks = _Looks(faces)
    donors: list[list[int]] = [[] for _ in faces]
    for own in usable:
        face = faces[own]
        rng = np.random.default_rng([_STREAM, own_seed(seed, face.name)])
        drawn = (usable[k] for k in rng.permutation(len(usable)))
        others = (i for i in drawn if faces[i].identity != face.identity)
        candidates = np.array(list(islice(others, _CANDIDATES)), dtype=np.intp)
        order = np.argsort(looks.differences(own, candidates), kind="stable")
        # The rest follow, for the case that the candidates are of too few people.
        for index in chain(candidates[order], others):
            if len(donors[own]) == count:
                break
            if faces[index].identity not in {faces[k].identity for k in donors[own]}:
                donors[own].append(int(index))
    return donors


class _Looks:
    """How faces look, as arrays."""

    def __init__(self, faces: Sequence[PreparedFace]) -> None:
        # As complex numbers about their mean, points are fitted by one product: turn and scale.
        shapes = np.array([face.landmarks @ (1, 1j) for face in faces])
        self.shapes = shapes - shapes.mean(axis=1, keepdims=True)
        self.widths = np.array([face.width for face in faces])
        self.turns = np.array([face.yaw for face in faces])
        self.skins = np.array([face.skin for face in faces])
        self.sharpness = np.array([face.sharpness for face in faces])
        upper, lower = (shapes[:, k] for k in _INNER_LIPS)
        self.openings = np.abs(lower - upper) / self.widths

    def differences(self, own: int, others: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Field:
        """Return what it would cost to take parts of others, [k]."""
        theirs, ours = self.shapes[others], self.shapes[own]
        fitted = np.abs(theirs.conj() @ ours) ** 2 / (np.abs(theirs) ** 2).sum(axis=1)
        misfit = np.maximum((np.abs(ours) ** 2).sum() - fitted, 0) / len(ours)
        skin = np.abs(self.skins[others] - self.skins[own]).mean(axis=1)
        return np.asarray(
            _TURN * np.abs(self.turns[others] - self.turns[own])
            + _MISFIT * np.sqrt(misfit) / self.widths[own]
            + _LIGHT * skin[:, 0]
            + _CHROMA * skin[:, 1:].mean(axis=1)
            + _OPENING * np.abs(self.openings[others] - self.openings[own])
            + _SHARPNESS * np.abs(self.sharpness[others] - self.sharpness[own])
        )
