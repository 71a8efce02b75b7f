"""The engine: images to embeddings and distances, each image once, within a memory budget.

`run_model` takes a model and an `EmbeddingRequest` (which images, layers, pairs) and gives
`Embeddings`. `pass_plan` decides what is stored, kept or streamed, for a run and for its plan
alike; `model_pass` carries it out; `loading` decodes, `forward` runs the network, `cache` and
`fingerprint` stand between the engine and the store. Images are numbers from 0 in an `ImageIndex`;
embeddings are float32, [n, D].
"""

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
