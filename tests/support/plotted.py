"""Tables to draw, and what is in a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from facebench.figures.plot_helper import _bar_figure

LAYERS = [f"features.{i}" for i in range(60)]


def table(rows: list[tuple[str, str, float]], task: str = "LFW", **columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["Model Name", "Layer Name", "Accuracy"])
    return frame.assign(**{"Task Name": task, **columns})


def many(count: int, models: tuple[str, ...] = ("vgg16-trained", "vgg16-untrained")) -> Any:
    layers = LAYERS[: -(-count // len(models))]
    names = [(model, layer) for model in models for layer in layers][:count]
    values = np.random.default_rng(0).uniform(0, 1, count)
    return table([(*name, value) for name, value in zip(names, values, strict=True)])


def conditions() -> pd.DataFrame:
    rows = [
        {"Task Name": "inv", "Model Name": m, "Layer Name": layer, "Condition": c, "Accuracy": 0.5}
        for m in ("vgg", "dino")
        for layer in ("a", "b")
        for c in ("upright", "inverted", "other race", "blurred", "masked")
    ]
    return pd.DataFrame(rows)


def scores(layers: list[str], task: str = "human", **columns: Any) -> pd.DataFrame:
    return table(
        [("vgg", layer, 0.0) for layer in layers], task, **{"Correlation Score": 0.4312, **columns}
    )


def distances(layers: list[str], count: int = 30, task: str = "human") -> Any:
    random = np.random.default_rng(1)
    given = random.uniform(1, 7, (len(layers), count)).ravel()
    frame = pd.DataFrame(
        {
            "layer_name": np.repeat(layers, count),
            "distance": given,
            "model_computed_distance": 0.1 * given + random.normal(0, 0.1, given.size),
        }
    )
    return {"vgg": {task: frame}}


def bars(frame: pd.DataFrame, **options: Any) -> Any:
    return _bar_figure(frame, "Accuracy", "Accuracy", "Accuracy: LFW", **options)


def names(figure: Any) -> list[str]:
    axis = figure.axes[0].yaxis if lying(figure) else figure.axes[0].xaxis
    return [label.get_text() for label in axis.get_ticklabels()]


def lying(figure: Any) -> bool:
    return bool(figure.axes[0].yaxis_inverted())


def written(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def overlaps(texts: Any, figure: Any) -> int:
    boxes = [text.get_window_extent(figure.canvas.get_renderer()) for text in texts]
    return sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
