"""The engine: images to embeddings and distances, each image once, within a memory budget."""

from facebench.engine.comparisons import PairsOfTask
from facebench.engine.demand import Demand, Numbering
from facebench.engine.embedding import Embeddings, Settings, embed, run_model
from facebench.engine.record import ModelRecord

__all__ = [
    "Demand",
    "Embeddings",
    "ModelRecord",
    "Numbering",
    "PairsOfTask",
    "Settings",
    "embed",
    "run_model",
]
