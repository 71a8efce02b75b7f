"""A small network, and the files of other engines that hold it."""

import warnings

import numpy as np
import torch
from PIL import Image
from torch import nn

SIZE = 32
LAYERS = ["stem", "layer1.0.conv", "layer1.1", "fc"]
INPUT = {"size": SIZE, "mean": 0.5, "std": 0.5, "channels": "rgb"}


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        first, second = torch.chunk(nn.functional.relu(self.conv(x)), 2, dim=1)
        return torch.cat([second, first], 1) + x


class Net(nn.Module):
    """A conv net whose ReLU works in place on what the layer before gave."""

    def __init__(self, seed=0, outputs=16):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Block(), Block())
        self.pool = nn.AvgPool2d(5)
        self.drop = nn.Dropout()
        self.fc = nn.Linear(72, outputs)
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
        self.eval()

    def forward(self, x):
        x = self.pool(self.layer1(self.relu(self.stem(x))))
        return self.fc(self.drop(torch.flatten(x, 1)))


class Unit(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)
        self.mix = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())

    def forward(self, x):
        return x + self.mix(self.conv(x))


class Repeating(nn.Module):
    """A list of blocks that is never called, and a sequence of them."""

    blocks = ("units.0", "units.1", "last.0", "last.1")

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.units = nn.ModuleList(Unit() for _ in range(2))
        self.last = nn.Sequential(Unit(), Unit())
        self.fc = nn.Linear(8, 16)
        self.eval()

    def forward(self, x):
        x = self.stem(x)
        for unit in self.units:
            x = unit(x)
        return self.fc(self.last(x).mean((2, 3)))


def hooked(net, batch, layers=LAYERS):
    """Give what layers of a network give, as copies, flattened, and its output."""
    found = {}
    handles = [
        net.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: found.update(
                {layer: output.flatten(1).clone()}
            )
        )
        for layer in layers
    ]
    with torch.no_grad():
        found["default"] = net(batch)
    for handle in handles:
        handle.remove()
    return found


def images(count=5, size=SIZE, seed=1):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def picture(size=40, seed=2):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8))


def save_onnx(path, net=None, batch=None, size=SIZE, **options):
    """Export a network; a batch of None takes any number of images."""
    with warnings.catch_warnings():
        # Which of torch's exporters is the better one is no concern of these tests.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net or Net(),
            **{
                "f": str(path),
                "args": (torch.zeros(batch or 2, 3, size, size),),
                "input_names": ["x"],
                "output_names": ["embedding"],
                "dynamo": False,
                "dynamic_axes": None if batch else {"x": {0: "n"}, "embedding": {0: "n"}},
                **options,
            },
        )
    return path


def save_script(path, net=None, traced=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = net or Net()
        script = torch.jit.trace(net, images(2)) if traced else torch.jit.script(net)
        torch.jit.save(script, str(path))
    return path


def save_exported(path, net=None, batch=None):
    """Export a program; a batch of None takes any number of images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = None if batch else {"x": {0: torch.export.Dim("n", min=1, max=512)}}
        program = torch.export.export(net or Net(), (images(batch or 2),), dynamic_shapes=shapes)
        torch.export.save(program, str(path))
    return path


class Normalised(nn.Module):
    """A network that gives other embeddings in training mode."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x):
        return torch.dropout(self.norm(self.conv(x)).mean((2, 3)), 0.5, self.training)
