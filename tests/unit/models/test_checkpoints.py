"""Weight files: every documented shape of them is read, and none runs code."""

from __future__ import annotations

import argparse
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from facebench.errors import MissingWeightsError, ModelError, WeightsError
from facebench.models.checkpoints import count_identities, load_into, read_checkpoint


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


class TestReading:
    @pytest.mark.parametrize(
        "wrap",
        [
            lambda state: state,
            lambda state: {"state_dict": state},
            lambda state: {"epoch": 3, "arch": "vgg16", "best": 0.9, "state_dict": state},
            lambda state: dict(state),
            lambda state: {**state, "epoch": 3},
        ],
        ids=["plain", "nested", "training run", "plain dict", "with other entries"],
    )
    def test_documented_forms(self, tmp_path: Path, wrap: Any) -> None:
        state = network().state_dict()
        torch.save(wrap(state), tmp_path / "w.pth")
        read = read_checkpoint(tmp_path / "w.pth")
        assert same(read, dict(state))
        assert list(read) == list(state)

    def test_optimizer_beside_the_weights_is_ignored(self, tmp_path: Path) -> None:
        net = network()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        content = {"state_dict": net.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(content, tmp_path / "w.pth")
        assert same(read_checkpoint(tmp_path / "w.pth"), dict(net.state_dict()))

    def test_old_format_of_torch(self, tmp_path: Path) -> None:
        state = network().state_dict()
        torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
        assert same(read_checkpoint(tmp_path / "w.pth"), dict(state))

    def test_parameters_count_as_tensors(self, tmp_path: Path) -> None:
        torch.save({"w": nn.Parameter(torch.ones(2))}, tmp_path / "w.pth")
        assert torch.equal(read_checkpoint(tmp_path / "w.pth")["w"], torch.ones(2))

    def test_safetensors(self, tmp_path: Path) -> None:
        state = network().state_dict()
        save_file(state, tmp_path / "w.safetensors")
        assert same(
            dict(sorted(read_checkpoint(tmp_path / "w.safetensors").items())),
            dict(sorted(state.items())),
        )

    def test_path_may_be_text(self, tmp_path: Path) -> None:
        torch.save(network().state_dict(), tmp_path / "w.pth")
        assert read_checkpoint(str(tmp_path / "w.pth"))


class TestRefusal:
    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingWeightsError, match=r"none\.pth does not exist"):
            read_checkpoint(tmp_path / "none.pth")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError):
            read_checkpoint(tmp_path)

    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    @pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x00" * 100, b"PK\x03\x04abc"])
    def test_foreign_files(self, tmp_path: Path, content: bytes, suffix: str) -> None:
        path = tmp_path / f"w{suffix}"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=rf"weights (file|in) .*w\{suffix}"):
            read_checkpoint(path)

    @pytest.mark.parametrize("share", [0.2, 0.7, 0.99])
    @pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
    def test_truncated_files(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = tmp_path / f"w{suffix}"
        if suffix == ".pth":
            torch.save(network().state_dict(), path)
        else:
            save_file(network().state_dict(), path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(WeightsError, match=rf"w\{suffix}"):
            read_checkpoint(path)

    def test_a_flipped_bit_in_the_weights_of_an_archive(self, tmp_path: Path) -> None:
        # torch.load itself compares no checksums.
        state = {"w": torch.arange(64.0)}
        torch.save(state, tmp_path / "w.pth")
        content = bytearray((tmp_path / "w.pth").read_bytes())
        content[content.index(state["w"].numpy().tobytes()) + 9] ^= 1
        (tmp_path / "w.pth").write_bytes(content)
        assert not torch.equal(torch.load(tmp_path / "w.pth")["w"], state["w"])
        with pytest.raises(WeightsError, match=r"w\.pth .*checksum of 'w/data/0'.*again"):
            read_checkpoint(tmp_path / "w.pth")

    def test_an_archive_written_without_checksums_is_read(self, tmp_path: Path) -> None:
        before = torch.serialization.get_crc32_options()
        torch.serialization.set_crc32_options(False)
        try:
            torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
        finally:
            torch.serialization.set_crc32_options(before)
        assert torch.equal(read_checkpoint(tmp_path / "w.pth")["w"], torch.ones(3))

    def test_an_archive_of_another_version_of_zip(self, tmp_path: Path) -> None:
        torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
        content = bytearray((tmp_path / "w.pth").read_bytes())
        content[content.index(b"PK\1\2") + 6] = 64
        (tmp_path / "w.pth").write_bytes(content)
        with pytest.raises(WeightsError, match="damaged or incomplete zip archive"):
            read_checkpoint(tmp_path / "w.pth")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (torch.zeros(3), "Tensor"),
            ([torch.zeros(3)], "list"),
            ({"epoch": 3, "lr": 0.1}, "epoch, lr"),
            ({}, "nothing"),
            ({"state_dict": {}}, "no tensors"),
        ],
    )
    def test_no_state_dict_in_it(self, tmp_path: Path, content: Any, told: str) -> None:
        torch.save(content, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=told):
            read_checkpoint(tmp_path / "w.pth")


class RunsCode:
    """Makes a folder when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (self.marker,)


class TestSafety:
    @pytest.fixture
    def marker(self, tmp_path: Path) -> Path:
        """Return where the code would leave its trace, having seen that it does when let."""
        marker = tmp_path / "the-code-ran"
        pickle.loads(pickle.dumps(RunsCode(marker)))
        marker.rmdir()
        return marker

    @pytest.mark.parametrize("place", ["top", "beside", "state dict", "old format", "raw pickle"])
    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ""])
    def test_pickle_that_runs_code_is_refused_unrun(
        self, tmp_path: Path, marker: Path, place: str, suffix: str
    ) -> None:
        path = tmp_path / f"evil{suffix}"
        code, weights = RunsCode(marker), network().state_dict()
        if place == "top":
            torch.save(code, path)
        elif place == "beside":
            torch.save({"state_dict": weights, "extra": code}, path)
        elif place == "state dict":
            torch.save({"state_dict": {**weights, "0.bias": code}}, path)
        elif place == "old format":
            torch.save({**weights, "x": code}, path, _use_new_zipfile_serialization=False)
        else:
            path.write_bytes(pickle.dumps({"w": code}, protocol=2))
        with pytest.raises(WeightsError, match=rf"evil{suffix}") as caught:
            read_checkpoint(path)
        assert not marker.exists()
        if suffix != ".safetensors":
            assert "can run code" in str(caught.value)

    def test_whole_pickled_network_is_refused_with_the_way_out(self, tmp_path: Path) -> None:
        torch.save(network(), tmp_path / "whole.pth")
        with pytest.raises(WeightsError, match=r"torch\.save\(model\.state_dict\(\)"):
            read_checkpoint(tmp_path / "whole.pth")

    def test_refusal_is_plain_text_and_does_not_advise_unsafe_loading(self, tmp_path: Path) -> None:
        torch.save(network(), tmp_path / "whole.pth")
        (tmp_path / "page.pth").write_text("<html>")
        for name in ("whole.pth", "page.pth"):
            with pytest.raises(WeightsError) as caught:
                read_checkpoint(tmp_path / name)
            message = str(caught.value)
            assert "\x1b" not in message
            assert "`False`" not in message
            assert "two options" not in message


class TestIdentities:
    def test_first_dimension_of_the_last_tensor(self) -> None:
        assert count_identities(network().state_dict()) == 5

    def test_counters_are_no_tensors_of_classes(self) -> None:
        state = {"fc.bias": torch.zeros(9), "bn.num_batches_tracked": torch.tensor(4)}
        assert count_identities(state) == 9

    @pytest.mark.parametrize("state", [{}, {"n": torch.tensor(1)}])
    def test_none_to_count(self, state: dict[str, torch.Tensor]) -> None:
        assert count_identities(state) is None


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
        torch.save({"student": state, "teacher": state}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"several networks that fit .*'student', 'teacher'"):
            load_into(network(), read_checkpoint(tmp_path / "w.pth"), "w.pth")

    def test_a_head_beside_the_network_is_told_as_such(self) -> None:
        state = dict(network().state_dict()) | {"logits.weight": torch.ones(9, 5)}
        with pytest.raises(WeightsError, match=r"1 unexpected: logits.*All of the network is ther"):
            load_into(network(), state, "w.pth")

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

    def test_sorted_tensors_are_counted_by_their_classifier(self, tmp_path: Path) -> None:
        state = {"fc.bias": torch.ones(7), "fc.weight": torch.ones(7, 9), "layer1": torch.ones(9)}
        save_file(state, tmp_path / "w.safetensors")
        assert count_identities(read_checkpoint(tmp_path / "w.safetensors")) == 7
        save_file({"conv.weight": torch.ones(4), "z.weight": torch.ones(9)}, tmp_path / "b")
        assert count_identities(read_checkpoint(tmp_path / "b")) is None

    def test_advice_of_torch_is_never_quoted(self, tmp_path: Path) -> None:
        torch.save(network(), tmp_path / "whole.pth")
        with pytest.raises(WeightsError, match=r"objects \(torch") as caught:
            read_checkpoint(tmp_path / "whole.pth")
        assert "weights_only" not in str(caught.value)
