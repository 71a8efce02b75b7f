"""What facebench asks of a model."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facebench.columns import DEFAULT_LAYER
from facebench.engine import embed
from facebench.errors import ImageError, InputError, UnknownNameError
from facebench.models.layers import first_tensor
from facebench.testing.cases import ModelCase
from facebench.testing.checks import Check, demand, raises
from facebench.testing.world import generated_image

__all__ = ["MODEL_CHECKS"]

_TOLERANCE = 1e-4


def _output_is_a_finite_float32_table_on_the_cpu(case: ModelCase) -> None:
    output = case.make().get_output(case.batch())
    demand(list(output) == [DEFAULT_LAYER], f"its only key must be 'default', got {list(output)}")
    table = output[DEFAULT_LAYER]
    demand(table.ndim == 2 and len(table) == 2, f"shape for 2 images is {list(table.shape)}")
    demand(table.dtype == torch.float32, f"it is {table.dtype}")
    demand(table.device.type == "cpu" and not table.requires_grad, "it is not a plain CPU tensor")
    demand(bool(torch.isfinite(table).all()), "it holds NaN or infinity")


def _images_are_told_apart(case: ModelCase) -> None:
    table = case.make().get_output(case.batch())[DEFAULT_LAYER]
    demand(not torch.allclose(table[0], table[1]), "two different images have the same embedding")


def _twice_gives_the_same(case: ModelCase) -> None:
    model, images = case.make(), case.batch()
    first, second = (model.get_output(images)[DEFAULT_LAYER] for _ in range(2))
    demand(torch.equal(first, second), "the same batch gave other numbers the second time")
    demand(torch.equal(images, case.batch()), "it changed its input")
    again = case.make().get_output(images)[DEFAULT_LAYER]
    demand(_close(again, first), "another instance gave other numbers: seed what is random")


def _a_batch_equals_its_images_one_by_one(case: ModelCase) -> None:
    for layers in (None, case.layers):
        model = case.make(layers)
        together = model.get_output(case.batch())
        alone = [model.get_output(image) for image in case.batch()]
        for layer, table in together.items():
            one_by_one = torch.cat([output[layer] for output in alone])
            demand(_close(one_by_one, table), f"{layer!r} depends on the other images of the batch")


def _the_order_of_a_batch_does_not_matter(case: ModelCase) -> None:
    model = case.make()
    forwards = model.get_output(case.batch())[DEFAULT_LAYER]
    backwards = model.get_output(case.batch().flip(0))[DEFAULT_LAYER]
    demand(_close(backwards.flip(0), forwards), "the order changed the numbers")


def _hooked_layers_give_their_own_output_in_network_order(case: ModelCase) -> None:
    model = case.make([*reversed(case.layers)])
    seen: dict[str, torch.Tensor] = {}

    def spy(layer: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = first_tensor(output)
            # get_output may try another number of images too.
            if tensor is not None and tensor.ndim and len(tensor) == 2:
                # Before the next module may work in place on it.
                seen[layer] = tensor.detach().clone()

        return keep

    modules = dict(model.model.named_modules())
    for layer in case.layers:
        modules[layer].register_forward_hook(spy(layer))
    output = model.get_output(case.batch())
    demand(list(output) == model.extract_layers == case.layers, f"order: {list(output)}")
    for layer, table in output.items():
        own = seen[layer].reshape(2, -1).to("cpu", torch.float32)
        demand(torch.equal(table, own), f"what is given for {layer!r} is not its own output")


def _hooks_do_not_change_the_numbers(case: ModelCase) -> None:
    several = case.make(case.layers).get_output(case.batch())
    for layer in case.layers[:2]:
        alone = case.make(layer).get_output(case.batch())[layer]
        demand(_close(alone, several[layer]), f"{layer!r} is another when read with others")


def _always_in_eval_mode_and_without_gradients(case: ModelCase) -> None:
    model = case.make()
    expected = model.get_output(case.batch())[DEFAULT_LAYER]
    model.model.train()
    demand(torch.equal(model.get_output(case.batch())[DEFAULT_LAYER], expected), "it trains")
    demand(not any(part.training for part in model.model.modules()), "it is left in train mode")
    with_gradients = any(weight.requires_grad for weight in model.model.parameters())
    demand(not with_gradients, "its weights ask for gradients")
    demand(model.to("cpu") is model, "to() must return the model")


def _listed_layers_can_be_asked_for(case: ModelCase) -> None:
    model = case.make()
    names = model.get_layer_names()
    modules = [name for name, _ in model.model.named_modules() if name]
    demand(names == modules, "get_layer_names() must list named_modules() in their order")
    demand(set(case.layers) <= set(names), "layers that can be read are not listed")


def _unknown_layers_fail_at_construction_with_the_closest(case: ModelCase) -> None:
    layer = f"{case.layers[0]}x"
    error = raises(UnknownNameError, lambda: case.make([layer]), f"The layer {layer!r}")
    demand(case.layers[0] in str(error), f"the message must name the closest layer: {error}")


def _any_image_becomes_an_input(case: ModelCase) -> None:
    model = case.make()
    shapes = set()
    with _folder() as folder:
        for mode in ("RGB", "L", "RGBA", "P"):
            path = folder / f"{mode}.png"
            generated_image(0).convert(mode).save(path)
            tensor = model.preprocess_image(path)
            demand(tensor.ndim == 3 and tensor.shape[0] == 3, f"{mode}: {list(tensor.shape)}")
            demand(bool(torch.isfinite(tensor).all()), f"{mode}: NaN or infinity")
            demand(torch.equal(model.preprocess_image(str(path)), tensor), "a str is not a Path")
            shapes.add(tuple(tensor.shape))
    demand(len(shapes) == 1, f"inputs have several shapes: {sorted(shapes)}")


def _bad_images_are_refused_by_name(case: ModelCase) -> None:
    model = case.make()
    with _folder() as folder:
        damaged = folder / "damaged.png"
        damaged.write_bytes(b"\x89PNG\r\n\x1a\n no more than that")
        for path in (damaged, folder / "missing.png"):
            # ImageError is both; a custom preprocess_image may leave it to Pillow.
            raises((ImageError, OSError), partial(model.preprocess_image, path), path.name)


def _preprocessing_can_be_replaced(case: ModelCase) -> None:
    model = case.make()
    raises(InputError, lambda: model.set_preprocess_function("resize"), "A text as preprocessing")  # type: ignore[arg-type]
    model.set_preprocess_function(lambda image: torch.full((3, *image.size), 0.5))
    replaced = model.preprocess(generated_image(0))
    demand(bool((replaced == 0.5).all()), "set_preprocess_function changed nothing")
    model.set_preprocess_function(None)
    default = case.make().preprocess(generated_image(0))
    demand(torch.equal(model.preprocess(generated_image(0)), default), "None restored nothing")


def _a_run_embeds_with_it_with_and_without_workers(case: ModelCase) -> None:
    model = case.make(case.layers)
    with _folder() as folder:
        paths = [folder / f"{seed}.png" for seed in range(3)]
        for seed, path in enumerate(paths):
            generated_image(seed).save(path)
        here = embed(model, paths, batch_size=2, num_workers=0)
        there = embed(model, paths, batch_size=2, num_workers=1)
        demand(list(here.layers) == case.layers, f"layers: {list(here.layers)}")
        for layer, table in here.layers.items():
            demand(len(table) == len(paths), f"{layer!r} has {len(table)} rows for 3 images")
            same = np.array_equal(there.layers[layer], table)
            demand(same, f"{layer!r} is another when images are decoded by workers")
            alone = model.get_output(model.preprocess_image(paths[2]))[layer]
            demand(_close(alone, torch.from_numpy(table[2:])), f"{layer!r} is another in a run")


def _it_pickles_for_workers(case: ModelCase) -> None:
    # Workers of macOS and Windows get a copy without the network, as the engine does it.
    model = case.make()
    light = type(model).__new__(type(model))
    light.__dict__.update(
        {name: value for name, value in vars(model).items() if name not in ("model", "_recorder")}
    )
    copy = pickle.loads(pickle.dumps(light))
    expected = model.preprocess(generated_image(0))
    demand(torch.equal(copy.preprocess(generated_image(0)), expected), "a copy preprocesses anew")


def _its_repr_tells_class_and_name(case: ModelCase) -> None:
    model = case.make()
    start = f"{type(model).__name__}({model.name!r}"
    demand(repr(model).startswith(start), f"repr is {model!r}")


def _close(actual: torch.Tensor, expected: torch.Tensor) -> bool:
    """Agree to 1e-4 of the largest value."""
    if actual.shape != expected.shape:
        return False
    scale = max(float(expected.abs().max()), 1e-6)
    return bool(torch.allclose(actual, expected, rtol=0, atol=_TOLERANCE * scale))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="facebench-contract-") as folder:
        yield Path(folder)


MODEL_CHECKS = tuple(
    Check(function)
    for function in (
        _output_is_a_finite_float32_table_on_the_cpu,
        _images_are_told_apart,
        _twice_gives_the_same,
        _a_batch_equals_its_images_one_by_one,
        _the_order_of_a_batch_does_not_matter,
        _hooked_layers_give_their_own_output_in_network_order,
        _hooks_do_not_change_the_numbers,
        _always_in_eval_mode_and_without_gradients,
        _listed_layers_can_be_asked_for,
        _unknown_layers_fail_at_construction_with_the_closest,
        _any_image_becomes_an_input,
        _bad_images_are_refused_by_name,
        _preprocessing_can_be_replaced,
        _a_run_embeds_with_it_with_and_without_workers,
        _it_pickles_for_workers,
        _its_repr_tells_class_and_name,
    )
)
