"""Former module paths, which still work: each leads to the module that replaced it.

The documented paths (`facebench.pairs`, `facebench.registry` …) are modules of their own; the paths
here were internal, but scripts used some of them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from typing_extensions import override

__all__ = ["MOVED", "follow_moves"]

# Rooms whose modules kept their names: where they were, where they are, and which.
_KEPT_NAMES = (
    ("", "data", "flipping images packs"),
    ("", "experiment", "arguments config targets"),
    ("", "run", "diagnosis failures measurement task_images"),
    ("contracts", "testing", "cases checks world"),
    (
        "figures",
        "figures.drawing",
        "bars cmc curves effects heat_map histograms intervals layer_map mds pair_sheet "
        "panels profile rdm scatter style",
    ),
    (
        "metrics",
        "metrics.uncertainty",
        "choice_errors correlation_influence effect_intervals influence jackknife "
        "permutations rank_groups replicates resamples rsa_intervals",
    ),
    (
        "plotting",
        "figures.records",
        "error_curves layer_choice layer_figures layer_order layer_table pair_pictures "
        "profiles representation scores tables verification",
    ),
    (
        "results",
        "results.report",
        "chart_data pages pair_samples provenance_view tables task_section thumbnails",
    ),
    (
        "stimuli",
        "stimuli.rendered",
        "background body colours fields hair head landmarks layout parameters points sampling "
        "shading surface",
    ),
    (
        "tasks",
        "tasks.shared",
        "effect_design effect_items effect_measure effect_rows group_measures image_tables "
        "pairs_table ranked_items rating_columns ratings",
    ),
)
# Without the leading "facebench.": where a module was, and where it is.
MOVED = {
    **{
        f"{old}.{name}".lstrip("."): f"{new}.{name}"
        for old, new, names in _KEPT_NAMES
        for name in names.split()
    },
    "aligning": "faces.alignment",
    "code_identity": "engine.code_identity",
    "comparison": "results.comparison",
    "comparison.models": "results.comparison.models",
    "comparison.networks": "results.comparison.networks",
    "config_files": "experiment.paths",
    "config_sources": "experiment.sources",
    "contracts": "testing",
    "contracts.models": "testing.model_contract",
    "contracts.tasks": "testing.task_contract",
    "data_health": "data.health",
    "dlib_files": "faces.dlib_data",
    "embedding_files": "run.embeddings_file",
    "engine.demand": "engine.request",
    "engine.run_plan": "engine.plan_tables",
    "engine.streaming": "engine.streamed",
    "experiment_digest": "experiment.digest",
    "face_chip": "faces.chips",
    "files": "utils.files",
    "fingerprint": "engine.fingerprint",
    "located": "experiment.locations",
    "manager_arguments": "run.arguments",
    "metrics.blocks": "metrics.uncertainty.independent_groups",
    "metrics.cells": "metrics.conditions",
    "metrics.identification_bootstrap": "metrics.uncertainty.identification_jackknife",
    "metrics.rated_draws": "metrics.ratings.draws",
    "metrics.rated_pairs": "metrics.ratings.pairs",
    "metrics.rated_people": "metrics.ratings.raters",
    "metrics.rated_permutations": "metrics.ratings.permutations",
    "metrics.report": "metrics.verification_report",
    "metrics.resampling": "metrics.uncertainty.rating_resamples",
    "metrics.shares": "metrics.uncertainty.proportions",
    "models._dlib_file": "models.dlib.file_reader",
    "models._dlib_network": "models.dlib.network",
    "names": "utils.suggestions",
    "pair_distances": "tasks.shared.distance_metric",
    "plotting": "figures.records",
    "plugin_files": "experiment.plugins",
    "profiles": "figures.records.layer_table",
    "progress": "utils.progress",
    "prompts": "experiment.starters.prompts",
    "results.compare_page": "results.report.comparison_page",
    "results.health": "results.data_health",
    "results.intervals": "results.influences",
    "results.left_out": "run.estimates",
    "results.left_out_file": "results.replicates_file",
    "results.measures": "tasks.measures",
    "results.paired": "results.comparison.paired",
    "results.run": "results.reader",
    "results.ties": "results.comparison.paired",
    "results.wide_rows": "data.estimates",
    "running": "experiment.execution",
    "scaffold": "experiment.starters.plugin",
    "settings": "experiment.schema",
    "starter": "experiment.starters.folder",
    "stimuli.contact_sheets": "faces.contact_sheets",
    "stimuli.detection": "faces.landmarks",
    "stimuli.pictures": "faces.pictures",
    "stimuli.rendered_sets": "stimuli.rendered.sets",
    "stimuli.rendering": "stimuli.rendered.camera",
    "stimuli.toning": "stimuli.skin_tone",
    "tasks.comparisons": "tasks.shared.labelled_pairs",
    "tasks.effects": "tasks.classic_effects",
    "tasks.groups_of_pairs": "tasks.shared.pair_groups",
    "tasks.layer_likeness": "tasks.shared.layer_similarity",
    "yaml_reading": "experiment.yaml_reader",
}


class _Finder(MetaPathFinder, Loader):
    """Gives the very module that a former path leads to, so that there is one of it."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == "facebench" and name in MOVED else None

    @override
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"facebench.{MOVED[spec.name.partition('.')[2]]}")
        self._specs[spec.name] = module.__spec__
        return module

    @override
    def exec_module(self, module: ModuleType) -> None:
        # Importing has just named the module after its former path.
        module.__spec__ = self._specs.pop(module.__spec__.name) if module.__spec__ else None


def follow_moves() -> None:
    """Let former module paths be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
