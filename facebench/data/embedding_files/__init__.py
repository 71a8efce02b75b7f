"""Files of embeddings: image names and an array of vectors for each layer.

`open_embeddings` reads NumPy's .npz and .npy, Parquet, CSV, HDF5 and MATLAB's .mat;
`write_embeddings` writes .npz and .parquet in the form that it reads.
"""

from facebench.data.embedding_files.opening import open_embeddings
from facebench.data.embedding_files.table import EmbeddingFile, ImagesIn
from facebench.data.embedding_files.writing import write_embeddings

__all__ = ["EmbeddingFile", "ImagesIn", "open_embeddings", "write_embeddings"]
