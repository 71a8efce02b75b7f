"""The tidy table of the golden run: columns, types, order, numbers, intervals and counts.

To renew it after a wanted change: `PYTHONPATH=tests python tests/golden/test_golden_schema.py`.
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd
from golden.test_golden_run import golden_manager

from facebench import load_run
from facebench.results.run_folder import RunFolder
from facebench.results.schema import RESULTS_COLUMNS

GOLDEN = Path(__file__).parent / "tidy_results.csv"


def tidy(folder: Path) -> pd.DataFrame:
    manager = golden_manager(folder)
    run = RunFolder.create(folder / "runs", "golden")
    manager.run_all_tasks_all_models(run.path)
    results = load_run(run.save(manager)).results
    # The one column that is different in every run.
    return results.assign(run="golden").astype({"run": "string"})


def test_tidy_table_is_the_golden_one(tmp_path):
    expected = pd.read_csv(GOLDEN).astype(RESULTS_COLUMNS)
    pd.testing.assert_frame_equal(tidy(tmp_path), expected, check_exact=False, atol=2e-5)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        tidy(Path(scratch)).to_csv(GOLDEN, index=False)
        sys.stdout.write(GOLDEN.read_text())
