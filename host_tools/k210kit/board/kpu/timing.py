"""How long a layer takes, fitted to measurements.

One cycle handles a line of AI RAM with all taps for a pair of input and output channel; parameters come at a limited
rate, most of it meanwhile. The numbers reproduce within 6 % the times that Sipeed measured for a 3x3 convolution of 128
to 128 channels with 16-bit weights at 300 MHz, 4x4 to 256x256 (bbs.sipeed.com, topic 691). Not measured by anybody:
1x1 kernels (taken to be as fast) and depthwise layers (one pass for each channel).
"""

from __future__ import annotations

from k210kit.board.kpu.execute import weights_size
from k210kit.board.kpu.layer import LayerArguments
from k210kit.board.kpu.layout import RowLayout

PARAMETER_BYTES_A_CYCLE = 2.9
UNHIDDEN_PARAMETERS = 0.6
"""The part of loading that no computing hides."""
CYCLES_A_LINE = 1.04


def cycles(layer: LayerArguments, *, eight_bit: bool) -> int:
    """Cycles of the KPU's clock from start to result."""
    layout = RowLayout.of(layer.input_width)
    lines = layer.input_height * layout.lines / layout.group
    pairs = layer.output_channels * (1 if layer.depthwise else layer.input_channels)
    loading = weights_size(layer, eight_bit=eight_bit) / PARAMETER_BYTES_A_CYCLE
    return round(max(loading, UNHIDDEN_PARAMETERS * loading + CYCLES_A_LINE * lines * pairs))
