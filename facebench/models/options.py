"""Options of every model: views, centring, whitening, another engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch

from facebench.data.tables import as_path
from facebench.errors import InputError
from facebench.models.acceleration import Accelerate, check_acceleration
from facebench.models.views import FlipMode, Layers, check_views, through_views
from facebench.types import StrPath

__all__ = ["ModelOptions"]


class ModelOptions:
    """Options of every `BaseModel`.

    Attributes
    ----------
    views : dict or None
        Mirror images and crops that are sent through the network too, see `set_views`.
    fitting : dict or None
        What other images embeddings are centred or whitened by, see `set_fitting`.
    acceleration : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'} or None
        What runs the network, see `set_acceleration`; None: what the run says.
    series : mapping or None
        Where a checkpoint stands in a training: ``of``, the name of the series, and ``x``, a number
        such as the epoch; ``label`` and ``log`` say how figures draw x. None of other models.
    """

    # Of instances, where set: other models keep the keys of their stored embeddings.
    views: dict[str, Any] | None = None
    fitting: dict[str, Any] | None = None
    acceleration: Accelerate | None = None
    series: Mapping[str, Any] | None = None

    @classmethod
    def _overridden(cls, *methods: str) -> list[str]:
        """Name which of these methods of `BaseModel` are a subclass's own."""
        raise NotImplementedError

    def set_views(
        self,
        flip: FlipMode | None = None,
        crops: int | None = None,
        *,
        crop_scale: float | None = None,
    ) -> Self:
        """Have several views of every image sent through the network, and their layers combined.

        Views are made of the preprocessed image, so the mirror image is that of the aligned face.
        Each layer's outputs are combined number by number, hooked layers' too: those of a
        convolution are not mirrored back.

        Parameters
        ----------
        flip : {'sum', 'concat', 'mean'}, optional
            The image and its mirror image: added, one behind the other, or averaged.
        crops : {5, 10}, optional
            The four corners and the centre, resized to the image's own size and averaged; 10 adds
            their mirror images. With `flip`, the crops of either side are averaged first.
        crop_scale : float, default 0.875
            Height and width of a crop as a fraction of the image's.

        Returns
        -------
        model
            Itself.

        Raises
        ------
        InputError
            If a value is another one, or the class reads its layers in a way of its own.
        """
        views = check_views(flip, crops, crop_scale)
        if views is not None and self._overridden("get_output"):
            msg = (
                f"{type(self).__name__} overrides get_output, so 'flip' and 'crops' cannot be "
                "set: it would not be known what they apply to. Let it override _forward instead."
            )
            raise InputError(msg)
        vars(self).pop("views", None)
        if views is not None:
            self.views = views
        return self

    def set_fitting(
        self,
        centre: StrPath | None = None,
        whiten: StrPath | None = None,
        *,
        shrinkage: float | None = None,
    ) -> Self:
        """Have a run centre or whiten the embeddings of every layer, fitted on other images.

        A run embeds these images first, and refuses them where one of them is evaluated too (by
        its content). Images without a face are left out of them. `get_output` gives embeddings as
        the network has them.

        Parameters
        ----------
        centre : str or Path, optional
            Images whose mean embedding is subtracted: a folder, a .bin pack, or a CSV file with a
            column ``image`` of names relative to its own folder.
        whiten : str or Path, optional
            Images by whose embeddings all are centred and multiplied by the inverse root of their
            covariance, see `facebench.metrics.whitening`.
        shrinkage : float, optional
            How far the covariance is drawn towards a multiple of the identity, 0 … 1; None takes
            Ledoit and Wolf's estimate.

        Returns
        -------
        model
            Itself.

        Raises
        ------
        InputError
            If both are given, or a value is another one.
        """
        if centre is not None and whiten is not None:
            msg = "Whitening centres too: give 'centre' or 'whiten' to a model, not both."
            raise InputError(msg)
        is_share = isinstance(shrinkage, int | float) and not isinstance(shrinkage, bool)
        if shrinkage is not None and (whiten is None or not is_share or not 0 <= shrinkage <= 1):
            msg = (
                "The 'shrinkage' of a model must be a number from 0 to 1, together with 'whiten'. "
                f"Got {shrinkage!r} instead."
            )
            raise InputError(msg)
        kind = "centre" if whiten is None else "whiten"
        images = centre if whiten is None else whiten
        vars(self).pop("fitting", None)
        if images is not None:
            as_path(images, kind)
            self.fitting = {"kind": kind, "images": images, "shrinkage": shrinkage}
        return self

    def set_acceleration(self, accelerate: Accelerate | None = None) -> Self:
        """Have another engine run the network in runs, for speed.

        The network is exported as a graph, with the layers that are read. A run compares the first
        batch with torch, layer by layer, and refuses the engine where a row differs by more than
        1e-4 of its length. `get_output` stays torch's.

        Parameters
        ----------
        accelerate : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}, optional
            The engine. 'winograd' is torch with faster convolutions, 'compile' is torch.compile,
            and 'none' torch as it is, regardless of the setting of the run.

        Returns
        -------
        model
            Itself.

        Raises
        ------
        InputError
            If the value is another one, or the model's network cannot be run by another engine.
        ModelError
            If the engine is not installed.
        """
        vars(self).pop("acceleration", None)
        if accelerate is not None:
            engine = check_acceleration(accelerate)
            reason = self.why_not_accelerated
            if engine != "none" and reason:
                msg = f"'accelerate' cannot be set for this {type(self).__name__}: {reason}."
                raise InputError(msg)
            self.acceleration = engine
        return self

    @property
    def why_not_accelerated(self) -> str:
        """Why no other engine can run a model of this kind; empty where one may."""
        overridden = self._overridden("get_output", "read_layers")
        return f"its class overrides {overridden[0]}" if overridden else ""

    def _through_views(self, batch: torch.Tensor, read: Callable[[torch.Tensor], Layers]) -> Layers:
        """Read a batch, or all views of it."""
        return read(batch) if self.views is None else through_views(self.views, batch, read)
