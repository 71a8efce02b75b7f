"""The embedding store: content-addressed, crash-safe, shared by processes.

`open_store` gives an `EmbeddingStore`. A layer is found by a key that covers everything that
determines its numbers, an image in it by the digest of its bytes. Rows lie in append-only shards
(`shards`, `rows`), their places in an index in SQLite (`database`, `layer_index`); every row and
entry has a checksum, and what does not match counts as not stored. `packs` reads the immutable
files of other machines beside it. Rows are float32 or float16, [n, D]; nothing here knows networks.
"""

from facebench.store.embedding_store import EmbeddingStore
from facebench.store.folder import default_cache_dir, open_store

__all__ = ["EmbeddingStore", "default_cache_dir", "open_store"]
