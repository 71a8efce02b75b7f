"""Layers by pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models import vgg16

from facebench.errors import UnknownNameError
from facebench.models.layer_globs import expand_layers, is_pattern


@pytest.fixture(scope="module")
def vgg_layers():
    import torch

    with torch.device("meta"):
        return [name for name, _ in vgg16().named_modules() if name]


def test_all_is_every_layer_that_holds_no_others(vgg_layers):
    found = expand_layers("all", vgg_layers)
    assert len(found) == 39
    assert "features" not in found
    assert found[:2] == ["features.0", "features.1"]
    assert found[-1] == "classifier.6"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("features.?", [f"features.{i}" for i in range(10)]),
        ("classifier.[35]", ["classifier.3", "classifier.5"]),
        (["classifier.5", "avgpool", "classifier.*5"], ["avgpool", "classifier.5"]),
        ("*", ["features", "avgpool", "classifier"]),
        ("**.6", ["features.6", "classifier.6"]),
    ],
)
def test_globs_stand_for_one_component(vgg_layers, patterns, expected):
    assert expand_layers(patterns, vgg_layers) == expected


def test_any_depth():
    names = ["encoder", "encoder.layer", "encoder.layer.0", "encoder.layer.0.mlp", "mlp"]
    assert expand_layers("**.mlp", names) == ["encoder.layer.0.mlp", "mlp"]
    assert expand_layers("encoder.**", names) == names[:4]
    assert expand_layers("encoder.*.mlp", [*names, "encoder.x.mlp"]) == ["encoder.x.mlp"]


def test_a_layer_of_that_very_name_comes_first():
    assert expand_layers("all", ["all", "all.0", "fc"]) == ["all"]


@pytest.mark.parametrize("pattern", ["featurs.*", "classifier.7", "avgpol", ""])
def test_what_matches_nothing_is_told_with_the_closest(vgg_layers, pattern):
    with pytest.raises(UnknownNameError) as caught:
        expand_layers(["avgpool", pattern], vgg_layers)
    assert repr(pattern) in str(caught.value)
    assert "layers are named like" in str(caught.value)


def test_all_that_match_nothing_are_told_at_once(vgg_layers):
    with pytest.raises(UnknownNameError, match=r"'featurs\.\*' matches .*'avgpol' is not"):
        expand_layers(["featurs.*", "avgpool", "avgpol"], vgg_layers)


VIT = [
    "embeddings", "encoder", "encoder.layer",
    *(f"encoder.layer.{i}{part}" for i in range(12) for part in ("", ".mlp", ".mlp.fc1")),
    "layernorm",
]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("layer.0", ["encoder.layer.0"]),
        ("layer.*", [f"encoder.layer.{i}" for i in range(12)]),
        ("layer.?", [f"encoder.layer.{i}" for i in range(10)]),
        ("layer.*.mlp", [f"encoder.layer.{i}.mlp" for i in range(12)]),
        ("layer.1*", [f"encoder.layer.{i}" for i in (1, 10, 11)]),
        # From the beginning comes first.
        ("*", ["embeddings", "encoder", "layernorm"]),
        ("encoder.*", ["encoder.layer"]),
    ],
)
def test_the_end_of_a_name_will_do_where_one_thing_has_it(pattern, expected):
    assert expand_layers(pattern, VIT) == expected


def test_the_end_of_several_names_is_refused_with_full_ones():
    with pytest.raises(UnknownNameError) as caught:
        expand_layers("mlp.*", VIT)
    assert "'encoder.layer.0.mlp.*'" in str(caught.value)
    assert "(12 in all)" in str(caught.value)
    assert "'**.mlp.*' for all" in str(caught.value)
    assert expand_layers("**.mlp.*", VIT) == [f"encoder.layer.{i}.mlp.fc1" for i in range(12)]
    two = ["image.blocks.0", "text.blocks.0"]
    with pytest.raises(UnknownNameError, match=r"'image\.blocks\.0', 'text\.blocks\.0'"):
        expand_layers("blocks.0", two)


@given(st.lists(st.text("ab.*?[]", max_size=8), max_size=4), st.sets(st.text("ab.", min_size=1)))
def test_results_are_layers_in_order_each_once(patterns, names):
    names = sorted(names)
    try:
        found = expand_layers(patterns, names)
    except UnknownNameError:
        return
    assert found == [name for name in names if name in set(found)]
    for pattern in patterns:
        assert is_pattern(pattern) or any(f".{name}".endswith(f".{pattern}") for name in found)
