"""The detector: a small MobileNet of version 1 with the output of YOLO version 2.

Only what the KPU computes itself: 3x3 and 1x1 convolutions, depthwise ones, batch norm and ReLU6. Strides of 2 take
320x240 to a grid of 20x15 cells.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from k210kit.errors import K210Error

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

    def start_from(self, path: Path, pictures: torch.Tensor) -> None:
        """Take the layers below the last from an ONNX file that export.py wrote, whatever classes it is for.

        `pictures`, as forward() takes them, give batch norm its numbers, which are in the file's weights. Raises
        K210Error when it is another network.
        """
        tensors = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in onnx.load(path).graph.initializer}
        with torch.no_grad():
            for number, (layer, norm, function) in enumerate(self.body):
                weight, bias = (tensors.get(f"convolution{number}_{part}") for part in ("weight", "bias"))
                if weight is None or bias is None or weight.shape != layer.weight.shape:
                    raise K210Error(
                        f"{path} is not this network: its convolution {number} is missing or of another shape"
                    )
                layer.weight.copy_(weight)
                sums = layer(pictures)
                mean, variance = sums.mean((0, 2, 3)), sums.var((0, 2, 3), unbiased=False)
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
                norm.weight.copy_(torch.sqrt(variance + norm.eps))
                norm.bias.copy_(mean + bias)
                pictures = function(sums + bias[:, None, None])
