"""Several models as one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal, Self

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from facebench.data.bibliography import citations_of
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.models.trials import own_batch, unchanged
from facebench.types import StrPath

__all__ = ["EnsembleModel"]

_COMBINE = ("concat", "scores")


class EnsembleModel(BaseModel):
    """Several models as one: their normalised embeddings side by side, or the mean of their scores.

    Every image is preprocessed by each member in its own way.

    Parameters
    ----------
    name : str, default 'ensemble'
        Display name.
    members : sequence of BaseModel
        Two models or more, each with one layer or its output. Mirror images and crops (`flip`,
        `crops`) are set on members. Members that align faces do so in all images, made stimuli
        too, unless their `align` is False.
    combine : {'concat', 'scores'}, default 'concat'
        'concat' puts the embeddings, each divided by its Euclidean norm, behind each other: the
        cosine distance is then the mean of the members'. 'scores' averages the distances that a
        task's metric gives for each member, as they are: members whose distances are larger weigh
        more, unless the metric is scale-free, as the cosine distance is. It suits tasks of pairs
        only.
    device
        See `BaseModel`; None is the first member's.

    Raises
    ------
    InputError
        If there are not two members, one of them reads several layers or is fitted on other
        images, or `combine` is something else.
    """

    outputs_version = "ensemble-model-1"

    def __init__(
        self,
        name: str = "ensemble",
        members: Sequence[BaseModel] = (),
        combine: Literal["concat", "scores"] = "concat",
        *,
        device: str | torch.device | None = None,
    ) -> None:
        if combine not in _COMBINE:
            msg = f"The 'combine' of an ensemble must be 'concat' or 'scores'. Got {combine!r}."
            raise InputError(msg)
        self.combine = combine
        self.members = list(members)
        for member in self.members:
            _check_member(member)
        if len(self.members) < 2:
            msg = f"The 'members' of an ensemble must be two models or more. Got {members!r}."
            raise InputError(msg)
        super().__init__(name, device=self.members[0].device if device is None else device)
        for member in self.members:
            member.to(self.device)
        notes = (note for member in self.members for note in member.expected_notes)
        self.expected_notes = tuple(dict.fromkeys(notes))
        cited = (citation for member in self.members for citation in citations_of(member))
        self.citations = tuple(dict.fromkeys(cited))
        # One made image through each: the sizes of inputs and embeddings, and faults early.
        inputs = [own_batch(member) for member in self.members]
        self.input_shapes = tuple(tuple(batch.shape[1:]) for batch in inputs)
        self.widths = tuple(map(_width, self.members, inputs))

    @property
    def score_blocks(self) -> tuple[slice, ...]:
        """Where each member's numbers are in an embedding, if its distances are to be averaged."""
        if self.combine != "scores":
            return ()
        return tuple(slice(*ends) for ends in pairwise(accumulate((0, *self.widths))))

    @override
    def _build_model(self) -> None:
        self.model = nn.ModuleDict(
            {str(place): member.model for place, member in enumerate(self.members)}
        )

    @override
    def set_views(self, *views: Any, **more: Any) -> Self:
        """Refuse: its input is not one picture but those of all members."""
        if any(view is not None for view in (*views, *more.values())):
            msg = "Set 'flip' and 'crops' on the members of an ensemble, not on the ensemble."
            raise InputError(msg)
        return self

    @property
    @override
    def why_not_accelerated(self) -> str:
        return "its members have inputs of different shapes, which torch runs one by one"

    @override
    def use_memory_format(self, memory_format: torch.memory_format) -> None:
        self.memory_format = memory_format
        for member in self.members:
            member.use_memory_format(memory_format)

    @override
    def preprocess_image(self, image_path: StrPath) -> torch.Tensor:
        """Preprocess an image for each member, as one row of numbers [1, 1, T]."""
        parts = []
        for member, shape in zip(self.members, self.input_shapes, strict=True):
            tensor = member.preprocess_image(image_path)
            for note in member.take_image_notes():
                if note not in self._image_notes:
                    self.note_image(note)
            if tuple(tensor.shape) != shape:
                msg = (
                    f"Member {member.name!r} of ensemble {self.name!r} must give inputs of one "
                    f"shape, {list(shape)}. It gave {list(tensor.shape)} for {image_path}."
                )
                raise InputError(msg)
            parts.append(tensor.reshape(-1).to(torch.float32))
        return torch.cat(parts)[None, None]

    @override
    def describe_input(self) -> str:
        """Say how images are prepared for each member."""
        told = (f"{member.name}: {member.describe_input()}" for member in self.members)
        return f"prepared for each member ({'; '.join(told)})"

    @override
    def describe_weights(self) -> str:
        """Say where the weights of each member are from."""
        told = (f"{member.name}: {member.describe_weights()}" for member in self.members)
        return "; ".join(told)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        flat = input_tensor.flatten(1)
        sizes = [torch.Size(shape).numel() for shape in self.input_shapes]
        found = []
        for member, shape, part in zip(
            self.members, self.input_shapes, torch.split(flat, sizes, dim=1), strict=True
        ):
            # A copy: the next member may use the memory of the last.
            rows = _only(member.read_layers(part.reshape(-1, *shape))).to(torch.float32, copy=True)
            found.append(functional.normalize(rows) if self.combine == "concat" else rows)
        return torch.cat([rows.to(self.device) for rows in found], dim=1)


def _check_member(member: Any) -> None:
    if not isinstance(member, BaseModel):
        msg = f"The 'members' of an ensemble must be models. Got {member!r:.200}."
        raise InputError(msg)
    if isinstance(member, EnsembleModel):
        msg = f"Member {member.name!r} is an ensemble itself. Name its members instead."
        raise InputError(msg)
    if member.fitting is not None:
        msg = (
            f"Member {member.name!r} of an ensemble is centred or whitened, which is done after "
            "the networks. Set 'centre' or 'whiten' on the ensemble."
        )
        raise InputError(msg)
    if len(member.extract_layers) > 1:
        msg = (
            f"Member {member.name!r} of an ensemble must have one layer. It has "
            f"{len(member.extract_layers)}: {', '.join(member.extract_layers[:5])}."
        )
        raise InputError(msg)


def _width(member: BaseModel, batch: torch.Tensor) -> int:
    with unchanged(member):
        return _only(member.read_layers(batch)).shape[1]


def _only(layers: dict[str, torch.Tensor]) -> torch.Tensor:
    (rows,) = layers.values()
    return rows.flatten(1)
