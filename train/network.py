"""The detector: a small MobileNet of version 1 with the output of YOLO version 2.

Only what the KPU computes itself: 3x3 and 1x1 convolutions, depthwise ones, batch norm and ReLU6. Strides of 2 take
320x240 to a grid of 20x15 cells.
"""

from __future__ import annotations

import torch
from torch import nn

STRIDE = 16
STEM = 16
BLOCKS = ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1), (192, 1), (192, 1), (256, 1), (256, 1))
"""Channels and stride of each depthwise separable block."""
COORDINATES = 4


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )


class Detector(nn.Module):
    """Takes (n, 3, height, width) from 0 to 1; gives (n, anchors * (5 + classes), height / 16, width / 16)."""

    def __init__(self, anchors: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, STEM, 3, 2)]
        channels = STEM
        for outputs, stride in BLOCKS:
            layers += [_convolution(channels, channels, 3, stride, channels), _convolution(channels, outputs, 1)]
            channels = outputs
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(channels, anchors * (COORDINATES + 1 + classes), 1)
        nn.init.normal_(self.head.weight, 0, 0.01)
        with torch.no_grad():
            # Nothing is found at first.
            self.head.bias.view(anchors, -1)[:, COORDINATES] = -4

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """The grid's numbers before sigmoid, exponential and softmax."""
        return self.head(self.body(pictures))
