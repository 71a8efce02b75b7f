"""Distances of a verification task, as figures get them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from facebench.figures.records.scores import each_layer

PEOPLE, PICTURES = "abcdefgh", 3


def comparisons(layers: int = 1, *, ties: bool = False, seed: int = 0) -> pd.DataFrame:
    """All genuine pairs of 8 people of 3 pictures, and as many impostor pairs."""
    random = np.random.default_rng(seed)
    names = [f"{person}/{person}_{number}.png" for person in PEOPLE for number in range(PICTURES)]
    pairs = [(one, two) for i, one in enumerate(names) for two in names[:i]]
    genuine = [pair for pair in pairs if pair[0][0] == pair[1][0]]
    others = [pair for pair in pairs if pair[0][0] != pair[1][0]]
    picked = [others[i] for i in random.choice(len(others), len(genuine), replace=False)]
    frames = []
    for layer in range(layers):
        rows = pd.DataFrame([*genuine, *picked], columns=["img1", "img2"])
        rows["same"] = [1] * len(genuine) + [0] * len(picked)
        distance = random.normal(2 - 1.5 * rows["same"], 0.8).clip(0.01)
        rows["model_computed_distance"] = distance.round(1) if ties else distance
        rows["group1"] = ["first" if name[0] < "d" else "second" for name in rows["img1"]]
        rows["group2"] = ["first" if name[0] < "d" else "second" for name in rows["img2"]]
        rows["quality"] = random.integers(0, 9, len(rows))
        frames.append(rows.assign(layer_name=f"layer {layer}" if layers > 1 else "default"))
    return pd.concat(frames, ignore_index=True)


def results(frame: pd.DataFrame, task: str = "LFW", **columns: Any) -> pd.DataFrame:
    layers = list(dict.fromkeys(frame["layer_name"]))
    return pd.DataFrame({"Task Name": task, "Model Name": "net", "Layer Name": layers, **columns})


def layers_of(frame: pd.DataFrame, **options: Any) -> list[Any]:
    rows = results(frame, Threshold=1.25)
    return list(each_layer(rows, {"net": {"LFW": frame}}, "same", "a test", **options))


def texts(figure: Any) -> str:
    figure.canvas.draw()
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_title()]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    return "\n".join(found)
