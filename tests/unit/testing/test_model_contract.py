"""What `check_model` finds in models."""

import pytest
import torch
from torch import nn

from facebench import BaseModel
from facebench.errors import ContractError
from facebench.testing import check_model
from support.small_net import SmallNet


class TestModels:
    @pytest.mark.slow
    def test_a_good_one_passes(self):
        check_model(SmallNet)
        check_model(lambda layers=None: SmallNet("mine", None, layers), layers=["0", "4"])

    @pytest.mark.slow
    def test_an_embedding_that_depends_on_the_batch(self):
        class Centred(SmallNet):
            def _forward(self, input_tensor):
                output = super()._forward(input_tensor)
                return output - output.mean(0)

        with pytest.raises(ContractError, match="depends on the other images"):
            check_model(Centred, layers=["4"])

    @pytest.mark.slow
    def test_a_network_that_is_not_seeded(self):
        class Unseeded(BaseModel):
            def _build_model(self):
                self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

            def _forward(self, input_tensor):
                return self.model(input_tensor)

        with pytest.raises(AssertionError, match="seed what is random"):
            check_model(Unseeded)

    @pytest.mark.slow
    def test_noise_and_constants(self):
        class Noisy(SmallNet):
            def _forward(self, input_tensor):
                return super()._forward(input_tensor) + torch.rand(8)

        class Constant(SmallNet):
            def _forward(self, input_tensor):
                return torch.ones(len(super()._forward(input_tensor)), 3)

        with pytest.raises(ContractError, match="other numbers the second time"):
            check_model(Noisy)
        with pytest.raises(ContractError, match="have the same embedding"):
            check_model(Constant)

    @pytest.mark.slow
    def test_inputs_of_several_sizes(self):
        class Sizes(SmallNet):
            def preprocess_image(self, image_path):
                side = 40 if "RGBA" in str(image_path) else 32
                return torch.zeros(3, side, side)

        with pytest.raises(ContractError, match=r"several shapes.*\n.*must raise ImageError"):
            check_model(Sizes)

    def test_all_breaks_are_counted_and_named(self):
        class Broken(SmallNet):
            def _forward(self, input_tensor):
                raise RuntimeError("no network today")

        with pytest.raises(
            ContractError, match=r"Broken breaks its contract in \d+ ways"
        ) as caught:
            check_model(Broken, layers=["0"])
        assert "no network today" in str(caught.value)
