"""Every command that README and docs show can be called so, and runs."""

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
from support.documented_world import make_world
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


# Commands --------------------------------------------------------------------------------------

STEP = re.compile(
    r"(?:`(?P<file>[\w./]+)`:\n\n|<!-- runs: (?P<marked>[\w.]+) -->\n)?"
    r"```(?P<language>python|yaml|bash|console)\n(?P<code>.*?)```|" + INLINE.pattern,
    re.DOTALL,
)
# What the commands of a page write: not in the page's copy of the world when it begins.
WRITTEN_BY = {
    "README": ["pairs.csv", "experiment.yaml", "runs"],
    "first_hour": ["stimuli"],
    "inversion_effect": ["faces", "stimuli", "runs"],
    "pairs": ["pairs.csv"],
    "ratings_to_figure": ["faces", "ratings.csv", "runs"],
    "stimuli": ["stimuli"],
}
# What stands for names of the reader's own.
STANDS_FOR = {
    "FACES": "faces", "RUN": "runs/study", "MODEL": "dlib-resnet", "[PATTERN]": "layer4*",
    "COMMAND": "run", "…": "what is wanted",
}  # fmt: skip
NAMES = {"tasks NAME": "verification", "models NAME": "dlib-resnet"}
FOLDERS = {"cluster": "packs"}
# Python among the commands of these pages; that of the others is run by the tests in RUN_BY.
WITH_PYTHON = ("inversion_effect", "ratings_to_figure", "run_folder")
QUICK = ["--set", "plots=false", "--set", "num_workers=0"]
BESIDES = {
    "facebench run": QUICK,
    # The world has such files.
    "facebench init faces": ["--force"],
    "facebench people simulate stimuli/inverted.csv": ["--force"],
    "facebench stimuli photographs": ["-o", "series"],
}
SIX = "the six commands: test_first_hour.py"
# By page, or of any page: what is not run here, and why.
NOT_RUN = {
    ("", "pip install facebench"): "the package is here; test_wheel.py installs it",
    ("", "make demo"): "makes an environment; test_cli.py runs the demo",
    ("", "make test"): "runs these tests",
    ("", "make docs"): "makes an environment; runs at every release",
    ("", "facebench demo"): "test_cli.py, with fewer people",
    ("", "facebench demo --data DIR"): "test_cli.py, with photographs",
    ("", "facebench demo --data faces"): "test_cli.py, with photographs",
    ("README", "facebench stimuli faces -c inverted"): SIX,
    ("README", "facebench people simulate stimuli/inverted.csv --kind rating"): SIX,
    ("README", "facebench init faces --effects inversion --people trials.csv"): SIX,
    ("first_hour", "facebench stimuli faces -c inverted"): SIX,
    ("first_hour", "facebench people simulate stimuli/inverted.csv --kind rating"): SIX,
    ("first_hour", "facebench init faces --effects inversion --people trials.csv"): SIX,
    ("alignment", "facebench align faces -o chips --template arcface112 --detector yunet.onnx"):
        "test_alignment_docs.py, if the detector is there",
    ("", "facebench identify x.yaml --shard 0/16"): "test_identification_docs.py",
    ("", "facebench embed distractors.yaml --shard 0/16"): "test_identification_docs.py",
    ("", "facebench embed x.yaml --devices all"): "needs GPUs; test_shards.py, on CPUs",
    ("faq", "facebench doctor MODEL --faces FACES"): "takes long; test_bring_your_network.py",
    ("people_and_networks", "python docs/people_experiment.py stimuli/inverted.csv trials.csv"):
        "test_people_and_networks.py",
    ("gpu", "facebench run x.yaml"): "run on the page cluster",
    ("gpu", "python benchmarks/gpu.py"): "needs a GPU",
    ("performance", "python benchmarks/all.py --quick --keep"): "takes minutes",
    ("gpu", "python benchmarks/gpu.py --small"): "test_gpu_benchmark.py",
    ("faq", "facebench stimuli"): "named, not called",
    ("inversion_effect", "facebench stimuli"): "named, not called",
}  # fmt: skip
# Pages of which each command is run by a test of their own.
OWN_TESTS = {
    "CONTRIBUTING": "these are the tests, and how to release",
    "bring_your_network": "test_bring_your_network.py",
    "identification": "test_identification_docs.py",
}
# Who runs the examples in Python and YAML.
RUN_BY = {
    "README": "test_readme.py",
    "add_a_metric": "test_readme.py",
    "add_a_model": "test_readme.py",
    "add_a_task": "test_readme.py",
    "alignment": "test_alignment_docs.py",
    "bring_your_network": "test_bring_your_network.py",
    "choice_and_memory": "test_choice_and_memory_docs.py",
    "configuration": "test_configuration_docs.py",
    "effects": "test_readme.py",
    "embeddings_and_scores": "test_embeddings_and_scores.py",
    "figures": "test_figures_docs.py",
    "identification": "test_identification_docs.py",
    "migrating": "test_first_tool.py",
    "models_of_similarity": "test_models_of_similarity.py",
    "onnx": "test_onnx_docs.py",
    "people": "test_people_docs.py",
    "people_and_networks": "test_people_and_networks.py",
    "probes_and_series": "test_readme.py",
    "protocols": "test_readme.py",
    "python": "test_readme.py",
    "registries": "test_registries_docs.py",
    "stimuli": "test_readme.py",
}
# Fragments of scripts and experiments, which run nowhere as they stand on the page.
FRAGMENTS = {"cluster", "models", "options", "speed"}


@pytest.fixture(scope="module")
def documented_world(tmp_path_factory):
    """Make what the commands find, once for all pages."""
    folder = tmp_path_factory.mktemp("documented") / "world"
    with pytest.MonkeyPatch.context() as patch:
        folder.mkdir()
        patch.chdir(folder)
        patch.setenv("FACEBENCH_CACHE", str(folder.parent / "store"))
        make_world(folder)
    return folder


@pytest.fixture
def folder(documented_world, tmp_path, monkeypatch):
    """Give a copy, and the embeddings of all; the command that empties a store has its own."""
    folder = tmp_path / "work"
    shutil.copytree(documented_world, folder, symlinks=True)
    shutil.copytree(documented_world.parent / "store", tmp_path / "store")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    return folder


def steps(page):
    """Give what a page says to do, in its order: a kind, and code with a file, or words."""
    for step in STEP.finditer(page.read_text(encoding="utf-8")):
        if step["language"] in ("python", "yaml"):
            yield step["language"], (step["code"], step["file"] or step["marked"])
        elif step["language"]:
            yield from (("command", words) for words in commands_in(step[0]))
        else:
            words = shlex.split(step[0].strip("`"))
            if is_complete(words):
                yield "command", words


def is_complete(words):
    """Tell whether a command in prose is one to be typed, and not only named."""
    try:
        can_be_called(words)
    except (typer.Exit, SystemExit):
        return True
    except Exception:
        return False
    return True


def why_not(page, words):
    """Say why a command is not run; '' if it is."""
    text = shlex.join(words).replace("'…'", "…")
    return NOT_RUN.get((page, text)) or NOT_RUN.get(("", text), "")


def in_the_world(page, words, folder):
    """Put names of the world in the place of the reader's, and leave out what the shell does."""
    words = words[: words.index(">")] if ">" in words else words
    stands_for = {
        **STANDS_FOR, "NAME": NAMES.get(" ".join(words[1:3]), ""), "DIR": FOLDERS.get(page, "")
    }  # fmt: skip
    return [re.sub("^~/", f"{folder}/", stands_for.get(word, word)) for word in words]


def follow(page, folder):
    """Do what a page says, step by step; returns what its commands print."""
    name, printed = page.stem, []
    for kind, step in steps(page):
        if kind == "yaml" and str(step[1]).endswith(".yaml"):
            (folder / step[1]).write_text(step[0], encoding="utf-8")
        elif kind == "python" and name in WITH_PYTHON:
            exec(compile(step[0], name, "exec"), {"__name__": "page"})
        elif kind == "command" and not why_not(name, step):
            assert step[0] == "facebench", f"{shlex.join(step)}: neither run nor in NOT_RUN"
            words = in_the_world(name, step, folder)
            text = shlex.join(words)
            besides = [
                one for start, more in BESIDES.items() if text.startswith(start) for one in more
            ]
            done = CliRunner().invoke(app, [*words[1:], *besides], input="y\n")
            assert done.exit_code == 0, f"{text}\n{done.output}\n{done.stderr}\n{done.exception!r}"
            printed.append(done.output)
    return printed


WITH_COMMANDS = [
    page
    for page in PAGES
    if page.stem not in OWN_TESTS
    and any(kind == "command" and not why_not(page.stem, step) for kind, step in steps(page))
]


@pytest.mark.integration
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.stem)
def test_commands_run(page, folder):
    for name in WRITTEN_BY.get(page.stem, ()):
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    printed = follow(page, folder)
    # What the tutorials promise.
    effect = {"inversion_effect": "Difference", "ratings_to_figure": "Spearman"}.get(page.stem)
    if effect:
        [run] = (folder / "runs").glob("*/latest")
        assert any(text.splitlines()[-1].endswith("report.html") for text in printed)
        results = load_run(run).results
        assert effect in set(results["metric"])
        assert results["value"].notna().any()


def test_what_is_not_run_is_still_there():
    there = {
        (page.stem, shlex.join(step))
        for page in PAGES
        for kind, step in steps(page)
        if kind == "command"
    }
    anywhere = {text for _, text in there}
    for page, text in NOT_RUN:
        assert (page, text) in there if page else text in anywhere, text


def test_examples_of_every_page_are_run():
    pages = {
        page.stem
        for page in PAGES
        if re.search(r"^```(python|yaml)\n", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert pages - set(WITH_PYTHON) - FRAGMENTS == set(RUN_BY)
    for page, test in RUN_BY.items():
        [file] = (DOCS.parent / "tests").glob(f"*/{test}")
        assert page in file.read_text(encoding="utf-8")


def test_demo_and_six_commands_shown_are_those_of_today():
    fill = script_of_docs("fill_readme")
    for page in fill.PAGES:
        text = page.read_text(encoding="utf-8")
        assert text == fill.filled(text), "run: python docs/fill_readme.py"


def test_readme_is_short():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 200
