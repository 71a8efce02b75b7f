"""Options that any model or task of an experiment takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facebench.data.image_sets import image_set
from facebench.errors import InputError
from facebench.experiment.arguments import parameters_of
from facebench.experiment.locations import Located
from facebench.models.acceleration import check_acceleration
from facebench.models.views import check_views

__all__ = ["MODEL_OPTIONS", "TASK_OPTIONS", "apply_options", "options_of"]

# Key → the method that takes it.
MODEL_OPTIONS = {
    **dict.fromkeys(("flip", "crops", "crop_scale"), "set_views"),
    **dict.fromkeys(("centre", "whiten", "shrinkage"), "set_fitting"),
    "accelerate": "set_acceleration",
}
TASK_OPTIONS = {"score_norm": "set_score_norm"}
_FOLDERS = ("centre", "whiten", "cohort")
_NORM_KEYS = ("kind", "cohort", "top")


def options_of(cls: type, given: Mapping[str, Located], known: Mapping[str, str]) -> dict[str, Any]:
    """Find the options among an entry's keys, with paths as they are from anywhere, and check them.

    Parameters
    ----------
    cls : type
        The class of the model or task: a parameter of its own comes first.
    given : mapping of str to Located
        The entry's keys.
    known : mapping of str to str
        `MODEL_OPTIONS` or `TASK_OPTIONS`.

    Returns
    -------
    dict
        Option → value.

    Raises
    ------
    InputError
        If a value is not what it should be; the message has the key in quotes.
    MissingImageError
        If a folder is missing.
    """
    own = parameters_of(cls)
    options = {
        key: _value(key, given[key])
        for key, method in known.items()
        if key in given and key not in own and hasattr(cls, method)
    }
    if options.get("accelerate") is not None:
        check_acceleration(options["accelerate"])
    check_views(options.get("flip"), options.get("crops"), options.get("crop_scale"))
    for key, value in options.items():
        if key in _FOLDERS and value is not None:
            image_set(value, key)
    norm = options.get("score_norm")
    if norm is not None:
        if not isinstance(norm, dict) or set(norm) - set(_NORM_KEYS):
            msg = (
                "'score_norm' must be a mapping with the keys kind, cohort and, for kind 'as', "
                f"top, such as {{kind: s, cohort: others/}}. Got {norm!r:.200}."
            )
            raise InputError(msg)
        if norm.get("cohort") is not None:
            image_set(norm["cohort"], "score_norm")
    return options


def _value(key: str, item: Located) -> Any:
    if isinstance(item.value, dict):
        return {name: _value(name, value) for name, value in item.value.items()}
    if key in _FOLDERS and isinstance(item.value, str):
        return str(item.place.folder / Path(item.value).expanduser())
    return item.plain()


def apply_options(made: Any, options: Mapping[str, Any], known: Mapping[str, str]) -> Any:
    """Set the options of a model or task.

    Parameters
    ----------
    made : BaseModel or BaseTask
        The model or task.
    options : mapping
        From `options_of`.
    known : mapping of str to str
        `MODEL_OPTIONS` or `TASK_OPTIONS`.

    Returns
    -------
    BaseModel or BaseTask
        The same.
    """
    for method in dict.fromkeys(known.values()):
        own = {key: value for key, value in options.items() if known[key] == method}
        if "score_norm" in own:
            own = own["score_norm"] or {"kind": None}
            if "kind" not in own:
                msg = "'score_norm' needs a kind: z, t, s or as."
                raise InputError(msg)
        if own:
            getattr(made, method)(**own)
    return made
