"""The data of an experiment: images, tables of pairs, and whether they are what they seem.

`pairs` reads and builds tables of image pairs (also importable as `facebench.pairs`), `images`
decodes image files, `packs` reads InsightFace ``.bin`` packs, `health` finds duplicates, label
conflicts and identity leaks, and `flipping` writes mirrored copies. Images are named by paths
relative to the folder that a task names; a row of a table stays a row, in file order.
"""
