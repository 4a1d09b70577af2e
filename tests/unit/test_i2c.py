"""The I2C controllers as the vendor's driver uses them, against a 24C02 and against each other."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.clock import Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.i2c import I2c
from k210kit.board.parts.i2c_bus import Eeprom24C02, I2cBus, I2cPart

CON, TAR, SAR, DATA, HCNT, LCNT, INTR, MASK, RAW = 0x00, 0x04, 0x08, 0x10, 0x14, 0x18, 0x2C, 0x30, 0x34
RX_TL, TX_TL, CLR_INTR, CLR_RD_REQ, CLR_ABRT, CLR_STOP, CLR_START = 0x38, 0x3C, 0x40, 0x50, 0x54, 0x60, 0x64
ENABLE, STATUS, TXFLR, RXFLR, ABRT, DMA_CR, TDLR, RDLR, ENABLED = 0x6C, 0x70, 0x74, 0x78, 0x80, 0x88, 0x8C, 0x90, 0x9C
MICROSECOND = 10**6


class Recorder(I2cPart):
    """Writes down what happens on the bus."""

    def __init__(self, address: int, refuse_after: int = 1000, ten_bit: bool = False) -> None:
        self.address, self.ten_bit = address, ten_bit
        self.refuse_after = refuse_after
        self.log: list[object] = []
        self.next = 0

    def start(self, read: bool) -> bool:
        self.log.append("r" if read else "w")
        return True

    def write(self, byte: int) -> bool:
        self.log.append(byte)
        self.refuse_after -= 1
        return self.refuse_after >= 0

    def read(self) -> int:
        self.next += 1
        return self.next

    def read_done(self, acknowledged: bool) -> None:
        self.log.append("ack" if acknowledged else "nack")

    def stop(self) -> None:
        self.log.append("stop")


class Board:
    """A controller set up as `i2c_init` does it, at 100 kHz from a 50 MHz clock."""

    def __init__(self, *parts: I2cPart, address: int = 0x50) -> None:
        self.clock = Clock()
        self.irq = Line("irq")
        self.rx_dma, self.tx_dma = DmaRequest(1, "rx"), DmaRequest(2, "tx")
        self.bus = I2cBus(parts)
        self.i2c = I2c(
            "i2c0",
            self.clock,
            parts=self.bus,
            irq=self.irq,
            clk=ClockSignal("i2c0", 50_000_000),
            rx_dma=self.rx_dma,
            tx_dma=self.tx_dma,
        )
        for offset, value in (
            (ENABLE, 0),
            (CON, 0x63),
            (HCNT, 250),
            (LCNT, 250),
            (TAR, address),
            (MASK, 0),
            (DMA_CR, 3),
            (RDLR, 0),
            (TDLR, 4),
            (ENABLE, 1),
        ):
            self.i2c.write(offset, 4, value)

    def r(self, offset: int) -> int:
        return self.i2c.read(offset, 4)

    def w(self, offset: int, value: int) -> None:
        self.i2c.write(offset, 4, value)

    def wait(self, condition) -> None:
        for _ in range(2000):
            if condition():
                return
            self.clock.advance(5 * MICROSECOND)
        raise AssertionError("waited in vain")

    def idle(self) -> None:
        self.wait(lambda: not self.r(STATUS) & 1 and self.r(STATUS) & 4)

    def send(self, data: bytes) -> int:
        """As i2c_send_data."""
        self.r(CLR_ABRT)
        sent = 0
        while sent < len(data):
            self.wait(lambda: self.r(TXFLR) < 8)
            self.w(DATA, data[sent])
            sent += 1
            if self.r(ABRT):
                return 1
        self.idle()
        return int(self.r(ABRT) != 0)

    def receive(self, prefix: bytes, count: int) -> bytes:
        """As i2c_recv_data."""
        for byte in prefix:
            self.wait(lambda: self.r(TXFLR) < 8)
            self.w(DATA, byte)
        asked, got = 0, b""
        while len(got) < count:
            while self.r(RXFLR) and len(got) < count:
                got += bytes([self.r(DATA)])
            while asked < count and self.r(TXFLR) < 8 and asked - len(got) < 8:
                self.w(DATA, 0x100)
                asked += 1
            assert not self.r(ABRT)
            self.clock.advance(MICROSECOND)
        return got


@pytest.fixture
def memory() -> tuple[Board, Eeprom24C02]:
    board = Board()
    part = Eeprom24C02(board.clock)
    board.bus.attach(part)
    return board, part


def test_eeprom_write_and_read_back(memory: tuple[Board, Eeprom24C02]) -> None:
    board, part = memory
    assert board.send(b"\x10abcdefgh") == 0
    assert part.memory[0x10:0x18] == b"abcdefgh"
    assert board.send(b"\x00") == 1  # busy storing: not acknowledged
    assert board.r(ABRT) == 1
    board.clock.advance(5000 * MICROSECOND)
    board.r(CLR_ABRT)
    assert board.receive(b"\x12", 20) == b"cdefgh" + b"\xff" * 14
    board.idle()
    assert board.send(b"\x1eXYZ") == 0
    assert part.memory[0x18:0x20] == b"Z" + b"\xff" * 5 + b"XY"  # wraps within its page


def test_a_byte_takes_nine_clocks_with_the_databooks_offsets() -> None:
    part = Recorder(0x50)
    board = Board(part)
    board.w(DATA, 0x12)
    period = ((250 + 5 + 7) + (250 + 1)) * 20_000  # picoseconds: 513 periods of 50 MHz
    assert board.r(STATUS) & 0x27 == 0x27 and board.r(TXFLR) == 0
    board.clock.advance(10 * period - 1)
    assert part.log == []
    board.clock.advance(1)
    assert part.log == ["w"]
    board.clock.advance(9 * period - 1)
    assert part.log == ["w"]
    board.clock.advance(1)
    assert part.log == ["w", 0x12] and board.r(STATUS) & 1
    board.clock.advance(period)
    assert part.log == ["w", 0x12, "stop"] and not board.r(STATUS) & 1


def test_direction_change_and_restart_and_stop_bits() -> None:
    part = Recorder(0x50)
    board = Board(part)
    for item in (0x01, 0x100, 0x500, 0x02, 0x602, 0x103 | 0x200, 0x04):
        board.w(DATA, item)
    board.idle()
    assert part.log == [
        *("w", 1, "r", "nack", "r", "nack", "w", 2),
        *("w", 2, "stop", "r", "nack", "stop", "w", 4, "stop"),
    ]
    assert board.r(RXFLR) == 3


def test_without_restart_a_direction_change_is_stop_and_start() -> None:
    part = Recorder(0x50)
    board = Board(part)
    board.w(ENABLE, 0)
    board.w(CON, 0x43)
    board.w(ENABLE, 1)
    board.w(DATA, 1)
    board.w(DATA, 0x100)
    board.idle()
    assert part.log == ["w", 1, "stop", "r", "nack", "stop"]


def test_reads_are_acknowledged_but_the_last() -> None:
    part = Recorder(0x50)
    board = Board(part)
    for _ in range(3):
        board.w(DATA, 0x100)
    board.idle()
    assert part.log == ["r", "ack", "ack", "nack", "stop"]
    assert [board.r(DATA) for _ in range(4)] == [1, 2, 3, 0]
    assert board.r(RAW) & 1  # RX_UNDER


def test_nobody_at_the_address() -> None:
    board = Board(address=0x33)
    for byte in (1, 2, 3):
        board.w(DATA, byte)
    board.idle()
    assert board.r(ABRT) == 1 and board.r(RAW) & 0x240 == 0x240
    board.w(DATA, 4)  # held in reset until clr_tx_abrt is read
    assert board.r(TXFLR) == 0
    assert board.r(CLR_ABRT) == 1 and board.r(ABRT) == 0
    board.w(DATA, 4)
    assert board.r(STATUS) & 1


def test_refused_data_aborts() -> None:
    part = Recorder(0x50, refuse_after=1)
    board = Board(part)
    for byte in (1, 2, 3):
        board.w(DATA, byte)
    board.idle()
    assert board.r(ABRT) == 8 and part.log == ["w", 1, 2, "stop"]


def test_ten_bit_addresses() -> None:
    part, other = Recorder(0x250, ten_bit=True), Recorder(0x50)
    board = Board(part, other, address=0x1250)
    assert board.send(b"\x07") == 0
    assert part.log == ["w", 7, "stop"] and other.log == []
    board.w(TAR, 0x1251)
    assert board.send(b"\x07") == 1 and board.r(ABRT) == 2


def test_user_abort_and_disable() -> None:
    part = Recorder(0x50)
    board = Board(part)
    for byte in range(8):
        board.w(DATA, byte)
    board.clock.advance(300 * MICROSECOND)
    board.w(ENABLE, 3)
    assert board.r(ABRT) == 1 << 16 and board.r(ENABLE) == 1 and part.log[-1] == "stop"
    board.r(CLR_ABRT)
    board.w(DATA, 1)
    board.w(ENABLE, 0)
    assert board.r(ENABLED) == 0 and board.r(STATUS) == 6 and board.r(RAW) & 0x10 == 0


def test_interrupt_line_and_levels() -> None:
    part = Recorder(0x50)
    board = Board(part)
    board.w(DMA_CR, 0)
    board.w(RX_TL, 1)
    board.w(TX_TL, 2)
    board.w(MASK, 0x10)
    assert board.irq.level
    for _ in range(5):
        board.w(DATA, 0x100)
    assert not board.irq.level  # four wait, one is under way
    board.w(MASK, 0x14)
    board.wait(lambda: board.r(INTR) & 0x10)
    board.wait(lambda: board.r(INTR) & 0x04)
    assert board.r(RXFLR) == 2
    board.idle()
    board.w(MASK, 0x200)
    assert board.irq.level and board.r(CLR_STOP) == 1 and not board.irq.level
    board.w(MASK, 0x400)
    assert board.irq.level and board.r(CLR_INTR) == 1 and not board.irq.level


def test_fifo_overflows() -> None:
    part = Recorder(0x50)
    board = Board(part)
    board.w(DMA_CR, 0)
    for number in range(10):
        board.w(DATA, number)
    assert board.r(TXFLR) == 8 and board.r(RAW) & 8
    board.idle()
    assert part.log == ["w", *range(9), "stop"]
    for _ in range(9):
        board.w(DATA, 0x100)
    board.wait(lambda: board.r(TXFLR) < 8)
    board.w(DATA, 0x100)
    board.idle()
    assert board.r(RXFLR) == 8 and board.r(RAW) & 2
    assert board.r(STATUS) & 0x18 == 0x18


def test_dma_both_ways() -> None:
    part = Recorder(0x50)
    board = Board(part)
    received: list[int] = []
    to_send = [0x01, 0x02, *[0x100] * 30]

    def source(count: int) -> np.ndarray:
        items, to_send[:count] = to_send[:count], []
        return np.array(items, np.uint32)

    def sink(items: np.ndarray) -> int:
        received.extend(int(item) for item in items)
        return len(items)

    board.rx_dma.sink, board.tx_dma.source = sink, source
    board.tx_dma.on_armed()
    board.idle()
    assert received == list(range(1, 31)) and not to_send
    assert part.log == ["w", 1, 2, "r", *["ack"] * 29, "nack", "stop"]


def test_slave_mode_serves_another_controller() -> None:
    """The vendor's i2c_slave demo: a register file behind interrupts; the second controller is the master."""
    board = Board(address=0x32)
    slave_irq = Line("slave irq")
    slave = I2c("i2c1", board.clock, irq=slave_irq, clk=ClockSignal("i2c1", 50_000_000))
    board.bus.attach(slave.port)
    for offset, value in ((ENABLE, 0), (CON, 0x82), (SAR, 0x32), (RX_TL, 0), (TX_TL, 0), (MASK, 0x624), (ENABLE, 1)):
        slave.write(offset, 4, value)
    registers, pointer, events = bytearray(16), [255], []

    def serve(level: bool) -> None:
        for _ in range(20):
            status = slave.read(INTR, 4)
            if status & 0x400:
                events.append("start")
                slave.read(CLR_START, 4)
            if status & 0x200:
                events.append("stop")
                pointer[0] = 255
                slave.read(CLR_STOP, 4)
            if status & 0x4:
                data = slave.read(DATA, 4)
                if pointer[0] == 255:
                    pointer[0] = data
                else:
                    registers[pointer[0]] = data
                    pointer[0] += 1
            if status & 0x20:
                slave.write(DATA, 4, registers[pointer[0] & 15])
                pointer[0] += 1
                slave.read(CLR_RD_REQ, 4)

    slave_irq.listen(lambda level: board.clock.after(3 * MICROSECOND, lambda: serve(level)))
    assert board.send(b"\x02hello") == 0
    board.clock.advance(100 * MICROSECOND)
    assert registers[2:7] == b"hello" and events == ["start", "stop"]
    assert board.receive(b"\x03", 4) == b"ello"
    board.idle()
    assert not slave.read(STATUS, 4) & 0x40


def test_general_call_reaches_those_that_answer_it() -> None:
    deaf, hearing = Recorder(0x50), Recorder(0x51)
    hearing.answers_general_call = True
    board = Board(deaf, hearing, address=0x800)
    assert board.send(b"\x06") == 0
    assert hearing.log == ["w", 6, "stop"] and deaf.log == []
    board.w(DATA, 0x100)
    board.idle()
    assert board.r(ABRT) == 0x20


def test_reset_drops_everything() -> None:
    part = Recorder(0x50)
    board = Board(part)
    board.w(MASK, 0xFFF)
    board.w(DATA, 1)
    board.clock.advance(150 * MICROSECOND)
    board.i2c.reset()
    assert part.log == ["w", "stop"] and not board.irq.level and board.r(STATUS) == 6 and board.r(CON) == 0x65
    board.clock.advance(1000 * MICROSECOND)
    assert part.log == ["w", "stop"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(min_size=1, max_size=8)), max_size=6))
def test_the_eeprom_is_an_array_with_pages(writes: list[tuple[int, bytes]]) -> None:
    board = Board()
    part = Eeprom24C02(board.clock)
    board.bus.attach(part)
    model = bytearray(b"\xff" * 256)
    for at, data in writes:
        assert board.send(bytes([at]) + data) == 0
        board.clock.advance(part.WRITE_TIME)
        for offset, byte in enumerate(data):
            model[at & ~7 | (at + offset) & 7] = byte
    assert part.memory == model
    assert board.receive(b"\x00", 256) == model


def test_any_register_access_is_taken() -> None:
    rng = random.Random(5)
    board = Board()
    board.bus.attach(Eeprom24C02(board.clock))
    board.bus.attach(Recorder(0x55))
    board.bus.attach(board.i2c.port)
    offsets = [CON, TAR, DATA, DATA, DATA, ENABLE, ENABLE, MASK, CLR_ABRT, DMA_CR, HCNT]
    for _ in range(10_000):
        offset = rng.choice(offsets) if rng.random() < 0.6 else rng.randrange(0x1000)
        size = rng.choice([1, 2, 4, 4, 4, 8])
        offset &= ~(size - 1)
        if rng.random() < 0.5:
            value = rng.choice([0, 1, 0x55, 0x63, 0x100, rng.getrandbits(8 * size)])
            board.i2c.write(offset, size, value & ((1 << 8 * size) - 1))
        else:
            assert 0 <= board.i2c.read(offset, size) < 1 << 8 * size
        if rng.random() < 0.2:
            board.clock.advance(rng.randrange(200) * MICROSECOND)
        if rng.random() < 0.05:
            rng.choice([lambda: board.i2c.slave_start(True), lambda: board.i2c.slave_write(7), board.i2c.slave_stop])()
            board.i2c.slave_read()
