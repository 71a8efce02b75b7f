"""EdgeFace: timm's EdgeNeXt, some with linear layers of low rank."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["LowRankLinear", "edgeface"]


class LowRankLinear(nn.Module):
    """Two linear layers in a row in place of one.

    Parameters
    ----------
    inputs, outputs : int
        Numbers in and out.
    rank : int
        Numbers in between.
    bias : bool
        Whether the second has a bias.
    """

    outputs_version = "low-rank-linear-1"

    def __init__(self, inputs: int, outputs: int, rank: int, *, bias: bool) -> None:
        super().__init__()
        self.linear1 = nn.Linear(inputs, rank, bias=False)
        self.linear2 = nn.Linear(rank, outputs, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[…, inputs]`` to ``[…, outputs]``."""
        y: Tensor = self.linear2(self.linear1(x))
        return y


def edgeface(variant: str, gamma: float | None = None) -> nn.Module:
    """Build an untrained EdgeFace.

    Parameters
    ----------
    variant : str
        A name of timm's, such as 'edgenext_small'.
    gamma : float, optional
        Rank of the linear layers, as a share of the smaller of their two sizes; None leaves them.

    Returns
    -------
    nn.Module
        From ``[N, 3, 112, 112]`` to ``[N, 512]``.
    """
    import timm

    network: nn.Module = timm.create_model(variant, num_classes=512)
    if gamma is not None:
        for name, module in list(network.named_modules()):
            parent, _, own = name.rpartition(".")
            if isinstance(module, nn.Linear) and "head" not in own:
                inputs, outputs = module.in_features, module.out_features
                rank = max(2, int(min(inputs, outputs) * gamma))
                low = LowRankLinear(inputs, outputs, rank, bias=module.bias is not None)
                setattr(network.get_submodule(parent), own, low)
    return network
