"""The C runtime of kernel models through ctypes, with the virtual board's arithmetic as its KPU."""

from __future__ import annotations

import ctypes as c
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from k210kit.board.kpu import execute
from k210kit.board.kpu.layer import SIZE, LayerArguments
from k210kit.board.kpu.layout import pack

Bytes = npt.NDArray[np.uint8]

ALIGNMENT = 256
HEADER_SIZE = 28
RAM_SIZE = 2 << 20
OK, ERASED, NOT_A_KMODEL, TRUNCATED, UNSUPPORTED_VERSION, UNSUPPORTED_LAYER, INVALID, STOPPED = range(8)


class Error(c.Structure):
    _fields_ = (
        ("status", c.c_int),
        ("layer", c.c_uint32),
        ("type", c.c_uint32),
        ("has", c.c_uint64),
        ("needs", c.c_uint64),
        ("what", c.c_char_p),
    )


class Facts(c.Structure):
    _fields_ = (
        ("version", c.c_uint32),
        ("eight_bit", c.c_bool),
        ("layers", c.c_uint32),
        ("outputs", c.c_uint32),
        ("main_memory", c.c_uint32),
        ("table_size", c.c_uint32),
        ("size", c.c_uint32),
        ("padding", c.c_uint32),
        ("largest_layer", c.c_uint32),
    )


class Shape(c.Structure):
    _fields_ = (("width", c.c_uint32), ("height", c.c_uint32), ("channels", c.c_uint32))


class Layout(c.Structure):
    _fields_ = (("group", c.c_uint32), ("pitch", c.c_uint32), ("lines", c.c_uint32))


FETCH = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_uint32, c.c_uint32)


class Store(c.Structure):
    _fields_ = (("context", c.c_void_p), ("fetch", FETCH))


class Model(c.Structure):
    _fields_ = (
        ("bytes", c.c_void_p),
        ("store", Store),
        ("facts", Facts),
        ("input", Shape),
        ("float_input", c.c_bool),
        ("input_address", c.c_uint32),
    )


class Parameters(c.Structure):
    _fields_ = (
        ("weights", c.c_void_p),
        ("batchnorm", c.c_void_p),
        ("activation", c.c_void_p),
        ("weights_size", c.c_uint32),
        ("batchnorm_size", c.c_uint32),
        ("activation_size", c.c_uint32),
    )


BEFORE_LAYER = c.CFUNCTYPE(c.c_bool, c.c_void_p, c.c_uint32, c.c_uint32)
UPLOAD = c.CFUNCTYPE(c.c_bool, c.c_void_p, c.c_void_p, c.POINTER(Shape), c.c_uint32)
CONVOLVE = c.CFUNCTYPE(
    c.c_bool, c.c_void_p, c.c_void_p, c.c_bool, c.POINTER(Parameters), c.c_void_p, c.c_uint32
)  # fmt: skip


class Kpu(c.Structure):
    _fields_ = (
        ("context", c.c_void_p),
        ("ram", c.c_void_p),
        ("before_layer", BEFORE_LAYER),
        ("upload", UPLOAD),
        ("convolve", CONVOLVE),
    )


class KmodelError(Exception):
    """What the runtime says; `status` and `layer` as in its error."""

    def __init__(self, error: Error, text: str) -> None:
        super().__init__(text)
        self.status, self.layer, self.type = error.status, error.layer, error.type


def aligned(size: int, fill: int = 0) -> Bytes:
    """`size` bytes at an address as the runtime wants it."""
    raw = np.full(size + ALIGNMENT, fill, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


@dataclass
class Runtime:
    """The library at `path`."""

    path: Path
    library: c.CDLL = field(init=False)

    def __post_init__(self) -> None:
        self.library = c.CDLL(str(self.path))
        for name in ("load", "load_stored", "output", "run", "read_header", "read_table"):
            name = f"kmodel_{name}"
            getattr(self.library, name).restype = c.c_bool
        self.library.kmodel_layer_name.restype = c.c_char_p

    def describe(self, error: Error) -> str:
        text = c.create_string_buffer(200)
        length = self.library.kmodel_describe(c.byref(error), text, c.c_size_t(len(text)))
        assert length == len(text.value) < len(text)
        return text.value.decode()

    def fail(self, error: Error) -> KmodelError:
        return KmodelError(error, self.describe(error))

    def load(self, data: bytes) -> Loaded:
        """Judge a model; raises KmodelError."""
        image = aligned(len(data) + 1)
        image[:-1] = np.frombuffer(data, np.uint8)
        model, error = Model(), Error()
        address = c.c_void_p(image.ctypes.data)
        if not self.library.kmodel_load(c.byref(model), address, c.c_size_t(len(data)), c.byref(error)):
            assert bytes(model) == bytes(c.sizeof(Model))
            raise self.fail(error)
        return Loaded(self, image, model)

    def resident(self, data: bytes, facts: Facts, room: int) -> tuple[int, int]:
        """How much of a model may stay in memory, and the largest of the other layers."""
        other = c.c_uint32()
        return self.library.kmodel_resident(data, c.byref(facts), c.c_uint32(room), c.byref(other)), other.value

    def load_stored(self, data: bytearray) -> Loaded:
        """Judge a model that stays in `data`, which may be changed, or cut. Raises KmodelError."""
        model, error, facts = Model(), Error(), Facts()
        header = c.create_string_buffer(bytes(data[:HEADER_SIZE]))
        if not self.library.kmodel_read_header(header, c.c_size_t(len(data)), c.byref(facts), c.byref(error)):
            raise self.fail(error)
        table = aligned(facts.table_size)
        table[:] = np.frombuffer(data, np.uint8)[: facts.table_size]
        fetched: list[Bytes] = []

        def fetch(_context: object, at: int, size: int) -> int:
            assert size <= model.facts.largest_layer
            if at + size > len(data):
                return 0
            block = aligned(at % ALIGNMENT + size)[at % ALIGNMENT :]
            block[:] = np.frombuffer(bytes(data[at : at + size]), np.uint8)
            fetched[:] = [block]
            return block.ctypes.data

        store = Store(None, FETCH(fetch))
        address = c.c_void_p(table.ctypes.data)
        if not self.library.kmodel_load_stored(
            c.byref(model), address, c.c_size_t(len(data)), c.byref(store), c.byref(error)
        ):  # fmt: skip
            raise self.fail(error)
        return Loaded(self, table, model, store=store)


@dataclass
class Loaded:
    """A judged model. After run(), `outputs` are the bytes of each, and `layers` what each convolution made."""

    runtime: Runtime
    image: Bytes
    model: Model
    upload: bool = False
    uploads: bool = True
    """What our own upload answers."""
    ram: Bytes = field(init=False)
    main_memory: Bytes = field(init=False)
    layers: dict[int, Bytes] = field(default_factory=dict)
    before_layer: Callable[[int, int], bool] = lambda _layer, _type: True
    store: Store | None = None

    def __post_init__(self) -> None:
        self.ram = np.zeros(RAM_SIZE, np.uint8)
        self.main_memory = aligned(self.model.facts.main_memory, 0xA5)
        self._layer = 0

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(address, size) of each output in the main memory."""
        out = []
        address, size = c.c_uint32(), c.c_uint32()
        output = self.runtime.library.kmodel_output
        while output(c.byref(self.model), len(out), c.byref(address), c.byref(size)):
            out.append((address.value, size.value))
        return out

    def run(self, data: npt.NDArray[np.generic]) -> list[bytes]:
        """The outputs for an input, as bytes. Raises KmodelError when stopped."""
        data = np.ascontiguousarray(data)
        error = Error()
        kpu = Kpu(
            None,
            self.ram.ctypes.data,
            BEFORE_LAYER(self._before_layer),
            UPLOAD(self._upload) if self.upload else UPLOAD(),
            CONVOLVE(self._convolve),
        )
        main_memory = c.c_void_p(self.main_memory.ctypes.data)
        image = c.c_void_p(data.ctypes.data)
        if not self.runtime.library.kmodel_run(
            c.byref(self.model), c.byref(kpu), main_memory, image, c.byref(error)
        ):  # fmt: skip
            raise self.runtime.fail(error)
        return [self.main_memory[a : a + size].tobytes() for a, size in self.ranges]

    def _before_layer(self, _context: object, layer: int, kind: int) -> bool:
        self._layer = layer
        return self.before_layer(layer, kind)

    def _upload(self, _context: object, image: int, shape: c._Pointer[Shape], address: int) -> bool:
        s = shape.contents
        planes = np.frombuffer(c.string_at(image, s.width * s.height * s.channels), np.uint8)
        packed = pack(planes.reshape(s.channels, s.height, s.width))
        self.ram[address : address + len(packed)] = np.frombuffer(packed, np.uint8)
        return self.uploads

    def _convolve(
        self, _context: object, words: int, eight_bit: bool, parameters: c._Pointer[Parameters], out: int, size: int
    ) -> bool:
        a = LayerArguments.parse(c.string_at(words, SIZE))
        p = parameters.contents
        assert p.weights_size == execute.weights_size(a, eight_bit=eight_bit)
        assert p.batchnorm_size == execute.batchnorm_size(a) and p.activation_size == execute.activation_size
        image = execute.compute(
            a,
            memoryview(self.ram),
            c.string_at(p.weights, p.weights_size),
            c.string_at(p.batchnorm, p.batchnorm_size),
            c.string_at(p.activation, p.activation_size),
            eight_bit=eight_bit,
        )
        execute.write_back(a, memoryview(self.ram), image)
        self.layers[self._layer] = image
        if out:
            assert size == image.size == a.dma_bytes
            c.memmove(out, image.tobytes(), size)
        return True
