"""The JSON schema knows every setting."""

import json

from facebench.experiment.schema import json_schema


def test_the_schema_is_json_and_knows_every_setting_and_name():
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert {"models", "tasks", "include", "max_memory", "distance"} <= schema["properties"].keys()
    assert all("description" in setting for setting in schema["properties"].values())
    text = json.dumps(schema)
    for name in ("dlib-resnet", "verification", "euclidean"):
        assert f'"{name}"' in text
