"""The KPU's driver, and kernel models under the SDK's names, called by a guest program."""

from __future__ import annotations

import sys

from conftest import ROOT, Run

sys.path.insert(0, str(ROOT / "tests/c"))
from kmodel_writer import CONVOLUTION, DEQUANTIZE, KmodelWriter, floats, identity_convolution, words


def echo(channels: int, height: int, width: int) -> bytes:
    """A model whose output is its input, as floats."""
    size = channels * height * width
    writer = KmodelWriter(size * 5 + 8, [(size + -size % 8, size * 4)])
    writer.add(CONVOLUTION, identity_convolution(channels, height, width, main_memory=0))
    return writer.add(DEQUANTIZE, words(1, 0, size + -size % 8, size) + floats(1, 0)).build()


def test_kpu(run_guest: Run) -> None:
    flash = {0x300000: echo(3, 8, 64), 0x310000: echo(3, 8, 24), 0x320000: echo(3, 5, 70), 0x330000: bytes(64)}
    run_guest("drv_kpu", flash=flash)
