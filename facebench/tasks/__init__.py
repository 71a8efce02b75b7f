"""Tasks: what is asked of a network, one file each.

A task reads its table when it is made and refuses what it cannot use; it never sees a network.
`base.BaseTask` measures distances of pairs, `embedding.EmbeddingTask` embeddings of images. What a
task measures is declared with `measures.Measure`. Distances are larger for images that are less
alike. Tasks do not import each other; what several need is in `shared`.
"""
