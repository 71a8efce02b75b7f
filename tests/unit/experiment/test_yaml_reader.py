"""YAML with places, read safely."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from facebench.errors import ConfigError
from facebench.experiment.arguments import arguments_for
from facebench.experiment.yaml_reader import read_yaml, read_yaml_text


def read(text, **options):
    return read_yaml_text(text, "x.yaml", Path("/somewhere"), **options)


class TestValues:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("3", 3), ("-3", -3), ("0x10", 16), ("0o17", 15), ("010", 10),
            ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-.inf", float("-inf")),
            ("true", True), ("False", False), ("~", None), ("", None), ("null", None),
            # YAML 1.1 would make truth values, dates and numbers of base 60 of these.
            ("no", "no"), ("on", "on"), ("y", "y"), ("2024-01-01", "2024-01-01"),
            ("12:30:45", "12:30:45"), ("1_000", "1_000"), ("'3'", "3"), ('"true"', "true"),
            ("!!str 3", "3"), ("!!int '3'", 3), ("=", "="), ("<<", "<<"),
        ],
    )  # fmt: skip
    def test_mean_what_they_look_like(self, text, value):
        found = read(f"key: {text}").plain()["key"]
        assert found == value
        assert type(found) is type(value)

    def test_anchors_and_merge_keys(self):
        text = """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
one: {<<: *base, b: 5}
both: {<<: [*base, *more], d: 6}
same: *base
"""
        found = read(text).plain()
        assert found["one"] == {"a": 1, "b": 5}
        assert found["both"] == {"a": 1, "b": 2, "c": 4, "d": 6}
        assert found["same"] == found["base"]

    def test_keys_are_texts_as_written(self):
        assert read("{1: a, true: b, 2.50: c}").plain() == {"1": "a", "true": "b", "2.50": "c"}


class TestPlaces:
    def test_every_key_and_value_has_one(self):
        root = read("a:\n  b: [1,\n      two]\n")
        a = root.value["a"]
        assert str(root.keys["a"]) == "x.yaml:1:1"
        assert str(a.keys["b"]) == "x.yaml:2:3"
        assert str(a.value["b"].value[1].place) == "x.yaml:3:7"
        assert a.place.folder == Path("/somewhere")

    def test_none_where_lines_mean_nothing(self):
        assert str(read("a", has_lines=False).place) == "x.yaml"


class TestSubstitution:
    def test_plain_scalars_are_read_again(self):
        found = read("{a: $N, b: '$N', c: $T}", substitute=lambda t: {"$N": "3"}.get(t, t)).plain()
        assert found == {"a": 3, "b": "3", "c": "$T"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b", "x.yaml:1:6: Invalid YAML: while parsing a flow mapping"),
        ("a: 1\n\tb: 2", "Indent with spaces, not tabs."),
        ("a: 1\nb: 2\na: 3", "x.yaml:3:1: The key 'a' is here twice, first at x.yaml:1:1."),
        ("a: {b: 1, b: 1}", "x.yaml:1:11: The key 'b' is here twice"),
        ("- &a [*a]", "x.yaml:1:3: This alias is inside the node it refers to."),
        ("a: &a {b: *a}", "inside the node it refers to"),
        ("a: !!python/object/apply:os.system [ls]", "The tag 'python/object/apply:os.system'"),
        ("a: !thing x", "The tag '!thing' is not understood"),
        ("a: !!binary aGk=", "The tag 'binary' is not understood"),
        ("a: !!set {b}", "The tag 'set' is not understood"),
        ("a: !!int x", "x.yaml:1:4: 'x' is not a valid int."),
        ("a: !!bool 3", "x.yaml:1:4: '3' is not a valid bool."),
        ("a: " + "9" * 5000, "is not a valid int."),
        ("a: '\\0'\nb: \"\\0\"", "x.yaml:2:4: The character '\\x00' cannot be part"),
        ('a: "\\ud800"', "The character '\\ud800' cannot be part"),
        ('a: "\\UFFFFFFFF"', "x.yaml: Invalid YAML"),
        ("%YAML 1." + "9" * 5000 + "\n---\na", "Invalid YAML"),
        ("? [a]\n: 1", "A key must be a name."),
        ("? \n: 1", "A key must be a name."),
        ("a: {<<: 3}", "x.yaml:1:9: The merge key << takes mappings only."),
        ("--- a\n--- b", "another document"),
        ("a: *b", "undefined alias"),
        ("[" * 1000, "nested more than 30 levels deep"),
        ("[" + "1," * 60_000 + "]", "There are more than 50,000 values."),
    ],
)  # fmt: skip
def test_what_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bomb_of_aliases_does_not_unfold():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(ConfigError, match="unfolds to over 50,000 values"):
        read("\n".join(lines))


class TestFiles:
    def test_missing_too_large_or_no_text(self, tmp_path):
        path = tmp_path / "x.yaml"
        with pytest.raises(ConfigError, match=r"does not exist\. `facebench init FACES`"):
            read_yaml(path)
        with pytest.raises(ConfigError, match="cannot be read"):
            read_yaml(tmp_path)
        path.write_bytes(b"a: \xff")
        with pytest.raises(ConfigError, match=r"UTF-8\. Byte 4"):
            read_yaml(path)
        path.write_bytes(b"#" * 1_000_001)
        with pytest.raises(ConfigError, match="larger than a configuration"):
            read_yaml(path)

    def test_a_byte_order_mark_is_no_matter(self, tmp_path):
        path = tmp_path / "x.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: 1")
        assert read_yaml(path).plain() == {"a": 1}


def test_a_device_without_an_end_is_too_large():
    with pytest.raises(ConfigError, match=r"^/dev/zero is larger than a configuration can be"):
        read_yaml(Path("/dev/zero"))


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes")
def test_a_pipe_is_read_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "x.yaml"
    os.mkfifo(pipe)
    assert read_yaml(pipe).plain() is None
    reading, written = os.pipe()
    os.write(written, b"a: 1\n")
    os.close(written)
    assert read_yaml(Path(f"/dev/fd/{reading}")).plain() == {"a": 1}
    os.close(reading)


class Conditions:
    def __init__(self, contrast: tuple[str | Sequence[str], str], name: str, n: int = 3) -> None:
        pass


@pytest.mark.parametrize("code", ["1.10", "007", "1e5", "0x10", "+1", "12345678901234567890", ".5"])
def test_a_number_that_is_wanted_as_a_text_is_as_it_is_written(code: str) -> None:
    text = f"contrast: [[{code}, a], {code}]\nname: {code}\nn: 0x10"
    read = read_yaml_text(text, "x.yaml", Path())
    arguments, _ = arguments_for(Conditions, read.value, {})
    assert arguments == {"contrast": ([code, "a"], code), "name": code, "n": 16}
