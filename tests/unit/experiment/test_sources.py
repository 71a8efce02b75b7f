"""Files, includes, variables and overrides, put together."""

import pytest

from facebench.errors import ConfigError
from facebench.experiment.sources import gather, read_arguments


@pytest.fixture
def write(tmp_path):
    def make(text, name="x.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return make


class TestEntries:
    @pytest.mark.parametrize(
        "models",
        [
            "dlib-resnet",
            "[dlib-resnet]",
            "{dlib-resnet: dlib-resnet}",
            "[{model: dlib-resnet}]",
            "{dlib-resnet: {model: dlib-resnet}}",
        ],
    )
    def test_short_forms_mean_the_same(self, write, models):
        found = gather(write(f"models: {models}")).plain()
        assert found == {"models": {"dlib-resnet": {"model": "dlib-resnet"}}}

    def test_a_list_may_name_its_entries(self, write):
        found = gather(write("tasks: [accuracy, {task: accuracy, name: b, pairs: p}]")).plain()
        assert found["tasks"] == {
            "accuracy": {"task": "accuracy"},
            "b": {"task": "accuracy", "pairs": "p"},
        }

    @pytest.mark.parametrize("tasks", ["[accuracy, accuracy]", "[{task: a, name: b}, b]"])
    def test_two_of_one_name(self, write, tasks):
        with pytest.raises(ConfigError, match="Two tasks are named"):
            gather(write(f"tasks: {tasks}"))

    @pytest.mark.parametrize("entry", ["3", "[a]", "{pairs: x}", "{name: ''}", "null"])
    def test_an_entry_without_a_name(self, write, entry):
        with pytest.raises(ConfigError, match=r"x\.yaml:1:9: An entry of 'tasks'"):
            gather(write(f"tasks: [{entry}]"))


class TestVariables:
    def test_from_the_environment(self, write):
        path = write("a: ${DATA}/faces\nb: ${SIZE:-32}\nc: ${SIZE:-}\nd: 5$$\ne: $HOME")
        found = gather(path, environment={"DATA": "/data"}).plain()
        assert found == {"a": "/data/faces", "b": 32, "c": None, "d": "5$", "e": "$HOME"}
        assert gather(path, environment={"DATA": "", "SIZE": "8"}).plain()["b"] == 8

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: ${NONE}", "x.yaml:1:4: The environment variable NONE is not set."),
            ("a: '${'", "is not a variable: write ${NAME}"),
            ("a: '${1x}'", "is not a variable"),
            ("a: '${A-b}'", "is not a variable"),
        ],
    )
    def test_bad_ones_are_told(self, write, text, message):
        with pytest.raises(ConfigError) as caught:
            gather(write(text), environment={})
        assert message in str(caught.value)

    def test_values_hold_no_yaml(self, write):
        found = gather(write("a: ${X}"), environment={"X": "{b: [1]}"}).plain()
        assert found == {"a": "{b: [1]}"}


class TestIncludes:
    def test_what_the_file_says_wins(self, write):
        write(
            "seed: 1\nbatch_size: 8\ntasks: {a: {task: accuracy, pairs: p, folds: 5}}", "base.yaml"
        )
        path = write("include: base.yaml\nseed: 2\ntasks: {a: {folds: 3}, b: accuracy}")
        assert gather(path).plain() == {
            "seed": 2,
            "batch_size": 8,
            "tasks": {
                "a": {"task": "accuracy", "pairs": "p", "folds": 3},
                "b": {"task": "accuracy"},
            },
        }

    def test_several_and_nested_with_places_of_their_own(self, write):
        write("include: deeper/c.yaml\na: 1", "sub/b.yaml")
        write("c: x", "sub/deeper/c.yaml")
        write("a: 2", "d.yaml")
        root = gather(write("include: [sub/b.yaml, d.yaml]"))
        assert root.plain() == {"c": "x", "a": 2}
        assert root.value["c"].place.folder.name == "deeper"
        assert root.keys["c"].source.endswith("sub/deeper/c.yaml")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("include: x.yaml", "includes itself"),
            ("include: y.yaml", "y.yaml:1:10: x.yaml includes itself"),
            ("include: none.yaml", "x.yaml:1:10: The included file"),
            ("include: /dev/zero", "x.yaml:1:10: /dev/zero cannot be included: it is not a file"),
            ("include: 3", "'include' takes a file or a list of files. Got 3."),
            ("include: [{a: b}]", "'include' takes a file"),
            ("include: bad.yaml", "bad.yaml:1:1: A configuration is a mapping"),
        ],
    )
    def test_bad_ones_are_told(self, write, text, message):
        write("include: x.yaml", "y.yaml")
        write("- 3", "bad.yaml")
        with pytest.raises(ConfigError) as caught:
            gather(write(text))
        assert message in str(caught.value)


class TestOverrides:
    TEXT = "tasks: {lfw: {task: accuracy, far: [0.1, 0.2]}, v.2: accuracy}\nmodels: dlib-resnet"

    @pytest.mark.parametrize(
        ("override", "keys", "value"),
        [
            ("tasks.lfw.folds=5", ("tasks", "lfw", "folds"), 5),
            ("tasks.lfw.far=[0.3]", ("tasks", "lfw", "far"), [0.3]),
            ("tasks.lfw.far.1=0.3", ("tasks", "lfw", "far"), [0.1, 0.3]),
            ("tasks.v.2.pairs=a=b", ("tasks", "v.2", "pairs"), "a=b"),
            ("models.dlib-resnet.align=false", ("models", "dlib-resnet", "align"), False),
            ("models=[vgg16]", ("models", "vgg16", "model"), "vgg16"),
            ("models.new=vgg16", ("models", "new", "model"), "vgg16"),
            ("seed=", ("seed",), None),
            ("name='3'", ("name",), "3"),
        ],
    )
    def test_set_values(self, write, override, keys, value):
        found = gather(write(self.TEXT), [override]).plain()
        for key in keys:
            found = found[key]
        assert found == value

    def test_the_last_one_wins_and_aliases_stay_apart(self, write):
        path = write("a: &a {x: 1}\nb: *a")
        found = gather(path, ["b.x=2", "b.x=3"]).plain()
        assert found == {"a": {"x": 1}, "b": {"x": 3}}

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("seed", "An override is written KEY.KEY=VALUE"),
            ("=3", "An override is written"),
            ("a..b=3", "A key is empty"),
            ("tasks.lfw.far.7=1", "'7' is not a position in a list of 2"),
            ("tasks.lfw.far.x=1", "'x' is not a position"),
            ("tasks.lfw.task.x=1", "'x' cannot be set inside of 'accuracy'"),
            ("seed={a", "--set seed={a: Invalid YAML"),
        ],
    )
    def test_bad_ones_are_told(self, write, override, message):
        with pytest.raises(ConfigError) as caught:
            gather(write(self.TEXT), [override])
        assert message in str(caught.value)

    def test_arguments_of_a_command(self):
        found = read_arguments(["align=false", "a.b=1"])
        assert {key: item.plain() for key, item in found.items()} == {"align": False, "a": {"b": 1}}
