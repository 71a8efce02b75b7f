"""What a configuration may say, and how mistakes are told."""

# ruff: noqa: E501 - messages are compared whole

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.errors import ConfigError
from facebench.experiment import config
from facebench.experiment.config import load_config

ENTRIES = "models: dlib-resnet\ntasks: {a: {task: accuracy, pairs: p.csv}}\n"

KNOWN = (
    "Settings: name, images, distance, models, tasks, device, batch_size, num_workers, "
    "on_bad_image, on_no_face, cache, packs, precision, decoder, memory_format, accelerate, "
    "max_memory, export_embeddings, export_pairs, seed, output, report, layer_choice, plots, "
    "figures, plugins, include."
)

# The whole message of each mistake: a change here is a change people see.
GOLDEN = [
    (ENTRIES + "bach_size: 3", f"x.yaml:3:1: Unknown setting 'bach_size'. Did you mean 'batch_size'? {KNOWN}"),
    (ENTRIES + "batch_size: x", "x.yaml:3:1: batch_size must be a whole number. Got 'x'."),
    (ENTRIES + "batch_size: 0", "x.yaml:3:1: batch_size must be greater than or equal to 1. Got 0."),
    (ENTRIES + "seed: 1.5", "x.yaml:3:1: seed must be a whole number. Got 1.5."),
    (ENTRIES + "report: maybe", "x.yaml:3:1: report must be true or false. Got 'maybe'."),
    (ENTRIES + "on_bad_image: skp", "x.yaml:3:1: on_bad_image must be 'stop' or 'skip'. Got 'skp'. Did you mean 'skip'?"),
    (ENTRIES + "on_no_face: drop", "x.yaml:3:1: on_no_face must be 'keep', 'skip' or 'stop'. Got 'drop'."),
    (ENTRIES + "max_memory: lots", "x.yaml:3:1: max_memory must be a size such as '4 GB'. Got 'lots'."),
    (ENTRIES + "images: [x]", "x.yaml:3:1: images must be a path. Got ['x']."),
    (ENTRIES + "plugins: [1, {a: b}]", "x.yaml:3:14: plugins.1 must be a text. Got a mapping (a)."),
    ("tasks: a", "x.yaml:1:1: The configuration lacks 'models': name at least one."),
    ("models: {}\ntasks: a", "x.yaml:1:1: models must name at least one. Got an empty mapping."),
    ("models: 3\ntasks: a", "x.yaml:1:1: models must be a mapping. Got 3."),
    ("models: a\ntasks: {a: {pairs: x}}", "x.yaml:2:9: tasks.a lacks 'task', which states its kind."),
    ("models: a\ntasks: {a: [1]}", "x.yaml:2:9: tasks.a must be a mapping. Got [1]."),
    ("models: {a: {model: b, layers: {c: d}}}\ntasks: a", "x.yaml:1:24: models.a.layers must be a list. Got a mapping (c)."),
    ("models: {a: {model: b, seeds: [x]}}\ntasks: a", "x.yaml:1:32: models.a.seeds.0 must be a whole number. Got 'x'."),
]  # fmt: skip


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def loaded(text, overrides=()):
        (tmp_path / "x.yaml").write_text(text)
        return load_config("x.yaml", overrides)

    return loaded


def test_import_is_light() -> None:
    code = (
        "import sys, facebench.experiment.config; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(config.__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(("text", "message"), GOLDEN)
def test_golden_messages(load, text, message):
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == message


def test_a_misspelt_device_is_told_at_its_line(load):
    with pytest.raises(ConfigError, match=r"^x\.yaml:1:1: device must .* Did you mean 'cuda'\?$"):
        load("device: cudaa:1\n" + ENTRIES)
    assert load("device: cuda:1\n" + ENTRIES).settings.device == "cuda:1"


def test_an_override_of_a_misspelt_entry_is_recognised(load):
    with pytest.raises(ConfigError, match=r"Did you mean 'same-person'\?"):
        load("models: m\ntasks: {same-person: {task: accuracy}}", ["tasks.same-persn.folds=3"])


def test_all_mistakes_are_told_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load("models: 3\ntasks: {a: {}}\nbatch_size: x\nnothing: 1")
    assert len(caught.value.problems) == 4
    assert [problem.split(":")[1] for problem in caught.value.problems] == ["1", "2", "3", "4"]


def test_a_mistake_in_an_override_or_an_include_is_told_there(load, tmp_path):
    with pytest.raises(ConfigError, match=r"^--set seed=x: seed must be a whole number"):
        load(ENTRIES, ["seed=x"])
    (tmp_path / "base.yaml").write_text("\n\nseed: x")
    with pytest.raises(ConfigError, match=r"^base\.yaml:3:1: seed"):
        load("include: base.yaml\n" + ENTRIES)


def test_defaults(load, tmp_path):
    settings = load(ENTRIES).settings
    assert settings.name == "x"
    assert settings.output == tmp_path / "runs"
    assert (settings.batch_size, settings.seed, settings.report) == (32, 0, True)
    assert (settings.cache, settings.max_memory, settings.num_workers) == (None, None, None)


def test_relative_paths_are_relative_to_their_file(load, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text("images: faces\ncache: ../store")
    (tmp_path / "x.yaml").write_text("include: sub/base.yaml\noutput: out\n" + ENTRIES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load_config(tmp_path / "x.yaml", ["output=here"]).settings
    assert settings.images == tmp_path / "sub" / "faces"
    assert settings.cache.resolve() == tmp_path / "store"
    assert settings.output == elsewhere / "here"


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [
        ("4 GB", 4_000_000_000),
        ("1.5GiB", 3 * 2**29),
        ("512m", 512_000_000),
        (2**21, 2**21),
        ("2097152", 2**21),
    ],
)
def test_sizes(load, size, n_bytes):
    assert load(f"{ENTRIES}max_memory: {size}").settings.max_memory == n_bytes


def test_layers_and_seeds_may_be_single(load):
    settings = load("models: {a: {model: b, layers: fc, seeds: 3}}\ntasks: a").settings
    assert settings.models["a"].layers == ["fc"]
    assert settings.models["a"].seeds == [3]
    assert load(ENTRIES + "cache: false").settings.cache is False


KEYS = st.sampled_from(
    ["models", "tasks", "name", "include", "images", "seed", "layers", "model", "task", "<<", "a"]
)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["accuracy", "dlib-resnet", "${HOME}", "${", "*a", "&a 1", "!!int x", "x.yaml"]),
)  # fmt: skip

TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip

PIECES = st.sampled_from(
    ["models", "tasks", ": ", "- ", "\n", "  ", "{", "}", "[", "]", "&a", "*a", "<<", "!!", "'", '"',
     "|", ">", "?", "#", "%", "@", "\t", "\\x", "\ufeff", "${", "}", "0x", "~", "---", "...", "é", "\0"]
)  # fmt: skip


@pytest.fixture(scope="module")
def fuzz_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


class TestFuzz:
    """Whatever a file holds, it is a configuration or one of our errors."""

    def check(self, fuzz_folder, data, overrides=()):
        path = fuzz_folder / "x.yaml"
        path.write_bytes(data)
        told = "nothing"
        try:
            load_config(path, overrides)
        except ConfigError as error:
            told = str(error)
        assert told.strip()

    @pytest.mark.slow
    @given(tree=TREES)
    def test_any_tree(self, fuzz_folder, tree):
        import yaml

        self.check(fuzz_folder, yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))

    @given(pieces=st.lists(PIECES, max_size=30))
    def test_any_heap_of_yaml_signs(self, fuzz_folder, pieces):
        self.check(fuzz_folder, "".join(pieces).encode())

    @given(data=st.binary(max_size=200))
    def test_any_bytes(self, fuzz_folder, data):
        self.check(fuzz_folder, data)

    @given(key=st.text(max_size=20), value=st.lists(PIECES, max_size=6).map("".join))
    def test_any_override(self, fuzz_folder, key, value):
        self.check(fuzz_folder, ENTRIES.encode(), [f"{key}={value}", key])
