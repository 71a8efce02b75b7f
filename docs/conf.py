"""How Sphinx builds the documentation; `make docs` runs it."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import reference_pages  # noqa: E402
from pygments.lexers.special import TextLexer  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import facebench  # noqa: E402

# These pages come from the code, so that they are always those of this version.
reference_pages.write(DOCS / "reference")

project = "facebench"
author = "The facebench developers"
project_copyright = "the facebench developers"
release = version = facebench.__version__

extensions = ["myst_nb", "numpydoc"]
exclude_patterns = ["_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
root_doc = "index"

# Links such as page.md#heading are resolved as GitHub does it, and checked.
myst_heading_anchors = 4
myst_linkify_fuzzy_links = False
myst_enable_extensions = ["strikethrough"]
# Notebooks are shown with the outputs stored in them (docs/fill_notebook.py).
nb_execution_mode = "off"

# In docstrings `EffectTask` is a link to the class.
default_role = "py:obj"
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"facebench {release}"
html_show_sourcelink = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Show tables in CSV as they are."""
    app.add_lexer("csv", TextLexer)
