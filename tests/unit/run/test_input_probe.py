"""A probe of a network's input finds the order of colours and the range that it was made for."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from facebench import BaseModel, ModuleModel
from facebench.errors import MissingImageError, PairsError
from facebench.run.input_probe import (
    InputProbe,
    ProbedInput,
    probe_input,
    probe_pairs,
)


class ReadsRed(nn.Module):
    """Knows people by the red of their pictures; blue is noise."""

    def forward(self, x):
        red = x[:, 0].flatten(1)
        return red - red.mean(1, keepdim=True)


class WantsAMeanOfZero(nn.Module):
    """Knows people by what of the red is more than 0, and what less."""

    def forward(self, x):
        return torch.where(x[:, 0] >= 0, 1.0, -1.0).flatten(1)


@pytest.fixture
def faces(tmp_path):
    generator = np.random.default_rng(3)
    for person in range(20):
        (tmp_path / f"p{person:02d}").mkdir()
        red = generator.integers(0, 256, (16, 16))
        for number in range(2):
            pixels = generator.integers(0, 256, (16, 16, 3))
            pixels[..., 0] = np.clip(red + generator.normal(0, 60, red.shape), 0, 255)
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(tmp_path / f"p{person:02d}" / f"{number}.png")
    return tmp_path


def probe(model, faces, **options):
    return probe_input(model, *probe_pairs(faces, **options))


def model_of(network, **told):
    return ModuleModel("m", network, input={"size": 16, **told}, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("range_", [{}, {"mean": 0, "std": 1}, {"mean": 0.3, "std": 0.7}])
def test_the_order_of_colours(faces, range_):
    right = probe(model_of(ReadsRed(), **range_), faces)
    assert not right.better
    assert right.given.channels == "rgb"
    assert right.given.auc > 0.9
    assert "is right, as far as these pairs can tell: RGB" in right.verdict()
    wrong = probe(model_of(ReadsRed(), channels="bgr", **range_), faces)
    assert wrong.given.channels == "bgr"
    assert wrong.given.auc < 0.7
    assert {found.channels for found in wrong.better} == {"rgb"}
    assert "is not the one that the network was trained with" in wrong.verdict()
    assert wrong.better[0].settings is None or "channels: rgb" in wrong.verdict()
    assert wrong.better[0].auc == pytest.approx(right.inputs[0].auc, abs=0.02)


@pytest.mark.slow
def test_the_range_of_values(faces):
    right = probe(model_of(WantsAMeanOfZero()), faces)
    assert right.given.range == "-1 to 1"
    assert not right.better
    wrong = probe(model_of(WantsAMeanOfZero(), max_value=255, mean=0, std=1), faces)
    assert wrong.given.range == "0 to 255"
    assert "RGB, -1 to 1" in {str(found) for found in wrong.better}
    told = wrong.better[0].settings
    again = probe(model_of(WantsAMeanOfZero(), **told), faces)
    assert again.given.auc == pytest.approx(wrong.better[0].auc)
    assert not again.better


def test_pairs_that_do_not_decide_are_no_verdict():
    def tried(channels, dprime, p_value, is_given=False):
        return ProbedInput(
            channels, "as given", is_given, 0.999, dprime, 0, -0.01, 0.01, 1, dprime - 4, p_value,
            None,
        )  # fmt: skip

    def verdict(dprime, p_value):
        inputs = [tried("bgr", 4, 1, is_given=True), tried("rgb", dprime, p_value)]
        return InputProbe(inputs, 40, 200, 80, []).verdict()

    assert "RGB, as given is nearer to what it was trained with" in verdict(4.4, 0.3)
    assert "--number" in verdict(4.4, 0.3)
    assert "BGR, as given) is not the one" in verdict(4.4, 0.001)
    assert "is right, as far as these pairs can tell: BGR" in verdict(3.5, 0.3)
    assert "do not distinguish it from: RGB" in verdict(4.05, 0.001)


@pytest.mark.slow
def test_every_input_is_what_a_model_of_that_input_gives(faces):
    found = probe(model_of(ReadsRed(), channels="bgr", mean=0.2, std=0.9), faces)
    for one in found.inputs:
        if one.settings is not None:
            other = probe(model_of(ReadsRed(), **one.settings), faces)
            assert (other.given.range, other.given.channels) == (one.range, one.channels)
            assert other.given.auc == pytest.approx(one.auc, abs=1e-6)
            assert other.given.dprime == pytest.approx(one.dprime, abs=1e-4)


class Reads(BaseModel):
    """A class of somebody's own, that reads and converts images itself."""

    equalised = False

    def _build_model(self):
        self.model = ReadsRed()

    def preprocess_image(self, image_path):
        image = Image.open(image_path).convert("RGB")
        image = ImageOps.equalize(image) if self.equalised else image
        # As cv2.imread gives it.
        return torch.from_numpy(np.asarray(image)[..., ::-1].transpose(2, 0, 1).copy()).float()

    def _forward(self, input_tensor):
        return self.model(input_tensor)


def test_a_model_that_converts_images_itself(faces):
    found = probe(Reads("own", device="cpu"), faces)
    assert str(found.given) == "BGR, 0 to 255"
    assert found.better[0].channels == "rgb"


def test_colours_that_cannot_be_followed_are_only_swapped(faces):
    class Equalised(Reads):
        equalised = True

    found = probe(Equalised("own", device="cpu"), faces)
    assert [one.channels for one in found.better] == ["swapped"]
    assert "only the order of channels was tried" in found.remarks[0]


def test_a_network_that_knows_no_faces(faces):
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 4)

    assert "much better than chance" in probe(model_of(Constant()), faces).verdict()


class TestPairs:
    def test_of_a_folder(self, faces):
        table, first, second = probe_pairs(faces, n_pairs=8)
        assert table["same"].tolist() == [1] * 8 + [0] * 112
        assert len({*first, *second}) == 16
        people = [(a.parent.name, b.parent.name) for a, b in zip(first, second, strict=True)]
        assert [int(a == b) for a, b in people] == table["same"].tolist()

    def test_of_a_file(self, faces, tmp_path):
        rows = ["img1,img2,same"]
        rows += [f"p{n:02d}/0.png,p{n:02d}/1.png,same" for n in range(12)]
        rows += [f"p{n:02d}/0.png,p{n + 1:02d}/1.png,different" for n in range(12)]
        (tmp_path / "pairs.csv").write_text("\n".join(rows))
        table, _, _ = probe_pairs(faces, tmp_path / "pairs.csv", n_pairs=10)
        assert sorted(table["same"]) == [0] * 10 + [1] * 10
        assert probe(model_of(ReadsRed()), faces, pairs=tmp_path / "pairs.csv").given.auc > 0.9

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            ("img1,img2\np00/0.png,p00/1.png", "needs the column 'same'"),
            ("img1,img2,same\np00/0.png,p00/1.png,maybe", "must hold 0/1"),
            ("img1,img2,same\np00/0.png,p00/1.png,1", "of one kind only"),
        ],
    )
    def test_files_that_will_not_do(self, faces, tmp_path, rows, told):
        (tmp_path / "pairs.csv").write_text(rows)
        with pytest.raises(PairsError, match=told):
            probe_pairs(faces, tmp_path / "pairs.csv")

    def test_folders_that_will_not_do(self, tmp_path):
        with pytest.raises(MissingImageError):
            probe_pairs(tmp_path / "none")
        (tmp_path / "ann").mkdir()
        for number in range(2):
            Image.new("RGB", (4, 4)).save(tmp_path / "ann" / f"{number}.png")
        with pytest.raises(PairsError, match="two people"):
            probe_pairs(tmp_path)
