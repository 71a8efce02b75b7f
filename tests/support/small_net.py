"""A network small enough to run in a blink."""

import numpy as np
import torch
from torch import nn

from facebench import BaseModel


class SmallNet(BaseModel):
    """A conv net whose ReLU works in place; counts the images it is given."""

    def _build_model(self):
        generator = torch.Generator().manual_seed(3)
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 5, stride=2),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(36, 8),
        )
        for parameter in self.model.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.images_seen = 0

    def _forward(self, input_tensor):
        self.images_seen += len(input_tensor)
        return self.model(input_tensor)


def small_transform(image):
    pixels = np.asarray(image.resize((24, 24)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)
