"""What models without a network have in common."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench import EmbeddingsModel, MultiModelTaskManager, untrained_copies
from facebench.errors import InputError, UnknownNameError
from facebench.models.recorded import chosen_layers


def test_layers_by_name_and_pattern() -> None:
    there = ["conv.1", "conv.2", "fc"]
    assert chosen_layers(None, there) == there
    assert chosen_layers("all", there) == there
    assert chosen_layers("conv.*", there) == ["conv.1", "conv.2"]
    assert chosen_layers(["fc", "conv.1"], there) == ["conv.1", "fc"]
    with pytest.raises(UnknownNameError, match="'fc8' is not a layer of this file"):
        chosen_layers("fc8", there)


def test_the_digest_is_of_all_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    names = tmp_path / "names.txt"
    digests = set()
    for text in ("a.jpg\nb.jpg\n", "b.jpg\na.jpg\n"):
        names.write_text(text, encoding="utf-8")
        digests.add(EmbeddingsModel("m", tmp_path / "x.npy", names=names).digest)
    assert len(digests) == 2


def test_names_and_controls(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=["a.jpg"], fc=[[1.0]])
    with pytest.raises(InputError, match="must be a text"):
        EmbeddingsModel(" ", tmp_path / "x.npz")
    model = EmbeddingsModel("m", tmp_path / "x.npz")
    assert model.get_layer_names() == model.get_layer_names(simplified=True) == ["fc"]
    assert "m" in repr(model)
    assert "x.npz" in repr(model)
    with pytest.raises(InputError):
        untrained_copies(lambda name: EmbeddingsModel(name, tmp_path / "x.npz"), 1)
    with pytest.raises(InputError, match="instances of BaseModel"):
        MultiModelTaskManager("x.npz", [])
