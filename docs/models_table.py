"""Write the tables of docs/models.md from the names that facebench knows.

Run it with `python docs/models_table.py` after adding or changing a model; a test tells when it is
due.
"""

from pathlib import Path

import page_blocks

from facebench.experiment.registry import MODELS
from facebench.models.network_input import network_input
from facebench.models.recipes import RECIPES, Recipe

PAGE = Path(__file__).parent / "models.md"


def filled(text: str) -> str:
    """Give the page with the tables as they should be."""
    names = [entry for entry in MODELS.entries() if entry.source == "facebench"]
    families = [entry for entry in names if entry.name not in RECIPES]
    blocks = {
        "families": page_blocks.table(
            ("model", "is"), ((f"`{entry.name}`", entry.summary) for entry in families)
        ),
        "recipes": page_blocks.table(
            ("model", "is", "input", "faces", "embedding", "keys in the file"),
            map(_network, RECIPES.values()),
        ),
        "weights": page_blocks.table(
            ("models", "weights", "licence", "published", "what that is"), _weights()
        ),
    }
    return page_blocks.filled(text, blocks)


def _network(recipe: Recipe) -> tuple[str, ...]:
    keys = " or ".join(f"`{prefix}{recipe.marker}`" for prefix in recipe.prefixes)
    return (
        f"`{recipe.name}`",
        recipe.what,
        str(network_input(recipe.input))
        + (
            f", resized to {recipe.input['resize']} and cropped" if "resize" in recipe.input else ""
        ),
        recipe.template,
        f"`{recipe.layer}`",
        keys,
    )


def _weights() -> list[tuple[str, ...]]:
    """List where weights are, models of the same source in one row."""
    rows: dict[tuple[str, str], list[Recipe]] = {}
    for recipe in RECIPES.values():
        rows.setdefault((recipe.source, recipe.licence), []).append(recipe)
    return [
        (
            ", ".join(f"`{recipe.name}`" for recipe in recipes),
            "; ".join(
                [source, *(f"sha256 {recipe.sha256}" for recipe in recipes if recipe.sha256)]
            ),
            licence,
            "; ".join(
                f"`{recipe.name}`: {recipe.published}" for recipe in recipes if recipe.published
            ),
            "; ".join(dict.fromkeys(recipe.protocol for recipe in recipes if recipe.protocol)),
        )
        for (source, licence), recipes in rows.items()
    ]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
