"""Weight files as they are published, with the keys and shapes of real ones and few numbers."""

import torch

from facebench.models.architectures.vgg_face import KEYS
from facebench.models.recipe_matching import build_network
from facebench.models.recipes import RECIPES


def published_state(name, *, prefix=None, n_classes=None, **options):
    """Make a state dict as a recipe's source publishes it, its head included."""
    recipe = RECIPES[name]
    with torch.device("meta"):
        own = build_network(recipe, **options).state_dict()
    prefix = recipe.prefixes[0] if prefix is None else prefix
    layers = {layer: key for key, layer in KEYS.items()} if recipe.keys else {}
    state = {}
    for number, (key, tensor) in enumerate(own.items()):
        if key.endswith("num_batches_tracked") and name.startswith("vggface2"):
            continue
        layer, _, kind = key.rpartition(".")
        value = 1.0 if key == recipe.ones else 0.5 + number / 10_000
        filled = torch.full((1,) * tensor.ndim, value).expand(tensor.shape)
        state[f"{prefix}{layers.get(layer, layer)}.{kind}" if layers else prefix + key] = filled
    if recipe.classes is not None and n_classes != 0:
        key, axis = recipe.classes
        rows = n_classes or (recipe.n_classes or (10,))[0]
        at = key if recipe.beside else prefix + key
        width = 2048 if name.startswith("vggface2") else 4096 if name == "vgg-face" else 512
        state[at] = torch.zeros(1, 1).expand((width, rows) if axis else (rows, width))
        if not axis:
            state[at.replace("weight", "bias")] = torch.zeros(1).expand(rows)
    return state
