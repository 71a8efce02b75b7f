"""One failure is raised as itself, several as one error; all are told as they happen."""

from __future__ import annotations

import pytest

from facebench.errors import RunFailedError
from facebench.run.failures import Failures, note_failure, raise_failures


def test_none_is_no_error() -> None:
    failures: Failures = []
    raise_failures(failures)
    assert failures == []


def test_one_is_raised_as_itself_with_what_it_was(caplog: pytest.LogCaptureFixture) -> None:
    failures: Failures = []
    error = ValueError("no pairs")
    note_failure(failures, "net / verify", error)
    assert "net / verify failed: ValueError: no pairs" in caplog.text
    with pytest.raises(ValueError, match="no pairs") as caught:
        raise_failures(failures)
    assert caught.value is error
    assert "While running net / verify." in error.__notes__[0]


def test_several_are_one_error_that_lists_them() -> None:
    failures: Failures = []
    note_failure(failures, "a", ValueError("first"))
    note_failure(failures, "b", KeyError("second"))
    with pytest.raises(RunFailedError) as caught:
        raise_failures(failures)
    assert caught.value.failures == tuple(failures)
    for part in ("2 parts", "- a: ValueError: first", "- b: KeyError: 'second'"):
        assert part in str(caught.value)
