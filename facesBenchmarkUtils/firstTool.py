"""What scripts for the tool's first implementation use: its keywords and its star imports.

Only the documented import paths (`models`, `tasks`, `facesBenchmarkUtils`) accept these.
docs/migrating.md says what else differs.
"""

import functools
import importlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

# The first implementation's keyword -> ours.
OLD_KEYWORDS = {
    "model_name": "name",
    "weights_file_path": "weights_path",
    "layers_to_extract": "extract_layers",
    "task_name": "name",
    "images_folder_path": "images_path",
    "distance_function": "distance_metric",
    "correlation_function": "correlation_metric",
}

# Names that `from models import *` and its siblings gave beside the classes -> where they are.
_STAR_NAMES = {
    "ABC": "abc:ABC",
    "Any": "typing:Any",
    "Callable": "typing:Callable",
    "DataLoader": "torch.utils.data:DataLoader",
    "Dataset": "torch.utils.data:Dataset",
    "Dict": "typing:Dict",
    "F": "torch.nn.functional",
    "Image": "PIL.Image",
    "List": "typing:List",
    "Optional": "typing:Optional",
    "Path": "pathlib:Path",
    "Tuple": "typing:Tuple",
    "Type": "typing:Type",
    "Union": "typing:Union",
    "abstractmethod": "abc:abstractmethod",
    "accuracy_score": "sklearn.metrics:accuracy_score",
    "auc": "sklearn.metrics:auc",
    "cosine_distances": "sklearn.metrics.pairwise:cosine_distances",
    "euclidean_distances": "sklearn.metrics.pairwise:euclidean_distances",
    "math": "math",
    "nn": "torch.nn",
    "np": "numpy",
    "os": "os",
    "pairwise": "sklearn.metrics.pairwise",
    "pd": "pandas",
    "plt": "matplotlib.pyplot",
    "roc_auc_score": "sklearn.metrics:roc_auc_score",
    "roc_curve": "sklearn.metrics:roc_curve",
    "torch": "torch",
    "transforms": "torchvision.transforms",
}


def accept_old_keywords(*classes: type) -> None:
    """Let the constructors of these classes take the first implementation's keywords too.

    Each use gives one DeprecationWarning that names the new keyword.

    Parameters
    ----------
    *classes : type
        Classes of facebench; those that are imported by several paths are prepared once.
    """
    for owner in classes:
        if not hasattr(owner.__init__, "accepts_old_keywords"):
            owner.__init__ = _accepting(owner.__init__)


def _accepting(constructor: Callable[..., None]) -> Callable[..., None]:
    parameters = inspect.signature(constructor).parameters
    takes_any = any(kind.kind is kind.VAR_KEYWORD for kind in parameters.values())
    translated = {old: new for old, new in OLD_KEYWORDS.items() if takes_any or new in parameters}

    @functools.wraps(constructor)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        for old in [name for name in kwargs if name in translated]:
            new = translated[old]
            if new in kwargs:
                msg = f"{type(self).__name__} got both {old!r} and {new!r}, which are the same."
                raise TypeError(msg)
            msg = f"{old!r} is called {new!r} now. Please rename it."
            warnings.warn(msg, DeprecationWarning, stacklevel=2)
            kwargs[new] = kwargs.pop(old)
        constructor(self, *args, **kwargs)

    vars(init)["accepts_old_keywords"] = True
    return init


def star_names(package: str) -> tuple[Callable[[str], Any], list[str]]:
    """Make the ``__getattr__`` of a package, and the names that its star import adds.

    Parameters
    ----------
    package : str
        Its ``__name__``.

    Returns
    -------
    tuple of callable and list of str
    """

    def load(name: str) -> Any:
        if name not in _STAR_NAMES:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        module, _, attribute = _STAR_NAMES[name].partition(":")
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found

    return load, list(_STAR_NAMES)
