"""Functions that a file names."""

import pytest

from facebench.errors import InputError
from facebench.experiment.plugins import find_function


def test_a_class_that_needs_arguments_is_refused_by_name(tmp_path):
    (tmp_path / "own.py").write_text(
        "class Needy:\n"
        "    def __init__(self, name):\n        pass\n\n"
        "class Free:\n"
        "    def __call__(self, a, b):\n        return 0\n"
    )
    assert find_function("own.py:Free", None, tmp_path)(1, 2) == 0
    with pytest.raises(InputError, match=r"'own.py:Needy' cannot be made without arguments"):
        find_function("own.py:Needy", None, tmp_path)
