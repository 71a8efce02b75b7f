"""Models made of recipes: published face networks by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from PIL import Image
from typing_extensions import override

from facebench.errors import InputError, MissingWeightsError
from facebench.models.base import BaseModel
from facebench.models.network_input import NetworkInput, network_input
from facebench.models.recipe_matching import Found, build_network, check_origin, find_part, fits
from facebench.models.recipes import RECIPES, Recipe
from facebench.models.weight_files import Checkpoint, StateDict, read_checkpoint
from facebench.types import StrPath
from facebench.utils.extras import import_extra

__all__ = ["RecipeModel"]


class RecipeModel(BaseModel):
    """A published face network with a file of its weights.

    Every row of `facebench.models.recipes` is such a class: ``model: iresnet50`` in a
    configuration, ``facebench.models.recipe_model.iresnet50`` in Python. The output is the
    embedding as the published code gives it; layers of the training alone are left out.

    Parameters
    ----------
    name : str
        Display name.
    weights : str or Path, optional
        The published file, or one of the same architecture. Prefixes of keys and what belongs to
        the training are found and left out.
    extract_layers, preprocess_function, device
        See `BaseModel`.
    weights_path : str or Path, optional
        Another name of `weights`.
    weights_key : str, optional
        Where in the file the weights stand, such as 'ema'; see `read_checkpoint`.
    input : mapping, optional
        What the network expects of its images, where that differs from the recipe, such as
        ``{"channels": "rgb"}``; see `network_input`.
    pretrained : bool, default True
        False makes a random network of the same architecture, an untrained control.
    seed : int, default 0
        Seed of the random network.

    Attributes
    ----------
    input : NetworkInput
        What it expects of its images.
    template : str
        How faces are aligned for it.

    Raises
    ------
    MissingWeightsError
        If no weights are given; the message says where they are published.
    WeightsError
        If they do not fit, or are another network's with the same keys and shapes.
    ModelError
        If the recipe needs an extra that is not installed.
    """

    outputs_version = "recipe-model-1"
    # What comes of it is in the network.
    built_from = ("pretrained", "seed", "weights_key")
    memory_format = torch.channels_last
    recipe: Recipe
    template: str

    def __init__(
        self,
        name: str,
        weights: StrPath | None = None,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        weights_path: StrPath | None = None,
        weights_key: str | None = None,
        input: Mapping[str, Any] | NetworkInput | None = None,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        if weights is not None and weights_path is not None:
            msg = "'weights' and 'weights_path' are the same argument. Keep one of them."
            raise InputError(msg)
        weights = weights if weights is not None else weights_path
        usual = network_input(self.recipe.input)
        self.input = network_input(input or {}, usual)
        self.input_size = usual.size
        if self.input.size != usual.size and not self.recipe.any_size:
            height, width = usual.size
            msg = (
                f"The 'size' in the 'input' of {self.recipe.name} must be {height} × {width}, the "
                f"only one that its last layers take. Got {self.input.size} instead."
            )
            raise InputError(msg)
        self.weights_key = weights_key
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained or weights is not None else seed
        self._width: int | None = None
        self._n_classes: int | None = None
        if self.recipe.extra:
            import_extra(self.recipe.extra, self.recipe.extra, self.recipe.name)
        if weights is None and pretrained:
            raise _without_weights(self.recipe)
        super().__init__(name, weights, extract_layers, preprocess_function, device=device)

    @override
    def _read_weights(self, weights_path: StrPath) -> StateDict:
        state = read_checkpoint(weights_path, self.weights_key)
        found = _find(self.recipe, state)
        if found is None or not fits(self.recipe, found):
            # What does not fit is told where it is loaded.
            return state
        check_origin(self.recipe, found, weights_path)
        widest = found.part.get(self.recipe.width)
        self._width = None if widest is None else int(widest.shape[0])
        self._n_classes = found.n_classes
        return found.part

    @override
    def _count_identities(self, weights: StateDict) -> int | None:
        return self._n_classes

    @override
    def _build_model(self) -> None:
        options = {} if self._width is None else {"width": self._width}
        if self.weights_path is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self.model = build_network(self.recipe)
            return
        # Spends no time on random weights: all are replaced but counters, which nothing reads.
        with torch.device("meta"):
            network = build_network(self.recipe, **options)
        self.model = network.to_empty(device="cpu")
        for buffer in self.model.buffers():
            buffer.zero_()

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return self.input(image)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)


def __getattr__(name: str) -> type[RecipeModel]:
    """Give the class of a recipe, such as `iresnet50` or `adaface_ir50`."""
    if name.replace("_", "-") not in RECIPES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return _class_of(name)


def __dir__() -> list[str]:
    return [*__all__, *(name.replace("-", "_") for name in RECIPES)]


@cache
def _class_of(name: str) -> type[RecipeModel]:
    recipe = RECIPES[name.replace("_", "-")]
    attributes = {
        "__doc__": f"{recipe.what}.",
        "__module__": __name__,
        "__qualname__": name,
        # All that distinguishes it from other recipes is in its network and its input.
        "outputs_version": RecipeModel.outputs_version,
        "citations": recipe.citations,
        "recipe": recipe,
        "template": recipe.template,
    }
    return type(name, (RecipeModel,), attributes)


def _find(recipe: Recipe, state: StateDict) -> Found | None:
    """Find a network in the state dict that is meant, else in the only other one that has it."""
    own = find_part(recipe, state)
    if own is not None or not isinstance(state, Checkpoint):
        return own
    others = [find_part(recipe, other) for other in state.others.values()]
    found = [part for part in others if part is not None]
    return found[0] if len(found) == 1 else None


def _without_weights(recipe: Recipe) -> MissingWeightsError:
    msg = (
        f"{recipe.name} needs 'weights': the path of a file. They are published at {recipe.source} "
        f"(licence: {recipe.licence}) and not downloaded. pretrained=False makes an untrained "
        "network."
    )
    return MissingWeightsError(msg)
