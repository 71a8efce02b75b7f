"""Which of several networks is better, and which do not differ significantly?"""

from __future__ import annotations

from facebench.results.comparison.models import ModelComparison, compare_models

__all__ = ["ModelComparison", "compare_models"]
