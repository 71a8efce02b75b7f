"""The table of published networks: every row fits what it says."""

from importlib.util import find_spec

import pytest
import torch

from facebench.experiment.registry import MODELS
from facebench.models.network_input import network_input
from facebench.models.recipe_matching import build_network
from facebench.models.recipes import RECIPES

TEMPLATES = {"arcface112": 112, "facenet160": 160, "vgg224": 224}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_row_describes_its_network(name):
    recipe = RECIPES[name]
    if recipe.extra and find_spec(recipe.extra) is None:
        pytest.skip(f"{recipe.extra} is not installed")
    with torch.device("meta"):
        network = build_network(recipe)
    keys = network.state_dict()
    if not recipe.keys:
        assert recipe.marker in keys
        # It is found in a file by the end of a key.
        assert sum(f".{key}".endswith(f".{recipe.marker}") for key in keys) == 1
    assert recipe.layer in dict(network.named_modules())
    assert not any(key.startswith(recipe.head) for key in keys)
    for key in (recipe.ones, recipe.width):
        assert not key or key in keys
    # All of a network is in a checkpoint: loading leaves nothing of it as it was.
    assert {*dict(network.named_parameters()), *dict(network.named_buffers())} == set(keys)


@pytest.mark.parametrize("name", RECIPES)
def test_a_row_is_complete(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert network_input(recipe.input).size[0] == TEMPLATES[recipe.template]
    assert recipe.source
    assert bool(recipe.published) == bool(recipe.protocol)
    assert not recipe.what.endswith(".")
    for other in recipe.alike:
        assert name in RECIPES[other].alike
        assert RECIPES[other].input != recipe.input


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_row_is_a_model_by_name(name):
    model = MODELS.get(name)
    assert model.recipe is RECIPES[name]
    assert model.template == RECIPES[name].template


@pytest.mark.slow
def test_networks_of_the_same_keys_and_shapes_know_each_other():
    shapes = {}
    for name, recipe in RECIPES.items():
        if recipe.extra:
            continue
        with torch.device("meta"):
            own = build_network(recipe).state_dict()
        shapes.setdefault(tuple((key, own[key].shape) for key in own), []).append(name)
    for names in shapes.values():
        assert {*RECIPES[names[0]].alike, names[0]} == set(names)
