"""Weight files: every documented shape of them is read, and none runs code."""

from __future__ import annotations

import argparse
import collections
import datetime
import functools
import json
import lzma
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from facebench.errors import MissingWeightsError, WeightsError
from facebench.models.weight_files import read_checkpoint


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

    def test_a_checkpoint_that_is_called_safetensors(self, tmp_path: Path) -> None:
        state = network().state_dict()
        torch.save(state, tmp_path / "w.safetensors")
        assert same(read_checkpoint(tmp_path / "w.safetensors"), dict(state))

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


class TestIndex:
    """Large networks are saved as several files and a list of what is in which."""

    @pytest.fixture
    def index(self, tmp_path: Path) -> Path:
        state = network().state_dict()
        names = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
        parts = dict(list(state.items())[:2]), dict(list(state.items())[2:])
        for name, part in zip(names, parts, strict=True):
            save_file(part, tmp_path / name)
        listed = {key: names[key in parts[1]] for key in state}
        index = tmp_path / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": listed}))
        return index

    def test_all_of_its_files_are_read(self, index: Path) -> None:
        found = read_checkpoint(index)
        one, two = (load_file(path) for path in sorted(index.parent.glob("model-*")))
        assert same(found, one | two)
        assert not found.in_order

    def test_one_that_is_missing_is_named(self, index: Path) -> None:
        (index.parent / "model-00002-of-00002.safetensors").unlink()
        with pytest.raises(MissingWeightsError, match=r"which model-00002-of-00002\.safe"):
            read_checkpoint(index)

    def test_a_tensor_that_is_missing_is_named(self, index: Path) -> None:
        save_file({"0.weight": torch.ones(2)}, index.parent / "model-00001-of-00002.safetensors")
        with pytest.raises(WeightsError, match=r"not all in the files that it names: 0\.bias"):
            read_checkpoint(index)

    @pytest.mark.parametrize("content", ["[]", "{", '{"weight_map": {"a": "../b.pth"}}'])
    def test_what_is_no_index(self, index: Path, content: str) -> None:
        index.write_text(content)
        with pytest.raises(WeightsError, match="is no index of several files"):
            read_checkpoint(index)


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

    @pytest.mark.parametrize(
        ("kind", "told"), [(lzma.FORMAT_XZ, "an xz"), (lzma.FORMAT_ALONE, "an LZMA")]
    )
    def test_compressed(self, tmp_path: Path, kind: int, told: str) -> None:
        (tmp_path / "w.pth").write_bytes(lzma.compress(b"abc" * 100, format=kind))
        with pytest.raises(WeightsError, match=f"it is {told} archive"):
            read_checkpoint(tmp_path / "w.pth")

    def test_a_bomb_of_lists(self, tmp_path: Path) -> None:
        bomb: list[Any] = []
        for _ in range(9):
            bomb = [bomb] * 1000
        torch.save({"x": bomb}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match="holds no tensors"):
            read_checkpoint(tmp_path / "w.pth")

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


class Setting:
    """An object of a class of the training script's."""

    def method(self) -> None:
        """Do nothing."""


class Settings(dict[str, Any]):
    """A mapping of a class of the training script's."""


class Whole(nn.Module):
    """A network that is saved as a whole, and counts how often it is made."""

    n_made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).n_made += 1
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.again = self.body[1]
        self.norm = functools.partial(nn.LayerNorm, eps=1e-6)
        self.register_buffer("mean", torch.ones(3))
        self.register_buffer("passing", torch.ones(3), persistent=False)

    def __setstate__(self, state: Any) -> None:
        type(self).n_made += 1
        super().__setstate__(state)


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

    def test_refusal_is_plain_text_and_does_not_advise_unsafe_loading(
        self, tmp_path: Path, marker: Path
    ) -> None:
        torch.save(RunsCode(marker), tmp_path / "evil.pth")
        (tmp_path / "page.pth").write_text("<html>")
        for name in ("evil.pth", "page.pth"):
            with pytest.raises(WeightsError) as caught:
                read_checkpoint(tmp_path / name)
            message = str(caught.value)
            assert "\x1b" not in message
            assert "weights_only" not in message
            assert "two options" not in message


class TestOtherObjects:
    """What stands beside tensors is not built; the tensors are read all the same."""

    @pytest.mark.parametrize("old", [False, True])
    @pytest.mark.parametrize(
        "beside",
        [
            lambda: argparse.Namespace(lr=0.1),
            lambda: np.float64(0.9),
            lambda: np.ones(3),
            lambda: Path("runs"),
            lambda: [Setting(), {"deep": Setting()}],
            lambda: functools.partial(nn.LayerNorm, eps=1e-6),
            lambda: nn.LayerNorm,
            lambda: torch.optim.SGD(network().parameters(), lr=0.1, momentum=0.9),
            lambda: collections.defaultdict(list, a=[1]),
            lambda: datetime.datetime(2020, 1, 1),
            lambda: Setting.method,
        ],
    )
    def test_tensors_beside_them_are_read(self, tmp_path: Path, beside: Any, old: bool) -> None:
        state = network().state_dict()
        content = {"epoch": 3, "state_dict": state, "beside": beside()}
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
        assert same(read_checkpoint(tmp_path / "w.pth"), dict(state))

    @pytest.mark.parametrize("old", [False, True])
    @pytest.mark.parametrize("protocol", [2, 4, 5])
    def test_a_network_saved_as_a_whole(self, tmp_path: Path, old: bool, protocol: int) -> None:
        whole = Whole()
        options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": not old}
        torch.save(whole, tmp_path / "whole.pth", **options)
        torch.save({"epoch": 3, "ema": nn.DataParallel(whole)}, tmp_path / "in.pth", **options)
        before = Whole.n_made
        read = read_checkpoint(tmp_path / "whole.pth")
        assert same(read, dict(whole.state_dict()))
        assert list(read) == list(whole.state_dict())
        wrapped = {f"module.{key}": value for key, value in whole.state_dict().items()}
        assert same(read_checkpoint(tmp_path / "in.pth"), wrapped)
        assert Whole.n_made == before, "the class was built"

    def test_a_mapping_of_an_unknown_class_is_looked_into(self, tmp_path: Path) -> None:
        state = network().state_dict()
        torch.save({"state_dict": Settings(state)}, tmp_path / "w.pth")
        assert same(read_checkpoint(tmp_path / "w.pth"), dict(state))

    @pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
    def test_a_pickle_of_arrays(self, tmp_path: Path, protocol: int) -> None:
        generator = np.random.default_rng(0)
        arrays = {
            "a.weight": generator.random((2, 3), np.float32),
            "b": np.asfortranarray(generator.random((3, 4))),
            "big": np.arange(3, dtype=">f4"),
            "n": np.array(7),
        }
        path = tmp_path / "resnet50.pkl"
        path.write_bytes(pickle.dumps(arrays, protocol=protocol))
        read = read_checkpoint(path)
        assert {key: value.tolist() for key, value in read.items()} == {
            key: value.tolist() for key, value in arrays.items()
        }
        assert read["big"].dtype == torch.float32

    def test_a_pickle_of_arrays_by_python_2(self, tmp_path: Path) -> None:
        # As VGGFace2's weights are: bytes are text of Latin-1, names too.
        content = (
            b"\x80\x02}q\x00U\x01wq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
            b"q\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x02\x85cnumpy\ndtype\nq\x05U\x02f4K\x00K\x01"
            b"\x87Rq\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x08"
            + np.array([1.5, -2.5], "<f4").tobytes()
            + b"tbs."
        )
        assert pickle.loads(content, encoding="latin1")["w"].tolist() == [1.5, -2.5]
        (tmp_path / "w.pkl").write_bytes(content)
        assert read_checkpoint(tmp_path / "w.pkl")["w"].tolist() == [1.5, -2.5]

    def test_a_pickle_of_tensors(self, tmp_path: Path) -> None:
        state = dict(network().state_dict())
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(state))
        assert same(read_checkpoint(tmp_path / "w.pkl"), state)

    def test_views_of_one_storage_and_other_kinds_of_numbers(self, tmp_path: Path) -> None:
        whole = torch.arange(24.0).reshape(4, 6)
        state = {
            "a": whole[1:3],
            "b": whole.T,
            "c": whole[:, ::2],
            "half": whole.half(),
            "brain": whole.bfloat16(),
            "long": torch.arange(5),
            "none": torch.empty(0, 3),
            "parameter": nn.Parameter(whole[0]),
            "truth": whole > 3,
        }
        for old in (False, True):
            content = {"state_dict": state, "beside": Setting()}
            torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
            assert same(read_checkpoint(tmp_path / "w.pth"), state)

    @pytest.mark.parametrize("share", [0.3, 0.8, 0.99])
    @pytest.mark.parametrize("old", [False, True])
    def test_truncated(self, tmp_path: Path, old: bool, share: float) -> None:
        path = tmp_path / "w.pth"
        torch.save(Whole(), path, _use_new_zipfile_serialization=not old)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(WeightsError, match=r"w\.pth"):
            read_checkpoint(path)


class TestKey:
    @pytest.mark.parametrize(
        ("key", "expected"),
        [
            ("net_state_dict", 1.0),
            ("ema", 2.0),
            ("generator", 3.0),
            ("state_dict.generator", 3.0),
            ("nested.deep", 4.0),
        ],
    )
    def test_it_says_where(self, tmp_path: Path, key: str, expected: float) -> None:
        def state(value: float, prefix: str = "") -> dict[str, torch.Tensor]:
            return {f"{prefix}w.weight": torch.full((2,), value)}

        content = {
            "net_state_dict": state(1),
            "ema": state(2),
            "state_dict": state(3, "generator.") | state(5, "discriminator."),
            "nested": {"deep": state(4)},
        }
        torch.save(content, tmp_path / "w.pth")
        read = read_checkpoint(tmp_path / "w.pth", key)
        assert {name: value[0].item() for name, value in read.items()} == {"w.weight": expected}
        assert not read.others

    @pytest.mark.parametrize("decay", [0.99, torch.tensor(0.99)])
    def test_it_may_name_what_holds_several(self, tmp_path: Path, decay: Any) -> None:
        ema = {"module": {"w.weight": torch.ones(2)}, "decay": decay}
        torch.save({"model": {"w.weight": torch.zeros(2)}, "ema": ema}, tmp_path / "w.pth")
        read = read_checkpoint(tmp_path / "w.pth", "ema")
        assert read.where == "ema.module"
        assert read["w.weight"].tolist() == [1, 1]
        assert "model" not in read.others

    def test_the_place_in_a_list(self, tmp_path: Path) -> None:
        torch.save([{"w.weight": torch.zeros(2)}, {"w.weight": torch.ones(2)}], tmp_path / "w.pth")
        key: Any = 1
        assert read_checkpoint(tmp_path / "w.pth", key)["w.weight"].tolist() == [1, 1]

    def test_a_key_that_is_not_there(self, tmp_path: Path) -> None:
        torch.save({"epoch": 3, "net": {"w": torch.ones(2)}}, tmp_path / "w.pth")
        with pytest.raises(WeightsError, match=r"'nett'.*under 'net' \(1\).*mean 'net'"):
            read_checkpoint(tmp_path / "w.pth", "nett")


@pytest.mark.parametrize("is_zip", [True, False])
def test_of_a_protocol_that_torch_cannot_load_that_is_said(tmp_path: Path, is_zip: bool) -> None:
    path = tmp_path / "w.pt"
    state = nn.Linear(1, 1).state_dict()
    torch.save(state, path, pickle_protocol=0, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(WeightsError, match="it was saved with pickle_protocol=0") as error:
        read_checkpoint(path)
    assert "run code" not in str(error.value)
