"""Convolutions of 3 × 3 by Winograd's algorithm, which torch has in NNPACK and does not choose.

Winograd's F(6 × 6, 3 × 3) takes 64 multiplications where the definition takes 324 (Lavin and Gray,
2016, "Fast algorithms for convolutional neural networks"). torch's own convolutions on CPUs are
near the limit of the processor, so that only fewer multiplications make them faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from typing_extensions import override

__all__ = ["WinogradConvolution", "with_winograd"]

_CONVOLUTION = torch.ops.aten.conv2d.default
_BATCH_NORM = torch.ops.aten.batch_norm.default
# With fewer, transforming costs more than it saves.
_CHANNELS = 32
# Pixels from which an image is worth a transform of the weights for itself.
_LARGE = 56 * 56


class WinogradConvolution(nn.Module):
    """A convolution of 3 × 3 with stride 1 and padding 1.

    Weights are transformed once for a picture. So small images of a batch are put side by side into
    one large picture, with a row and a column of zeros between them, which are their padding.

    Parameters
    ----------
    weight : Tensor, shape [D, C, 3, 3]
        Its weights.
    bias : Tensor, shape [D], optional
        Its bias.

    Examples
    --------
    >>> convolution = WinogradConvolution(torch.ones(1, 1, 3, 3))
    >>> WinogradConvolution.fits([1, 1], [1, 1], [1, 1], 1)
    True
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().contiguous())
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.weight: torch.Tensor
        self.bias: torch.Tensor | None

    @staticmethod
    def fits(
        stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int
    ) -> bool:
        """Tell whether a convolution of 3 × 3 can be computed in this way."""
        return {*stride, *padding, *dilation, groups} == {1}

    @override
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Convolve a batch [N, C, H, W]."""
        n_images, _, height, width = batch.shape
        if height * width >= _LARGE or n_images == 1:
            return torch.cat([self._convolve(batch[n : n + 1]) for n in range(n_images)])
        columns = max(1, round((n_images * (height + 1) / (width + 1)) ** 0.5))
        rows = -(-n_images // columns)
        picture = self._convolve(_side_by_side(batch, rows, columns))
        cut = picture.reshape(-1, rows, height + 1, columns, width + 1)
        images = cut[:, :, :height, :, :width].permute(1, 3, 0, 2, 4)
        return images.flatten(0, 1)[:n_images].contiguous()

    def _convolve(self, picture: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch._nnpack_spatial_convolution(
            picture, self.weight, self.bias, 1, 1
        )
        return found


def _side_by_side(batch: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Put the images of a batch into one picture [1, C, rows × (H + 1), columns × (W + 1)]."""
    n_images, n_channels, height, width = batch.shape
    picture = batch.new_zeros(n_channels, rows, height + 1, columns, width + 1)
    places = picture[:, :, :height, :, :width].permute(1, 3, 0, 2, 4)
    full, rest = divmod(n_images, columns)
    places[:full] = batch[: full * columns].reshape(full, columns, n_channels, height, width)
    if rest:
        places[full, :rest] = batch[full * columns :]
    return picture.flatten(3, 4).flatten(1, 2)[None]


def with_winograd(program: torch.export.ExportedProgram) -> fx.GraphModule:
    """Give an exported network with its convolutions of 3 × 3 replaced, and batch norms folded."""
    network = program.module()
    graph = network.graph
    for node in list(graph.nodes):
        if node.target is _CONVOLUTION:
            _replace(network, node)
    graph.eliminate_dead_code()
    network.recompile()
    return network


def _replace(network: fx.GraphModule, node: fx.Node) -> None:
    """Fold the batch norm behind a convolution into it, and choose the algorithm."""
    batch, weight, bias, *rest = _arguments(network, node)
    following = next(iter(node.users)) if len(node.users) == 1 else None
    last = node
    if following is not None and following.target is _BATCH_NORM and following.args[0] is node:
        # Input, scale, shift, mean, variance, training, momentum, epsilon, cudnn.
        scale, shift, mean, variance = (_tensor(network, one) for one in following.args[1:5])
        epsilon: Any = following.args[7]
        if not following.args[5] and mean is not None and variance is not None:
            weight, bias = fuse_conv_bn_weights(weight, bias, mean, variance, epsilon, scale, shift)
            last = following
    height, width = node.meta["val"].shape[2:]
    is_winograd = (
        weight.dtype == torch.float32
        and tuple(weight.shape[2:]) == (3, 3)
        and min(weight.shape[:2]) >= _CHANNELS
        and min(height, width) > 3
        and WinogradConvolution.fits(*rest)
    )
    if not is_winograd and last is node:
        return
    name = f"convolution_{node.name}"
    made = WinogradConvolution(weight, bias) if is_winograd else _Folded(weight, bias, rest)
    network.add_submodule(name, made)
    with network.graph.inserting_before(last):
        replacement = network.graph.call_module(name, (batch,))
    replacement.meta = dict(last.meta)
    last.replace_all_uses_with(replacement)


class _Folded(nn.Module):
    """Another convolution with the batch norm behind it."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, rest: Sequence[Any]
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", None if bias is None else bias.detach())
        self._rest = rest

    @override
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.conv2d(batch, self.weight, self.bias, *self._rest)  # type: ignore[arg-type]


def _arguments(network: fx.GraphModule, node: fx.Node) -> list[Any]:
    """Give input node, weight, bias, stride, padding, dilation and groups."""
    given: list[Any] = [*node.args]
    defaults: list[Any] = [None, None, None, [1, 1], [0, 0], [1, 1], 1]
    batch, weight, bias, *rest = given + defaults[len(given) :]
    sizes = [[size] * 2 if isinstance(size, int) else list(size) for size in rest[:3]]
    return [batch, _tensor(network, weight), _tensor(network, bias), *sizes, rest[3]]


def _tensor(network: fx.GraphModule, node: Any) -> Any:
    """Read a weight of an exported network."""
    if node is None:
        return None
    found: Any = network
    for name in node.target.split("."):
        found = getattr(found, name)
    return found
