"""Writing RDMs as CSV, .npz, the HDF5 of rsatoolbox or MATLAB's .mat, as `read_rdms` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from facebench.data.rdms.rsatoolbox import write_rsatoolbox
from facebench.data.tables import as_path
from facebench.errors import InputError
from facebench.metrics.rdm import square
from facebench.types import Float64Array, StrPath
from facebench.utils.files import atomic_path, write_csv

__all__ = ["RDM_SUFFIXES", "write_rdms"]

RDM_SUFFIXES = (".csv", ".h5", ".hdf5", ".mat", ".npz")
# Names of MATLAB's variables are no longer.
_LONGEST = 63


def write_rdms(
    file: StrPath, names: Sequence[str], rdms: Mapping[str, Float64Array], measure: str = ""
) -> None:
    """Write one RDM or several of the same images.

    Parameters
    ----------
    file : str or Path
        The file. Its suffix says the form: .csv (a square; a row per pair where there are several
        RDMs), .npz, .mat, or .h5 and .hdf5 as rsatoolbox has them.
    names : sequence of str
        The images.
    rdms : mapping of str to array, shape [n (n - 1) / 2]
        By label, such as a layer.
    measure : str, optional
        What the distances are, for rsatoolbox.

    Raises
    ------
    InputError
        If the suffix is another one, or rsatoolbox cannot hold a name.
    """
    path = as_path(file, "file")
    suffix = path.suffix.lower()
    if suffix not in RDM_SUFFIXES:
        msg = f"The output must be one of {', '.join(RDM_SUFFIXES)}. Got {path} instead."
        raise InputError(msg)
    if suffix == ".csv":
        import pandas as pd

        if len(rdms) == 1:
            [vector] = rdms.values()
            table = pd.DataFrame(square(vector), index=list(names), columns=list(names))
            write_csv(table.reset_index(names=""), path)
            return
        first, second = np.triu_indices(len(names), 1)
        labels = np.array(names, dtype=object)
        pairs = pd.DataFrame({"img1": labels[first], "img2": labels[second], **rdms})
        write_csv(pairs, path)
        return
    with atomic_path(path) as temporary:
        if suffix in (".h5", ".hdf5"):
            write_rsatoolbox(temporary, names, list(rdms), np.stack(list(rdms.values())), measure)
        elif suffix == ".npz":
            arrays = {
                f"layer_{label}" if label in ("images", "file") else label: square(vector)
                for label, vector in rdms.items()
            }
            np.savez(temporary, **{"images": np.array(names, dtype=str), **arrays})  # type: ignore[arg-type]
        else:
            import scipy.io

            cells = np.empty((len(names), 1), dtype=object)
            cells[:, 0] = list(names)
            variables = _variables(rdms)
            scipy.io.savemat(
                temporary,
                {"names": cells, **{key: square(rdms[label]) for label, key in variables.items()}},
                appendmat=False,
                long_field_names=True,
            )


def _variables(labels: Mapping[str, object]) -> dict[str, str]:
    """Make names of MATLAB's variables out of labels."""
    found: dict[str, str] = {}
    for label in labels:
        key = re.sub(r"\W", "_", label, flags=re.ASCII)
        key = key if re.match(r"[A-Za-z]", key) and key != "names" else f"layer_{key}"
        key, number = key[:_LONGEST], 1
        while key in found.values():
            number += 1
            key = f"{key[: _LONGEST - 4]}_{number}"
        found[label] = key
    return found
