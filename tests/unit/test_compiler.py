"""ONNX networks compiled: what comes out is as near to onnxruntime as bytes allow, and what cannot be says why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from kmodel_layers import SHARED
from nearness import LEAST, UNIT, compiled_noise, cosine, noise
from onnx import TensorProto, helper, numpy_helper
from random_networks import Builder, random_network

from k210kit.compiler import Options, compile_model
from k210kit.compiler.calibration import Reference
from k210kit.compiler.equalization import equalized
from k210kit.compiler.lowering import FULLY_CONNECTED, LOGISTIC
from k210kit.compiler.memory import Buffer, allocate
from k210kit.compiler.quantization import Scale
from k210kit.errors import K210Error
from k210kit.kmodel import Runtime
from k210kit.kmodel.read import read

VECTORS = SHARED / "kmodel_v5"
NAMES = sorted(path.name for path in VECTORS.glob("*/")) if VECTORS.exists() else []
PORTIONS = Options(std=(255.0,), largest_layer=1024)


@pytest.mark.skipif(not NAMES, reason="the shared networks are not beside this tree")
@pytest.mark.parametrize("name", NAMES)
def test_as_near_as_the_public_compiler(name: str) -> None:
    """At least as near to onnxruntime as nncase 1.9 in its simulator, in both measures, for every output."""
    folder = VECTORS / name
    compiled = compile_model(folder / "model.onnx", np.load(folder / "calib.npy"), UNIT)
    runtime = Runtime(read(compiled.data))
    found = [runtime.run(picture) for picture in np.load(folder / "inputs.npy")]
    outputs = len(json.loads((folder / "meta.json").read_text())["output_shapes"])
    for number in range(outputs):
        wanted, theirs = (
            np.load(folder / f"{kind}_out{number}.npy").astype(np.float64).reshape(len(found), -1)
            for kind in ("ort", "sim")
        )
        ours = np.stack([values[number].reshape(-1) for values in found]).astype(np.float64)
        assert noise(wanted, ours) >= noise(wanted, theirs)
        assert cosine(wanted, ours) >= cosine(wanted, theirs)


def rounded(model: onnx.ModelProto, scales: dict[str, Scale]) -> onnx.ModelProto:
    """The network in floats, with weights and every value that the compiled one holds in bytes rounded to bytes."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    nodes = []
    # The KPU takes means of bytes.
    pools = [node for node in model.graph.node if node.op_type == "AveragePool" and node.output[0] in scales]
    scales = {node.input[0]: scales[node.output[0]] for node in pools} | scales
    for tensor in out.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.ndim == 4:
            steps = np.abs(array).max((1, 2, 3), keepdims=True) / 127
            tensor.CopyFrom(numpy_helper.from_array(np.rint(array / steps) * steps, tensor.name))
    for node in model.graph.node:
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        value, scale = node.output[0], scales.get(node.output[0])
        nodes.append(kept)
        if scale is None:
            continue
        kept.output[0] = f"{value}, floats"
        numbers = [f"{value}, step", f"{value}, zero"]
        for name, number in zip(numbers, (np.float32(scale.step), np.uint8(scale.zero)), strict=True):
            out.graph.initializer.append(numpy_helper.from_array(np.array(number), name))
        nodes.append(helper.make_node("QuantizeLinear", [kept.output[0], *numbers], [f"{value}, bytes"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{value}, bytes", *numbers], [value]))
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    return out


def bound(b: Builder) -> float:
    """The signal-to-noise ratio that bytes allow: LEAST, or, in the rare networks in which that is less, what plain
    rounding of weights and values leaves, and 1 dB."""
    model, pictures = b.build(), b.pictures(6)
    scales = compile_model(model, pictures, UNIT).lowering.scales
    references = [Reference(each, 1 / 255) for each in (model, rounded(model, scales))]
    values = [[one.run(picture)[b.value] for picture in pictures] for one in references]
    return min(LEAST, noise(*(np.stack(each).astype(np.float64) for each in values)) - 1)


def too_noisy(seed: int, options: Options = UNIT) -> tuple[float, float] | None:
    """Ratio and bound of a network that is below it."""
    found = min(compiled_noise(random_network(seed), options=options))
    if found >= LEAST or found >= (least := bound(random_network(seed))):
        return None
    return found, least


@pytest.mark.parametrize("seed", range(100))
def test_random_networks(seed: int) -> None:
    assert too_noisy(seed) is None


@pytest.mark.parametrize("seed", range(0, 100, 4))
def test_random_networks_in_portions(seed: int) -> None:
    """Several layers for some channels each, in place of those with more than a kilobyte of weights."""
    assert too_noisy(seed, PORTIONS) is None


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_random_networks(block: int) -> None:
    seeds = range(1000 + 100 * block, 1100 + 100 * block)
    assert not {seed: found for seed in seeds if (found := too_noisy(seed)) is not None}


# ---- Convolutions that the KPU has no mode for

SHAPES = [(3, 24, 40), (4, 17, 15), (1, 33, 20)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("side", "stride", "pads", "dilation"),
    [
        (3, 1, (0, 0, 0, 0), 1), (3, 2, (0, 0, 0, 0), 1), (3, 2, (1, 1, 1, 1), 1), (3, 2, (0, 0, 1, 1), 1),
        (3, 1, (1, 0, 1, 2), 1), (1, 2, (0, 0, 0, 0), 1), (5, 1, (2, 2, 2, 2), 1), (5, 2, (2, 2, 2, 2), 1),
        (7, 2, (3, 3, 3, 3), 1), (3, 1, (2, 2, 2, 2), 2), (3, 1, (3, 3, 3, 3), 3), ((1, 5), 1, (0, 2, 0, 2), 1),
        (2, 1, (0, 0, 1, 1), 1), (4, 2, (1, 1, 1, 1), 1),
    ],
)  # fmt: skip
def test_convolutions(shape: tuple[int, ...], side: int, stride: int, pads: tuple[int, ...], dilation: int) -> None:
    b = Builder(1, shape)
    b.conv(6, side, stride, pads, dilation=dilation)
    b.function("Relu")
    assert min(compiled_noise(b)) > 33


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_depthwise(multiplier: int) -> None:
    """More than one output for each channel is what nncase gets wrong."""
    b = Builder(2, (3, 20, 24))
    b.conv(8)
    b.function("Relu")
    b.conv(8 * multiplier, groups=8)
    assert min(compiled_noise(b)) > 33


def test_groups() -> None:
    b = Builder(3, (3, 20, 24))
    b.conv(8)
    b.conv(12, groups=4)
    assert min(compiled_noise(b)) > 33


def test_several_outputs_and_uses() -> None:
    """A value that is an output, pooled, added and concatenated."""
    b = Builder(4, (3, 32, 32))
    b.conv(8)
    first = b.function("Relu")
    second = b.conv(8)
    b.plus(first)
    third = b.beside(first, 8)
    assert min(compiled_noise(b, first, second, third)) > 28


# ---- What stands before the network


@pytest.mark.parametrize(
    "options",
    [
        Options(), Options(std=(255.0,)), Options((128.0,), (64.0,)), Options(std=(255.0,), swap_rb=True),
        Options((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        Options((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), swap_rb=True),
    ],
)  # fmt: skip
def test_preprocessing(options: Options) -> None:
    """The model takes bytes, red first; the network what it was trained with."""
    b = Builder(5, (3, 16, 20))
    b.conv(5)
    model, pictures = b.build(), b.pictures(4)
    runtime = Runtime(read(compile_model(model, pictures, options).data))
    plain = Reference(model)
    wanted, found = [], []
    for picture in pictures:
        planes = picture[::-1] if options.swap_rb else picture
        numbers = planes.astype(np.float32).transpose(1, 2, 0)
        numbers = ((numbers - np.float32(options.mean)) / np.float32(options.std)).transpose(2, 0, 1)
        wanted.append(plain._session.run([b.value], {"input": numbers[None]})[0].reshape(-1))
        found.append(runtime.run(picture)[0].reshape(-1))
    assert noise(np.concatenate(wanted).astype(float), np.concatenate(found).astype(float)) > 33


# ---- Refusals, and that nothing is left to chance


def test_two_runs_give_the_same_bytes() -> None:
    for seed in range(5):
        b = random_network(seed)
        model, pictures = b.build(), b.pictures(4)
        assert compile_model(model, pictures, UNIT).data == compile_model(model, pictures, UNIT).data


@pytest.mark.parametrize("method", ["percentile", "mse", "kl"])
def test_ranges(method: str) -> None:
    assert min(compiled_noise(random_network(7), options=Options(std=(255.0,), ranges=method))) > LEAST


def test_equalization() -> None:
    """Channels of very different size: the floats stay, the bytes come much nearer to them."""
    b = Builder(8, (3, 20, 24))
    b.conv(12)
    b.function("Relu")
    b.conv(12, groups=12)
    b.function("LeakyRelu", alpha=0.1)
    b.conv(6, 1)
    model = b.build()
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    factor = np.logspace(-1.5, 1.5, 12).astype(np.float32)
    for name, shape in (("constant0", (12, 1, 1, 1)), ("constant1", (12,))):
        changed = onnx.numpy_helper.to_array(weights[name]) * factor.reshape(shape)
        weights[name].CopyFrom(onnx.numpy_helper.from_array(changed, name))
    changed = onnx.numpy_helper.to_array(weights["constant2"]) / factor.reshape(12, 1, 1, 1)
    weights["constant2"].CopyFrom(onnx.numpy_helper.from_array(changed, "constant2"))
    pictures = b.pictures(4)
    plain, even = Reference(model, 1 / 255), Reference(equalized(model), 1 / 255)
    for picture in pictures:
        wanted, found = plain.run(picture)[b.value], even.run(picture)[b.value]
        assert np.allclose(wanted, found, rtol=1e-3, atol=1e-4)
    results = []
    for equalize in (False, True):
        runtime = Runtime(read(compile_model(model, pictures, Options(std=(255.0,), equalize=equalize)).data))
        wanted = np.concatenate([plain.run(picture)[b.value].reshape(-1) for picture in pictures])
        results.append(noise(wanted, np.concatenate([runtime.run(picture)[0].reshape(-1) for picture in pictures])))
    assert results[1] > results[0] + 10 and results[1] > 30


def test_a_model_with_its_own_ranges() -> None:
    """QuantizeLinear and DequantizeLinear around values and weights: their scales are the model's."""
    b = Builder(9, (3, 16, 20))

    def pair(step: float, zero: int) -> None:
        scale, at = b.constant(np.array(step, np.float32)), b.constant(np.array(zero, np.uint8))
        b.add("QuantizeLinear", b.shape, scale, at)
        b.add("DequantizeLinear", b.shape, scale, at)

    pair(1 / 255, 0)
    steps = np.array([0.004, 0.006, 0.01, 0.02], np.float32)
    data = b.constant(b.random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8))
    kept = b.value
    weights = b.add(
        "DequantizeLinear", (4, 3, 3, 3), inputs=[data, b.constant(steps), b.constant(np.zeros(4, np.int8))], axis=0
    )
    b.value = kept
    b.add("Conv", (4, 16, 20), weights, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    activated = b.function("LeakyRelu", alpha=0.2)
    pair(0.05, 31)
    b.conv(3, 1)
    compiled = compile_model(b.build(), b.pictures(3), UNIT)
    scale = compiled.lowering.scales[activated]
    assert (scale.step, scale.zero) == (pytest.approx(0.05), 31)
    runtime = Runtime(read(compiled.data))
    for picture in b.pictures(3):
        wanted = compiled.reference.run(picture)[b.value].reshape(-1)
        assert noise(wanted, runtime.run(picture)[0].reshape(-1)) > 30


def refusal(build: object, shape: tuple[int, ...] = (3, 16, 16), options: Options = UNIT) -> str:
    b = Builder(1, shape)
    build(b)  # type: ignore[operator]
    with pytest.raises(K210Error) as caught:
        compile_model(b.build(), b.pictures(2), options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda b: (b.conv(4), b.add("Erf", b.shape)), ("node_erf1 (Erf) is not supported", "Conv")),
        (lambda b: b.conv(4, stride=3), ("node_conv0", "strides (3, 3)")),
        (lambda b: b.conv(4, 3, dilation=6), ("node_conv0", "looks further than")),
        (
            lambda b: (b.conv(4), b.conv(4, 3, 4), b.conv(4, 3, 2), b.conv(4, 3)),
            ("node_conv3", "of at least 4x4"),
        ),
        (lambda b: (b.conv(4), b.add("ReduceMean", (4, 16, 1), axes=[3])), ("node_reducemean1", "height and width")),
        (
            lambda b: (b.conv(4), (lambda value: (b.conv(4), b.add("Mul", b.shape, value)))(b.value)),
            ("node_mul2", "product of two values"),
        ),
        (lambda b: (b.conv(4), b.slice([2], [9], [2], [1]), b.conv(4)), ("node_slice1", "slices of the channels")),
    ],
)  # fmt: skip
def test_refusals(build: object, words: tuple[str, ...]) -> None:
    text = refusal(build)
    assert all(word in text for word in words), text


def test_more_than_the_kpu_takes() -> None:
    assert "1024 channels of 256 rows" in refusal(lambda b: b.conv(4), (3, 300, 64))
    text = refusal(lambda b: (b.conv(1100, 1, 4, (0, 0, 0, 0)), b.conv(4, 1)), (3, 32, 32))
    assert "1100x8x8" in text and "node_conv0" in text
    options = Options(std=(255.0,), largest_layer=1 << 24)
    text = refusal(lambda b: (b.conv(1000, 1, 4, (0, 0, 0, 0)), b.conv(1000)), (3, 32, 32), options)
    assert "9,000,000 bytes of weights" in text and "node_conv1" in text


@pytest.mark.parametrize("width", [8, 24, 40])
@pytest.mark.parametrize("outputs", [16, 44, 100])
def test_a_layer_in_portions(width: int, outputs: int) -> None:
    """As good as in one piece, but for luck; the places in memory, for the KPU and for the processor, are the same."""
    b = Builder(5, (3, 7, width))
    b.conv(32)
    b.function("Relu")
    first = b.conv(outputs)
    b.function("Relu")
    b.plus(first)
    b.conv(outputs, 1)
    in_portions, whole = compiled_noise(b, first, b.value, options=PORTIONS), compiled_noise(b, first, b.value)
    assert np.all(np.subtract(in_portions, whole) > -1), (in_portions, whole)
    model = read(compile_model(b.build(first, b.value), b.pictures(6), PORTIONS).data)
    sizes = [layer.outputs[0].shape[0] for layer in model.layers if layer.macs]
    assert len(sizes) > 5 and all(layer.parameters < 4096 for layer in model.layers)


def test_a_layer_larger_than_the_kpu_loads() -> None:
    """9 MB of weights."""
    b = Builder(1, (3, 32, 32))
    b.conv(1000, 1, 4, (0, 0, 0, 0))
    b.function("Relu")
    b.conv(1000)
    assert min(compiled_noise(b)) > 33


def test_no_room_in_kpu_ram() -> None:
    text = refusal(lambda b: (b.conv(64), b.conv(64)), (3, 256, 256))
    assert "2,097,152" in text and "smaller" in text


@pytest.mark.parametrize(
    "layers",
    [
        lambda b: (b.conv(64), b.function("Relu"), b.conv(64), b.function("Relu"), b.pool("MaxPool", 2, 2), b.conv(8)),
        lambda b: (b.conv(32), b.conv(32, stride=2), b.function("Relu"), b.conv(64), b.conv(64, 1, 2, (0, 0, 0, 0))),
        lambda b: (b.conv(64), b.conv(64, groups=64), b.conv(8, 1), b.function("Sigmoid")),
    ],
)
def test_what_does_not_fit_goes_in_bands(layers: object) -> None:
    """Images of 4 MiB in between, on a KPU of 2: exact across the bands' edges."""
    b = Builder(1, (3, 256, 256))
    layers(b)  # type: ignore[operator]
    assert min(compiled_noise(b)) > 33


@pytest.mark.parametrize(("side", "pad", "more"), [(2, 0, 0), (4, 1, 0), (3, 1, 1)])
def test_transposed_convolution(side: int, pad: int, more: int) -> None:
    b = Builder(1, (3, 16, 20))
    b.conv(6)
    b.function("Relu")
    weights = b.random.normal(0, 0.4, (6, 5, side, side)).astype(np.float32)
    b.add(
        "ConvTranspose", (5, 32, 40), b.constant(weights), b.constant(np.ones(5, np.float32)), kernel_shape=[side] * 2,
        strides=[2, 2], pads=[pad] * 4, output_padding=[more] * 2,
    )  # fmt: skip
    b.function("Relu")
    b.conv(4)
    assert min(compiled_noise(b)) > 33


@pytest.mark.parametrize("kind", ["Sigmoid", "HardSigmoid"])
def test_a_value_times_its_function(kind: str) -> None:
    """SiLU and hard swish as they are exported."""
    b = Builder(1, (3, 16, 20))
    before = b.conv(6)
    b.function(kind, **({} if kind == "Sigmoid" else {"alpha": 1 / 6, "beta": 0.5}))
    b.add("Mul", b.shape, before)
    b.conv(4)
    assert min(compiled_noise(b)) > 33


def by_channel(b: Builder, low: float, high: float) -> str:
    return b.constant(b.random.uniform(low, high, (b.shape[0], 1, 1)).astype(np.float32))


@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize("alone", [True, False])
def test_slopes_by_channel(groups: int, alone: bool) -> None:
    """PReLU as face networks have it, behind a convolution whose sums only it takes, and others too."""
    b = Builder(1, (3, 16, 20))
    b.conv(6)
    before = b.conv(6, groups=groups)
    b.add("PRelu", b.shape, by_channel(b, -0.2, 0.6))
    if not alone:
        b.plus(before)
    b.conv(4)
    assert min(compiled_noise(b)) > 33


def test_numbers_by_channel() -> None:
    """Sums, products and batch normalization where no convolution takes them up; the first of all on the input."""
    b = Builder(1, (3, 16, 20))
    b.add("Sub", b.shape, by_channel(b, 0.3, 0.6))
    b.add("Div", b.shape, by_channel(b, 0.1, 0.3))
    b.conv(6)
    b.function("Relu")
    numbers = [b.constant(b.random.uniform(0.5, 1.5, 6).astype(np.float32)) for _ in range(4)]
    b.add("BatchNormalization", b.shape, *numbers)
    b.function("Relu")
    b.add("Mul", b.shape, by_channel(b, -1, 1))
    b.function("Tanh")
    b.add("Add", b.shape, by_channel(b, -1, 1))
    b.function("Sigmoid")
    b.add("Div", b.shape, b.constant(np.array(0.5, np.float32)))
    b.add("Sub", b.shape, b.constant(np.array(0.25, np.float32)))
    b.add("Sub", b.shape, inputs=[b.constant(np.array(1, np.float32)), b.value])
    assert min(compiled_noise(b)) > 30


@pytest.mark.parametrize("spelt", ["LpNormalization", "ReduceL2"])
def test_features_of_length_one(spelt: str) -> None:
    b = Builder(1, (3, 16, 20))
    b.conv(6)
    b.function("Relu")
    b.mean()
    b.flat()
    features = b.dense(8)
    if spelt == "LpNormalization":
        b.add(spelt, (8,), axis=1, p=2)
    else:
        b.add("ReduceL2", (1,), axes=[1], keepdims=1)
        b.add("Clip", (1,), b.constant(np.array(1e-12, np.float32)))
        b.add("Expand", (8,), b.constant(np.array([1, 8])))
        b.add("Div", (8,), inputs=[features, b.value])
    assert min(compiled_noise(b)) > 33


def test_logistic_of_floats() -> None:
    """What a dense layer makes stays in floats."""
    b = Builder(1, (3, 16, 20))
    b.conv(6)
    b.mean()
    b.flat()
    b.dense(8)
    b.function("Sigmoid")
    compiled = compile_model(b.build(), b.pictures(3), UNIT)
    assert [layer.kind for layer in compiled.lowering.layers[-2:]] == [FULLY_CONNECTED, LOGISTIC]
    assert min(compiled_noise(b)) > 40


def test_channels_last() -> None:
    """As TensorFlow's models are exported: the input and what is flattened have the channels last."""
    b = Builder(1, (16, 20, 3))
    b.add("Transpose", (3, 16, 20), perm=[0, 3, 1, 2])
    b.conv(6, 3, 2)
    b.function("Relu")
    image = b.value
    b.add("Transpose", (8, 10, 6), perm=[0, 2, 3, 1])
    last = b.value
    b.flat()
    b.dense(7)
    model, pictures = b.build(b.value, last, image), Builder(1, (3, 16, 20)).pictures(6)
    compiled = compile_model(model, pictures, UNIT)
    wanted, found = compiled.reference.run(pictures[0]), Runtime(read(compiled.data)).run(pictures[0])
    for number, name in enumerate((b.value, last, image)):
        assert noise(wanted[name].reshape(-1).astype(np.float64), found[number].reshape(-1)) > 33


def test_the_first_operation_is_the_processors() -> None:
    b = Builder(1, (3, 16, 20))
    b.pool("MaxPool", 3, 2, (1, 1, 1, 1))
    b.conv(4)
    assert min(compiled_noise(b)) > 33


def test_pictures_of_another_shape() -> None:
    b = Builder(1, (3, 16, 16))
    b.conv(4)
    with pytest.raises(K210Error, match=r"calibration pictures are \(2, 3, 16, 20\)"):
        compile_model(b.build(), np.zeros((2, 3, 16, 20), np.uint8))


def test_no_network(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no network at all")
    with pytest.raises(K210Error, match=r"x\.onnx is no ONNX model"):
        compile_model(tmp_path / "x.onnx", np.zeros((1, 3, 8, 8), np.uint8))
    with pytest.raises(K210Error, match="cannot read"):
        compile_model(tmp_path / "none.onnx", np.zeros((1, 3, 8, 8), np.uint8))


def test_two_inputs_and_open_sizes() -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in ("a", "b")]
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["c"])], "two", values,
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 3, 8, 8])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(K210Error, match="2 inputs"):
        compile_model(model, np.zeros((1, 3, 8, 8), np.uint8))
    b = Builder(1, (3, 16, 16))
    b.conv(4)
    open_model = onnx.ModelProto()
    open_model.CopyFrom(b.build())
    open_model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(K210Error, match="fixed"):
        compile_model(open_model, np.zeros((1, 3, 16, 16), np.uint8))


# ---- Memory


def test_buffers_never_overlap() -> None:
    """Those that live at the same time stand apart, and the peak is what the largest moment needs at least."""
    random = np.random.default_rng(2)
    for _ in range(50):
        buffers = []
        for number in range(30):
            first = int(random.integers(0, 40))
            buffers.append(
                Buffer(str(number), int(random.integers(1, 5000)), first, first + int(random.integers(0, 9)))
            )
        top = allocate(buffers, 64)
        for one in buffers:
            assert one.address % 64 == 0 and one.address + one.size <= top
            for other in buffers:
                if one is not other and one.meets(other):
                    assert one.address + one.size <= other.address or other.address + other.size <= one.address
