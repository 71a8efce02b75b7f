"""The tests of a module are at its own path: `facebench/ROOM/MODULE.py`, `ROOM/test_MODULE.py`."""

from __future__ import annotations

import ast
import fnmatch
import functools
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "facebench"

# Modules without a test file of their own, where their tests are instead, and why.
ELSEWHERE = {
    # The command line is run whole, as people type it.
    "commands/*": "integration/test_commands.py",
    "demo/*": "integration/test_newcomer.py",
    "data/rdms/rsatoolbox": "unit/data/rdms/test_writing.py",
    "data/rdms/table": "unit/data/rdms/test_reading.py",
    "experiment/*": "integration/test_experiment.py",
    "experiment/code_files": "unit/experiment/test_digest.py",
    "experiment/starters/*": "integration/test_newcomer.py",
    # Parts of one picture are judged in the picture.
    "figures/drawing/*": "unit/figures/test_plot_helper.py",
    "figures/drawing/curves": "unit/figures/records/test_error_curves.py",
    "figures/drawing/effects": "unit/figures/drawing/test_profile.py",
    "figures/drawing/heat_map": "unit/figures/records/test_pair_pictures.py",
    "figures/drawing/histograms": "unit/figures/records/test_pair_pictures.py",
    "figures/drawing/layer_map": "unit/figures/drawing/test_profile.py",
    "figures/drawing/mds": "unit/figures/records/test_representation.py",
    "figures/drawing/series": "unit/figures/records/test_series.py",
    "figures/drawing/pair_sheet": "unit/figures/records/test_pair_pictures.py",
    "figures/records/layer_figures": "unit/figures/records/test_profiles.py",
    "figures/records/layer_order": "unit/figures/records/test_layer_table.py",
    "figures/records/scores": "unit/figures/records/test_error_curves.py",
    "figures/records/tables": "unit/figures/test_plot_helper.py",
    "stimuli/rendered/*": "unit/stimuli/rendered/test_sets.py",
    # Steps of one computation are checked against a loop over the whole of it.
    "metrics/ratings/*": "unit/metrics/ratings/test_pairs.py",
    "metrics/uncertainty/power": "unit/results/test_power.py",
    "models/aligning": "integration/test_on_no_face.py",
    "models/clip_text": "unit/models/test_text.py",
    "models/hub": "unit/models/test_dino.py",
    "models/onnx_*": "unit/models/test_onnx.py",
    "models/tapped": "unit/models/test_torch_export.py",
    "models/options": "unit/models/test_views.py",
    "models/trials": "unit/models/test_base.py",
    # A description is judged by the trials that are read with it.
    "people/codes": "unit/people/test_reading.py",
    "people/description": "unit/people/test_reading.py",
    "people/files": "unit/people/test_reading.py",
    "people/layout": "unit/people/test_reading.py",
    "people/table_reader": "unit/people/test_reading.py",
    "parity/outcome": "unit/parity/test_grid_rules.py",
    # Of whole runs: what tasks and models are told is seen in the distances.
    "run/manager": "unit/run/test_run_export.py",
    "run/pair_distances": "unit/run/test_wrapping.py",
    "run/planning": "unit/engine/test_plan.py",
    "run/shards": "integration/test_shards.py",
    "utils/latex": "unit/results/test_reader.py",
    "tasks/options": "unit/run/test_wrapping.py",
    "stimuli/blending": "unit/stimuli/test_spacing.py",
    "stimuli/*": "unit/stimuli/test_conditions.py",
    "tasks/shared/answered_items": "unit/tasks/test_matching.py",
    "tasks/shared/effect_*": "unit/tasks/test_effect.py",
    "tasks/shared/groupings": "unit/run/test_face_failures.py",
    "tasks/shared/group_measures": "unit/tasks/test_group_errors.py",
    "tasks/shared/image_tables": "unit/tasks/test_identification.py",
    "tasks/shared/layer_similarity": "unit/tasks/test_rsa.py",
    "tasks/shared/line_ups": "unit/tasks/test_matching.py",
    "tasks/shared/pair_groups": "unit/tasks/test_conditioned_average.py",
    "tasks/shared/pairs_table": "unit/tasks/test_base.py",
    "tasks/shared/probe_labels": "unit/tasks/test_probe.py",
    "tasks/shared/people_choices": "unit/tasks/test_matching.py",
    "tasks/shared/people_orders": "unit/tasks/test_ranking.py",
    "tasks/shared/ranked_items": "unit/tasks/test_identification.py",
    "tasks/shared/pixels": "unit/tasks/test_predictors.py",
    "tasks/shared/predictor_sources": "unit/tasks/test_predictors.py",
    "tasks/shared/rate_measures": "unit/tasks/test_verification.py",
    "tasks/shared/rating*": "unit/tasks/test_similarity.py",
    "tasks/shared/study_tables": "unit/tasks/test_recognition_memory.py",
    "testing/*": "unit/testing/test_task_contract.py",
    # A run folder and its pages are read back as a whole.
    "results/comparison/*": "unit/results/test_comparison.py",
    "results/comparison/paired": "unit/results/report/test_pages.py",
    "results/face_failures": "integration/test_on_no_face.py",
    "results/figure_kinds": "unit/results/test_saved_figures.py",
    "results/headline": "unit/tasks/test_facts.py",
    "results/influences": "unit/results/test_every_task.py",
    "results/pair_rows": "unit/results/report/test_pair_samples.py",
    "results/report/*": "unit/results/report/test_run_page.py",
    "results/report/provenance_view": "integration/test_manifest.py",
    "results/saved_tables": "unit/results/test_saved_figures.py",
    "results/schema": "golden/test_golden_schema.py",
    "results/task_facts": "unit/tasks/test_facts.py",
}


def declares_only(path: Path) -> bool:
    """Whether a module holds names, types and constants, and nothing that runs."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes)


@functools.cache
def without_tests() -> list[str]:
    """Name the modules that have something to test, and no test file of their own."""
    names = []
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("")
        own = TESTS / "unit" / name.parent / f"test_{name.name.strip('_')}.py"
        if not (path.name.startswith("__") or own.is_file() or declares_only(path)):
            names.append(name.as_posix())
    return names


def pattern_of(name: str) -> str | None:
    """Find the line of the table that speaks of a module: the longest that fits."""
    fitting = [
        pattern
        for pattern in ELSEWHERE
        if fnmatch.fnmatch(name, pattern) and name.count("/") == pattern.count("/")
    ]
    return max(fitting, key=len, default=None)


def test_every_module_has_its_tests_at_its_own_path_or_in_the_table() -> None:
    missing = [name for name in without_tests() if pattern_of(name) is None]
    assert not missing, f"Write tests/unit/{missing[0]} with test_ before its name, and so on."


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_the_table_is_true(pattern: str) -> None:
    assert (TESTS / ELSEWHERE[pattern]).is_file()
    # A module that has got tests of its own needs no line.
    assert pattern in {pattern_of(name) for name in without_tests()}
