"""The embedding store: content-addressed, crash-safe, shared by processes."""

from facebench.store.embedding_store import EmbeddingStore
from facebench.store.folder import default_cache_dir, open_store

__all__ = ["EmbeddingStore", "default_cache_dir", "open_store"]
