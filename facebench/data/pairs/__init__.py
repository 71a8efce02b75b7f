"""Tables of image pairs: reading the field's formats, building them, and finding their images.

`read_pairs` reads any table into a DataFrame with the columns img1, img2 and those of the file, in
its order; `reading` chooses the format, a module each. `finding.find_images` turns names into files
below a folder, and names all that are missing at once. `building` makes genuine and impostor pairs
of a folder. Names are relative and written with slashes.
"""

from facebench.data.pairs.agedb import read_agedb_pairs
from facebench.data.pairs.bfw import read_bfw_pairs
from facebench.data.pairs.building import all_pairs, pairs_from_folder
from facebench.data.pairs.calfw import read_calfw_pairs
from facebench.data.pairs.cfp import read_cfp_pairs
from facebench.data.pairs.finding import (
    ImagePaths,
    find_image_list,
    find_images,
    missing_images,
    numbered_images,
    resolve_image,
    resolve_images,
)
from facebench.data.pairs.insightface import InsightfacePack, read_insightface_bin
from facebench.data.pairs.lfw import read_lfw_pairs
from facebench.data.pairs.reading import is_lfw_list, read_pairs
from facebench.data.pairs.rows import row_name, row_numbers
from facebench.data.pairs.table import (
    PAIR_COLUMNS,
    RESULT_COLUMNS,
    as_path,
    decimal_comma_hint,
    require_column,
    require_numbers,
)
from facebench.data.pairs.templates import read_template_media, read_template_pairs

__all__ = [
    "PAIR_COLUMNS",
    "RESULT_COLUMNS",
    "ImagePaths",
    "InsightfacePack",
    "all_pairs",
    "as_path",
    "decimal_comma_hint",
    "find_image_list",
    "find_images",
    "is_lfw_list",
    "missing_images",
    "numbered_images",
    "pairs_from_folder",
    "read_agedb_pairs",
    "read_bfw_pairs",
    "read_calfw_pairs",
    "read_cfp_pairs",
    "read_insightface_bin",
    "read_lfw_pairs",
    "read_pairs",
    "read_template_media",
    "read_template_pairs",
    "require_column",
    "require_numbers",
    "resolve_image",
    "resolve_images",
    "row_name",
    "row_numbers",
]
