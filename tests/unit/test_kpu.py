"""The KPU through its registers: layers of a published model, small layers of ours, interrupts, results, time."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
import pytest
from kmodel_layers import SHARED, convolutions, golden, golden_input

from k210kit.board.core.bus import BusError
from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.kpu import ALMOST_EMPTY, ALMOST_FULL, CALC_DONE, Kpu
from k210kit.board.kpu import timing
from k210kit.board.kpu.layer import SIZE, LayerArguments
from k210kit.board.kpu.layout import RowLayout, pack, unpack

FIFO, STATUS, RAW, MASK, CLEAR, THRESHOLD, DATA, EIGHT_BIT = 0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x40
PARAMETERS = 0x8001_0000
HZ = 400_000_000
SECOND = 10**12


class Bench:
    """A KPU with 2 MiB of AI RAM, parameters at PARAMETERS, and a DMA channel that takes all when `listening`."""

    def __init__(self) -> None:
        self.clock, self.irq, self.dma = Clock(), Line(), DmaRequest(22, "AI_RX")
        self.ram, self.parameters = bytearray(2 << 20), bytearray()
        self.received = bytearray()
        self.kpu = Kpu(
            "kpu",
            self.clock,
            bus=self,  # type: ignore[arg-type]
            ai_ram=memoryview(self.ram),
            irq=self.irq,
            dma=self.dma,
            clk=ClockSignal("ai", HZ),
        )
        self.kpu.write(EIGHT_BIT, 8, 1)

    def read(self, address: int, size: int) -> bytes:
        offset = address - PARAMETERS
        if not 0 <= offset <= len(self.parameters) - size:
            raise BusError(address)
        return bytes(self.parameters[offset : offset + size])

    def listen(self) -> None:
        self.dma.sink = lambda items: (self.received.extend(items.tobytes()), len(items))[1]

    def add(self, data: bytes) -> int:
        """Put parameters on the bus; returns their address."""
        self.parameters += bytes(-len(self.parameters) % 128)
        self.parameters += data
        return PARAMETERS + len(self.parameters) - len(data)

    def push(self, block: bytes) -> None:
        for (word,) in struct.iter_unpack("<Q", block):
            self.kpu.write(FIFO, 8, word)

    def run(self, seconds: float = 1.0) -> None:
        self.clock.advance(round(seconds * SECOND))


def block(**fields: int) -> bytes:
    """An argument block: a 1x1 layer over 16x2 pixels, one channel in and out, but for the fields given."""
    f = {
        "int_en": 0, "src": 0, "dst": 0x4000, "channels": 1, "outputs": 1, "width": 16, "height": 2, "kernel": 0,
        "pool": 0, "out_width": 16, "out_height": 2, "weights": 0, "bn": 0, "act": 0, "send": 0, "bytes": 32,
    } | fields  # fmt: skip
    layout, out = RowLayout.of(f["width"]), RowLayout.of(f["out_width"])
    words = [
        f["int_en"],
        f["src"] | f["dst"] << 32,
        f["channels"] - 1 | f["outputs"] - 1 << 32 | f["outputs"] - 1 << 48,
        f["width"] - 1 | f["height"] - 1 << 10 | f["out_width"] - 1 << 32 | f["out_height"] - 1 << 42,
        f["kernel"] | f["pool"] << 4 | f["bn"] << 32,
        f["weights"] << 32,
        0,
        layout.lines * f["height"] | layout.lines << 16 | layout.group << 28 | f["act"] << 32,
        out.lines * f["out_height"] | out.lines << 16 | out.group << 20,
        0,
        0,
        f["send"] | f["bytes"] - 1 << 32,
    ]
    return struct.pack("<12Q", *words)


def identity(bench: Bench) -> dict[str, int]:
    """Parameters of a layer that leaves its one channel as it is."""
    activation = struct.pack("<Q", 1 << 8) * 16 + bytes(16)
    return {
        "weights": bench.add(b"\x01"),
        "bn": bench.add(struct.pack("<Q", 1)),
        "act": bench.add(activation),
    }


def test_a_layer_over_its_registers() -> None:
    bench = Bench()
    image = np.arange(32, dtype=np.uint8).reshape(1, 2, 16)
    bench.ram[: len(pack(image))] = pack(image)
    bench.kpu.write(MASK, 8, ALMOST_EMPTY | ALMOST_FULL)
    bench.push(block(int_en=1, dst=0x100, **identity(bench)))
    assert not bench.irq.level
    bench.run()
    assert bench.irq.level and bench.kpu.read(STATUS, 8) == CALC_DONE
    assert (unpack(bench.ram[0x100 * 64 :], 1, 2, 16) == image).all()
    bench.kpu.write(CLEAR, 8, 7)
    assert not bench.irq.level and bench.kpu.read(RAW, 8) == 0
    assert bench.kpu.layers_run == 1


def test_results_wait_for_dma_or_for_reads() -> None:
    for by_dma in (True, False):
        bench = Bench()
        image = np.arange(100, 132, dtype=np.uint8).reshape(1, 2, 16)
        bench.ram[: len(pack(image))] = pack(image)
        bench.push(block(send=1, bytes=32, **identity(bench)))
        bench.run()
        if by_dma:
            bench.listen()
            bench.dma.on_armed()
            assert bench.received == image.tobytes()
        else:
            words = [bench.kpu.read(DATA, 8) for _ in range(5)]
            assert struct.pack("<5Q", *words) == image.tobytes() + bytes(8)


def test_fifo_events() -> None:
    bench = Bench()
    bench.kpu.write(THRESHOLD, 8, 3 | 1 << 4)
    parameters = identity(bench)
    bench.push(block(**parameters))
    # Taken at once: nothing waits.
    assert bench.kpu.read(RAW, 8) == ALMOST_EMPTY
    bench.kpu.write(CLEAR, 8, 7)
    for waiting in (1, 2, 3):
        bench.push(block(**parameters))
        assert bench.kpu.read(RAW, 8) == (ALMOST_FULL if waiting == 3 else 0)
    bench.kpu.write(CLEAR, 8, 7)
    bench.run()
    assert bench.kpu.layers_run == 4
    assert bench.kpu.read(RAW, 8) == ALMOST_EMPTY
    # Masked, none of it is an interrupt.
    assert not bench.irq.level


def test_the_clock_gate_stops_it_and_reset_forgets() -> None:
    bench = Bench()
    bench.kpu.clk.set(0)
    bench.push(block(**identity(bench)))
    bench.run()
    assert bench.kpu.layers_run == 0
    bench.kpu.clk.set(HZ)
    bench.run()
    assert bench.kpu.layers_run == 1
    bench.push(block(int_en=1, **identity(bench)))
    bench.kpu.reset()
    bench.run()
    assert bench.kpu.layers_run == 1 and bench.kpu.read(RAW, 8) == 0


@pytest.mark.parametrize(
    "fields",
    [{"src": 0x7FFF, "channels": 9}, {"pool": 12}, {"dst": 0x7FFF, "outputs": 1, "height": 9, "out_height": 9}],
)
def test_nonsense_is_survived(fields: dict[str, Any]) -> None:
    bench = Bench()
    bench.push(block(int_en=1, weights=0x1234, bn=1, act=2, **fields))
    bench.run()
    assert bench.kpu.read(RAW, 8) & CALC_DONE


@pytest.mark.skipif(not SHARED.exists(), reason="the shared golden vectors are not beside this tree")
@pytest.mark.parametrize("name", ["voc20_detect__dog__canmv565", "detect_5__person__rgb888"])
def test_a_published_model(name: str) -> None:
    case = golden(name)
    model = (SHARED / "kmodels" / case["model"]["file"]).read_bytes()
    bench = Bench()
    bench.listen()
    layers = list(convolutions(model))
    first = layers[0].arguments
    data = pack(golden_input(name, case))
    bench.ram[first.image_source : first.image_source + len(data)] = data
    for layer, wanted in zip(layers, case["layers"], strict=False):
        words = list(struct.unpack("<12Q", layer.block))
        for index, parameters in ((5, layer.weights), (4, layer.batchnorm), (7, layer.activation)):
            words[index] = words[index] & 0xFFFF_FFFF | bench.add(parameters) << 32
        last = layer is layers[-1]
        words[0] |= 1
        words[11] = words[11] | 1 if last else words[11] & ~1
        bench.push(struct.pack("<12Q", *words))
        bench.run()
        a = layer.arguments
        out = unpack(bench.ram[a.image_target :], a.output_channels, a.output_height, a.output_width)
        assert hashlib.sha256(out.tobytes()).hexdigest() == wanted["sha256"], f"layer {layer.index}"
    assert hashlib.sha256(bench.received[: layers[-1].arguments.dma_bytes]).hexdigest() == case["kpu_output_sha256"]


# Sipeed's measurements (see board/kpu/timing.py): width, height, milliseconds.
MEASURED = [
    (4, 4, 0.339), (16, 4, 0.339), (16, 16, 0.417), (32, 16, 0.692), (32, 32, 1.138), (64, 32, 2.125),
    (64, 64, 3.891), (128, 64, 7.709), (128, 128, 14.778), (256, 256, 57.756),
]  # fmt: skip


@pytest.mark.parametrize(("width", "height", "milliseconds"), MEASURED)
def test_time_is_as_measured(width: int, height: int, milliseconds: float) -> None:
    arguments = LayerArguments.parse(
        block(channels=128, outputs=128, width=width, height=height, out_width=width, out_height=height, kernel=1)
    )
    assert timing.cycles(arguments, eight_bit=False) / 300e3 == pytest.approx(milliseconds, rel=0.10)


def test_blocks_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="96 bytes, not 95"):
        LayerArguments.parse(bytes(SIZE - 1))
