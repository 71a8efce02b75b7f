"""A declared version stays with the function, and changes nothing else of it."""

from __future__ import annotations

import pickle

from facebench.utils.outputs_version import outputs_version


@outputs_version("twice-1")
def twice(number: int) -> int:
    """Double."""
    return 2 * number


def test_a_declared_function_is_the_function_itself() -> None:
    assert twice.outputs_version == "twice-1"
    assert (twice(3), twice.__name__, twice.__doc__) == (6, "twice", "Double.")
    # Workers get preprocessing by its name.
    assert pickle.loads(pickle.dumps(twice)) is twice
