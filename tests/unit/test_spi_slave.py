"""The SPI slave, driven by the vendor's protocol: commands of eight bytes, then data."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.clock import Clock
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.spi_slave import SpiSlave

CTRLR0, SSIENR, TXFTLR, RXFTLR, TXFLR, RXFLR, SR, IMR, ISR, RISR = 0, 8, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34
TXOICR, RXOICR, RXUICR, ICR, DMACR, DMATDLR, DMARDLR, DR = 0x38, 0x3C, 0x40, 0x48, 0x4C, 0x50, 0x54, 0x60
SILENT, TRANSMIT = 1 << 10, 1 << 8


class Bench:
    """A slave set up as spi_slave_config does it, and the master's side of its wires."""

    def __init__(self) -> None:
        self.irq = Line("irq")
        self.rx_dma, self.tx_dma = DmaRequest(4, "rx"), DmaRequest(5, "tx")
        self.slave = SpiSlave("spi_slave", Clock(), irq=self.irq, rx_dma=self.rx_dma, tx_dma=self.tx_dma)
        self.idle()
        for offset, value in ((DMATDLR, 4), (DMARDLR, 3), (TXFTLR, 0), (RXFTLR, 7), (IMR, 0)):
            self.w(offset, value)

    def idle(self) -> None:
        self.mode(8, SILENT)

    def mode(self, bits: int, extra: int, dma: int = 0) -> None:
        self.w(SSIENR, 0)
        self.w(CTRLR0, (bits - 1) << 16 | extra)
        self.w(DMACR, dma)
        self.w(SSIENR, 1)

    def r(self, offset: int) -> int:
        return self.slave.read(offset, 4)

    def w(self, offset: int, value: int) -> None:
        self.slave.write(offset, 4, value)

    def transfer(self, data: bytes) -> bytes:
        self.slave.port.select(True)
        answer = self.slave.port.exchange(data)
        self.slave.port.select(False)
        return answer


def test_a_command_arrives_and_data_go_back() -> None:
    bench = Bench()
    command = bytes([1, 4, 0, 0, 0, 6, 0, 11])
    assert bench.transfer(command) == b"\xff" * 8  # SLV_OE = 1: the output is off
    assert bench.r(RXFLR) == 8
    assert bytes(bench.r(DR + 4 * (n % 36)) for n in range(8)) == command
    bench.mode(8, TRANSMIT)
    for byte in b"answer":
        bench.w(DR, byte)
    assert bench.r(TXFLR) == 6 and not bench.r(SR) & 4
    assert bench.transfer(b"\xff" * 6) == b"answer"
    assert bench.r(TXFLR) == 0 and bench.r(RXFLR) == 0  # transmit only


def test_full_duplex_and_32_bit_frames() -> None:
    bench = Bench()
    bench.mode(32, 0)
    bench.w(DR, 0x11223344)
    bench.w(DR, 0x55667788)
    assert bench.transfer(bytes(range(8))) == bytes.fromhex("1122334455667788")
    assert [bench.r(DR), bench.r(DR)] == [0x00010203, 0x04050607]


def test_an_empty_slave_sends_zeros_and_says_so() -> None:
    bench = Bench()
    bench.mode(8, 0)
    bench.w(DR, 0x5A)
    assert bench.transfer(b"abc") == b"\x5a\x00\x00"
    assert bench.r(SR) & 0x20 and not bench.r(SR) & 0x20


def test_block_transfers_by_dma() -> None:
    bench = Bench()
    got: list[int] = []
    block = random.Random(1).randbytes(1024)
    bench.mode(32, SILENT, dma=1)
    bench.rx_dma.sink = lambda items: (got.extend(items.tolist()), len(items))[1]
    bench.transfer(block)
    assert b"".join(word.to_bytes(4, "big") for word in got) == block
    bench.rx_dma.sink = None
    words = np.frombuffer(block, ">u4").astype(np.uint32)
    at = [0]

    def source(count: int) -> np.ndarray:
        part = words[at[0] : at[0] + count]
        at[0] += len(part)
        return part

    bench.mode(32, TRANSMIT, dma=2)
    bench.tx_dma.source = source
    bench.tx_dma.on_armed()
    assert bench.r(TXFLR) == 32
    assert bench.transfer(b"\xff" * 1024) == block
    assert at[0] == len(words) and bench.r(TXFLR) == 0


def test_interrupts_and_overflows() -> None:
    bench = Bench()
    bench.mode(8, 0)
    bench.w(RXFTLR, 3)
    bench.w(IMR, 0x10)
    bench.transfer(b"abc")
    assert not bench.irq.level
    bench.transfer(b"d")
    assert bench.irq.level and bench.r(ISR) == 0x10 and bench.r(RISR) & 0x11 == 0x11
    bench.transfer(bytes(40))
    assert bench.r(RXFLR) == 32 and bench.r(RISR) & 8 and bench.r(SR) & 0x18 == 0x18
    assert bench.r(RXOICR) == 1 and not bench.r(RISR) & 8
    for number in range(33):
        bench.w(DR, number)
    assert bench.r(TXFLR) == 32 and bench.r(RISR) & 2 and bench.r(TXOICR) == 1
    for _ in range(33):
        bench.r(DR)
    assert bench.r(RISR) & 4 and bench.r(ICR) == 1 and not bench.r(RISR) & 0xE


def test_select_and_enable_gate_everything() -> None:
    bench = Bench()
    bench.mode(8, 0)
    bench.w(DR, 1)
    assert bench.slave.port.exchange(b"ab") == b"\xff\xff" and bench.r(RXFLR) == 0
    bench.slave.port.select(True)
    assert bench.r(SR) & 1
    bench.w(SSIENR, 0)
    assert bench.r(TXFLR) == 0 and bench.slave.port.exchange(b"ab") == b"\xff\xff"
    bench.w(DR, 1)
    bench.w(SSIENR, 1)
    assert bench.r(TXFLR) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([8, 16, 24, 32]),
    st.binary(max_size=96),
    st.lists(st.integers(0, 2**32 - 1), max_size=32),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_chunking_changes_nothing(bits: int, data: bytes, frames: list[int], cuts: list[int]) -> None:
    results = []
    for pieces in ([len(data) or 1], cuts):
        bench = Bench()
        bench.mode(bits, 0)
        for frame in frames:
            bench.w(DR, frame)
        bench.slave.port.select(True)
        answer, at, turn = b"", 0, 0
        while at < len(data):
            piece = data[at : at + pieces[turn % len(pieces)]]
            answer += bench.slave.port.exchange(piece)
            at, turn = at + len(piece), turn + 1
        results.append((answer, bench.r(RXFLR), [bench.r(DR) for _ in range(bench.r(RXFLR))]))
    assert results[0] == results[1]
    width = bits // 8
    sent = b"".join((frame & ((1 << bits) - 1)).to_bytes(width, "big") for frame in frames)
    assert results[0][0] == (sent + bytes(len(data)))[: len(data)]


@pytest.mark.parametrize("seed", range(2))
def test_any_register_access_is_taken(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench()
    bench.rx_dma.sink = lambda items: rng.randrange(len(items) + 1)
    bench.tx_dma.source = lambda count: np.zeros(rng.randrange(count + 1), np.uint32)
    for _ in range(10_000):
        size = rng.choice([1, 2, 4, 4, 8])
        offset = (rng.randrange(0x120) if rng.random() < 0.9 else rng.randrange(0x1000)) & ~(size - 1)
        if rng.random() < 0.5:
            bench.slave.write(offset, size, rng.choice([0, 1, rng.getrandbits(8 * size)]))
        else:
            assert 0 <= bench.slave.read(offset, size) < 1 << 8 * size
        if rng.random() < 0.2:
            bench.slave.port.select(rng.random() < 0.7)
            data = rng.randbytes(rng.randrange(200))
            assert len(bench.slave.port.exchange(data)) == len(data)
    bench.slave.reset()
    assert not bench.irq.level and bench.r(RXFLR) == 0
