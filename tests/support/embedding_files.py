"""Files of embeddings as other programs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.io

from facebench.data.embedding_files import write_embeddings

SUFFIXES = (".npz", ".npy", ".parquet", ".csv", ".tsv", ".h5", ".mat", "-v7.3.mat")


def write_file(
    folder: Path, suffix: str, names: Sequence[str], layers: Mapping[str, np.ndarray]
) -> tuple[Path, dict[str, object]]:
    """Write names and vectors; returns the file and what else `EmbeddingsModel` has to be told.

    Layers are called so that every format can have them; .npy has the first only.
    """
    path = folder / f"vectors{suffix}"
    if suffix in (".npz", ".parquet"):
        write_embeddings(path, names, layers, range(len(names)))
    elif suffix == ".npy":
        np.save(path, next(iter(layers.values())))
        (folder / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        return path, {"names": folder / "names.txt"}
    elif suffix in (".csv", ".tsv"):
        columns = {
            f"{layer}_{number}": table[:, number]
            for layer, table in layers.items()
            for number in range(table.shape[1])
        }
        table = pd.DataFrame({"image": list(names), **columns})
        table.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    elif suffix == ".h5":
        import h5py

        with h5py.File(path, "w") as file:
            file["names"] = list(names)
            for layer, table in layers.items():
                file[layer] = table
    elif suffix == ".mat":
        cells = np.empty((len(names), 1), dtype=object)
        cells[:, 0] = list(names)
        scipy.io.savemat(path, {"names": cells, **layers})
    else:
        write_mat_7_3(path, names, layers)
    return path, {"images_in": "rows"}


def write_mat_7_3(path: Path, names: Sequence[str], layers: Mapping[str, np.ndarray]) -> None:
    """Write what MATLAB's ``save -v7.3`` does: HDF5, transposed, text as references to codes."""
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:
        cell = file.create_dataset("names", (1, len(names)), dtype=h5py.ref_dtype)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
        for number, name in enumerate(names):
            codes = np.frombuffer(name.encode("utf-16-le"), dtype="<u2")
            text = file.create_dataset(f"#refs#/{number}", data=codes.reshape(-1, 1))
            text.attrs["MATLAB_class"] = np.bytes_("char")
            cell[0, number] = text.ref
        for layer, table in layers.items():
            dataset = file.create_dataset(layer, data=table.T)
            dataset.attrs["MATLAB_class"] = np.bytes_("single")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512))
