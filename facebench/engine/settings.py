"""How a run is to be done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from facebench.engine.acceleration import engine_of
from facebench.engine.forward import MemoryFormat, Precision
from facebench.engine.jpeg_decoding import Decoder
from facebench.engine.memory import free_memory
from facebench.models.acceleration import Accelerate, engine_version
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.types import OnBadImage

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How to run.

    Attributes
    ----------
    batch_size : int
        Images per forward pass, at most.
    num_workers : int or None
        Processes that decode; None chooses.
    on_bad_image : {'stop', 'skip'}
        Whether an image that cannot be read ends the run.
    max_memory : int or None
        Bytes to stay within; None takes half of what is free.
    precision : {'float32', 'tf32', 'float16', 'bfloat16'}
        Shorter than float32: TensorFloat-32 on a CUDA device, the others under autocast.
    decoder : {'pillow', 'torchvision', 'nvjpeg'}
        What decodes plain JPEGs; all other images are Pillow's.
    memory_format : {'auto', 'contiguous', 'channels_last'}
        Layout of the network and its inputs in memory; 'auto' takes the faster one.
    store : EmbeddingStore or None
        Where embeddings are kept.
    after_batch : callable or None
        Called when a batch is in the store, with the number of its images; what it raises ends the
        run there.
    accelerate : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}
        What runs networks; what a model says of itself comes first.
    """

    batch_size: int = 32
    num_workers: int | None = None
    on_bad_image: OnBadImage = "stop"
    max_memory: int | None = None
    precision: Precision = "float32"
    store: EmbeddingStore | None = None
    after_batch: Callable[[int], None] | None = None
    decoder: Decoder = "pillow"
    memory_format: MemoryFormat = "auto"
    accelerate: Accelerate = "none"

    def engine_of(self, model: BaseModel) -> Accelerate:
        """Say what runs a model; see `facebench.engine.acceleration.engine_of`."""
        return engine_of(model, self.accelerate, self.precision)

    def variant_of(self, model: BaseModel) -> str:
        """Say what of this changes a model's numbers, for the keys of stored embeddings."""
        # Rounding differs between engines, and between versions of one.
        engine = engine_version(self.engine_of(model))
        return f"{self.variant}:{engine}" if engine else self.variant

    @property
    def variant(self) -> str:
        """What of this changes numbers, for the keys of stored embeddings."""
        parts: list[str] = [self.precision]
        if self.decoder != "pillow":
            parts.append(f"decoder={self.decoder}")
        if self.memory_format != "auto":
            parts.append(self.memory_format)
        return ":".join(parts)

    @property
    def layout(self) -> str | None:
        """The memory layout that was asked for; None leaves it to the run."""
        return None if self.memory_format == "auto" else self.memory_format

    @property
    def budget(self) -> int:
        """Bytes to stay within."""
        return self.max_memory or free_memory() // 2
