"""Networks that people use, as published but for their weights, which are random."""

from __future__ import annotations

from random_networks import Builder


def _silu(b: Builder, channels: int, side: int = 3, stride: int = 1) -> str:
    b.conv(channels, side, stride)
    before = b.value
    b.function("Sigmoid")
    return b.add("Mul", b.shape, before)


def _side_by_side(b: Builder, values: list[str], channels: int) -> None:
    b.add("Concat", (channels, *b.shape[1:]), inputs=values, axis=1)


def _c2f(b: Builder, channels: int, count: int, *, shortcut: bool) -> str:
    half = channels // 2
    _silu(b, channels, 1)
    values = [b.split(half), b.value]
    for _ in range(count):
        before = b.value
        _silu(b, half)
        _silu(b, half)
        if shortcut:
            b.plus(before)
        values.append(b.value)
    _side_by_side(b, values, half * len(values))
    return _silu(b, channels, 1)


def _sppf(b: Builder, channels: int) -> str:
    values = [_silu(b, channels // 2, 1)]
    values += [b.pool("MaxPool", 5, 1, (2, 2, 2, 2)) for _ in range(3)]
    _side_by_side(b, values, 2 * channels)
    return _silu(b, channels, 1)


def yolov8n(height: int, width: int, classes: int = 80) -> tuple[Builder, list[str]]:
    """github.com/ultralytics/ultralytics, yolov8.yaml, scale n, to the convolutions that boxes are read from."""
    b = Builder(3, (3, height, width))
    _silu(b, 16, 3, 2)
    _silu(b, 32, 3, 2)
    _c2f(b, 32, 1, shortcut=True)
    _silu(b, 64, 3, 2)
    eighth = _c2f(b, 64, 2, shortcut=True)
    _silu(b, 128, 3, 2)
    sixteenth = _c2f(b, 128, 2, shortcut=True)
    _silu(b, 256, 3, 2)
    _c2f(b, 256, 1, shortcut=True)
    last = _sppf(b, 256)
    b.upsample(2)
    b.beside(sixteenth, 128)
    middle = _c2f(b, 128, 1, shortcut=False)
    b.upsample(2)
    b.beside(eighth, 64)
    ends = [(_c2f(b, 64, 1, shortcut=False), b.shape)]
    for channels, other, others in ((128, middle, 128), (256, last, 256)):
        _silu(b, channels // 2, 3, 2)
        b.beside(other, others)
        ends.append((_c2f(b, channels, 1, shortcut=False), b.shape))
    outputs = []
    for value, shape in ends:
        for inner, outer in ((64, 64), (80, classes)):
            b.value, b.shape = value, shape
            _silu(b, inner)
            _silu(b, inner)
            outputs.append(b.conv(outer, 1))
    return b, outputs


def _shuffle_unit(b: Builder, channels: int) -> None:
    half = channels // 2
    aside = b.split(half)
    b.conv(half, 1)
    b.function("Relu")
    b.conv(half, groups=half)
    b.conv(half, 1)
    b.function("Relu")
    b.beside(aside, half)
    b.shuffle(2)


def _shuffle_down(b: Builder, channels: int) -> None:
    half, value, shape = channels // 2, b.value, b.shape
    b.conv(shape[0], 3, 2, groups=shape[0])
    b.conv(half, 1)
    aside = b.function("Relu")
    b.value, b.shape = value, shape
    b.conv(half, 1)
    b.function("Relu")
    b.conv(half, 3, 2, groups=half)
    b.conv(half, 1)
    b.function("Relu")
    b.beside(aside, half)
    b.shuffle(2)


def shufflenet_v2(height: int, width: int, classes: int = 100) -> tuple[Builder, list[str]]:
    """https://arxiv.org/abs/1807.11164, table 5, 1x."""
    b = Builder(4, (3, height, width))
    b.conv(24, 3, 2)
    b.function("Relu")
    b.pool("MaxPool", 3, 2, (1, 1, 1, 1))
    for channels, count in ((116, 3), (232, 7), (464, 3)):
        _shuffle_down(b, channels)
        for _ in range(count):
            _shuffle_unit(b, channels)
    b.conv(1024, 1)
    b.function("Relu")
    b.mean()
    b.flat()
    return b, [b.dense(classes)]


def mobilenet_v2(height: int, width: int, classes: int = 100) -> tuple[Builder, list[str]]:
    """https://arxiv.org/abs/1801.04381, table 2."""
    b = Builder(5, (3, height, width))
    b.conv(32, 3, 2)
    b.relu6()
    plan = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for factor, channels, count, first_stride in plan:
        for number in range(count):
            before, inputs, stride = b.value, b.shape[0], first_stride if number == 0 else 1
            if factor > 1:
                b.conv(factor * inputs, 1)
                b.relu6()
            b.conv(factor * inputs, 3, stride, groups=factor * inputs)
            b.relu6()
            b.conv(channels, 1)
            if stride == 1 and inputs == channels:
                b.plus(before)
    b.conv(1280, 1)
    b.relu6()
    b.mean()
    b.flat()
    return b, [b.dense(classes)]


def resnet18(side: int, width: int = 64) -> tuple[Builder, list[str]]:
    """https://arxiv.org/abs/1512.03385, table 1, to the global mean: a classifier of its thousand classes is floats for
    the processor. `width`: channels of the first stage, where they are not to be the published ones."""
    b = Builder(width, (3, side, side))
    b.conv(width, 7, 2)
    b.function("Relu")
    b.pool("MaxPool", 2, 2)
    for number in range(8):
        channels, before, shape = width << number // 2, b.value, b.shape
        stride = 1 if shape[0] == channels else 2
        b.conv(channels, 3, stride)
        b.function("Relu")
        inner = b.conv(channels)
        if stride == 2:
            b.value, b.shape = before, shape
            before = b.conv(channels, 1, 2)
        b.value = inner
        b.plus(before)
        b.function("Relu")
    return b, [b.mean()]
