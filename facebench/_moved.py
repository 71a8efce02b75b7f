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

# Without the leading "facebench.": where a module was, and where it is.
MOVED = {
    "aligning": "faces.alignment",
    "arguments": "experiment.arguments",
    "code_identity": "engine.code_identity",
    "comparison": "results.comparison",
    "comparison.models": "results.comparison.models",
    "comparison.networks": "results.comparison.networks",
    "config": "experiment.config",
    "config_files": "experiment.paths",
    "config_sources": "experiment.sources",
    "contracts": "testing",
    "contracts.cases": "testing.cases",
    "contracts.checks": "testing.checks",
    "contracts.models": "testing.model_contract",
    "contracts.tasks": "testing.task_contract",
    "contracts.world": "testing.world",
    "data_health": "data.health",
    "diagnosis": "run.diagnosis",
    "dlib_files": "faces.dlib_data",
    "embedding_files": "run.embeddings_file",
    "engine.demand": "engine.request",
    "engine.run_plan": "engine.plan_tables",
    "engine.streaming": "engine.streamed",
    "experiment_digest": "experiment.digest",
    "face_chip": "faces.chips",
    "failures": "run.failures",
    "figures.bars": "figures.drawing.bars",
    "figures.cmc": "figures.drawing.cmc",
    "figures.curves": "figures.drawing.curves",
    "figures.effects": "figures.drawing.effects",
    "figures.heat_map": "figures.drawing.heat_map",
    "figures.histograms": "figures.drawing.histograms",
    "figures.intervals": "figures.drawing.intervals",
    "figures.layer_map": "figures.drawing.layer_map",
    "figures.mds": "figures.drawing.mds",
    "figures.pair_sheet": "figures.drawing.pair_sheet",
    "figures.panels": "figures.drawing.panels",
    "figures.profile": "figures.drawing.profile",
    "figures.rdm": "figures.drawing.rdm",
    "figures.scatter": "figures.drawing.scatter",
    "figures.style": "figures.drawing.style",
    "files": "utils.files",
    "fingerprint": "engine.fingerprint",
    "flipping": "data.flipping",
    "images": "data.images",
    "located": "experiment.locations",
    "manager_arguments": "run.arguments",
    "measurement": "run.measurement",
    "metrics.blocks": "metrics.uncertainty.independent_groups",
    "metrics.cells": "metrics.conditions",
    "metrics.choice_errors": "metrics.uncertainty.choice_errors",
    "metrics.correlation_influence": "metrics.uncertainty.correlation_influence",
    "metrics.effect_intervals": "metrics.uncertainty.effect_intervals",
    "metrics.identification_bootstrap": "metrics.uncertainty.identification_jackknife",
    "metrics.influence": "metrics.uncertainty.influence",
    "metrics.jackknife": "metrics.uncertainty.jackknife",
    "metrics.permutations": "metrics.uncertainty.permutations",
    "metrics.rank_groups": "metrics.uncertainty.rank_groups",
    "metrics.rated_draws": "metrics.ratings.draws",
    "metrics.rated_pairs": "metrics.ratings.pairs",
    "metrics.rated_people": "metrics.ratings.raters",
    "metrics.rated_permutations": "metrics.ratings.permutations",
    "metrics.replicates": "metrics.uncertainty.replicates",
    "metrics.report": "metrics.verification_report",
    "metrics.resamples": "metrics.uncertainty.resamples",
    "metrics.resampling": "metrics.uncertainty.rating_resamples",
    "metrics.rsa_intervals": "metrics.uncertainty.rsa_intervals",
    "metrics.shares": "metrics.uncertainty.proportions",
    "models._dlib_file": "models.dlib.file_reader",
    "models._dlib_network": "models.dlib.network",
    "names": "utils.suggestions",
    "packs": "data.packs",
    "pair_distances": "tasks.shared.distance_metric",
    "plotting": "figures.records",
    "plotting.error_curves": "figures.records.error_curves",
    "plotting.layer_choice": "figures.records.layer_choice",
    "plotting.layer_figures": "figures.records.layer_figures",
    "plotting.layer_order": "figures.records.layer_order",
    "plotting.layer_table": "figures.records.layer_table",
    "plotting.pair_pictures": "figures.records.pair_pictures",
    "plotting.profiles": "figures.records.profiles",
    "plotting.representation": "figures.records.representation",
    "plotting.scores": "figures.records.scores",
    "plotting.tables": "figures.records.tables",
    "plotting.verification": "figures.records.verification",
    "plugin_files": "experiment.plugins",
    "profiles": "figures.records.layer_table",
    "progress": "utils.progress",
    "prompts": "experiment.starters.prompts",
    "results.chart_data": "results.report.chart_data",
    "results.compare_page": "results.report.comparison_page",
    "results.health": "results.data_health",
    "results.intervals": "results.influences",
    "results.left_out": "run.estimates",
    "results.left_out_file": "results.replicates_file",
    "results.measures": "tasks.measures",
    "results.pages": "results.report.pages",
    "results.pair_samples": "results.report.pair_samples",
    "results.paired": "results.comparison.paired",
    "results.provenance_view": "results.report.provenance_view",
    "results.run": "results.reader",
    "results.tables": "results.report.tables",
    "results.task_section": "results.report.task_section",
    "results.thumbnails": "results.report.thumbnails",
    "results.ties": "results.comparison.paired",
    "results.wide_rows": "data.estimates",
    "running": "experiment.execution",
    "scaffold": "experiment.starters.plugin",
    "settings": "experiment.schema",
    "starter": "experiment.starters.folder",
    "stimuli.background": "stimuli.rendered.background",
    "stimuli.body": "stimuli.rendered.body",
    "stimuli.colours": "stimuli.rendered.colours",
    "stimuli.contact_sheets": "faces.contact_sheets",
    "stimuli.detection": "faces.landmarks",
    "stimuli.fields": "stimuli.rendered.fields",
    "stimuli.hair": "stimuli.rendered.hair",
    "stimuli.head": "stimuli.rendered.head",
    "stimuli.landmarks": "stimuli.rendered.landmarks",
    "stimuli.layout": "stimuli.rendered.layout",
    "stimuli.parameters": "stimuli.rendered.parameters",
    "stimuli.pictures": "faces.pictures",
    "stimuli.points": "stimuli.rendered.points",
    "stimuli.rendered_sets": "stimuli.rendered.sets",
    "stimuli.rendering": "stimuli.rendered.camera",
    "stimuli.sampling": "stimuli.rendered.sampling",
    "stimuli.shading": "stimuli.rendered.shading",
    "stimuli.surface": "stimuli.rendered.surface",
    "stimuli.toning": "stimuli.skin_tone",
    "targets": "experiment.targets",
    "task_images": "run.task_images",
    "tasks.comparisons": "tasks.shared.labelled_pairs",
    "tasks.effect_design": "tasks.shared.effect_design",
    "tasks.effect_items": "tasks.shared.effect_items",
    "tasks.effect_measure": "tasks.shared.effect_measure",
    "tasks.effect_rows": "tasks.shared.effect_rows",
    "tasks.effects": "tasks.classic_effects",
    "tasks.group_measures": "tasks.shared.group_measures",
    "tasks.groups_of_pairs": "tasks.shared.pair_groups",
    "tasks.image_tables": "tasks.shared.image_tables",
    "tasks.layer_likeness": "tasks.shared.layer_similarity",
    "tasks.pairs_table": "tasks.shared.pairs_table",
    "tasks.ranked_items": "tasks.shared.ranked_items",
    "tasks.rating_columns": "tasks.shared.rating_columns",
    "tasks.ratings": "tasks.shared.ratings",
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
