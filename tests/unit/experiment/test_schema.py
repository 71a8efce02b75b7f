"""The JSON schema knows every setting."""

import json

import jsonschema
import pytest

from facebench.experiment.schema import json_schema


@pytest.mark.slow
def test_the_schema_is_json_and_knows_every_setting_and_name():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert {"models", "tasks", "include", "max_memory", "distance"} <= schema["properties"].keys()
    assert all("description" in setting for setting in schema["properties"].values())
    text = json.dumps(schema)
    for name in ("dlib-resnet", "verification", "euclidean"):
        assert f'"{name}"' in text


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(
    "entry",
    [
        {"task": "verification", "pairs": "p.csv"},
        {"task": "verification", "pairs_file_path": "p.csv", "images": "faces"},
        {"task": "thatcher-effect", "pairs": "p.csv", "n_permutations": 100, "test": "t"},
        {"task": "my_tasks.py:Mine", "whatever": 1},
    ],
)
def test_arguments_of_a_task_are_known(validator, entry):
    assert validator.is_valid({"tasks": {"t": entry}})


@pytest.mark.parametrize(
    "entry",
    [
        {"task": "verification", "pairz": "p.csv"},
        {"task": "thatcher-effect", "pairs": "p.csv", "n_permutations": "many"},
        {"task": "effect", "pairs": "p.csv", "measure": "au"},
    ],
)
def test_arguments_that_a_task_does_not_take_are_marked(validator, entry):
    assert not validator.is_valid({"tasks": {"t": entry}})


def test_arguments_of_a_model_are_known_and_others_marked(validator):
    known = {"model": "vgg16", "flip": "sum", "layers": "all", "align": "dlib150", "seeds": [0, 1]}
    assert validator.is_valid({"models": {"v": known, "a": {"model": "adaface-ir101"}}})
    assert not validator.is_valid({"models": {"v": {**known, "flp": "sum"}}})
