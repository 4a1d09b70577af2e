"""The I2S blocks as the vendor's driver uses them, between WAV files."""

from __future__ import annotations

import random
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.i2s import I2s
from k210kit.board.parts.audio import WavSink, WavSource
from k210kit.errors import K210Error

IER, IRER, ITER, CER, CCR, RXFFR, TXFFR, RXDMA, TXDMA = 0, 4, 8, 0xC, 0x10, 0x14, 0x18, 0x1C0, 0x1C8
LEFT, RIGHT, RER, TER, RCR, TCR, ISR, IMR, ROR, TOR, RFCR, TFCR, RFF, TFF = range(0x20, 0x58, 4)
DMA_TX, DMA_RX, DIVIDE_16, SIGN = 1 << 8, 1 << 9, 1 << 10, 1 << 11
RATE = 44_100


class Block:
    """One I2S block at 44.1 kHz with 32-bit slots."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.irq = Line("irq")
        self.rx_dma, self.tx_dma = DmaRequest(1, "rx"), DmaRequest(2, "tx")
        self.clk = ClockSignal("i2s", RATE * 64)
        self.i2s = I2s("i2s0", self.clock, irq=self.irq, clk=self.clk, rx_dma=self.rx_dma, tx_dma=self.tx_dma)
        self.w(IER, 1)
        self.w(CCR, 2 << 3)

    def r(self, offset: int, channel: int = 0) -> int:
        return self.i2s.read(offset + 0x40 * channel * (0x20 <= offset < 0x60), 4)

    def w(self, offset: int, value: int, channel: int = 0) -> None:
        self.i2s.write(offset + 0x40 * channel * (0x20 <= offset < 0x60), 4, value)

    def only(self, direction: str, channel: int, wlen: int, level: int = 3) -> None:
        """As i2s_init and i2s_rx/tx_channel_config for one channel; level is the trigger code."""
        for number in range(4):
            self.w(RER, int(direction == "rx" and number == channel), number)
            self.w(TER, int(direction == "tx" and number == channel), number)
        self.w(RCR if direction == "rx" else TCR, wlen, channel)
        self.w(RFCR if direction == "rx" else TFCR, level, channel)
        self.w(IRER if direction == "rx" else ITER, 1)
        self.w(CER, 1)

    def frames(self, count: float) -> None:
        self.clock.advance(int(count * PS_PER_SECOND / RATE) + 2)


class Ramp:
    """Counts frames: left n, right -n, in the upper 16 bits."""

    def __init__(self) -> None:
        self.next = 0

    def frames(self, count: int, rate: float) -> np.ndarray:
        number = np.arange(self.next, self.next + count)
        self.next += count
        return (np.stack([number, -number], axis=1) << 16).astype(np.int32)

    def skip(self, count: int, rate: float) -> None:
        self.next += count


def wav(path, samples: np.ndarray, rate: int, width: int, channels: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def test_polled_receive_gives_the_samples_at_the_rate() -> None:
    block = Block()
    block.i2s.inputs[1] = Ramp()
    block.w(CCR, 2 << 3 | SIGN)
    block.only("rx", 1, 2)
    block.frames(3.5)
    assert block.r(ISR, 1) & 1 == 0
    block.frames(1)
    assert block.r(ISR, 1) & 1 == 1
    got = [(block.r(LEFT, 1), block.r(RIGHT, 1)) for _ in range(5)]
    assert got == [(n, -n & 0xFFFFFFFF) for n in range(4)] + [(0, 0)]
    assert block.r(ISR, 0) & 1 == 0


def test_receive_widths_and_sign() -> None:
    for wlen, bits in ((1, 12), (2, 16), (3, 20), (4, 24), (5, 32), (0, 32)):
        for sign in (0, SIGN):
            block = Block()
            block.i2s.inputs[0] = Ramp()
            block.w(CCR, 2 << 3 | sign)
            block.only("rx", 0, wlen)
            block.frames(2)
            block.r(RIGHT)
            mask = 0xFFFFFFFF if sign else (1 << bits) - 1
            assert block.r(RIGHT) == ((-1 << 16) >> (32 - bits)) & mask


def test_receive_overrun() -> None:
    block = Block()
    ramp = block.i2s.inputs[0] = Ramp()
    block.only("rx", 0, 2)
    block.frames(1000)
    assert block.r(ISR) & 3 == 3 and ramp.next == 1000
    assert block.r(ROR) == 1 and block.r(ROR) == 0
    assert [block.r(RIGHT) for _ in range(17)] == [-n & 0xFFFF for n in range(16)] + [0]


def test_polled_transmit_reaches_the_sink() -> None:
    block = Block()
    sink = block.i2s.outputs[2] = WavSink()
    block.only("tx", 2, 2, level=0)
    sent = 0
    while sent < 100:
        if block.r(ISR, 2) & 0x10:
            block.w(LEFT, sent, 2)
            block.w(RIGHT, 0x8000 | sent, 2)
            sent += 1
        block.frames(0.2)
    block.frames(5)
    heard = sink.samples
    assert heard[:, 0].tolist() == [n << 16 for n in range(100)]
    assert heard[:, 1].tolist() == [(n << 16) - (1 << 31) for n in range(100)]
    assert sink.rate == RATE


def test_transmit_overrun() -> None:
    block = Block()
    block.only("tx", 0, 2)
    block.w(CER, 0)
    for number in range(16):
        block.w(LEFT, number)
        block.w(RIGHT, number)
    assert block.r(ISR) & 0x30 == 0
    block.w(RIGHT, 1)
    assert block.r(ISR) & 0x20 and block.r(TOR) == 1 and not block.r(ISR) & 0x20
    block.w(TFF, 1)
    assert block.r(ISR) & 0x10


def test_silence_between_sounds_is_kept() -> None:
    block = Block()
    sink = block.i2s.outputs[0] = WavSink()
    block.only("tx", 0, 5)
    for value in (5, 7):
        block.frames(10)
        block.w(LEFT, value)
        block.w(RIGHT, value)
    block.frames(10)
    heard = sink.samples[:, 0].tolist()
    assert heard[0] == 5 and heard[-1] == 7 and set(heard[1:-1]) == {0} and len(heard) in (11, 12)


@pytest.mark.parametrize("divide", [False, True])
def test_dma_transmit_takes_one_fifo_at_a_time(divide: bool) -> None:
    block = Block()
    sink = block.i2s.outputs[1] = WavSink()
    block.w(CCR, 2 << 3 | DMA_TX | (DIVIDE_16 if divide else 0))
    block.only("tx", 1, 2)
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 1 << 16, (500, 2), np.uint32)
    words = (frames[:, 0] | frames[:, 1] << 16) if divide else frames.reshape(-1)
    sent = [0]

    def source(count: int) -> np.ndarray:
        part = words[sent[0] : sent[0] + count]
        sent[0] += len(part)
        return part

    block.tx_dma.source = source
    block.tx_dma.on_armed()
    assert sent[0] == (16 if divide else 32)
    block.frames(400)
    per_frame = 1 if divide else 2
    assert 400 * per_frame <= sent[0] <= 416 * per_frame
    block.frames(200)
    assert sent[0] == len(words)
    assert np.array_equal(sink.samples, (frames << 16).view(np.int32))


@pytest.mark.parametrize("divide", [False, True])
def test_dma_receive_delivers_at_the_trigger_level(divide: bool) -> None:
    block = Block()
    block.i2s.inputs[0] = Ramp()
    block.w(CCR, 2 << 3 | DMA_RX | SIGN | (DIVIDE_16 if divide else 0))
    block.only("rx", 0, 2)
    got: list[int] = []

    def sink(items: np.ndarray) -> int:
        got.extend(items.tolist())
        return len(items)

    block.rx_dma.sink = sink
    block.rx_dma.on_armed()
    block.frames(3.5)
    assert not got
    block.frames(200)
    if divide:
        assert got[:3] == [0, 1 | 0xFFFF0000, 2 | 0xFFFE0000]
    else:
        assert got[:6] == [0, 0, 1, 0xFFFFFFFF, 2, 0xFFFFFFFE]
    assert 200 <= len(got) // (1 if divide else 2) <= 204


def test_dma_over_two_channels_interleaves_them() -> None:
    block = Block()
    first, second = WavSink(), WavSink()
    block.i2s.outputs.update({0: first, 3: second})
    block.w(CCR, 2 << 3 | DMA_TX)
    block.only("tx", 0, 5)
    block.w(TER, 1, 3)
    for item in range(12):
        block.w(TXDMA, item)
    block.frames(10)
    assert first.samples.tolist() == [[0, 1], [4, 5], [8, 9]]
    assert second.samples.tolist() == [[2, 3], [6, 7], [10, 11]]


def test_interrupts_come_at_the_level() -> None:
    block = Block()
    block.i2s.inputs[0] = Ramp()
    block.only("rx", 0, 2, level=7)
    times = []
    block.irq.listen(lambda level: times.append(block.clock.now) if level else None)
    block.w(IMR, 0x32)
    block.frames(20)
    assert len(times) == 1 and abs(times[0] - 8 * PS_PER_SECOND / RATE) < 2
    for _ in range(16):
        block.r(RIGHT)
    assert not block.irq.level
    block.w(IMR, 0x33)
    block.w(IMR, 0x23)
    assert block.irq.level  # the transmit FIFO is empty


def test_a_change_of_the_clock_changes_the_rate() -> None:
    block = Block()
    ramp = block.i2s.inputs[0] = Ramp()
    block.only("rx", 0, 2)
    block.frames(10)
    block.clk.set(RATE * 128)
    block.frames(10)
    block.clk.set(0)
    block.frames(1000)
    block.r(ISR)
    assert ramp.next in (29, 30)
    block.clk.set(RATE * 64)
    block.w(CCR, 0)  # 16-bit slots: twice as many frames
    block.frames(10)
    block.r(ISR)
    assert ramp.next in (48, 49, 50)


def test_wav_source_formats(tmp_path) -> None:
    path = tmp_path / "a.wav"
    wav(path, np.array([[1, -2], [32767, -32768]], "<i2"), 8000, 2, 2)
    assert WavSource(path).frames(3, 8000).tolist() == [[1 << 16, -2 << 16], [32767 << 16, -32768 << 16], [0, 0]]
    wav(path, np.array([0x80, 0xFF, 0x00], "u1"), 8000, 1, 1)
    assert WavSource(path).frames(3, 8000)[:, 1].tolist() == [0, 0x7F << 24, -(1 << 31)]
    wav(path, np.array([1, 2, 0x80], "u1"), 8000, 3, 1)
    assert WavSource(path).frames(1, 8000)[0, 0] == (0x800201 << 8) - (1 << 32)
    wav(path, np.array([7, -7], "<i4"), 8000, 4, 1)
    source = WavSource(path, loop=True)
    assert source.frames(5, 8000)[:, 0].tolist() == [7, -7, 7, -7, 7]
    source = WavSource(path)
    assert source.frames(3, 16000)[:, 0].tolist() == [7, 7, -7]
    assert source.frames(2, 16000)[:, 0].tolist() == [-7, 0]


def test_wav_sink_writes_a_file(tmp_path) -> None:
    path = tmp_path / "out.wav"
    for bits in (16, 24, 32):
        sink = WavSink(path, bits=bits)
        samples = (np.array([[1, -1], [100, -100]]) << 16).astype(np.int32)
        sink.push(samples, 22050.0)
        sink.close()
        sink.close()
        assert WavSource(path).rate == 22050
        assert np.array_equal(WavSource(path).frames(2, 22050), samples)
    WavSink(path).close()
    with pytest.raises(K210Error, match="0 bytes of sound"):
        WavSource(path)


def test_bad_files_are_told(tmp_path) -> None:
    with pytest.raises(K210Error, match="cannot read"):
        WavSource(tmp_path / "none.wav")
    (tmp_path / "bad.wav").write_bytes(b"RIFF nonsense")
    with pytest.raises(K210Error, match="cannot read"):
        WavSource(tmp_path / "bad.wav")
    with pytest.raises(K210Error, match="8 bits"):
        WavSink(None, bits=8)
    with pytest.raises(K210Error, match="cannot write"):
        WavSink(tmp_path / "no" / "such.wav").close()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9000), min_size=1, max_size=40), st.booleans())
def test_how_time_is_cut_changes_nothing(cuts: list[int], dma: bool) -> None:
    results = []
    for pieces in ([sum(cuts)], cuts):
        block = Block()
        block.i2s.inputs[0] = Ramp()
        block.w(CCR, 2 << 3 | DMA_RX | SIGN)
        block.only("rx", 0, 2)
        got: list[int] = []
        if dma:
            block.rx_dma.sink = lambda items, got=got: (got.extend(items.tolist()), len(items))[1]
            block.rx_dma.on_armed()
        for piece in pieces:
            block.clock.advance(piece * 10**6)
            if not dma:
                block.i2s.frame_rate  # noqa: B018
        results.append((got, block.r(ISR), [block.r(RIGHT) for _ in range(16)]))
    assert results[0] == results[1]


def test_any_register_access_is_taken() -> None:
    rng = random.Random(7)
    block = Block()
    block.i2s.inputs[0] = Ramp()
    block.i2s.outputs[0] = WavSink()
    block.rx_dma.sink = lambda items: rng.randrange(len(items) + 1)
    block.tx_dma.source = lambda count: np.zeros(rng.randrange(count + 1), np.uint32)
    for _ in range(10_000):
        offset = rng.randrange(0x200) if rng.random() < 0.9 else rng.randrange(0x1000)
        size = rng.choice([1, 2, 4, 4, 8])
        offset &= ~(size - 1)
        if rng.random() < 0.6:
            block.i2s.write(offset, size, rng.choice([0, 1, rng.getrandbits(8 * size)]))
        else:
            assert 0 <= block.i2s.read(offset, size) < 1 << 8 * size
        if rng.random() < 0.2:
            block.clock.advance(rng.randrange(10**9))
        if rng.random() < 0.01:
            block.clk.set(rng.choice([0, RATE * 64, 1_000_000]))
    block.i2s.reset()
    assert not block.irq.level
