"""Networks compiled here, on the whole board: the floats are those of the host's runtime, bit for bit.

(Where the processor computes an exponential, to its last places.)
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
from device_script import FIRMWARE, ROOT, run_script
from PIL import Image

from k210kit.board.board import Board
from k210kit.compiler import Options, compile_model
from k210kit.kmodel import Runtime
from k210kit.kmodel.read import read

sys.path.insert(0, str(ROOT / "tests/unit"))
from known_networks import yolov8n
from random_networks import Builder

OFFSETS = (0x300000, 0x400000, 0x500000, 0x600000, 0xA00000)
LARGEST_LAYER = 32 * 1024
SOFTMAX = 2
"""The network that ends in one."""


def detector() -> Builder:
    """Halvings, a sum and a concatenation on the KPU, one pooling on the processor."""
    b = Builder(1, (3, 64, 96))
    b.conv(8, stride=2)
    b.function("LeakyRelu", alpha=0.1)
    before = b.conv(16)
    b.function("Sigmoid")
    b.add("Mul", b.shape, before)
    after = b.value
    b.conv(16)
    b.plus(after)
    b.function("Relu")
    b.beside(after, 16)
    b.pool("MaxPool", 3, 2, (1, 1, 1, 1))
    b.conv(10, 5)
    return b


def segmenter() -> Builder:
    """Down and up again: nearest upsampling and a transposed convolution."""
    b = Builder(2, (3, 32, 48))
    b.conv(8)
    b.function("Relu")
    skip = b.value
    b.pool("MaxPool", 2, 2)
    b.conv(12)
    b.function("Relu")
    b.upsample(2)
    b.beside(skip, 8)
    b.conv(8)
    b.function("Relu")
    weights = b.random.normal(0, 0.4, (8, 4, 2, 2)).astype(np.float32)
    b.add("ConvTranspose", (4, 64, 96), b.constant(weights), kernel_shape=[2, 2], strides=[2, 2])
    return b


def classifier() -> Builder:
    b = Builder(3, (3, 48, 40))
    b.conv(8, stride=2)
    b.relu6()
    b.conv(8, groups=8)
    b.relu6()
    b.conv(16, 1)
    b.function("Elu", alpha=1.0)
    b.mean()
    b.flat()
    b.dense(10)
    b.add("Softmax", b.shape, axis=1)
    return b


def pieces() -> Builder:
    """Channels split, in another order, and made in portions."""
    b = Builder(4, (3, 40, 56))
    b.conv(26)
    b.function("Relu")
    first = b.split(13)
    b.conv(24)
    b.shuffle(3)
    b.beside(first, 13)
    b.conv(40)
    b.function("Tanh")
    return b


def yolo() -> Builder:
    b, outputs = yolov8n(128, 160, 5)
    b.value = outputs[0]
    return b


def test_floats_are_equal(tmp_path: Path) -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    flash: dict[int, bytes] = {}
    wanted: list[np.ndarray] = []
    for number, (offset, builder) in enumerate(
        zip(OFFSETS, (detector, segmenter, classifier, pieces, yolo), strict=True)
    ):
        b = builder()
        model, pictures = b.build(), b.pictures(4)
        flash[offset] = compile_model(model, pictures, Options(std=(255.0,), largest_layer=LARGEST_LAYER)).data
        Image.fromarray(pictures[0].transpose(1, 2, 0)).save(tmp_path / f"{number}.png")
        wanted.append(Runtime(read(flash[offset])).run(pictures[0])[0].reshape(-1).astype("<f4"))
    with Board(FIRMWARE, flash=flash, sd=tmp_path) as board:
        board.run_until(">>> ")
        run_script(board, b"import array, hashlib\nfrom maix import KPU\n")
        for number, (offset, data) in enumerate(flash.items()):
            script = f"""
kpu = KPU()
kpu.load_kmodel({offset}, {len(data)})
values = kpu.run_with_output("/sd/{number}.png", getlist=True)
print(hashlib.sha256(array.array("f", values)).digest().hex(), *values[:10])
kpu.deinit()
del values
"""
            digest, *first = run_script(board, script.encode(), 120).split()
            if number == SOFTMAX:
                assert [float(value) for value in first] == pytest.approx(list(wanted[number]), rel=1e-5)
            else:
                assert digest == hashlib.sha256(wanted[number].tobytes()).hexdigest()
