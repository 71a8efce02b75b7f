"""Networks: one file per family, all behind `BaseModel`.

`base.BaseModel` is the contract: build, preprocess, run, and read named layers. `recorded` is that
of embeddings and scores that were computed elsewhere. `recipes` lists published face networks,
`checkpoints` fits weights from files, and no code in a file is run. A class declares an
`outputs_version`, which is raised when its embeddings change. Models do not import tasks.
"""
