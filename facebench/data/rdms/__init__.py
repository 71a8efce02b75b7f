"""Files of representational dissimilarity matrices (RDMs): named images and their distances.

`read_rdms` reads CSV (a square or a row per pair), NumPy's .npz, the HDF5 of rsatoolbox, MATLAB's
.mat and what Meadows exports; `write_rdms` writes all but the last.
"""

from facebench.data.rdms.matching import NameMatcher, RdmMatcher, pairs_of_rdms, rdms_of_images
from facebench.data.rdms.reading import is_rdm_file, read_rdms
from facebench.data.rdms.table import NamedRdms
from facebench.data.rdms.writing import RDM_SUFFIXES, write_rdms

__all__ = [
    "RDM_SUFFIXES",
    "NameMatcher",
    "NamedRdms",
    "RdmMatcher",
    "is_rdm_file",
    "pairs_of_rdms",
    "rdms_of_images",
    "read_rdms",
    "write_rdms",
]
