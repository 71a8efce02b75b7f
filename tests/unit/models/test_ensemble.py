"""Several models as one, against the members by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from facebench import EnsembleModel
from facebench.engine import embed
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.store import open_store
from facebench.testing.world import write_world
from support.small_net import SmallNet, small_transform


def large_transform(image: Any) -> torch.Tensor:
    """Another size and another scale than `small_transform`."""
    pixels = np.asarray(image.resize((40, 30)), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1) / 100 - 1


def member(name: str = "a", layers: Any = None, transform: Any = small_transform) -> BaseModel:
    return SmallNet(name, None, layers, transform, device="cpu")


def members() -> list[BaseModel]:
    return [member("a"), member("b", "3", large_transform).set_views("concat")]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    write_world(tmp_path / "world")
    return sorted((tmp_path / "world" / "images").rglob("*.png"))


def rows_of(model: BaseModel, paths: list[Path], **options: Any) -> np.ndarray:
    (rows,) = embed(model, paths, batch_size=4, **options).layers.values()
    return rows


class TestNumbers:
    def test_normalised_embeddings_side_by_side(self, paths: list[Path]) -> None:
        alone = [rows_of(model, paths) for model in members()]
        assert [rows.shape[1] for rows in alone] == [8, 72]
        expected = np.hstack([r / np.linalg.norm(r, axis=1, keepdims=True) for r in alone])
        found = rows_of(EnsembleModel(members=members()), paths)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_scores_keep_the_members_as_they_are(self, paths: list[Path]) -> None:
        model = EnsembleModel(members=members(), combine="scores")
        assert model.score_blocks == (slice(0, 8), slice(8, 80))
        found = rows_of(model, paths)
        for block, alone in zip(model.score_blocks, members(), strict=True):
            np.testing.assert_allclose(found[:, block], rows_of(alone, paths), atol=1e-5)
        assert EnsembleModel(members=members()).score_blocks == ()

    def test_from_the_store_and_by_hand(self, paths: list[Path], tmp_path: Path) -> None:
        store = open_store(tmp_path / "store")
        model = EnsembleModel(members=[_declared(m) for m in members()])
        first = rows_of(model, paths, store=store)
        n_seen = [m.images_seen for m in model.members]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(rows_of(model, paths, store=store), first)
        assert [m.images_seen for m in model.members] == n_seen  # type: ignore[attr-defined]
        batch = torch.stack([model.preprocess_image(path) for path in paths[:3]])
        by_hand = model.get_output(batch)["default"].numpy()
        np.testing.assert_allclose(by_hand, first[:3], atol=1e-6)


def _declared(model: BaseModel) -> BaseModel:
    model.fingerprint = "small net"  # type: ignore[attr-defined]
    if model.preprocess_function is not None:
        model.preprocess_function.fingerprint = model.preprocess_function.__name__  # type: ignore[attr-defined]
    return model


class TestKeys:
    def test_members_their_order_and_settings_count(self) -> None:
        def key(*models: BaseModel, combine: Any = "concat") -> str:
            made = EnsembleModel(members=[_declared(model) for model in models], combine=combine)
            return model_fingerprint(made).layer_key("default")

        def other() -> BaseModel:
            changed = member("b", transform=large_transform)
            with torch.no_grad():
                next(changed.model.parameters()).add_(1)
            return changed

        large = {"transform": large_transform}
        keys = [
            key(member(), member(**large)),
            key(member(**large), member()),
            key(member(), member(**large), combine="scores"),
            key(member(), member(**large).set_views("sum")),
            key(member(), member(layers="3", **large)),
            key(member(), other()),
        ]
        assert len(set(keys)) == len(keys)
        # What members are called does not matter.
        assert key(member("x"), member("y", **large)) == keys[0]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("made", "said"),
        [
            (lambda: EnsembleModel(), "two models or more"),
            (lambda: EnsembleModel(members=[member()]), "two models or more"),
            (lambda: EnsembleModel(members=["a", "b"]), "must be models. Got 'a'"),
            (lambda: EnsembleModel(members=members(), combine="mean"), "'combine'"),
            (lambda: EnsembleModel(members=[member(layers=["0", "3"]), member()]), "has 2: 0, 3"),
            (
                lambda: EnsembleModel(members=[EnsembleModel(members=members()), member()]),
                "an ensemble itself",
            ),
            (
                lambda: EnsembleModel(members=[member().set_fitting(centre="x"), member()]),
                "on the ensemble",
            ),
            (lambda: EnsembleModel(members=members()).set_views("sum"), "on the members"),
        ],
    )
    def test_at_once(self, made: Any, said: str) -> None:
        with pytest.raises(InputError, match=said):
            made()

    def test_inputs_of_several_shapes(self, tmp_path: Path, paths: list[Path]) -> None:
        def as_it_is(image: Any) -> torch.Tensor:
            return torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)

        model = EnsembleModel(members=[member(), member("b", transform=as_it_is)])
        with pytest.raises(InputError, match=r"Member 'b' .* must give inputs of one shape"):
            model.preprocess_image(paths[0])
