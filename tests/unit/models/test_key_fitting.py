"""Keys of checkpoints as the field writes them."""

import pytest

from facebench.models.key_fitting import likely_prefix, renamed

OWN = ["conv.weight", "bn.weight", "bn.num_batches_tracked", "fc.weight"]


def before(prefix: str, keys: list[str] = OWN) -> dict[str, int]:
    return {prefix + key: number for number, key in enumerate(keys)}


@pytest.mark.parametrize(
    ("prefix", "taken"),
    [
        ("", ""),
        ("module.", ""),
        ("_orig_mod.", ""),
        ("module._orig_mod.", ""),
        ("model.", "model."),
        ("module.model.", "model."),
        ("model._orig_mod.", "model."),
        ("module.encoder_q.", "encoder_q."),
        ("a.b.", "a.b."),
    ],
)
def test_what_a_network_was_wrapped_in_is_taken_off(prefix: str, taken: str) -> None:
    assert renamed(before(prefix), OWN) == [(before(""), taken)]


def test_a_part_that_is_all_of_the_network_is_found_beside_others() -> None:
    state = before("model.") | {"head.kernel": 7}
    assert renamed(state, OWN) == [(before(""), "model.")]
    two = before("student.") | before("teacher.")
    assert [prefix for _, prefix in renamed(two, OWN)] == ["student.", "teacher."]


def test_a_network_may_be_the_one_that_is_wrapped() -> None:
    wrapped = ["_orig_mod." + key for key in OWN]
    assert renamed(before("module."), wrapped) == [(before("_orig_mod."), "")]


def test_what_is_no_part_of_the_network_stays_as_it_is() -> None:
    other = {"layer1.weight": 0, "layer2.weight": 1}
    assert renamed(other, OWN) == [(other, "")]
    assert likely_prefix(other, OWN) == ""
    assert likely_prefix(before("model.", OWN[1:]), OWN) == "model."


@pytest.mark.parametrize("holder", ["model", "net", "ema", "module"])
@pytest.mark.parametrize("outer", ["", "module.", "model."])
def test_a_holder_within_the_keys_of_some_layers(outer: str, holder: str) -> None:
    own = ["features.0.weight", "features.1.weight", "fc.weight"]
    keys = [f"{outer}features.{holder}.0.weight", f"{outer}features.{holder}.1.weight"]
    state = dict(zip([*keys, f"{outer}fc.weight"], range(3), strict=True))
    assert renamed(state, own)[0][0] == dict(zip(own, range(3), strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_weight_normalisation_old_and_new(prefix: str) -> None:
    old = ["conv.weight", "fc.weight_g", "fc.weight_v"]
    new = [old[0], *(f"fc.parametrizations.weight.original{k}" for k in (0, 1))]
    assert renamed(before(prefix, old), new)[0][0] == before("", new)
    assert renamed(before(prefix, new), old)[0][0] == before("", old)
