"""The engine: images to embeddings and distances, each image once, within a memory budget."""

from facebench.engine.comparisons import PairsOfTask
from facebench.engine.embedding import embed
from facebench.engine.model_run import run_model
from facebench.engine.outputs import Embeddings
from facebench.engine.record import ModelRecord
from facebench.engine.recorded import PairsToFind, plan_recorded, read_recorded
from facebench.engine.request import EmbeddingRequest, ImageIndex
from facebench.engine.settings import Settings

__all__ = [
    "EmbeddingRequest",
    "Embeddings",
    "ImageIndex",
    "ModelRecord",
    "PairsOfTask",
    "PairsToFind",
    "Settings",
    "embed",
    "plan_recorded",
    "read_recorded",
    "run_model",
]
