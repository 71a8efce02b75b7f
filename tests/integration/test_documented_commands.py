"""Every command that README and docs show can be called so, and those of the tutorials run."""

import re
import shlex
import shutil
import tomllib

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from support.pages import DOCS, script_of_docs

REPOSITORY = DOCS.parent
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *DOCS.glob("*.md")])
FENCED = re.compile(r"```(?:bash|console)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`(facebench [^`]+)`")
PLACEHOLDER = re.compile(r"…|\bCOMMAND\b")
# First words of commands that are not facebench's, and why they are not looked into.
LAUNCHERS = ("torchrun",)  # of several processes; what they start is looked into
OTHERS = {
    ".venv/bin/pre-commit": "installs a hook into the repository",
    "torchrun": "PyTorch's own; it starts `facebench embed`",
}
LEFT_OUT = ("MissingParameter", "NoArgsIsHelpError", "BadOptionUsage")
FACEBENCH = typer.main.get_command(app)
TARGETS = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.M))
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands_in(text):
    """List the commands of a page's blocks, a continued line as one."""
    for block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words = words[1:]
            if words:
                yield words[words.index("facebench") :] if words[0] in LAUNCHERS else words


def can_be_called(words):
    """Parse a command of facebench without running it."""
    command, name, arguments, parent = FACEBENCH, words[0], words[1:], None
    while True:
        parent = command.make_context(name, list(arguments), parent=parent)
        if not hasattr(command, "commands"):
            return
        rest = [*getattr(parent, "_protected_args", ()), *parent.args]
        name, command, arguments = command.resolve_command(parent, rest)


def of_page(path):
    """List the commands of a page, and whether each is whole: in prose arguments are left out."""
    text = path.read_text(encoding="utf-8")
    spoken = (shlex.split(line) for line in INLINE.findall(text) if not PLACEHOLDER.search(line))
    yield from ((words, True) for words in commands_in(text))
    yield from ((words, False) for words in spoken)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_those_of_today(page):
    for words, is_whole in of_page(page):
        first = words[0].removeprefix(".venv/bin/")
        told = f"{page.name}: {shlex.join(words)}"
        if first == "facebench":
            try:
                # What is behind '>' is the shell's.
                can_be_called(words[: words.index(">")] if ">" in words else words)
            except (typer.Exit, SystemExit):
                pass  # --help, --show-completion
            except Exception as error:
                if is_whole or type(error).__name__ not in LEFT_OUT:
                    pytest.fail(f"{told}: {error}")
        elif first == "make":
            assert set(words[1:]) <= TARGETS, told
        elif first == "python":
            files = [word.partition("::")[0] for word in words[1:]]
            scripts = [file for file in files if file.endswith(".py") or file.startswith("tests/")]
            assert scripts or words[1] == "-m", told
            assert all((REPOSITORY / file).exists() for file in scripts), told
        elif first == "pip":
            extras = re.findall(r"facebench\[(.*?)\]", " ".join(words))
            named = {name for extra in extras for name in extra.split(",")}
            assert named <= set(PROJECT["optional-dependencies"]), told
        else:
            assert words[0] in OTHERS, told


def helped(command=FACEBENCH):
    """List the examples of all commands' help."""
    yield from re.findall(r"Example: (facebench .*)", command.epilog or "")
    for one in getattr(command, "commands", {}).values():
        yield from helped(one)


def test_examples_of_help_can_be_called():
    examples = list(helped())
    assert len(examples) > 30
    for example in examples:
        can_be_called(shlex.split(example.partition(" > ")[0]))


@pytest.mark.parametrize("command", ["run x.yaml --colour", "cache prun", "frob", "run"])
def test_a_command_that_is_not_there_is_noticed(command):
    with pytest.raises(Exception, match=r"No such|Missing"):
        can_be_called(["facebench", *command.split()])


QUICK = ("--set", "plots=false", "--set", "num_workers=0")
STEP = re.compile(
    r"(?:`(?P<file>[\w./]+)`:\n\n|<!-- runs: (?P<marked>[\w.]+) -->\n)?"
    r"```(?P<language>python|yaml|bash)\n(?P<code>.*?)```",
    re.DOTALL,
)


def follow(text, folder, *quick):
    """Do what a page says, step by step: write its files, run its Python and its commands.

    Runs get the arguments `quick` besides.
    """
    spoken = []
    for step in STEP.finditer(text):
        name = step["file"] or step["marked"]
        if step["language"] == "yaml":
            (folder / name).write_text(step["code"], encoding="utf-8")
        elif step["language"] == "python":
            exec(compile(step["code"], "page", "exec"), {"__name__": "page"})
        elif step["language"] == "bash":
            for words in commands_in(step[0]):
                further = quick if words[1] == "run" else ()
                done = CliRunner().invoke(app, [*words[1:], *further])
                assert done.exit_code == 0, f"{shlex.join(words)}\n{done.output}\n{done.stderr}"
                spoken.append(done.output)
    return spoken


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    return tmp_path


@pytest.mark.integration
@pytest.mark.parametrize(
    ("page", "effect"), [("inversion_effect", "Difference"), ("ratings_to_figure", "Spearman")]
)
def test_tutorial(page, effect, folder):
    spoken = follow((DOCS / f"{page}.md").read_text(encoding="utf-8"), folder, *QUICK)
    [run] = (folder / "runs").glob("*/latest")
    assert spoken[-1].splitlines()[-1].endswith("report.html")
    results = load_run(run).results
    assert effect in set(results["metric"])
    assert results["value"].notna().any()


@pytest.mark.integration
def test_experiment_of_the_readme(folder, world):
    shutil.copytree(world.images, folder / "faces")
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    marked = "\n".join(step[0] for step in STEP.finditer(text) if step["marked"])
    follow(marked, folder, *QUICK)
    run = load_run(folder / "runs" / "experiment")
    assert {"dlib-resnet", "untrained"} == set(run.results["model"])


def test_demo_and_six_commands_shown_are_those_of_today():
    fill = script_of_docs("fill_readme")
    for page in fill.PAGES:
        text = page.read_text(encoding="utf-8")
        assert text == fill.filled(text), "run: python docs/fill_readme.py"


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
