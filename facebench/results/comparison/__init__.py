"""Which of several networks is better, and which do not differ significantly?

`paired` holds the one comparison: a measure of two models, or of two runs, on the same pairs, with
Holm's correction and letters. `models.compare_models` asks it of the models of a manager or
run, which `networks` chooses; `runs` of two runs, whose settings `changes` compares. P values are
two-sided.
"""

from __future__ import annotations

from facebench.results.comparison.models import ModelComparison, compare_models

__all__ = ["ModelComparison", "compare_models"]
