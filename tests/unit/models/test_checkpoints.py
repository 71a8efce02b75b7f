"""Weights are fitted to a network as its training script left them, or what differs is told."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from facebench.errors import ModelError, WeightsError
from facebench.models.checkpoints import count_identities, load_into, read_checkpoint


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class TestIdentities:
    def test_first_dimension_of_the_last_tensor(self) -> None:
        assert count_identities(network().state_dict()) == 5

    def test_counters_are_no_tensors_of_classes(self) -> None:
        state = {"fc.bias": torch.zeros(9), "bn.num_batches_tracked": torch.tensor(4)}
        assert count_identities(state) == 9

    @pytest.mark.parametrize("state", [{}, {"n": torch.tensor(1)}])
    def test_none_to_count(self, state: dict[str, torch.Tensor]) -> None:
        assert count_identities(state) is None

    @pytest.mark.parametrize(
        ("shapes", "expected"),
        [
            ({"model.fc.weight": (512, 9), "head.kernel": (512, 1000), "head.t": (1,)}, 1000),
            ({"conv.weight": (512, 3, 3, 3), "features.running_var": (512,)}, None),
            ({"fc.weight": (85742, 512), "features.bias": (512,)}, 85742),
            ({"fc.weight": (512, 25088), "features.weight": (512,)}, None),
            ({"norm.weight": (768,), "norm.bias": (768,)}, None),
        ],
        ids=["AdaFace", "bare backbone", "MagFace", "iresnet", "layer norm"],
    )
    def test_heads_of_face_networks(
        self, shapes: dict[str, tuple[int, ...]], expected: int | None
    ) -> None:
        state = {key: torch.zeros(shape) for key, shape in shapes.items()}
        assert count_identities(state) == expected

    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_the_classifier_that_the_architecture_knows(self, tmp_path: Path, name: str) -> None:
        state = {f"module.{k}": v for k, v in network().state_dict().items()}
        state["module.zz.weight"] = torch.zeros(7, 2)
        if name == "w.pth":
            torch.save(state, tmp_path / name)
        else:
            save_file(state, tmp_path / name)
        assert count_identities(read_checkpoint(tmp_path / name), "3") == 5
        assert count_identities(read_checkpoint(tmp_path / name), "absent") is None

    def test_a_classifier_of_several_layers(self) -> None:
        state = {"module.classifier.1.weight": torch.zeros(7, 2), "z.weight": torch.zeros(3, 2)}
        assert count_identities(state, "classifier") == 7


class TestLoading:
    @settings(max_examples=25, deadline=None)
    @given(
        prefixed=st.sets(st.integers(0, 7)),
        depth=st.integers(1, 2),
        order=st.permutations(range(9)),
    )
    def test_any_keys_may_carry_module_in_any_order(
        self, prefixed: set[int], depth: int, order: list[int]
    ) -> None:
        source, target = network(), network()
        items = list(source.state_dict().items())
        state = {
            ("module." * depth if index in prefixed else "") + key: value
            for index, (key, value) in enumerate(items)
        }
        keys = list(state)
        load_into(target, {keys[i]: state[keys[i]] for i in order if i < len(keys)}, "w.pth")
        assert same(target.state_dict(), source.state_dict())

    def test_a_network_may_have_a_part_called_module(self) -> None:
        source = nn.ModuleDict({"module": nn.Linear(2, 3)})
        for prefix in ("", "module."):
            target = nn.ModuleDict({"module": nn.Linear(2, 3)})
            load_into(target, {prefix + k: v for k, v in source.state_dict().items()}, "w.pth")
            assert same(target.state_dict(), source.state_dict())

    def test_half_precision_weights_are_loaded_into_single(self) -> None:
        source, target = network(), network()
        load_into(target, {k: v.half() for k, v in source.state_dict().items()}, "w.pth")
        assert target[0].weight.dtype == torch.float32
        torch.testing.assert_close(target[0].weight, source[0].weight, rtol=1e-3, atol=1e-3)

    @pytest.mark.filterwarnings("ignore:.*quantiz")
    @pytest.mark.parametrize(
        ("other", "told"),
        [
            (lambda w: w.to(torch.int8), "int8"),
            (lambda w: w > 0, "bool"),
            (lambda w: w.to(torch.complex64), "complex64"),
            (lambda w: w.to("meta"), "without numbers"),
            (lambda w: w.to_sparse(), "sparse_coo"),
            (lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "qint8"),
        ],
    )
    def test_numbers_that_would_be_cut_or_cannot_be_copied_are_told(
        self, other: Any, told: str
    ) -> None:
        state = dict(network().state_dict())
        state["3.weight"] = other(state["3.weight"])
        with pytest.raises(WeightsError, match=rf"3\.weight \(file {told}, network float32\)"):
            load_into(network(), state, "w.pth")

    def test_counters_may_be_of_any_kind(self) -> None:
        state = {key: value.half() for key, value in network().state_dict().items()}
        load_into(network(), state, "w.pth")

    def test_all_differences_are_in_one_error(self) -> None:
        state = network().state_dict()
        del state["0.weight"]
        state["head.weight"] = torch.zeros(1)
        state["module.tail"] = torch.zeros(1)
        state["3.weight"] = torch.zeros(7, 16)
        with pytest.raises(WeightsError) as caught:
            load_into(network(), state, "mine.pth")
        message = str(caught.value)
        assert "mine.pth" in message
        assert "1 missing: 0.weight" in message
        assert "2 unexpected: head.weight, module.tail" in message
        assert "3.weight (file [7, 16], network [5, 16])" in message
        assert isinstance(caught.value, ModelError)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 25), st.integers(0, 25))
    def test_the_first_ten_keys_are_listed_and_the_rest_counted(
        self, absent: int, extra: int
    ) -> None:
        target = nn.ParameterDict({f"own{i:02d}": torch.zeros(1) for i in range(25)})
        state = dict(list(target.state_dict().items())[absent:])
        state |= {f"extra{i:02d}": torch.zeros(1) for i in range(extra)}
        if not absent and not extra:
            load_into(target, state, "w.pth")
            return
        with pytest.raises(WeightsError) as caught:
            load_into(target, state, "w.pth")
        message = str(caught.value)
        for count, what, keys in ((absent, "missing", "own"), (extra, "unexpected", "extra")):
            assert message.count(keys) == min(count, 10)
            if count:
                assert f"{count} {what}: {keys}00" in message
            if count > 10:
                assert f"… and {count - 10} more" in message

    def test_nothing_is_loaded_when_something_does_not_fit(self) -> None:
        target = network()
        before = {key: value.clone() for key, value in target.state_dict().items()}
        state = {key: value + 1 for key, value in before.items()}
        state["3.bias"] = torch.zeros(6)
        with pytest.raises(WeightsError):
            load_into(target, state, "w.pth")
        assert same(dict(target.state_dict()), before)


class TestLayoutsOfTheField:
    """State dicts as training scripts leave them."""

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: {"model": state, "optimizer": {}, "epoch": 3},
            lambda state: {"epoch": torch.tensor(3), "net_state_dict": state},
            lambda state: {"state_dict_backbone": state, "state_dict_fc": {"w": torch.ones(9, 5)}},
            lambda state: {"checkpoint": {"model": state}},
            lambda state: {"state_dict": {"model." + key: state[key] for key in state}},
            lambda state: {"state_dict": state, "args": argparse.Namespace(lr=0.1)},
            lambda state: {"state_dict": state, "best": np.float64(0.9), "curve": np.ones(3)},
            lambda state: {"state_dict": state, "folder": Path("runs")},
            lambda state: {key: state[key] for key in state if "num_batches" not in key},
        ],
    )
    def test_they_load(self, tmp_path: Path, wrap: Any) -> None:
        source, target = network(), network()
        torch.save(wrap(dict(source.state_dict())), tmp_path / "w.pth")
        load_into(target, read_checkpoint(tmp_path / "w.pth"), tmp_path / "w.pth")
        assert same(target.state_dict(), source.state_dict())

    def test_several_networks_that_fit_are_not_chosen_from(self, tmp_path: Path) -> None:
        state = network().state_dict()
        torch.save({"student": state, "teacher": network().state_dict()}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"several networks that fit .*'student', 'teacher'"):
            load_into(network(), read_checkpoint(tmp_path / "w.pth"), "w.pth")
        target = network()
        load_into(target, read_checkpoint(tmp_path / "w.pth", "student"), "w.pth")
        assert same(target.state_dict(), dict(state))

    def test_several_of_the_same_numbers_are_one(self, tmp_path: Path) -> None:
        source, target = network(), network()
        wrapped = {f"module.{key}": value for key, value in source.state_dict().items()}
        torch.save({"student": wrapped, "teacher": source.state_dict()}, tmp_path / "w.pth")
        load_into(target, read_checkpoint(tmp_path / "w.pth"), "w.pth")
        assert same(target.state_dict(), source.state_dict())

    @pytest.mark.parametrize("flat", [False, True])
    def test_a_running_average_beside_the_weights_is_told(
        self, tmp_path: Path, flat: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        source, average, target = network(), network(), network()
        content = {"net": source.state_dict(), "ema": average.state_dict()}
        if flat:
            other = {f"ema.module.{key}": v for key, v in average.state_dict().items()}
            content = dict(source.state_dict()) | other | {"n_averaged": torch.tensor(3)}
        torch.save(content, tmp_path / "w.pth")
        load_into(target, read_checkpoint(tmp_path / "w.pth"), "w.pth")
        assert same(target.state_dict(), source.state_dict())
        assert re.search(r"Other weights that fit .* under 'ema': weights_key", caplog.text)
        load_into(target, read_checkpoint(tmp_path / "w.pth", "ema"), "w.pth")
        assert same(target.state_dict(), average.state_dict())

    def test_of_several_networks_the_one_that_fits_is_loaded(self, tmp_path: Path) -> None:
        source, target = network(), network()
        other = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Linear(2, 1))
        content = {"discriminator": other.state_dict(), "generator": source.state_dict()}
        flat = {f"{k}.{n}": v for k, state in content.items() for n, v in state.items()}
        for kept in (content, {"state_dict": flat}, flat):
            torch.save(kept, tmp_path / "w.pth")
            load_into(target, read_checkpoint(tmp_path / "w.pth"), "w.pth")
            assert same(target.state_dict(), source.state_dict())

    @pytest.mark.parametrize("head", ["logits.weight", "module.head.kernel", "fc.weight"])
    def test_a_training_head_beside_the_network_is_left_out_and_told(
        self, head: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        source, target = network(), network()
        load_into(target, dict(source.state_dict()) | {head: torch.ones(9, 5)}, "w.pth")
        assert same(target.state_dict(), source.state_dict())
        assert f"1 left out: {head}" in caplog.text

    def test_layers_of_a_deeper_network_are_no_head(self) -> None:
        deep = nn.ModuleDict({"layer1": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))})
        flat = nn.ModuleDict({"layer1": nn.Sequential(nn.Linear(2, 2))})
        with pytest.raises(WeightsError, match=r"2 unexpected: layer1\.1\.weight"):
            load_into(flat, deep.state_dict(), "w.pth")
        numbered = nn.Sequential(*network(), nn.Linear(5, 5))
        with pytest.raises(WeightsError, match=r"2 unexpected: 4\.weight.*All of the network is"):
            load_into(network(), numbered.state_dict(), "w.pth")

    @pytest.mark.parametrize("lost", ["1.running_mean", "1.running_var", "1.weight"])
    @pytest.mark.parametrize("prefix", ["", "module.", "model."])
    def test_batch_statistics_that_are_missing_are_told(self, lost: str, prefix: str) -> None:
        state = {prefix + k: v for k, v in network().state_dict().items() if k != lost}
        with pytest.raises(WeightsError, match=f"1 missing: {lost}"):
            load_into(network(), state, "w.pth")

    def test_two_keys_that_would_be_one_are_told(self) -> None:
        state = dict(network().state_dict())
        state["module.0.weight"] = state["0.weight"] + 1
        with pytest.raises(WeightsError, match=r"1 unexpected: module\.0\.weight"):
            load_into(network(), state, "w.pth")

    @pytest.mark.parametrize(
        "key",
        [
            "features.module.{}",
            "module.features.{}",
            "features._orig_mod.module.{}",
            "ema.features.{}",
            "_forward_module.model.features.{}",
            "features.model.{}",
            "net.features.ema.{}",
        ],
    )
    def test_wrappers_wherever_they_stand(self, key: str) -> None:
        source, target = (nn.ModuleDict({"features": network()}) for _ in range(2))
        state = {key.format(k): v for k, v in source["features"].state_dict().items()}
        load_into(target, state, "w.pth")
        assert same(target.state_dict(), source.state_dict())

    def test_a_part_that_was_wrapped_beside_one_that_was_not(self) -> None:
        # VGG16 with DataParallel around its features.
        source, target = (
            nn.ModuleDict({"features": network(), "classifier": nn.Linear(5, 2)}) for _ in range(2)
        )
        state = {
            k.replace("features.", "features.module."): v for k, v in source.state_dict().items()
        }
        load_into(target, state, "w.pth")
        assert same(target.state_dict(), source.state_dict())

    def test_weights_that_layers_share(self) -> None:
        def tied() -> nn.ModuleDict:
            made = nn.ModuleDict({"first": nn.Linear(3, 3), "second": nn.Linear(3, 3)})
            made["second"].weight = made["first"].weight
            return made

        source, target = tied(), tied()
        state = dict(source.state_dict())
        # safetensors keeps one of them.
        del state["second.weight"]
        load_into(target, state, "w.pth")
        assert same(target.state_dict(), source.state_dict())
        state["second.weight"] = state["first.weight"] + 1
        with pytest.raises(
            WeightsError, match=r"second\.weight \(the network shares it with first"
        ):
            load_into(target, state, "w.pth")

    def test_a_buffer_that_the_network_makes_for_itself(self) -> None:
        class Positions(nn.Linear):
            def __init__(self) -> None:
                super().__init__(2, 2)
                self.register_buffer("positions", torch.arange(4), persistent=False)

        source = Positions()
        state = dict(source.state_dict()) | {"positions": torch.arange(4)}
        load_into(Positions(), state, "w.pth")
        state["positions"] = torch.arange(4) + 1
        with pytest.raises(WeightsError, match="1 unexpected: positions"):
            load_into(Positions(), state, "w.pth")

    def test_a_prefix_of_some_keys_is_told(self) -> None:
        state = {f"model.{key}": value for key, value in network().state_dict().items()}
        del state["model.3.bias"]
        state["head"] = torch.ones(3)
        with pytest.raises(WeightsError, match=r"begin with 'model\.', and fit without it"):
            load_into(network(), state, "w.pth")

    @pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
    @pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
    def test_what_torch_adapts_to_loads(self) -> None:
        source = nn.Linear(4, 3)
        old = nn.utils.weight_norm(nn.Linear(4, 3)).state_dict()
        new = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
        load_into(new, old, "w.pth")
        assert torch.equal(new.parametrizations.weight.original1, old["weight_v"])
        lazy = nn.LazyLinear(3)
        load_into(lazy, source.state_dict(), "w.pth")
        assert torch.equal(lazy.weight, source.weight)

    def test_weights_that_are_no_numbers_are_told(self, caplog: pytest.LogCaptureFixture) -> None:
        state = network().state_dict()
        state["1.running_var"][2] = float("inf")
        load_into(network(), state, "w.pth")
        assert "In w.pth, some weights are NaN or infinite" in caplog.text
        assert "1 of 9 tensors: 1.running_var" in caplog.text

    def test_one_of_several_files_of_a_network(self) -> None:
        state = dict(list(network().state_dict().items())[:3])
        with pytest.raises(WeightsError, match="give the path of their index"):
            load_into(network(), state, "model-00001-of-00002.safetensors")

    @pytest.mark.filterwarnings("ignore:.*quantiz:DeprecationWarning")
    @pytest.mark.parametrize("whole", [False, True])
    def test_quantised_layers_are_refused(self, tmp_path: Path, whole: bool) -> None:
        quantised = torch.ao.quantization.quantize_dynamic(network(), {nn.Linear})
        torch.save(quantised if whole else quantised.state_dict(), tmp_path / "q.pt")
        state = read_checkpoint(tmp_path / "q.pt")
        with pytest.raises(WeightsError, match=r"layers of the file are quantised \(3.zero_point"):
            load_into(network(), state, "q.pt")
        # Its packed weights are no tensors, and would stay random.
        with pytest.raises(WeightsError, match="keeps more than tensors, as quantised layers do"):
            load_into(quantised, state, "q.pt")

    def test_sorted_tensors_are_counted_by_their_classifier(self, tmp_path: Path) -> None:
        state = {"fc.bias": torch.ones(7), "fc.weight": torch.ones(7, 9), "layer1": torch.ones(9)}
        save_file(state, tmp_path / "w.safetensors")
        assert count_identities(read_checkpoint(tmp_path / "w.safetensors")) == 7
        save_file({"conv.weight": torch.ones(4), "z.weight": torch.ones(9)}, tmp_path / "b")
        assert count_identities(read_checkpoint(tmp_path / "b")) is None
