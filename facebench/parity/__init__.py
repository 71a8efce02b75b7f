"""What the well-known evaluators print for the same scores, and why they differ.

Each rule is implemented from its published description or source, in this project's own words:
`facenet`, `insightface`, `facexzoo`, `deepface`, `faces_benchmark` (the tool whose import paths
facebench keeps), and the official one of `lfw`. `parity_table` puts them side by side. None but
`lfw` is a recommendation; see docs/protocols.md.
"""

from __future__ import annotations

from facebench.parity.grid_rules import facenet, facenet_centred, insightface
from facebench.parity.outcome import Outcome
from facebench.parity.score_rules import deepface, faces_benchmark, facexzoo, lfw
from facebench.parity.table import RULES, parity_table
from facebench.parity.vectors import cosine_similarities, flip_concat, flip_sum, squared_distances

__all__ = [
    "RULES",
    "Outcome",
    "cosine_similarities",
    "deepface",
    "facenet",
    "facenet_centred",
    "faces_benchmark",
    "facexzoo",
    "flip_concat",
    "flip_sum",
    "insightface",
    "lfw",
    "parity_table",
    "squared_distances",
]
