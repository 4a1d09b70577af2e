"""Each layer type of the C runtime against NumPy, on small models of our own.

Expectations follow Kendryte standalone SDK, drivers/kpu.c, but are written anew: over arrays, in 64-bit floats where
floats are what comes out.
"""

from __future__ import annotations

import kmodel_writer as w
import numpy as np
import numpy.typing as npt
import pytest
from kmodel_runtime import Runtime

from k210kit.board.kpu import arithmetic
from k210kit.board.kpu.arithmetic import Activation, BatchNorm

Floats = npt.NDArray[np.float32]
MODELS = w.small_models()


def some_floats() -> Floats:
    return np.random.default_rng(3).normal(0, 3, w.FLOATS).astype(np.float32)


def run(runtime: Runtime, name: str, data: np.ndarray) -> list[bytes]:
    return runtime.load(MODELS[name]).run(data)


def floats_of(runtime: Runtime, name: str, data: np.ndarray) -> Floats:
    (output,) = run(runtime, name, data)
    return np.frombuffer(output, np.float32)


def bytes_of(runtime: Runtime, name: str, data: np.ndarray) -> npt.NDArray[np.uint8]:
    (output,) = run(runtime, name, data)
    return np.frombuffer(output, np.uint8)


def near(found: Floats, wanted: np.ndarray) -> None:
    assert found.shape == wanted.ravel().shape
    assert np.abs(found - wanted.ravel()).max() <= 1e-5


def test_add(runtime: Runtime) -> None:
    x = some_floats()
    assert (floats_of(runtime, "add", x) == x[:100] + x[100:200]).all()


def carried(value: int, shift: int) -> int:
    """As the SDK shifts: ties away from zero, and negative ones too far by one."""
    down = value >> (shift - 1)
    return (down >> 1) + (0 if down % 2 == 0 else 1 if down > 0 else -1)


@pytest.mark.parametrize(
    ("name", "second", "a", "b", "out"),
    [
        ("quantized_add", 101, (-20, 90, 7), (12, 70, 7), (30, 45, 6)),
        ("quantized_add_shifts", 400, (-120, 90, 7), (12, 70, 5), (100, 45, 8)),
    ],
)
def test_quantized_add(
    runtime: Runtime, name: str, second: int, a: tuple[int, ...], b: tuple[int, ...], out: tuple[int, ...]
) -> None:
    data = np.random.default_rng(5).integers(0, 256, w.FLOATS * 4, np.uint8)
    first = 3 if second == 400 else 0
    wanted = []
    for x, y in zip(data[first:][:101].tolist(), data[second:][:101].tolist(), strict=True):
        left, right = (x + a[0]) * a[1], (y + b[0]) * b[1]
        both = (left + right) >> a[2] if a[2] == b[2] else (left >> a[2]) + (right >> b[2])
        wanted.append(min(255, max(0, carried(both * out[1], out[2]) + out[0])))
    assert bytes_of(runtime, name, data).tolist() == wanted
    assert len(set(wanted)) > 30


def test_global_average_pool(runtime: Runtime) -> None:
    x = some_floats()
    near(floats_of(runtime, "global_average_pool", x), x.reshape(8, 30).mean(1, dtype=np.float64))


def windows(image: np.ndarray, out: tuple[int, int]) -> list[list[np.ndarray]]:
    """The cells of each window 3 wide, 2 high, 2 and 1 apart, with one column of padding."""
    return [
        [image[:, y : y + 2, max(0, 2 * x - 1) : 2 * x + 2].reshape(image.shape[0], -1) for x in range(out[1])]
        for y in range(out[0])
    ]


def pooled(image: np.ndarray, out: tuple[int, int], of: str) -> np.ndarray:
    rows = [[getattr(cells, of)(1) for cells in row] for row in windows(image, out)]
    return np.array(rows).transpose(2, 0, 1)


def test_pools(runtime: Runtime) -> None:
    x = some_floats()
    image = x[:60].reshape(2, 5, 6).astype(np.float64)
    assert (image.max((1, 2)) > 6).any() and (pooled(image, (4, 3), "max") < 0).any()
    near(floats_of(runtime, "max_pool", x), pooled(image, (4, 3), "max").clip(0))
    near(floats_of(runtime, "average_pool", x), pooled(image, (4, 3), "mean").clip(0, 6))
    data = np.random.default_rng(6).integers(0, 256, w.FLOATS * 4, np.uint8)
    image = data[3:63].reshape(2, 5, 6)
    assert (bytes_of(runtime, "quantized_max_pool", data) == pooled(image, (4, 3), "max").ravel()).all()


def test_a_window_larger_than_the_image(runtime: Runtime) -> None:
    x = some_floats()
    body = w.pool(0, w.FREE, (1, 2, 3), (1, 2, 2), (1000, 900, 2, 1, 3, 4)) + w.words(0)
    (output,) = runtime.load(w.on_bytes(16, w.AVERAGE_POOL, body)).run(x)
    near(np.frombuffer(output, np.float32), np.full(4, x[:6].mean(dtype=np.float64)))


def test_quantize_rounds_ties_away_from_zero_and_keeps_within_bytes(runtime: Runtime) -> None:
    x = some_floats()
    wanted = np.floor((x.astype(np.float64) + 1.5) * np.float32(1 / np.float32(0.03)) + 0.5).clip(0, 255)
    assert (bytes_of(runtime, "quantize", x) == wanted).all()
    body = w.words(1, 0, w.FREE, w.FLOATS) + w.floats(1, 0)
    edges = [0.5, 1.5, 2.5, 0.49999997, 254.5, 254.49998, 255, 1e30, -1e30, -0.5, np.inf, -np.inf, np.nan, 8388609.0]
    x[: len(edges)] = edges
    (output,) = runtime.load(w.on_bytes(w.FLOATS, w.QUANTIZE, body)).run(x)
    assert list(output[: len(edges)]) == [1, 2, 3, 0, 255, 254, 255, 255, 0, 0, 255, 0, 255, 255]


@pytest.mark.parametrize(("name", "start", "count"), [("dequantize", 5, 900), ("dequantize_few", 1, 33)])
def test_dequantize_is_exact(runtime: Runtime, name: str, start: int, count: int) -> None:
    data = np.random.default_rng(8).integers(0, 256, w.FLOATS * 4, np.uint8)
    wanted = data[start:][:count].astype(np.float32) * np.float32(0.0371) + np.float32(-3.3)
    assert (floats_of(runtime, name, data) == wanted).all()


def test_channelwise_dequantize(runtime: Runtime) -> None:
    data = np.random.default_rng(9).integers(0, 256, w.FLOATS * 4, np.uint8)
    scale = np.array([[0.1], [0.2], [0.3]], np.float32)
    wanted = data[4:34].reshape(3, 10) * scale + np.array([[1], [-2], [3]], np.float32)
    assert (floats_of(runtime, "channelwise_dequantize", data) == wanted.ravel()).all()


def test_requantize(runtime: Runtime) -> None:
    data = np.random.default_rng(10).integers(0, 256, w.FLOATS * 4, np.uint8)
    table = (np.arange(256) * 7 + 3) % 256
    assert (bytes_of(runtime, "requantize", data) == table[data[8:258]]).all()
    assert (bytes_of(runtime, "requantize_unaligned", data) == table[data[9:260]]).all()


def test_l2_normalization(runtime: Runtime) -> None:
    x = some_floats()
    part = x[10:110].astype(np.float64)
    near(floats_of(runtime, "l2_normalization", x), part / np.sqrt((part**2).sum()))
    assert (floats_of(runtime, "l2_normalization", x * 0) == 0).all()


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x.astype(np.float64) - x.max())
    return powers / powers.sum()


def test_softmax_of_large_and_of_negative_values(runtime: Runtime) -> None:
    x = some_floats()
    for shifted in (x, x + 1000, x - 1000):
        near(floats_of(runtime, "softmax", shifted), softmax(shifted[20:120]))


def test_logistic(runtime: Runtime) -> None:
    x = some_floats()
    x[20:22] = 1000, -1000
    with np.errstate(over="ignore"):
        near(floats_of(runtime, "logistic", x), 1 / (1 + np.exp(-x[20:120].astype(np.float64))))


def test_concat(runtime: Runtime) -> None:
    data = np.random.default_rng(11).integers(0, 256, w.FLOATS * 4, np.uint8)
    wanted = np.concatenate([data[:8], data[400:500], data[16:24]])
    assert (bytes_of(runtime, "concat", data) == wanted).all()
    wanted = np.concatenate([data[1:6], data[100:113]])
    assert (bytes_of(runtime, "quantized_concat", data) == wanted).all()


def test_concat_of_inputs_that_run_into_the_output(runtime: Runtime) -> None:
    data = np.random.default_rng(12).integers(0, 256, w.FLOATS * 4, np.uint8)
    model = w.on_floats(64, (w.CONCAT, w.words(1, 8, 1, 0, 64)), outputs=[(8, 64)])
    (output,) = runtime.load(model).run(data)
    assert output == data[:64].tobytes()


def test_fully_connected(runtime: Runtime) -> None:
    x = some_floats()
    weights, bias = w.random_weights(7, 33)
    wanted = weights.astype(np.float64) @ x[1:34] + bias
    assert wanted.min() < 0 and wanted.max() > 6
    near(floats_of(runtime, "fully_connected", x), wanted.clip(0, 6))


def test_flatten(runtime: Runtime) -> None:
    x = some_floats()
    assert (floats_of(runtime, "flatten", x) == x[:60].reshape(5, 4, 3).transpose(1, 2, 0).ravel()).all()
    data = x.view(np.uint8)
    assert (
        bytes_of(runtime, "quantized_flatten", data) == data[1:61].reshape(5, 4, 3).transpose(1, 2, 0).ravel()
    ).all()


def test_resize(runtime: Runtime) -> None:
    x = some_floats()
    image = x[:60].reshape(2, 5, 6)
    rows, columns = np.arange(7) * 5 // 7, np.arange(9) * 6 // 9
    assert (floats_of(runtime, "resize", x) == image[:, rows][:, :, columns].ravel()).all()
    rows, columns = np.floor(np.arange(7) * 4 / 6 + 0.5).astype(int), np.floor(np.arange(9) * 5 / 8 + 0.5).astype(int)
    assert (floats_of(runtime, "resize_corners", x) == image[:, rows][:, :, columns].ravel()).all()
    data = x.view(np.uint8)
    small = data[2:62].reshape(2, 5, 6)[:, [0, 1, 3]][:, :, [0, 1, 3, 4]]
    assert (bytes_of(runtime, "quantized_resize", data) == small.ravel()).all()


def test_in_place(runtime: Runtime) -> None:
    x = some_floats()
    model = w.on_floats(8, (w.ADD, w.words(1, 0, 40, 0, 10)), outputs=[(0, 40)])
    (output,) = runtime.load(model).run(x)
    assert (np.frombuffer(output, np.float32) == x[:10] + x[10:20]).all()


def test_several_outputs(runtime: Runtime) -> None:
    x = some_floats()
    first, second, third = run(runtime, "outputs", x)
    near(np.frombuffer(first, np.float32), 1 / (1 + np.exp(-x[:6].astype(np.float64))))
    near(np.frombuffer(second, np.float32), softmax(x[:6]))
    assert third == x[:2].tobytes()


@pytest.mark.parametrize("upload", [False, True])
def test_an_image_through_the_kpu(runtime: Runtime, upload: bool) -> None:
    image = np.random.default_rng(13).integers(0, 256, (3, 4, 24), np.uint8)
    model = runtime.load(MODELS["convolution"])
    model.upload = upload
    assert model.run(image) == [image.tobytes()]


def test_weights_of_sixteen_bits(runtime: Runtime) -> None:
    image = np.random.default_rng(14).integers(0, 256, (5, 9, 50), np.uint8)
    c = w.dense_convolution(np.uint16)
    layer = arithmetic.Layer(
        arithmetic.Convolution(c.weights, pad_value=c.pad_value),
        BatchNorm.parse(c.batchnorm),
        Activation.parse(c.activation),
    )
    (output,) = runtime.load(MODELS["sixteen_bits"]).run(image)
    assert output == arithmetic.run(image, layer).tobytes()
    assert len(set(output)) > 30


def test_padding(runtime: Runtime) -> None:
    image = np.random.default_rng(15).integers(0, 256, (7, 4, 4), np.uint8)
    assert run(runtime, "padding", image) == [image[:, 0, 0].tobytes()]


@pytest.mark.parametrize("upload", [False, True])
def test_uploads_of_three_widths(runtime: Runtime, upload: bool) -> None:
    image = np.random.default_rng(16).integers(0, 256, (3, 5, 70), np.uint8)
    model = runtime.load(MODELS["upload"])
    model.upload = upload
    assert model.run(image) == [image.tobytes(), image.tobytes()]


def test_models_of_other_first_layers_and_sizes_are_told(runtime: Runtime) -> None:
    model = runtime.load(MODELS["add"]).model
    shape = model.input
    assert model.float_input and (shape.width, shape.height, shape.channels) == (1, 1, w.FLOATS)
    model = runtime.load(MODELS["sixteen_bits"]).model
    shape = model.input
    assert not model.float_input and (shape.width, shape.height, shape.channels) == (50, 9, 5)
    assert not model.facts.eight_bit
