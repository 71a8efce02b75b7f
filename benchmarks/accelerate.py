"""What other engines gain over torch as facebench runs it, in CPU time per image.

Run with ``python benchmarks/accelerate.py [vgg16 vit-b-32 iresnet50] [--engines winograd …]
[--threads 1]``; without arguments it takes some minutes on two cores. It prints a line for each
model and engine: CPU time of an image in the engine and in torch (`BaseModel.read_layers`, in the
model's own memory layout), their ratio (the limit is 1.2 for the best engine of a model), the
largest difference of a row from torch's as a share of its length (the limit is 1e-4), and the CPU
time of making the graph ready. Both run in turn, several times, and the best counts: CPU time of
the process, all its threads, which other programs disturb less than they do wall time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torchvision.models import vit_b_32

from facebench import Vgg16Model
from facebench.engine.acceleration import LARGEST_DIFFERENCE, Accelerated
from facebench.errors import FacebenchError
from facebench.models.acceleration import Accelerate, check_acceleration
from facebench.models.base import BaseModel
from facebench.models.recipe_model import iresnet50

LIMIT = 1.2
ENGINES: tuple[Accelerate, ...] = ("winograd", "openvino", "onnxruntime", "compile")


class Vit(BaseModel):
    """A ViT-B/32 of random weights, whose output depends on the image."""

    def _build_model(self) -> None:
        torch.manual_seed(0)
        self.model = vit_b_32()
        torch.nn.init.normal_(self.model.heads.head.weight, std=0.02)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output


MODELS: dict[str, tuple[Callable[[], BaseModel], int]] = {
    "vgg16": (lambda: Vgg16Model("vgg16", pretrained=False, device="cpu"), 224),
    "vit-b-32": (lambda: Vit("vit-b-32", device="cpu"), 224),
    "iresnet50": (lambda: iresnet50("iresnet50", pretrained=False, device="cpu"), 112),
}


def measure(
    model: BaseModel, engine: Accelerate, batch: torch.Tensor, rounds: int
) -> tuple[float, str]:
    """Time one engine and torch in turn; gives the ratio and a line that says all."""
    try:
        check_acceleration(engine)
        started = time.process_time()
        accelerated = Accelerated(model, engine, len(batch))
        accelerated.prepare(batch)
        ready = time.process_time() - started
    except FacebenchError as error:
        return 0.0, f"{model.name} {engine}: {error}"
    runs: tuple[Callable[[], object], ...] = (
        lambda: model.read_layers(batch),
        lambda: accelerated.read_layers(batch),
    )
    best, wall = [float("inf")] * 2, [float("inf")] * 2
    for _ in range(rounds):
        for which, run in enumerate(runs):
            clock, started = time.perf_counter(), time.process_time()
            run()
            best[which] = min(best[which], time.process_time() - started)
            wall[which] = min(wall[which], time.perf_counter() - clock)
    ratio = best[0] / best[1]
    each = 1e3 / len(batch)
    return ratio, (
        f"{model.name} {engine}: {best[1] * each:.1f} ms CPU an image, torch {best[0] * each:.1f}; "
        f"ratio {ratio:.2f} (wall {wall[0] / wall[1]:.2f}); largest difference "
        f"{max(accelerated.differences.values()):.1e} (limit {LARGEST_DIFFERENCE:g}); "
        f"ready after {ready:.1f} s CPU"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the models and engines asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="MODEL", help=", ".join(MODELS))
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=16, help="of a pass, 16 at most")
    parser.add_argument("--rounds", type=int, default=4)
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in MODELS]
    if unknown:
        parser.exit(2, f"No model {unknown[0]!r} is timed here. Choose of: {', '.join(MODELS)}.\n")
    before = torch.get_num_threads()
    torch.set_num_threads(asked.threads)
    try:
        for name in asked.names or MODELS:
            make, side = MODELS[name]
            model = make()
            torch.manual_seed(0)
            batch = torch.randn(asked.images, 3, side, side)
            ratios = {}
            for engine in asked.engines:
                ratios[engine], line = measure(model, engine, batch, asked.rounds)
                print(line, flush=True)
            best = max(ratios, key=ratios.__getitem__)
            print(f"{name}: best {best}, {ratios[best]:.2f} x torch (limit: at least {LIMIT:g})")
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main()
