"""FFT block, driven as the SDK's fft.c and the vendor's older polling driver drive it."""

import random

import numpy as np
import pytest

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.fft import SRAM_A, Fft, transform

INPUT, CTRL, FIFO, MASK, CLEAR, STATUS, RAW, OUTPUT = 0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38
FORWARD, ENABLE, DMA = 1 << 3, 1 << 13, 1 << 14
POINT_CODE = {512: 0, 256: 1, 128: 2, 64: 3}


class Bench:
    def __init__(self) -> None:
        self.clock, self.irq = Clock(), Line()
        self.tx, self.rx = DmaRequest(24, "FFT_TX"), DmaRequest(23, "FFT_RX")
        self.fft = Fft(
            "fft", self.clock, irq=self.irq, tx_dma=self.tx, rx_dma=self.rx, clk=ClockSignal("fft", 1_000_000)
        )

    def control(self, points: int, shift: int, *, forward: bool = True, extra: int = 0) -> None:
        """Field by field, as the SDK's bit-fields do: enable comes before the input mode."""
        value = POINT_CODE[points]
        for bits in (FORWARD if forward else 0, shift << 4, extra & DMA, ENABLE, extra & ~DMA):
            value |= bits
            self.fft.write(CTRL, 8, value)

    def run(self, points: int) -> None:
        self.clock.advance((points.bit_length() - 1) * points // 2 * 10**6)


def pack(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    lanes = np.stack((imag, real), 1).astype("<i2")
    return np.frombuffer(lanes.tobytes(), "<u8")


def unpack(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lanes = np.frombuffer(np.asarray(words, "<u8").tobytes(), "<i2").astype(int)
    return lanes[1::2], lanes[0::2]


def by_dma(bench: Bench, data: np.ndarray) -> np.ndarray:
    received: list[int] = []
    position = 0

    def source(count: int) -> np.ndarray:
        nonlocal position
        taken = data[position : position + count]
        position += len(taken)
        return taken

    def sink(items: np.ndarray) -> int:
        taken = min(len(items), 5)
        received.extend(items[:taken].tolist())
        return taken

    bench.rx.sink = sink
    bench.rx.on_armed()
    bench.tx.source = source
    bench.tx.on_armed()
    bench.clock.advance(10**10)
    while len(received) < len(data):
        bench.rx.on_armed()
    assert position == len(data)
    return np.array(received, np.uint64)


def signal(points: int) -> tuple[np.ndarray, np.ndarray]:
    """The vendor demo's test signal, with an imaginary part added."""
    i = np.arange(points)
    real = 0.3 * np.cos(2 * np.pi * i / points + np.pi / 3) * 256
    real += 0.5 * np.cos(19 * 2 * np.pi * i / points + np.pi / 6) * 256 + 10
    return np.trunc(real * 64 / points * 2).astype(int), (i * 37 % 11 - 5).astype(int)


@pytest.mark.parametrize("points", [64, 128, 256, 512])
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("shifted", ["none", "all", "last two"])
def test_agrees_with_the_exact_transform_to_rounding(points: int, forward: bool, shifted: str) -> None:
    bench = Bench()
    real, imag = signal(points)
    layers = points.bit_length() - 1
    shift = {"none": 0, "all": 0x1FF, "last two": 3 << layers - 2}[shifted]
    bench.control(points, shift, forward=forward, extra=DMA)
    got_real, got_imag = unpack(by_dma(bench, pack(real, imag)))
    exact = np.fft.fft(real + 1j * imag) if forward else np.fft.ifft(real + 1j * imag) * points
    exact /= 1 << (shift & (1 << layers) - 1).bit_count()
    assert np.abs(got_real - exact.real).max() < 12 and np.abs(got_imag - exact.imag).max() < 12


def test_forward_and_shifted_backward_give_the_signal_back_as_in_the_vendor_demo() -> None:
    real, imag = signal(512)
    spectrum = transform(real.astype(np.int32), imag.astype(np.int32), shift=0, inverse=False)
    back_real, back_imag = transform(*spectrum, shift=0x1FF, inverse=True)
    assert np.abs(back_real - real).max() <= 8 and np.abs(back_imag - imag).max() <= 8


def test_results_saturate_at_16_bits() -> None:
    constant = np.full(512, 1000, np.int32)
    real, imag = transform(constant, -constant, shift=0, inverse=False)
    assert (real[0], imag[0]) == (32767, -32768)
    assert not real[1:].any()
    real, imag = transform(constant, -constant, shift=0x1FF, inverse=False)
    assert (real[0], imag[0]) == (1000, -1000)


def test_shift_bits_belong_to_the_layers_in_order() -> None:
    """Values 1, -1 at neighbouring places of layer 1 cancel there, so only that layer's shift can lose the half."""
    real = np.zeros(64, np.int32)
    real[0], real[32] = 3, 0  # partners in the first layer of a decimation in time
    first, _ = transform(real, np.zeros(64, np.int32), shift=1, inverse=False)
    assert set(first.tolist()) == {1}
    all_but_first, _ = transform(real * 2, np.zeros(64, np.int32), shift=2, inverse=False)
    assert set(all_but_first.tolist()) == {3}
    unused, _ = transform(real, np.zeros(64, np.int32), shift=0x1C0, inverse=False)
    assert set(unused.tolist()) == {3}


@pytest.mark.parametrize(("points", "address"), [(512, SRAM_A + 0x800), (256, SRAM_A), (128, SRAM_A + 0x800)])
def test_polling_driver_finds_results_in_the_sram_of_the_last_layer(points: int, address: int) -> None:
    bench = Bench()
    real, imag = signal(points)
    bench.control(points, 0)
    for word in pack(real, imag).tolist():
        assert bench.fft.read(STATUS, 8) == 0
        bench.fft.write(INPUT, 8, word)
    assert bench.fft.read(RAW, 8) == 2
    bench.clock.advance((points.bit_length() - 1) * points // 2 * 10**6 - 1)
    assert bench.fft.read(STATUS, 8) == 0
    bench.clock.advance(1)
    assert bench.fft.read(STATUS, 8) == 1 and bench.fft.read(RAW, 8) == 1
    in_sram = [bench.fft.read(address + 8 * i, 8) for i in range(points // 2)]
    assert in_sram == [bench.fft.read(OUTPUT, 8) for _ in range(points // 2)]
    wanted = transform(real.astype(np.int32), imag.astype(np.int32), shift=0, inverse=False)
    got = unpack(np.array(in_sram, np.uint64))
    assert (got[0] == wanted[0]).all() and (got[1] == wanted[1]).all()


def lanes_to_words(lanes: np.ndarray, width: int) -> list[int]:
    return np.frombuffer(lanes.astype("<i2").tobytes(), f"<u{width}").tolist()


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_input_arrangements(mode: int, narrow: bool) -> None:
    bench = Bench()
    real, imag = signal(64)
    if mode == 0:
        lanes = np.stack((imag, real), 1).reshape(-1)
    else:
        lanes = real if mode == 1 else np.concatenate((real, imag))
        imag = imag * (mode == 2)
    bench.control(64, 0, extra=mode << 15 | narrow << 17)
    for word in lanes_to_words(lanes, 4 if narrow else 8):
        bench.fft.write(INPUT, 8, word)
    bench.run(64)
    got = unpack(np.array([bench.fft.read(OUTPUT, 8) for _ in range(32)], np.uint64))
    wanted = transform(real.astype(np.int32), imag.astype(np.int32), shift=0, inverse=False)
    assert (got[0] == wanted[0]).all() and (got[1] == wanted[1]).all()


def test_interrupt_follows_mask_and_clear() -> None:
    bench = Bench()
    bench.fft.write(MASK, 8, 1)
    bench.control(64, 0)
    for _ in range(32):
        bench.fft.write(INPUT, 8, 0)
    assert not bench.irq.level
    bench.run(64)
    assert bench.irq.level
    bench.fft.write(CLEAR, 8, 1)
    assert not bench.irq.level and bench.fft.read(STATUS, 8) == 0


def test_reset_and_flush_drop_half_given_data() -> None:
    for drop in ("reset", "flush"):
        bench = Bench()
        bench.control(64, 0)
        bench.fft.write(INPUT, 8, 0x7FFF7FFF7FFF7FFF)
        if drop == "reset":
            bench.fft.reset()
            bench.control(64, 0)
        else:
            bench.fft.write(FIFO, 8, 0)
        for _ in range(32):
            bench.fft.write(INPUT, 8, 1 << 16 | 1 << 48)
        bench.run(64)
        assert bench.fft.read(OUTPUT, 8) == 64 << 16


def test_survives_random_accesses() -> None:
    bench, random_ = Bench(), random.Random(6)
    for _ in range(10_000):
        offset = random_.choice([*range(0, 0x44), SRAM_A, SRAM_A + 0xFF8, INPUT, INPUT])
        size = random_.choice([1, 2, 4, 8])
        offset -= offset % size
        if random_.random() < 0.5:
            value = random_.getrandbits(8 * size) | (ENABLE if size == 8 else 0)
            bench.fft.write(offset, size, value)
        else:
            assert 0 <= bench.fft.read(offset, size) < 1 << 8 * size
        bench.clock.advance(random_.randrange(10**8))
    bench.fft.reset()
    bench.control(64, 0)
    for _ in range(32):
        bench.fft.write(INPUT, 8, 1 << 16 | 1 << 48)
    bench.run(64)
    assert bench.fft.read(OUTPUT, 8) == 64 << 16
