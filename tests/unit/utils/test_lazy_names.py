"""Names of a package from its stub, and what a bare clone says under an old or an empty Python."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import facebench
import facebench.stimuli

REPOSITORY = Path(__file__).parents[3]
BLOCK = (
    "import sys\n"
    "class Blocked:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.partition('.')[0] in {missing!r}:\n"
    "            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
    "sys.meta_path.insert(0, Blocked())\n"
)


def last_line(code, cwd=REPOSITORY):
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("package", [facebench, facebench.stimuli])
def test_a_name_is_what_its_module_defines(package):
    stub = Path(package.__file__).with_suffix(".pyi").read_text()
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert alias.asname == alias.name
                assert getattr(package, alias.name) is getattr(module, alias.name)
                assert alias.name in package.__all__
    assert package.__all__ == dir(package) == sorted(set(package.__all__))


def test_the_version_is_a_public_name():
    assert "__version__" in facebench.__all__
    assert facebench.__version__.count(".") == 2


@pytest.mark.parametrize("module", ["facebench", "models", "tasks", "facesBenchmarkUtils.baseTask"])
def test_an_old_python_is_told(module):
    code = f"import sys\nsys.version_info = (3, 8, 10, 'final', 0)\nimport {module}"
    told = last_line(code)
    assert told.startswith("ImportError: facebench needs Python 3.11 or later. This is Python 3.8 ")


def test_an_old_python_can_read_the_check():
    source = Path(facebench.__file__).read_text()
    assert ast.parse(source, feature_version=(3, 4))
    assert "__future__" not in source


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("torch", "import models"),
        ("torch", "from models.vgg16Model import Vgg16Model"),
        ("pandas", "from tasks.accuracyTask import AccuracyTask"),
        ("pandas", "from facesBenchmarkUtils.multiModelTaskManager import MultiModelTaskManager"),
        ("numpy", "from facebench.stimuli import invert"),
    ],
)
def test_a_missing_package_is_named_with_the_install_line(missing, code):
    told = last_line(BLOCK.format(missing=[missing]) + code)
    assert told.startswith(f"ModuleNotFoundError: facebench needs the package {missing!r}, which")
    assert told.endswith("python -m pip install -e .")


def test_the_command_line_names_it_too():
    code = "import runpy; runpy.run_module('facebench', None, '__main__')"
    told = last_line(BLOCK.format(missing=["typer"]) + code)
    assert told.startswith("Error: facebench needs the package 'typer'")


def test_a_module_of_ours_that_is_missing_is_a_plain_error():
    told = last_line(BLOCK.format(missing=[]) + "import facebench.no_such_module")
    assert told == "ModuleNotFoundError: No module named 'facebench.no_such_module'"
