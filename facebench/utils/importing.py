"""Importing code that is named as text: a module's attribute, or a Python file anywhere."""

from __future__ import annotations

import ast
import gc
import hashlib
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    from facebench.types import StrPath

__all__ = [
    "CodeName",
    "import_code",
    "import_file",
    "import_lasting",
    "import_target",
    "importable",
    "is_file_target",
    "lasting_imports",
    "split_target",
]

_HIGHEST = 4


@dataclass(frozen=True)
class CodeName:
    """The name of a class or function, and the folder that a file's path in it is relative to.

    Attributes
    ----------
    text : str
        ``file.py:Name`` or ``module:Name``.
    folder : Path
        The folder; modules are looked for in it too.
    """

    text: str
    folder: Path


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Import in a block what stays for the life of a program.

    Garbage collections do not visit it, neither while it is imported nor later: of torch and
    facebench each takes about as long as a tenth of all imports.
    """
    gc.collect()  # what is garbage now would be kept too
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def import_lasting(module: str) -> None:
    """Import a module as in `lasting_imports`, in a program that began with it.

    Elsewhere, as in a notebook, this does nothing: objects that others made would be kept too.

    Parameters
    ----------
    module : str
        Its name.
    """
    if module not in sys.modules and gc.get_freeze_count():
        with lasting_imports():
            importlib.import_module(module)


def is_file_target(target: str) -> bool:
    """Tell whether a target is a Python file, with or without ``:Class`` behind it."""
    return target.partition(".py:")[0].endswith(".py") or ".py:" in target


def split_target(target: str) -> tuple[str, str]:
    """Split ``file.py:Name`` or ``module:Name``; the name is '' where there is none.

    Examples
    --------
    >>> split_target("nets/my_net.py:Net"), split_target("my_net.py")
    (('nets/my_net.py', 'Net'), ('my_net.py', ''))
    """
    if is_file_target(target):
        path, _, name = target.rpartition(":") if ".py:" in target else (target, "", "")
        return path, name
    module, _, name = target.partition(":")
    return module, name


def import_target(target: str, kind: str = "object") -> Any:
    """Import ``"module:Attribute"``.

    Parameters
    ----------
    target : str
        Module and attribute, the latter with dots if it is nested.
    kind : str, default 'object'
        What it is, for messages.

    Returns
    -------
    object

    Raises
    ------
    InputError
        If the module cannot be imported or has no such attribute.
    """
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        msg = (
            f"The {kind} {target!r} cannot be imported: {type(error).__name__}: {error}. "
            f"Is {module_name.partition('.')[0]!r} installed?"
        )
        raise InputError(msg) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            msg = f"{found.__name__} has no {part!r}.{did_you_mean(part, names)}"
            raise InputError(msg)
        found = getattr(found, part)
    return found


def import_code(code: CodeName, kind: str, repository: StrPath | None = None) -> Any:
    """Import the class or function that a text names.

    Parameters
    ----------
    code : CodeName
        Its name. A file may import the modules beside it.
    kind : str
        What it is, for messages.
    repository : str or Path, optional
        A folder whose modules can be imported meanwhile.

    Returns
    -------
    object

    Raises
    ------
    InputError
        If there is no such file, module or attribute, or it cannot be imported.
    """
    place, name = split_target(code.text)
    folders = [*([Path(repository)] if repository is not None else []), code.folder]
    if not is_file_target(code.text):
        if not name:
            msg = (
                f"The {kind} must be written as file.py:Name or as module:Name. Got {code.text!r}."
            )
            raise InputError(msg)
        with importable(*folders):
            return import_target(code.text, kind)
    module = import_file(code.folder / Path(place).expanduser(), *folders)
    own = [
        key
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]
    if not name or not hasattr(module, name):
        what = f"has no {name!r}" if name else f"is a file: name what in it the {kind} is"
        msg = (
            f"{place} {what}.{did_you_mean(name, own) if name else ''} It defines: {listed(own)}. "
            f"Write {place}:NAME."
        )
        raise InputError(msg)
    return getattr(module, name)


def import_file(path: Path, *folders: Path) -> ModuleType:
    """Import a Python file, wherever it is.

    Parameters
    ----------
    path : Path
        The file. It may import the modules beside it, and as part of a package (folders with an
        ``__init__.py``) those of its package.
    *folders : Path
        Where else its modules may be.

    Returns
    -------
    module
        The same one, as long as the file has not changed.

    Raises
    ------
    InputError
        If it does not exist or fails.
    """
    path = path.resolve()
    if not path.is_file():
        msg = f"The file {path} does not exist."
        raise InputError(msg)
    source = path.read_bytes()
    # A file that was changed since is another module.
    digest = hashlib.sha256(bytes(path) + source).hexdigest()[:12]
    name = f"facebench_plugin_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    root, package = _package_of(path)
    try:
        with importable(path.parent, root, *folders):
            if package and _imports_relatively(source):
                module = importlib.import_module(f"{package}.{path.stem}")
            else:
                module = _executed(path, name)
    except Exception as error:
        msg = f"{path} cannot be imported: {_reason(error)}.{_advice(error, path)}"
        raise InputError(msg) from error
    except SystemExit as error:
        msg = (
            f"{path} cannot be imported: it ends the program, as a script does that reads its "
            "command line (argparse). Move what is not a definition below 'if __name__ == "
            '"__main__":\'.'
        )
        raise InputError(msg) from error
    sys.modules[name] = module
    return module


def _executed(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = "it is not a Python file"
        raise ImportError(msg)
    module = importlib.util.module_from_spec(spec)
    # Known by name while it runs, as dataclasses and pickle need it.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _package_of(path: Path) -> tuple[Path, str]:
    """Find the folder that a file's package is in, and the package's name; '' if it has none."""
    root, parts = path.parent, list[str]()
    while (root / "__init__.py").is_file() and root.name.isidentifier():
        parts.insert(0, root.name)
        root = root.parent
    return root, ".".join(parts)


def _imports_relatively(source: bytes) -> bool:
    try:
        nodes = ast.walk(ast.parse(source))
    except (SyntaxError, ValueError):
        # Running it says where.
        return False
    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in nodes)


def _advice(error: Exception, path: Path) -> str:
    """Say where a module is that was not found: often a folder above, that of the repository."""
    missing = getattr(error, "name", None)
    if not isinstance(error, ModuleNotFoundError) or not missing:
        return ""
    for above in list(path.parents)[1 : _HIGHEST + 1]:
        if _stands_in(above, missing.partition(".")[0]) is not None:
            return f" {missing!r} is in {above}: say so with repository: {above}."
    return f" Install {missing.partition('.')[0]!r}, or put it beside the file."


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    at = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {str(error).rstrip('.')}{at}"


@contextmanager
def importable(*folders: Path) -> Iterator[None]:
    """Let folders be looked in for modules, within a block.

    Two people's files may each have a ``utils.py`` beside them: in the block, modules of the same
    name from elsewhere are out of sight, and they are back after it.

    Parameters
    ----------
    *folders : Path
        The folders, the first of which comes first.
    """
    places = list(dict.fromkeys(str(Path(folder).absolute()) for folder in folders))
    hidden = _hidden(list(map(Path, places)))
    for name in hidden:
        del sys.modules[name]
    sys.path[:0] = places
    # What was written a moment ago is there too.
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for place in places:
            if place in sys.path:
                sys.path.remove(place)
        tops = {name.partition(".")[0] for name in hidden}
        for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
            del sys.modules[name]
        sys.modules.update(hidden)


def _hidden(folders: list[Path]) -> dict[str, ModuleType]:
    """Find the loaded modules, not installed ones, that these folders have under the same names."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    shadowed = set()
    for top in loaded & _modules_in(folders) - sys.stdlib_module_names - {"facebench"}:
        module = sys.modules.get(top)
        if module is None or _is_installed(module):
            continue
        here = next((found for place in folders if (found := _stands_in(place, top))), None)
        if here is not None and here not in _places_of(module):
            shadowed.add(top)
    return {name: part for name, part in sys.modules.items() if name.partition(".")[0] in shadowed}


def _modules_in(folders: list[Path]) -> set[str]:
    """List what may be the name of a module in one of the folders."""
    entries = [entry for place in folders if place.is_dir() for entry in place.iterdir()]
    return {entry.name.removesuffix(".py") for entry in entries}


def _stands_in(folder: Path, top: str) -> Path | None:
    """Find the file or folder of a module in a folder."""
    package, file = folder / top, folder / f"{top}.py"
    if (package / "__init__.py").is_file():
        return package.resolve()
    if file.is_file():
        return file.resolve()
    return package.resolve() if package.is_dir() and next(package.glob("*.py"), None) else None


def _places_of(module: ModuleType) -> list[Path]:
    file = getattr(module, "__file__", None)
    places = [Path(place).resolve() for place in getattr(module, "__path__", ())]
    return places or ([Path(file).resolve()] if isinstance(file, str) else [])


def _is_installed(module: ModuleType) -> bool:
    roots = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib", "stdlib")]
    places = _places_of(module)
    return not places or any(place.is_relative_to(root) for place in places for root in roots)
