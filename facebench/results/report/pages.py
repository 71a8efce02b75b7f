"""Self-contained pages: templates, scripts and data in one file that needs no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facebench.results.headline import number
from facebench.utils.files import atomic_path

__all__ = ["embedded_json", "is_page", "write_page"]

_TEMPLATES = "templates"
_DIGITS = 6
# What stands before a page's style sheet.
_HEAD = 1 << 16


def write_page(template: str, target: Path, context: dict[str, Any], *, charts: bool) -> Path:
    """Render a page and write it, whole or not at all.

    Parameters
    ----------
    template : str
        Name of the template, such as 'report.html.j2'.
    target : Path
        The file.
    context : dict
        What the template shows.
    charts : bool
        Whether plotly is put into the page.

    Returns
    -------
    Path
        The file.
    """
    scripts = [_asset("page.js"), _asset("charts.js")]
    # The browser runs these scripts only, even if the data hold others.
    trusted = [*scripts, *([_plotly()] if charts else [])]
    html = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_asset("page.css") + _asset("tables.css")),
            scripts=[Markup(script) for script in scripts],
            script_hashes=[_csp_hash(script) for script in trusted],
            plotly=Markup(_packed_plotly()) if charts else None,
            **context,
        )
    )
    with atomic_path(target) as temporary:
        temporary.write_text(html, encoding="utf-8", errors="replace")
    return target


def is_page(path: Path, kind: str) -> bool:
    """Tell whether a file is a page of facebench's, which may be replaced by a newer one.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        'leaderboard', 'comparison' or 'report'.

    Returns
    -------
    bool
        False of a folder, a link and what cannot be read.
    """
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return f"facebench {kind}</title>".encode() in head.partition(b"<style>")[0]


def embedded_json(value: Any) -> Markup:
    r"""Write data for a ``<script type="application/json">``.

    Parameters
    ----------
    value : Any
        Of dicts, lists, NumPy arrays, texts and numbers; NaN and infinity become null.

    Returns
    -------
    Markup
        JSON in which no ``<`` is left that could end the script.

    Examples
    --------
    >>> str(embedded_json({"name": "</script>", "value": float("nan")}))
    '{"name":"\\u003c/script\\u003e","value":null}'
    """
    text = json.dumps(_compact(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _compact(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _compact(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind in "iu" else _compact(value.tolist())
    if isinstance(value, list | tuple):
        return [_compact(item) for item in value]
    if isinstance(value, np.generic):
        return _compact(value.item())
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        rounded = float(f"{value:.{_DIGITS}g}")
        return int(rounded) if rounded.is_integer() else rounded
    return value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("facebench.results.report", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["embedded"] = embedded_json
    environment.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode("ascii")
    return environment


@cache
def _asset(name: str) -> str:
    return (resources.files("facebench.results.report") / _TEMPLATES / name).read_text(
        encoding="utf-8"
    )


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@cache
def _packed_plotly() -> str:
    """Pack plotly to a third of its size; the page unpacks it before the first chart."""
    packed = gzip.compress(_plotly().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def _csp_hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
