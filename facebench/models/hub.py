"""What the transformers models share: quiet loading and one clear error when weights are away."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoImageProcessor
from transformers.utils import logging as _untyped_logging
from typing_extensions import override

from facebench.errors import MissingWeightsError, ModelError, WeightsError
from facebench.models.base import BaseModel
from facebench.models.checkpoints import listed, refused_pickle
from facebench.models.network_input import NetworkInput
from facebench.types import HubSource
from facebench.utils.suggestions import did_you_mean, first_line

__all__ = [
    "CONFIGURATION",
    "HubModel",
    "described_processor",
    "load_config",
    "load_network",
    "load_processor",
    "of_kind",
    "one_of",
    "processed",
    "text_part",
    "untrained_network",
    "vision_part",
]

_log = logging.getLogger(__name__)
T = TypeVar("T")
# All that an untrained network needs.
CONFIGURATION = "configuration (config.json and preprocessor_config.json)"
# transformers annotates these modules only in part.
_logging = cast(Any, _untyped_logging)
_processors = cast(Any, AutoImageProcessor)


class HubModel(BaseModel):
    """A network of transformers with its image processor: from the hub, a folder, or random.

    Parameters
    ----------
    name, **options
        See `BaseModel`.
    version, pretrained, seed
        See the subclasses.
    """

    # Only `_build_model` reads these: the same weights in another folder are the same model.
    built_from: tuple[str, ...] = ("version", "pretrained", "seed")

    def __init__(
        self, name: str, version: HubSource, *, pretrained: bool, seed: int, **options: Any
    ) -> None:
        self.version = str(version)
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained else seed
        super().__init__(name, **options)

    @override
    def _build_model(self) -> None:
        source, owner = self._source(), type(self).__name__
        what = "weights" if self.pretrained else CONFIGURATION
        known = None if self.pretrained else self._published(source)
        if known is not None:
            config, self._processor = known
        else:
            config = self._checked(load_config(source, owner, what))
            self._processor = self._image_processor(source, what)
        if self.pretrained:
            self.model = self._loaded(source, config)
        else:
            self.model = untrained_network(lambda: self._made(config), self.seed)

    def _source(self) -> str:
        """Give the hub name or folder that `version` stands for."""
        return self.version

    def _published(self, source: str) -> tuple[Any, Any] | None:
        """Give the configuration and image processor of a network that is known here."""
        return None

    def _image_processor(self, source: str, what: str) -> Any:
        """Load what prepares images."""
        return load_processor(source, type(self).__name__, what)

    @abstractmethod
    def _checked(self, config: Any) -> Any:
        """Check and adapt the configuration that was loaded."""

    @abstractmethod
    def _loaded(self, source: str, config: Any) -> nn.Module:
        """Load the network."""

    @abstractmethod
    def _made(self, config: Any) -> nn.Module:
        """Build the network with random weights."""

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        return processed(self._processor, image)

    @override
    def _describe_own_input(self) -> str:
        return described_processor(self._processor)

    @override
    def _describe_published(self) -> str:
        # A folder on this machine says nothing elsewhere.
        version = self._source()
        is_folder = Path(version).is_dir()
        return f"weights from {Path(version).name if is_folder else version}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers and the hub from reports and progress bars while a model loads."""
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    hub.setLevel(logging.ERROR)
    level = _logging.get_verbosity()
    bars = _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.setLevel(hub_level)
        _logging.set_verbosity(level)
        if bars:
            _logging.enable_progress_bar()


def load_from_hub(load: Callable[[], T], version: str, owner: str, what: str = "weights") -> T:
    """Call a ``from_pretrained``, from a local folder, the hub's own cache or the hub.

    Parameters
    ----------
    load : callable
        The loading itself.
    version : str
        A hub name or local folder, for messages.
    owner : str
        The model's class, for messages.
    what : str, default 'weights'
        What is loaded, for messages.

    Returns
    -------
    object
        What `load` returns.

    Raises
    ------
    MissingWeightsError
        If the weights are neither local, nor cached, nor within reach.
    WeightsError
        If they are damaged, or a pickle that would run code.
    ModelError
        If they bring code of their own.
    """
    try:
        with _quiet():
            return load()
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            # transformers tells how to run it after all.
            msg = (
                f"{owner} cannot load its {what}: {version!r} brings code of its own (auto_map), "
                "which is not run. Give a version that transformers itself knows, or write a model "
                "class around the code if you trust it."
            )
            raise ModelError(msg) from error
        where = f"{version!r} is neither a local folder nor in the hub's cache nor downloadable"
        if Path(version).is_dir():
            where = f"The folder {version} holds no loadable model"
        untrained = " pretrained=False makes an untrained network." if what == "weights" else ""
        msg = (
            f"{owner} cannot load its {what}: {where} ({first_line(error)}). Give version "
            "the path of a folder written by save_pretrained, or run once with network access."
            + untrained
        )
        raise MissingWeightsError(msg) from error
    except (UnpicklingError, EOFError) as error:
        raise refused_pickle(version) from error
    except SafetensorError as error:
        msg = f"The weights of {version} cannot be read as safetensors: {error}."
        raise WeightsError(msg) from error


def load_network(
    family: Any, version: str, owner: str, optional: Collection[str] = (), **options: Any
) -> nn.Module:
    """Load a network, every one of its weights from the checkpoint.

    Parameters
    ----------
    family : class
        A transformers class with ``from_pretrained``.
    version, owner : str
        See `load_from_hub`.
    optional : collection of str
        Parts of the network that are left out where the checkpoint has no weights for them.
    **options
        For ``from_pretrained``.

    Raises
    ------
    WeightsError
        If weights are missing from the checkpoint or of another shape: transformers would draw
        them at random. Otherwise see `load_from_hub`.
    """
    try:
        network, report = load_from_hub(
            lambda: family.from_pretrained(
                version, output_loading_info=True, trust_remote_code=False, **options
            ),
            version,
            owner,
        )
    except RuntimeError as error:
        msg = f"The weights of {version} do not fit the network of {owner}: {error!s:.300}"
        raise WeightsError(msg) from error
    absent = [*report["missing_keys"], *(key for key, *_ in report.get("mismatched_keys", ()))]
    for part in optional:
        own = [key for key in absent if key.startswith(f"{part}.")]
        if own:
            _log.info("%s has no weights for %r of %s: it is left out.", version, part, owner)
            setattr(network, part, None)
            absent = [key for key in absent if key not in own]
    if absent:
        msg = (
            f"The weights of {version} do not fill {type(network).__name__}, the network of "
            f"{owner}: {listed('missing or of another shape', sorted(absent))}. "
            "Give a version that was saved from this network."
        )
        raise WeightsError(msg)
    module: nn.Module = network
    return module


def untrained_network(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network with the random weights its training began with.

    Parameters
    ----------
    make : callable
        Builds it from its configuration; transformers draws the weights.
    seed : int
        Which draw; the caller's generator is left alone.
    """
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def load_config(version: str, owner: str, what: str = "weights") -> Any:
    """Load a network's configuration."""
    return load_from_hub(
        lambda: AutoConfig.from_pretrained(version, trust_remote_code=False), version, owner, what
    )


def of_kind(config: Any, kinds: tuple[str, ...], version: str, owner: str) -> Any:
    """Check that a configuration is of one of the given kinds.

    Raises
    ------
    ModelError
        If it is of another.
    """
    if config.model_type not in kinds:
        msg = (
            f"{owner} needs a network of the kind {' or '.join(kinds)}. "
            f"{version} holds one of the kind {config.model_type!r}."
        )
        raise ModelError(msg)
    return config


def vision_part(config: Any) -> Any:
    """Give the configuration of the vision tower: of a whole CLIP, or the tower's own."""
    if not hasattr(config, "vision_config"):
        return config
    # The projection belongs to the whole CLIP; the tower's own entry may differ.
    config.vision_config.projection_dim = config.projection_dim
    return config.vision_config


def text_part(config: Any) -> Any:
    """Give the configuration of the text tower: of a whole CLIP, or the tower's own."""
    if not hasattr(config, "text_config"):
        return config
    # The projection belongs to the whole CLIP; the tower's own entry may differ.
    config.text_config.projection_dim = config.projection_dim
    return config.text_config


def load_processor(version: str, owner: str, what: str = "weights") -> Any:
    """Load the image processor that belongs to a model."""
    return load_from_hub(
        lambda: _processors.from_pretrained(version, trust_remote_code=False), version, owner, what
    )


def processed(processor: Any, image: Image.Image) -> torch.Tensor:
    """Preprocess one image as its processor does; a tensor of shape [3, H, W]."""
    tensor: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
    return tensor


def described_processor(processor: Any) -> str:
    """Say in full what becomes of an image, as `NetworkInput.described` does."""
    if isinstance(processor, NetworkInput):
        return processor.described()

    def asked(name: str) -> bool:
        return bool(getattr(processor, f"do_{name}", False))

    def pixels(size: Any) -> str:
        known = dict(size or {})
        if {"height", "width"} <= known.keys():
            return f"{known['height']} × {known['width']} pixels"
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in known.items())

    steps = []
    if asked("resize"):
        resample = getattr(processor, "resample", None)
        how = Image.Resampling(int(resample)).name.lower() if resample is not None else "default"
        steps.append(f"resized to {pixels(processor.size)} ({how})")
    if asked("center_crop"):
        steps.append(f"centre cropped to {pixels(processor.crop_size)}")
    if asked("rescale"):
        steps.append(f"values multiplied by {processor.rescale_factor:.4g}")
    if asked("normalize"):
        mean, std = (
            ", ".join(f"{value:.4g}" for value in values)
            for values in (processor.image_mean, processor.image_std)
        )
        steps.append(f"mean ({mean}), SD ({std})")
    return ", ".join(steps) or f"prepared by {type(processor).__name__}"


def one_of(value: str, choices: tuple[str, ...], parameter: str, owner: str) -> str:
    """Check a named choice.

    Raises
    ------
    ModelError
        If `value` is none of `choices`, with the closest.
    """
    if value not in choices:
        msg = (
            f"The {parameter!r} parameter of {owner} must be one of {', '.join(choices)}. "
            f"Got {value!r} instead.{did_you_mean(value, choices)}"
        )
        raise ModelError(msg)
    return value
