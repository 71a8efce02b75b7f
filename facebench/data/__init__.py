"""The data of an experiment: images, tables of pairs, and whether they are what they seem.

`pairs` reads and builds tables of image pairs (also importable as `facebench.pairs`), `tables`
reads text tables as other programs write them, `folder` lists the images of a folder, `images`
decodes them, `packs` reads InsightFace ``.bin`` packs, and `identity` decides who is in an image.
`health` finds duplicates, label conflicts and identity leaks, `flipping` writes mirrored copies,
`sets` knows the usual data sets, and `estimates` holds numbers with their intervals. Images are
named by paths relative to the folder that a task names; a row of a table stays a row, in file
order.
"""
