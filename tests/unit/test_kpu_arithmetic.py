"""The KPU's arithmetic against golden vectors and against a plain loop over the definition."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kmodel_layers import SHARED, convolutions, golden, golden_input

from k210kit.board.kpu import arithmetic
from k210kit.board.kpu.arithmetic import Activation, BatchNorm, Convolution, Layer
from k210kit.board.kpu.layer import LayerArguments
from k210kit.board.kpu.layout import RowLayout, pack, unpack
from k210kit.board.kpu.prepared import Prepared

CASES = [
    f"{model}__{photo}"
    for model in ("voc20_detect", "yolo_face_detect", "detect_5")
    for photo in ("dog__canmv565", "dog__rgb888", "person__rgb888", "zeros", "ones255")
]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared golden vectors are not beside this tree")
@pytest.mark.parametrize("name", CASES)
def test_layers_of_published_models(name: str) -> None:
    case = golden(name)
    model = (SHARED / "kmodels" / case["model"]["file"]).read_bytes()
    x = golden_input(name, case)
    count = 0
    for layer, wanted in zip(convolutions(model), case["layers"], strict=False):
        arguments = layer.arguments
        x = arithmetic.run(x, layer_of(layer))
        assert list(x.shape) == wanted["shape"]
        assert (arguments.output_channels, arguments.output_height, arguments.output_width) == x.shape
        assert hashlib.sha256(x.tobytes()).hexdigest() == wanted["sha256"], f"layer {layer.index}"
        count += 1
    assert count >= 10


def layer_of(layer) -> Layer:
    a: LayerArguments = layer.arguments
    side = 3 if a.kernel else 1
    weights = np.frombuffer(layer.weights, np.uint8).reshape(a.output_channels, -1, side, side)
    convolution = Convolution(weights, a.depthwise, a.pad_value, a.arg_x, a.shr_x, a.arg_w, a.shr_w, a.arg_add)
    return Layer(convolution, BatchNorm.parse(layer.batchnorm), Activation.parse(layer.activation), a.pool)


def by_definition(x: np.ndarray, convolution: Convolution) -> np.ndarray:
    weights, side = convolution.weights, convolution.side
    outputs, (channels, height, width) = weights.shape[0], x.shape
    out = np.zeros((outputs, height, width), object)
    for o, row, column in np.ndindex(outputs, height, width):
        products = of_x = of_w = 0
        inputs = [o] if convolution.depthwise else list(range(channels))
        for n, i in enumerate(inputs):
            for dy, dx in np.ndindex(side, side):
                y, z = row + dy - side // 2, column + dx - side // 2
                inside = 0 <= y < height and 0 <= z < width
                value = int(x[i, y, z]) if inside else convolution.pad_value
                weight = int(weights[o, n, dy, dx])
                products, of_x, of_w = products + value * weight, of_x + value, of_w + weight
        out[o, row, column] = (
            products
            + (convolution.arg_x * of_x >> convolution.shr_x)
            + (convolution.arg_w * of_w >> convolution.shr_w)
            + convolution.arg_add * len(inputs)
        )
    return out


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_convolution_is_the_definition(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    depthwise = data.draw(st.booleans())
    side = 3 if depthwise else data.draw(st.sampled_from([1, 3]))
    kind = data.draw(st.sampled_from([np.uint8, np.uint16]))
    channels, outputs = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 4))
    x = random.integers(0, 256, (channels, data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))), np.uint8)
    shape = (channels, 1, side, side) if depthwise else (outputs, channels, side, side)
    weights = random.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    arg = st.integers(-(2**23), 2**23 - 1)
    shift = st.integers(0, 15)
    convolution = Convolution(
        weights,
        depthwise,
        data.draw(st.integers(0, 255)),
        data.draw(arg),
        data.draw(shift),
        data.draw(arg),
        data.draw(shift),
        data.draw(st.integers(-(2**39), 2**39 - 1)),
    )
    assert (arithmetic.convolve(x, convolution) == by_definition(x, convolution)).all()


def test_the_largest_sums_are_exact() -> None:
    x = np.full((1024, 2, 2), 255, np.uint8)
    for kind in (np.uint8, np.uint16):
        weights = np.full((1, 1024, 3, 3), np.iinfo(kind).max, kind)
        sums = arithmetic.convolve(x, Convolution(weights, pad_value=255))
        assert (sums == 255 * int(np.iinfo(kind).max) * 9 * 1024).all()


def random_activation(random: np.random.Generator, values: np.ndarray) -> Activation:
    """Sixteen segments that make bytes of these values; some of them flat, as some that compilers make."""
    start = np.sort(random.choice(values.ravel(), 16))
    shift = random.integers(0, 31, 16)
    slope = 255 / (1 + np.ptp(values)) * random.uniform(-1, 3, 16) * random.integers(0, 2, 16)
    mul = np.rint(slope * 2.0**shift).clip(-(2**15), 2**15 - 1).astype(np.int64)
    return Activation(start, mul, shift, random.integers(0, 256, 16) * random.integers(0, 2, 16))


def random_layer(random: np.random.Generator, x: np.ndarray, pool: int, *, depthwise: bool, numbers: str) -> Layer:
    """With numbers as "usual" for compilers, "wide" ones with which floats may do or not, or "any"."""
    side = 3 if depthwise else random.choice([1, 3])
    kind = np.uint8 if numbers == "usual" else random.choice([np.uint8, np.uint16])
    outputs = len(x) if depthwise else random.integers(1, 9)
    shape = (outputs, 1 if depthwise else len(x), side, side)
    weights = random.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
    # Compilers give a multiple of what the shift takes away.
    shift = int(random.integers(0, 16))
    arg_x, arg_w = (
        int(random.integers(-256, 256)) << shift if numbers == "usual" else int(random.integers(-(2**23), 2**23))
        for _ in range(2)
    )
    add = int(random.integers(-(2**39), 2**39)) >> (0 if numbers == "any" else 20)
    most = 2**17 if numbers == "usual" else 2**23
    batchnorm = BatchNorm(
        random.integers(-most, most, outputs),
        random.integers(0 if numbers == "any" else 12, 16, outputs),
        random.integers(-(2**31), 2**31, outputs) >> (0 if numbers == "any" else 8),
    )
    convolution = Convolution(
        weights, depthwise, int(random.integers(0, 256)), arg_x, shift, arg_w, 15 if numbers == "wide" else shift, add
    )
    if numbers != "any":
        values = arithmetic.normalise(arithmetic.convolve(x, convolution), batchnorm)
        return Layer(convolution, batchnorm, random_activation(random, values), pool)
    activation = Activation(
        random.integers(-(2**35), 2**35, 16),
        random.integers(-(2**15), 2**15, 16),
        random.integers(0, 60, 16),
        random.integers(0, 256, 16),
    )
    return Layer(convolution, batchnorm, activation, pool)


def random_image(random: np.random.Generator) -> np.ndarray:
    shape = random.integers(1, 40), random.integers(1, 12), random.integers(1, 40)
    return random.integers(0, 256, shape, np.uint8)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.booleans(), st.sampled_from(["usual", "wide", "any"]))
def test_a_prepared_layer_gives_the_same_bytes(seed: int, pool: int, depthwise: bool, numbers: str) -> None:
    random = np.random.default_rng(seed)
    x = random_image(random)
    layer = random_layer(random, x, pool, depthwise=depthwise, numbers=numbers)
    prepared = Prepared(layer)
    assert (prepared.run(x) == arithmetic.run(x, layer)).all()
    assert (prepared.run(255 - x) == arithmetic.run(255 - x, layer)).all()


def test_layers_as_compilers_make_them_need_no_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    images = [random_image(random) for _ in range(60)]
    layers = [random_layer(random, x, i % 10, depthwise=i % 3 == 0, numbers="usual") for i, x in enumerate(images)]
    monkeypatch.setattr(arithmetic, "run", None)
    outputs = [Prepared(layer).run(x) for x, layer in zip(images, layers, strict=True)]
    assert sum(len(np.unique(out)) > 5 for out in outputs) > 30


def test_sums_beyond_floats_are_exact() -> None:
    """Products of 16-bit weights, all at their largest, through a batch normalisation that keeps only the low bits."""
    x = np.full((1024, 3, 3), 255, np.uint8)
    weights = np.full((2, 1024, 3, 3), 65535, np.uint16)
    batchnorm = BatchNorm(np.array([2**23 - 1, -(2**23)]), np.array([15, 15]), np.array([-(2**31), 2**31 - 1]))
    activation = Activation(np.zeros(16, int), np.full(16, 32767), np.full(16, 40), np.zeros(16, int))
    layer = Layer(Convolution(weights, pad_value=255, arg_add=2**39 - 1), batchnorm, activation)
    assert (Prepared(layer).run(x) == arithmetic.run(x, layer)).all()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-(2**35), 2**35 - 1), min_size=16, max_size=16),
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=16, max_size=16),
    st.lists(st.integers(0, 60), min_size=16, max_size=16),
    st.lists(st.integers(0, 255), min_size=16, max_size=16),
    st.lists(st.integers(-(2**36), 2**36), min_size=1, max_size=20),
)
def test_activation_is_the_definition(start, mul, shift, bias, values) -> None:
    """Also where the starts are not in order."""
    activation = Activation(*(np.array(field, np.int64) for field in (start, mul, shift, bias)))
    got = arithmetic.activate(np.array(values, np.int64)[:, None, None], activation).ravel()
    for value, result in zip(values, got, strict=True):
        i = max((n for n in range(16) if value > start[n]), default=0)
        exact = Fraction((value - start[i]) * mul[i], 1 << shift[i])
        assert result == min(max(round(exact) + bias[i], 0), 255)  # round() takes ties to even


def test_pooling_modes() -> None:
    x = np.arange(1, 26, dtype=np.uint8).reshape(1, 5, 5)

    def pooled(mode: int) -> list[list[int]]:
        return arithmetic.pool(x, mode)[0].tolist()

    assert pooled(arithmetic.POOL_NONE) == x[0].tolist()
    assert pooled(arithmetic.POOL_MAX_2) == [[7, 9], [17, 19]]
    assert pooled(arithmetic.POOL_MEAN_2) == [[4, 6], [14, 16]]
    assert pooled(arithmetic.POOL_MAX_4) == [[19]]
    assert pooled(arithmetic.POOL_MEAN_4) == [[10]]
    assert pooled(arithmetic.POOL_MAX_2_STRIDE_1)[0] == [7, 8, 9, 10, 10]
    assert pooled(arithmetic.POOL_MAX_2_STRIDE_1)[4] == [22, 23, 24, 25, 25]
    with pytest.raises(ValueError, match="pooling mode 10"):
        layer = Layer(
            Convolution(np.ones((1, 1, 1, 1), np.uint8)), BatchNorm.parse(bytes(8)), Activation.parse(bytes(144)), 10
        )
        arithmetic.run(x, layer)


@given(st.integers(1, 9), st.integers(1, 6), st.integers(1, 130), st.integers(0, 2**32 - 1))
def test_images_come_back_from_ai_ram(channels: int, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (channels, height, width), np.uint8)
    data = pack(image)
    layout = RowLayout.of(width)
    assert len(data) == layout.size(channels, height)
    assert (unpack(data, channels, height, width) == image).all()
    channel, row, column = channels - 1, height - 1, width - 1
    place = (
        (channel // layout.group * height + row) * layout.lines * 64 + channel % layout.group * layout.pitch + column
    )
    assert data[place] == image[channel, row, column]
