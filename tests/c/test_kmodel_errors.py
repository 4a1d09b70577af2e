"""What the C runtime refuses, and in which words."""

from __future__ import annotations

import ctypes as c
import struct

import kmodel_writer as w
import numpy as np
import pytest
from kmodel_runtime import (
    ERASED,
    INVALID,
    NOT_A_KMODEL,
    STOPPED,
    TRUNCATED,
    UNSUPPORTED_LAYER,
    UNSUPPORTED_VERSION,
    Error,
    Facts,
    KmodelError,
    Layout,
    Runtime,
    Shape,
    aligned,
)

from k210kit.board.kpu.layout import RowLayout

MODELS = w.small_models()
SOFTMAX = MODELS["softmax"]


def refused(runtime: Runtime, data: bytes) -> KmodelError:
    with pytest.raises(KmodelError) as found:
        runtime.load(data)
    return found.value


def changed(data: bytes, offset: int, value: int) -> bytes:
    """With another 32-bit word at `offset`."""
    return data[:offset] + struct.pack("<I", value) + data[offset + 4 :]


@pytest.mark.parametrize(
    ("data", "status", "text"),
    [
        (b"\xff" * 64, ERASED, "erased flash: no model was written there; write one, or give another offset"),
        (
            b"BM" + bytes(64),
            NOT_A_KMODEL,
            "not a kmodel: it starts with the number 19778, a kmodel of version 3 with 3",
        ),
        (bytes(64), NOT_A_KMODEL, "not a kmodel: it starts with the number 0, a kmodel of version 3 with 3"),
        (b"", TRUNCATED, "truncated: has 0 bytes, needs 28"),
        (SOFTMAX[:27], TRUNCATED, "truncated: has 27 bytes, needs 28"),
        (SOFTMAX[:40], TRUNCATED, "truncated: has 40 bytes, needs 52"),
        (SOFTMAX[:-9], TRUNCATED, f"truncated: has {len(SOFTMAX) - 9} bytes, needs {len(SOFTMAX)}"),
        # Up to seven bytes could be padding; here they are arguments.
        (SOFTMAX[:-6], TRUNCATED, f"truncated: has {len(SOFTMAX) - 6} bytes, needs {len(SOFTMAX)}"),
        (b"LDMK\4\0\0\0" + bytes(40), UNSUPPORTED_VERSION, "kmodel version 4 is not supported (3 is)"),
        (w.words(1, 1, 30, 0, 28) + bytes(40), UNSUPPORTED_VERSION, "kmodel version 1 is not supported (3 is)"),
        (changed(SOFTMAX, 8, 2), INVALID, "the model cannot be run: it is for architecture 2, the K210 is 0"),
        (changed(SOFTMAX, 12, 5000), INVALID, "the model cannot be run: it has 5000 layers, from 1 to 4096 can be"),
        (changed(SOFTMAX, 24, 0), INVALID, "the model cannot be run: it has 0 outputs, from 1 to 256 can be"),
        (changed(SOFTMAX, 44, 99), UNSUPPORTED_LAYER, "layer 1 of type 99 is not supported"),
        (
            changed(SOFTMAX, 44, w.GLOBAL_MAX_POOL),
            UNSUPPORTED_LAYER,
            "layer 1 of type 3 (global max pool) is not supported",
        ),
        (
            changed(SOFTMAX, 28, 1000),
            INVALID,
            "the model cannot be run: an output ends at byte 1400 of main memory, which has 1368",
        ),
    ],
)
def test_files_that_are_refused(runtime: Runtime, data: bytes, status: int, text: str) -> None:
    error = refused(runtime, data)
    assert (error.status, str(error)) == (status, text)


def layer_error(runtime: Runtime, kind: int, body: bytes, size: int = 400) -> str:
    error = refused(runtime, w.on_bytes(size, kind, body))
    assert (error.status, error.layer, error.type) == (INVALID, 1, kind)
    return str(error)


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (w.SOFTMAX, w.words(0, 2, w.FREE, 4), "layer 1 (softmax): input floats lie at address 2, no multiple of 4"),
        (w.SOFTMAX, w.words(0, 0, w.FREE, 0), "layer 1 (softmax): the input has 0 elements, at least 1 is needed"),
        (
            w.SOFTMAX,
            w.words(0, 0, w.FREE, 101),
            "layer 1 (softmax): the output ends at byte 1372 of main memory, which has 1368",
        ),
        (
            w.LOGISTIC,
            w.words(0, 0xFFFF_FFFC, w.FREE, 1),
            "layer 1 (logistic): the input ends at byte 4294967296 of main memory, which has 1368",
        ),
        (
            w.LOGISTIC,
            w.words(0, 0, 4, 9),
            "layer 1 (logistic): the output at byte 4 of main memory runs into the input at byte 0",
        ),
        (w.LOGISTIC, w.words(0, 0), "layer 1 (logistic): its arguments take 8 bytes, 16 are needed"),
        (
            w.FULLY_CONNECTED,
            w.words(0, 0, w.FREE, 10, 0x4000_0000, 0),
            "layer 1 (fully connected): its arguments take 24 bytes, 47244640280 are needed",
        ),
        (
            w.FULLY_CONNECTED,
            w.words(0, 0, w.FREE, 0, 0, 3),
            "layer 1 (fully connected): its activation is 3, the highest known is 2",
        ),
        (
            w.CONCAT,
            w.words(0, w.FREE, 0x4000_0000, 0, 4),
            "layer 1 (concat): its arguments take 24 bytes, 8589934604 are needed",
        ),
        (
            w.MAX_POOL,
            w.pool(0, w.FREE, (1, 4, 4), (1, 2, 2), (2, 2, 2, 2, 2, 0)) + w.words(0),
            "layer 1 (max pool): its kernel has 2 cells, with that padding 3 are needed",
        ),
        (
            w.AVERAGE_POOL,
            w.pool(0, w.FREE, (1, 4, 4), (1, 2, 3), (2, 2, 2, 2, 0, 0)) + w.words(0),
            "layer 1 (average pool): its last window starts 4 cells from the padding's edge, cells end after 3",
        ),
        (
            w.RESIZE,
            w.words(0, 0, w.FREE, 2, 2, 1, 0, 4, 0),
            "layer 1 (resize nearest neighbor): its width is 0, at least 1 is needed",
        ),
        (
            w.FLATTEN,
            w.words(0, 0, w.FREE, 0x10000, 0x10000, 0x10000),
            "layer 1 (TensorFlow flatten): the input ends at byte 1125899906842624 of main memory, which has 1368",
        ),
        (
            w.QUANTIZED_ADD,
            w.words(0, 0, 0, w.FREE, 8, 0, 1, -1, 0, 1, 0, 0, 1, 0),
            "layer 1 (quantized add): it shifts by 4294967295, at most 63 makes sense",
        ),
        (
            w.UPLOAD,
            w.words(0, 0, 0x7FFF, 8, 2, 2),
            "layer 1 (K210 upload): the image ends at byte 2097216 of KPU RAM, which has 2097152",
        ),
        (
            w.ADD_PADDING,
            w.words(0, 0, 0x7FFD, 4),
            "layer 1 (K210 add padding): the image ends at byte 2097216 of KPU RAM, which has 2097152",
        ),
    ],
)
def test_layers_that_are_refused(runtime: Runtime, kind: int, body: bytes, text: str) -> None:
    assert layer_error(runtime, kind, body) == text


def convolution_error(runtime: Runtime, layer: w.Convolution, main_memory: int = 4096) -> str:
    data = w.KmodelWriter(main_memory, [(0, 4)]).add(w.CONVOLUTION, layer).build()
    error = refused(runtime, data)
    assert (error.status, error.layer, error.type) == (INVALID, 0, w.CONVOLUTION)
    return str(error).removeprefix("layer 0 (K210 convolution): ")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"line": 0x7FFC}, "the input ends at byte 2097408 of KPU RAM, which has 2097152"),
        ({"out_line": 0x7FFC}, "the output ends at byte 2097408 of KPU RAM, which has 2097152"),
        ({"kernel": 2}, "its kernel type is 2, the highest known is 1"),
        ({"pool": 10}, "its pooling mode is 10, the highest known is 9"),
        ({"pool": 1}, "rows of the output are 24 wide, pooling leaves 12"),
        ({"out_shape": (4, 4, 24)}, "it makes 4 channels, depthwise, out of 3"),
        ({"main_memory": 4000}, "the output ends at byte 4288 of main memory, which has 4096"),
        ({"outputs_a_load": 2, "changes": {5: 1 | 3 << 15}}, "weights are loaded 1 times, the channels make it 2"),
        ({"changes": {5: 1 | 9 << 15}}, "a load of weights has 9 bytes, the channels make it 3"),
        ({"changes": {0: 12}}, "the KPU's first argument has the unknown bits 4, not 0"),
        ({"changes": {4: 1 << 8}}, "the KPU's fifth argument has the unknown bits 256, not 0"),
        ({"changes": {7: 4 | 1 << 16 | 3 << 28}}, "3 channels share a line of KPU RAM, only 1, 2 and 4 can"),
        ({"changes": {7: 4 | 1 << 16 | 4 << 28}}, "a row has 24 bytes, the place for it in KPU RAM has 16"),
        ({"changes": {7: 2 << 28}}, "a row takes 0 lines of KPU RAM, at least 1 is needed"),
        ({"changes": {11: 1}}, "send_data_out is 1, in a file it is 0"),
        ({"main_memory": 0, "changes": {11: 100 << 32}}, "it sends 101 bytes out, the output has 288"),
    ],
)
def test_convolutions_that_are_refused(runtime: Runtime, changes: dict[str, object], text: str) -> None:
    assert convolution_error(runtime, w.identity_convolution(3, 4, 24, **changes)) == text


def test_the_dma_controller_writes_whole_words(runtime: Runtime) -> None:
    layer = w.identity_convolution(1, 3, 3, main_memory=0)
    assert convolution_error(runtime, layer, 15) == "the output ends at byte 16 of main memory, which has 15"
    runtime.load(w.KmodelWriter(16, [(0, 9)]).add(w.CONVOLUTION, layer).build())


@pytest.mark.parametrize(
    ("word", "offset", "text"),
    [
        (2, 1 << 20, "the KPU's arguments end at byte 1048672 of the model, which has 656"),
        (2, 100, "the KPU's arguments lie at byte 100 of the model, no multiple of 8"),
        (3, 656, "weights end at byte 659 of the model, which has 656"),
        (4, 640, "batch normalisation ends at byte 664 of the model, which has 656"),
        (5, 0xFFFF_FFF8, "the activation ends at byte 4294967432 of the model, which has 656"),
    ],
)
def test_parameters_outside_of_the_model(runtime: Runtime, word: int, offset: int, text: str) -> None:
    data = MODELS["convolution"]
    body = 28 + 8 + 8
    error = refused(runtime, changed(data, body + 4 * word, offset))
    assert str(error) == f"layer 0 (K210 convolution): {text}"


def test_only_some_layers_can_come_first(runtime: Runtime) -> None:
    data = w.KmodelWriter(64, [(0, 8)]).add(w.SOFTMAX, w.words(0, 0, 8, 2)).build()
    assert str(refused(runtime, data)) == (
        "layer 0 (softmax): it comes first, where only a K210 convolution (type 10240) or a fully connected layer "
        "(type 18) can take the input"
    )


def test_work_is_bounded(runtime: Runtime) -> None:
    side = 1024
    body = w.pool(0, 4 * side**2, (1, side, side), (1, side, side), (600, 600, 1, 1, 0, 0))
    data = (
        w.KmodelWriter(12 << 20, [(0, 8)])
        .add(w.FULLY_CONNECTED, w.fully_connected(0, 8, np.zeros((1, 1)), np.zeros(1)))
        .add(w.AVERAGE_POOL, body + w.words(0))
        .build()
    )
    assert "elements, more than 67108864 would take too long" in str(refused(runtime, data))


def test_a_file_may_lack_its_last_padding_and_have_more_after_it(runtime: Runtime) -> None:
    # nncase v0.1 counts the padding of the last layer, but does not write it; others append zeros.
    model = MODELS["requantize"]
    writer = w.KmodelWriter(64, [(0, 24)]).add(w.FULLY_CONNECTED, w.fully_connected(0, 8, np.zeros((1, 1)), np.ones(1)))
    short = writer.build()
    assert short[-4:] == bytes(4)
    assert runtime.load(short[:-4]).run(np.zeros(1, np.float32))
    assert runtime.load(short[:-4]).model.facts.size == len(short) - 4
    assert runtime.load(model + bytes(100)).model.facts.size == len(model)


def test_the_backend_stops_a_run(runtime: Runtime) -> None:
    model = runtime.load(MODELS["upload"])
    model.before_layer = lambda layer, _kind: layer < 3
    with pytest.raises(KmodelError, match=r"stopped at layer 3 \(K210 upload\)") as found:
        model.run(np.zeros((3, 5, 70), np.uint8))
    assert (found.value.status, found.value.layer) == (STOPPED, 3)


def test_a_run_needs_aligned_memory_and_an_upload(runtime: Runtime) -> None:
    model = runtime.load(MODELS["convolution"])
    kept, model.main_memory = model.main_memory, aligned(300)[8:]
    with pytest.raises(KmodelError, match=r"its main memory lies at address \d+, no multiple of 256") as found:
        model.run(np.zeros((3, 4, 24), np.uint8))
    assert found.value.status == INVALID
    model.main_memory, model.upload, model.uploads = kept, True, False
    with pytest.raises(KmodelError, match=r"stopped at layer 0 \(K210 convolution\)") as found:
        model.run(np.zeros((3, 4, 24), np.uint8))
    assert found.value.status == STOPPED


@pytest.mark.parametrize("width", [1, 16, 17, 32, 33, 64, 65, 320])
def test_layout_of_rows(runtime: Runtime, width: int) -> None:
    layout = RowLayout.of(width)
    runtime.library.kmodel_row_layout.restype = Layout
    found = runtime.library.kmodel_row_layout(width)
    assert (found.group, found.pitch, found.lines) == (layout.group, layout.pitch, layout.lines)
    size = runtime.library.kmodel_kpu_image_size(c.byref(Shape(width, 7, 5)))
    assert size == layout.size(5, 7)


def test_the_header_alone_tells_what_is_needed(runtime: Runtime) -> None:
    facts, error = Facts(), Error()
    data = MODELS["padding"]
    read = runtime.library.kmodel_read_header
    assert read(data[:28], c.c_size_t(len(data)), c.byref(facts), c.byref(error))
    assert (facts.version, facts.layers, facts.outputs, facts.main_memory) == (3, 5, 1, 256)
    assert (facts.table_size, facts.size) == (28 + 8 + 40, 0)
    read = runtime.library.kmodel_read_table
    assert read(data[: facts.table_size], c.c_size_t(1 << 24), c.byref(facts), c.byref(error))
    assert facts.size == len(data)


def test_names(runtime: Runtime) -> None:
    assert runtime.library.kmodel_layer_name(w.CONVOLUTION) == b"K210 convolution"
    assert runtime.library.kmodel_layer_name(26) is None


def test_descriptions_are_cut_to_their_room(runtime: Runtime) -> None:
    error, text = Error(status=ERASED), c.create_string_buffer(b"x" * 12)
    length = runtime.library.kmodel_describe(c.byref(error), text, c.c_size_t(7))
    assert text.raw[:8] == b"erased\0x" and length > 40
