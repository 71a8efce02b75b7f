"""The page of a run: `write_report` writes report.html from a run folder.

The page is one file that needs no network: `pages` fills the templates, `run_page` puts the whole
together, `task_section` tells one task, and `chart_data`, `tables`, `pair_samples` and
`thumbnails` supply what is on it.
"""

from facebench.results.report.run_page import write_report

__all__ = ["write_report"]
