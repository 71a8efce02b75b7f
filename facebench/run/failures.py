"""Parts of a run that fail without taking the others with them."""

from __future__ import annotations

import logging

from facebench.errors import RunFailedError

__all__ = ["Failures", "note_failure", "raise_failures"]

_log = logging.getLogger(__name__)
Failures = list[tuple[str, Exception]]


def note_failure(failures: Failures, what: str, error: Exception) -> None:
    """Record a failure and continue with what does not depend on it."""
    _log.error("%s failed: %s: %s", what, type(error).__name__, error)
    failures.append((what, error))


def raise_failures(failures: Failures) -> None:
    """Raise one failure as itself, with a note, and several as one error; nothing if none."""
    if not failures:
        return
    if len(failures) == 1:
        what, error = failures[0]
        error.add_note(f"While running {what}. All other results of the run are kept.")
        raise error
    lines = "\n".join(f"- {what}: {type(error).__name__}: {error}" for what, error in failures)
    msg = f"{len(failures)} parts of the run failed; all other results are kept:\n{lines}"
    raise RunFailedError(msg, tuple(failures))
