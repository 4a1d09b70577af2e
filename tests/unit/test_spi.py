"""The SPI masters, driven as the Kendryte SDK's spi.c and the drivers of other firmwares do."""

import random
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import READ_FAST
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.dmac import Dmac
from k210kit.board.devices.spi import Spi, Spi3
from k210kit.board.devices.spi_frames import bytes_to_frames, frames_to_bytes
from k210kit.board.parts.nor_flash import NorFlash
from k210kit.board.parts.spi_bus import SPI0_PINS, SPI1_PINS, PadWiring, Socket, SolderedBus
from k210kit.board.parts.spi_part import SpiPart

CTRLR0, CTRLR1, SSIENR, SER, BAUDR, TXFTLR, RXFTLR = 0x00, 0x04, 0x08, 0x10, 0x14, 0x18, 0x1C
TXFLR, RXFLR, SR, IMR, ISR, RISR, TXOICR, RXOICR, ICR = 0x20, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38, 0x3C, 0x48
DMACR, DMATDLR, DMARDLR, DR, SPI_CTRLR0, ENDIAN = 0x4C, 0x50, 0x54, 0x60, 0xF4, 0x118
STANDARD, DUAL, QUAD, OCTAL = range(4)
BOTH, SEND, RECEIVE, EEPROM = range(4)
DR_ADDRESS = 0x54000060
RAM = 0x80000000
HZ = 200_000_000
POLL = 25_000  # ps between two accesses of a polling guest


class Recorder(SpiPart):
    """Logs what happens on the bus and answers with counting bytes."""

    def __init__(self):
        self.log, self.count = [], 0

    def select(self, selected):
        self.log.append("on" if selected else "off")

    def _bytes(self, count):
        data = bytes((self.count + i) & 0xFF for i in range(count))
        self.count += count
        return data

    def exchange(self, data):
        self.log.append(("exchange", data))
        return self._bytes(len(data))

    def send(self, data, lines=1):
        self.log.append((f"send{lines}", data))

    def receive(self, count, lines=1):
        self.log.append((f"receive{lines}", count))
        return self._bytes(count)

    def dummy(self, cycles):
        self.log.append(("dummy", cycles))

    def joined(self):
        """The log with pieces of one phase put together."""
        out = []
        for entry in self.log:
            if out and isinstance(entry, tuple) and isinstance(out[-1], tuple) and out[-1][0] == entry[0]:
                out[-1] = (entry[0], out[-1][1] + entry[1])
            else:
                out.append(entry)
        return out


class Memory:
    """The bus for the DMA controller: memory alone."""

    def __init__(self, size=1 << 21):
        self.ram = bytearray(size)

    def is_memory(self, address, size):
        return address >= RAM and address + size <= RAM + len(self.ram)

    def read(self, address, size):
        return bytes(self.ram[address - RAM : address - RAM + size])

    def write(self, address, data):
        self.ram[address - RAM : address - RAM + len(data)] = data


class Guest:
    """The SDK's spi.c on SPI3 (or SPI1), with its DMA."""

    def __init__(self, part=None, number=3):
        self.clock, self.memory, self.irq = Clock(), Memory(), Line()
        self.part = part(self.clock) if part else Recorder()
        self.number = number
        rx, tx = DmaRequest(number * 2, "rx"), DmaRequest(number * 2 + 1, "tx")
        self.requests = {rx.number: rx, tx.number: tx}
        self.selected = [63] * 6
        self.signal = ClockSignal("spi", HZ)
        self.dmac = Dmac(
            "dmac", self.clock, bus=self.memory, requests=self.requests, select=lambda n: self.selected[n],
            clk=ClockSignal("axi", 400_000_000),
        )  # fmt: skip
        kind = Spi3 if number == 3 else Spi
        self.spi = kind(
            f"spi{number}", self.clock, bus=SolderedBus(self.part), clk=self.signal, irq=self.irq, rx_dma=rx, tx_dma=tx
        )
        self.dfs, self.tmod, self.frf, self.mode = (0, 10, 22, 8) if number == 3 else (16, 8, 21, 6)
        self.dmac.write(0x10, 8, 3)

    def w(self, offset, value):
        self.clock.advance(POLL)
        self.spi.write(offset, 4, value)

    def r(self, offset):
        self.clock.advance(POLL)
        return self.spi.read(offset, 4)

    def init(self, frame_format=STANDARD, bits=8, endian=0, baudr=8):
        if self.r(BAUDR) == 0:
            self.w(BAUDR, 0x14)
        for offset, value in ((IMR, 0), (DMACR, 0), (DMATDLR, 0x10), (DMARDLR, 0), (SER, 0), (SSIENR, 0)):
            self.w(offset, value)
        self.w(CTRLR0, frame_format << self.frf | (bits - 1) << self.dfs)
        self.w(SPI_CTRLR0, 0)
        self.w(ENDIAN, endian)
        self.w(BAUDR, baudr)

    def init_non_standard(self, instruction, address, wait, kind):
        self.w(SPI_CTRLR0, wait << 11 | {0: 0, 4: 1, 8: 2, 16: 3}[instruction] << 8 | address // 4 << 2 | kind)

    def set_tmod(self, mode):
        self.w(CTRLR0, self.r(CTRLR0) & ~(3 << self.tmod) | mode << self.tmod)

    def stop(self):
        self.w(SER, 0)
        self.w(SSIENR, 0)

    def wait_sent(self):
        for _ in range(1_000_000):
            if self.r(SR) & 5 == 4:
                return
        raise AssertionError("busy for ever")

    def send_normal(self, frames):
        self.set_tmod(SEND)
        self.w(SSIENR, 1)
        self.w(SER, 1)
        frames = list(frames)
        while frames:
            room = 32 - self.r(TXFLR)
            for frame in frames[:room]:
                self.w(DR, frame)
            del frames[:room]
        self.wait_sent()
        self.stop()

    def receive(self, command, count):
        """spi_receive_data_standard and _multiple, whichever the frame format asks for."""
        self.set_tmod(EEPROM if command else RECEIVE)
        self.w(CTRLR1, count - 1)
        self.w(SSIENR, 1)
        for frame in command:
            self.w(DR, frame)
        if not command and not self.r(CTRLR0) >> self.frf & 3:
            self.w(DR, 0xFFFFFFFF)
        self.w(SER, 1)
        got = []
        for _ in range(1_000_000):
            if len(got) >= count:
                break
            level = min(self.r(RXFLR), count - len(got))
            got += [self.r(DR) for _ in range(level)]
        assert len(got) == count
        self.stop()
        return got

    def channel(self, number, source, target, count, request, sending):
        """dmac_set_single_mode with 32-bit items."""
        self.selected[number] = request
        base = 0x100 + number * 0x100
        write = self.dmac.write
        write(base + 0x98, 8, 0xFFFFFFFF)
        write(0x18, 8, 0x100 << number)
        flow, software = (1, 1 << 35) if sending else (2, 1 << 36)
        write(base + 0x20, 8, flow << 32 | software | number << 39 | number << 44)
        write(base, 8, source)
        write(base + 8, 8, target)
        fixed = 0x40 if sending else 0x10
        write(base + 0x18, 8, 4 | fixed | 2 << 8 | 2 << 11)
        write(base + 0x10, 8, count - 1)
        write(0x18, 8, 0x101 << number)

    def wait_channel(self, number, step=POLL):
        for _ in range(10_000_000):
            if not self.dmac.read(0x18, 4) >> number & 1:
                return
            self.clock.advance(step)
        raise AssertionError("DMA never ends")

    def send_dma(self, frames):
        """spi_send_data_normal_dma."""
        self.set_tmod(SEND)
        data = np.array(frames, "<u4").tobytes()
        self.memory.ram[: len(data)] = data
        self.w(DMACR, 2)
        self.w(SSIENR, 1)
        self.channel(0, RAM, DR_ADDRESS, len(frames), self.number * 2 + 1, True)
        self.w(SER, 1)
        self.wait_channel(0)
        self.wait_sent()
        self.stop()

    def receive_dma(self, command, count, step=POLL):
        """spi_receive_data_normal_dma."""
        self.set_tmod(EEPROM if command else RECEIVE)
        self.w(CTRLR1, count - 1)
        self.w(DMACR, 3)
        self.w(SSIENR, 1)
        data = np.array(command, "<u4").tobytes()
        self.memory.ram[: len(data)] = data
        self.channel(1, DR_ADDRESS, RAM + 0x1000, count, self.number * 2, False)
        if command:
            self.channel(0, RAM, DR_ADDRESS, len(command), self.number * 2 + 1, True)
        elif not self.r(CTRLR0) >> self.frf & 3:
            self.w(DR, 0xFFFFFFFF)
        self.w(SER, 1)
        if command:
            self.wait_channel(0, step)
        self.wait_channel(1, step)
        self.stop()
        return np.frombuffer(self.memory.ram, "<u4", count, 0x1000)

    def duplex_dma(self, frames):
        """spi_dup_send_receive_data_dma."""
        self.set_tmod(BOTH)
        data = np.array(frames, "<u4").tobytes()
        self.memory.ram[0x100000 : 0x100000 + len(data)] = data
        self.w(DMACR, 3)
        self.w(SSIENR, 1)
        self.channel(1, DR_ADDRESS, RAM + 0x1000, len(frames), self.number * 2, False)
        self.channel(0, RAM + 0x100000, DR_ADDRESS, len(frames), self.number * 2 + 1, True)
        self.w(SER, 1)
        self.wait_channel(0)
        self.wait_channel(1)
        self.stop()
        return np.frombuffer(self.memory.ram, "<u4", len(frames), 0x1000).tolist()


@pytest.fixture(params=[3, 1])
def guest(request):
    return Guest(number=request.param)


@pytest.fixture
def flash_guest():
    guest = Guest(NorFlash)
    guest.init()
    return guest


# Register facts that drivers rely on.


def test_linux_finds_fifo_depth_and_frame_size_field():
    guest = Guest(number=1)
    for depth in range(1, 256):
        guest.w(TXFTLR, depth)
        if guest.r(TXFTLR) != depth:
            break
    assert depth == 32
    guest.w(CTRLR0, 0xFFFFFFFF)
    assert guest.r(CTRLR0) & 0xF == 0
    assert guest.r(CTRLR0) >> 16 & 0x1F == 0x1F


def test_configuration_is_locked_while_enabled(guest):
    guest.init()
    before = guest.r(CTRLR0), guest.r(BAUDR)
    guest.w(SSIENR, 1)
    guest.w(CTRLR0, 0)
    guest.w(BAUDR, 100)
    assert (guest.r(CTRLR0), guest.r(BAUDR)) == before
    guest.w(SSIENR, 0)
    guest.w(BAUDR, 101)
    assert guest.r(BAUDR) == 100, "bit 0 of the divider is always 0"


def test_status_registers_cost_polling_guests_nothing(guest):
    for offset in (SR, TXFLR, RXFLR, ISR, RISR):
        assert guest.spi.flags[offset >> 2] & READ_FAST


def test_reset_values(guest):
    guest.send_normal([])
    guest.spi.reset()
    assert guest.r(SR) == 6
    assert guest.r(IMR) == 0x3F
    assert guest.r(RISR) == 0
    assert not guest.irq.level


# Programmed transfers.


def test_send_standard(guest):
    guest.init()
    data = list(range(100))
    started = guest.clock.now
    guest.send_normal(data)
    assert guest.part.joined() == ["on", ("send1", bytes(data)), "off"]
    frames_ps = 100 * 8 * 8 * PS_PER_SECOND // HZ
    assert frames_ps <= guest.clock.now - started <= frames_ps + 40 * POLL
    assert guest.part.clock_hz == HZ // 8


def test_levels_and_status_follow_the_clock(guest):
    guest.init(baudr=20)
    guest.set_tmod(BOTH)
    frame = 8 * 20 * PS_PER_SECOND // HZ
    guest.spi.write(SSIENR, 4, 1)
    for value in range(4):
        guest.spi.write(DR, 4, value)
    assert guest.spi.read(TXFLR, 4) == 4
    assert guest.spi.read(SR, 4) == 0x02, "nothing moves before SER"
    guest.spi.write(SER, 4, 1)
    seen = []
    for _ in range(5):
        seen.append((guest.spi.read(TXFLR, 4), guest.spi.read(RXFLR, 4), guest.spi.read(SR, 4)))
        guest.clock.advance(frame)
    assert seen == [(3, 0, 0x03), (2, 1, 0x0B), (1, 2, 0x0B), (0, 3, 0x0F), (0, 4, 0x0E)]
    assert [guest.spi.read(DR, 4) for _ in range(4)] == [0, 1, 2, 3]
    assert guest.spi.read(SR, 4) == 0x06
    assert guest.part.log[-1] == "off"


def test_queued_before_select(guest):
    guest.init()
    guest.set_tmod(SEND)
    guest.w(SSIENR, 1)
    for value in range(40):
        guest.w(DR, value)
    assert guest.r(TXFLR) == 32
    assert guest.r(RISR) & 2
    assert guest.r(TXOICR) == 1
    assert guest.r(RISR) & 2 == 0
    guest.w(SER, 1)
    guest.wait_sent()
    assert guest.part.joined() == ["on", ("send1", bytes(range(32))), "off"]


def test_disable_flushes(guest):
    guest.init()
    guest.set_tmod(BOTH)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    for value in range(20):
        guest.w(DR, value)
    guest.w(SSIENR, 0)
    assert (guest.r(TXFLR), guest.r(RXFLR), guest.r(SR)) == (0, 0, 6)
    assert guest.part.log[-1] == "off"
    sent = len(guest.part.log)
    guest.clock.advance(PS_PER_SECOND)
    assert len(guest.part.log) == sent


def test_receive_only_by_polling(guest):
    guest.init()
    assert guest.receive([], 100) == list(range(100))
    assert guest.part.joined() == ["on", ("receive1", 100), "off"]


def test_receive_only_repeats_a_word_that_is_not_ones(guest):
    guest.init()
    guest.set_tmod(RECEIVE)
    guest.w(CTRLR1, 2)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.w(DR, 0x5A)
    guest.wait_sent()
    assert guest.part.joined() == ["on", ("exchange", b"\x5a\x5a\x5a"), "off"]
    assert guest.r(RXFLR) == 3


def test_command_then_receive(guest):
    guest.init()
    assert guest.receive([0x9F, 1], 5) == [0, 1, 2, 3, 4]
    assert guest.part.joined() == ["on", ("send1", b"\x9f\x01"), ("receive1", 5), "off"]


def test_slow_guest_overruns_the_receive_fifo(guest):
    guest.init()
    guest.set_tmod(RECEIVE)
    guest.w(CTRLR1, 99)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.w(DR, 0xFF)
    guest.clock.advance(PS_PER_SECOND)
    assert guest.r(RXFLR) == 32
    assert guest.r(SR) == 0x1E
    assert guest.r(RISR) & 8
    assert guest.r(RXOICR) == 1
    assert [guest.r(DR) for _ in range(32)] == list(range(32))
    assert guest.r(RISR) & 0xC == 0
    guest.r(DR)
    assert guest.r(RISR) & 4
    assert guest.r(ICR) == 1
    assert guest.r(RISR) & 0xE == 0
    assert guest.part.count == 100, "the part was clocked all the same"


def test_clock_stretching_in_multi_line_reads(guest):
    guest.init(QUAD)
    guest.w(SPI_CTRLR0, 1 << 30)
    guest.set_tmod(RECEIVE)
    guest.w(CTRLR1, 99)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.clock.advance(PS_PER_SECOND)
    assert guest.part.count == 32
    got = []
    while len(got) < 100:
        got.append(guest.r(DR))
        guest.clock.advance(10**6)
    assert got == list(range(100))
    assert guest.r(RISR) & 8 == 0


def test_maixpy_full_duplex_by_polling(guest):
    guest.init()
    guest.set_tmod(BOTH)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    sent = received = 0
    got = []
    while sent < 150 or received < 150:
        room = min(32 - guest.r(TXFLR), 150 - sent)
        if sent - received >= 31:
            room = 0
        for _ in range(room):
            guest.w(DR, sent & 0xFF)
            sent += 1
        level = guest.r(RXFLR)
        got += [guest.r(DR) for _ in range(level)]
        received += level
    assert got == list(range(150))
    assert b"".join(e[1] for e in guest.part.log if e[0] == "exchange") == bytes(range(150))


@pytest.mark.parametrize(("bits", "endian", "wire"), [
    (8, 0, "dd"), (16, 0, "ccdd"), (16, 1, "ddcc"), (24, 0, "bbccdd"), (32, 0, "aabbccdd"), (32, 1, "ddccbbaa"),
    (12, 0, "0cdd"), (4, 0, "0d"),
])  # fmt: skip
def test_frame_sizes_and_byte_order(guest, bits, endian, wire):
    guest.init(bits=bits, endian=endian)
    guest.send_normal([0xAABBCCDD])
    assert guest.part.log[1] == ("send1", bytes.fromhex(wire))


def test_interrupts(guest):
    guest.init()
    guest.set_tmod(BOTH)
    guest.w(TXFTLR, 2)
    guest.w(RXFTLR, 3)
    guest.w(IMR, 0x01)
    assert not guest.irq.level, "a disabled controller asks for nothing"
    guest.w(SSIENR, 1)
    assert guest.irq.level
    for value in range(6):
        guest.w(DR, value)
    assert not guest.irq.level
    frame = 8 * 8 * PS_PER_SECOND // HZ
    guest.spi.write(SER, 4, 1)  # five wait, one is in the shift register
    guest.clock.advance(2 * frame)
    assert not guest.irq.level
    guest.clock.advance(frame)
    assert guest.irq.level
    assert guest.spi.read(ISR, 4) == 1
    guest.spi.write(IMR, 4, 0x10)
    assert not guest.irq.level
    guest.clock.advance(frame)
    assert guest.irq.level
    assert guest.spi.read(ISR, 4) == 0x10
    guest.spi.read(DR, 4)
    assert not guest.irq.level


def test_no_clock_no_progress(guest):
    guest.init()
    guest.set_tmod(SEND)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.w(DR, 1)
    guest.w(DR, 2)
    guest.signal.set(0)
    guest.clock.advance(PS_PER_SECOND)
    assert guest.r(SR) & 1
    guest.signal.set(HZ)
    guest.clock.advance(PS_PER_SECOND)
    assert guest.r(SR) == 6
    assert guest.part.joined() == ["on", ("send1", b"\1\2"), "off"]
    guest.stop()
    guest.w(BAUDR, 0)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.w(DR, 1)
    guest.clock.advance(PS_PER_SECOND)
    assert guest.r(TXFLR) == 1


# More lines.


def test_multi_line_read_has_all_phases(guest):
    guest.init(QUAD)
    guest.init_non_standard(8, 32, 4, 1)
    assert guest.receive([0xEB, 0x12345600], 4) == [0, 1, 2, 3]
    assert guest.part.joined() == [
        "on", ("send1", b"\xeb"), ("send4", b"\x12\x34\x56\x00"), ("dummy", 4), ("receive4", 4), "off",
    ]  # fmt: skip


def test_multi_line_phases_take_their_time(guest):
    guest.init(QUAD, baudr=20)
    guest.init_non_standard(8, 24, 8, 0)
    guest.set_tmod(EEPROM)
    guest.spi.write(CTRLR1, 4, 3)
    guest.spi.write(SSIENR, 4, 1)
    guest.spi.write(SER, 4, 1)
    guest.spi.write(DR, 4, 0x6B)
    guest.clock.advance(10**9)
    assert guest.spi.read(SR, 4) & 1 == 0, "the address is missing"
    guest.spi.write(DR, 4, 0)
    cycles = 8 + 24 + 8 + 4 * 2
    guest.clock.advance(cycles * 20 * PS_PER_SECOND // HZ - 1)
    assert guest.spi.read(SR, 4) & 1
    guest.clock.advance(1)
    assert guest.spi.read(SR, 4) & 1 == 0
    assert guest.spi.read(RXFLR, 4) == 4


def test_multi_line_read_without_header_starts_once(guest):
    guest.init(OCTAL)
    guest.set_tmod(RECEIVE)
    guest.w(CTRLR1, 19)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    for _ in range(3):  # LoBo's driver writes SER in its polling loop
        guest.clock.advance(PS_PER_SECOND)
        guest.w(SER, 1)
        guest.w(SSIENR, 1)
    assert guest.part.joined() == ["on", ("receive8", 20), "off"]
    guest.stop()
    guest.part.count = 0
    assert guest.receive([], 40) == list(range(40))


def test_multi_line_write(guest):
    guest.init(QUAD)
    guest.init_non_standard(8, 24, 0, 0)
    guest.send_normal([0x32, 0x001000, *range(64)])
    assert guest.part.joined() == ["on", ("send1", b"\x32\x00\x10\x00"), ("send4", bytes(range(64))), "off"]


def test_octal_display_write(guest):
    guest.init(OCTAL, bits=32)
    guest.init_non_standard(0, 32, 0, 2)
    guest.send_dma([0x11223344] * 100)
    assert guest.part.joined() == ["on", ("send8", b"\x11\x22\x33\x44" * 100), "off"]


# DMA.


def test_send_by_dma(guest):
    guest.init()
    data = [n & 0xFF for n in range(5000)]
    started = guest.clock.now
    guest.send_dma(data)
    assert guest.part.joined() == ["on", ("send1", bytes(data)), "off"]
    assert guest.clock.now - started == pytest.approx(5000 * 64 * PS_PER_SECOND // HZ, rel=0.01)


def test_send_dma_ends_when_the_last_item_is_in_the_fifo(guest):
    guest.init()
    guest.set_tmod(SEND)
    guest.w(DMACR, 2)
    guest.w(SSIENR, 1)
    guest.channel(0, RAM, DR_ADDRESS, 3000, guest.number * 2 + 1, True)
    guest.spi.write(SER, 4, 1)
    started = guest.clock.now
    guest.wait_channel(0, 40_000)
    frame = 64 * PS_PER_SECOND // HZ
    assert (guest.clock.now - started) // frame == 3000 - 33
    assert guest.spi.read(SR, 4) & 5 == 1
    assert guest.spi.read(TXFLR, 4) == 32


@pytest.mark.parametrize("count", [1, 31, 32, 33, 1024, 5000, 65536])
def test_receive_by_dma(guest, count):
    guest.init()
    started = guest.clock.now
    got = guest.receive_dma([], count)
    assert got.tolist() == [n & 0xFF for n in range(count)]
    frame = 64 * PS_PER_SECOND // HZ
    assert guest.clock.now - started >= count * frame
    assert guest.clock.now - started < (count + 1) * frame + 30 * POLL
    assert guest.part.joined() == ["on", ("receive1", count), "off"]


def test_receive_dma_shorter_than_the_transfer_is_on_time(guest):
    guest.init()
    guest.set_tmod(RECEIVE)
    guest.w(CTRLR1, 999)
    guest.w(DMACR, 1)
    guest.w(SSIENR, 1)
    guest.channel(1, DR_ADDRESS, RAM, 10, guest.number * 2, False)
    guest.w(DR, 0xFFFFFFFF)
    guest.spi.write(SER, 4, 1)
    started = guest.clock.now
    guest.wait_channel(1, 40_000)
    assert (guest.clock.now - started) // (64 * PS_PER_SECOND // HZ) == 10
    guest.clock.advance(PS_PER_SECOND)
    assert guest.r(RXFLR) == 32
    assert guest.r(RISR) & 8


def test_duplex_dma(guest):
    guest.init()
    data = [n * 7 & 0xFF for n in range(3000)]
    assert guest.duplex_dma(data) == [n & 0xFF for n in range(3000)]
    assert guest.part.joined() == ["on", ("exchange", bytes(data)), "off"]


def test_dma_armed_after_enable_and_select(guest):
    """LoBo's transfer_sequential sets SER first and opens the channels then."""
    guest.init()
    guest.set_tmod(EEPROM)
    guest.w(CTRLR1, 19)
    guest.w(DMACR, 3)
    guest.w(SSIENR, 1)
    guest.w(SER, 1)
    guest.memory.ram[0:8] = np.array([0x90, 0x00], "<u4").tobytes()
    guest.channel(1, DR_ADDRESS, RAM + 0x1000, 20, guest.number * 2, False)
    guest.channel(0, RAM, DR_ADDRESS, 2, guest.number * 2 + 1, True)
    guest.wait_channel(1)
    assert np.frombuffer(guest.memory.ram, "<u4", 20, 0x1000).tolist() == list(range(20))
    assert guest.part.joined() == ["on", ("send1", b"\x90\x00"), ("receive1", 20), "off"]


# The flash on SPI3, as the SDK's w25qxx demos do it.


def write_enable(guest, send):
    guest.init()
    send([0x06])


def wait_flash(guest, receive):
    guest.init()
    while receive([0x05], 1)[0] & 1:
        guest.clock.advance(10**7)


@pytest.mark.parametrize("dma", [False, True])
def test_w25qxx_demo(flash_guest, dma):
    guest = flash_guest
    send = guest.send_dma if dma else guest.send_normal
    receive = guest.receive_dma if dma else guest.receive
    assert list(receive([0x90, 0, 0, 0], 2)) == [0xEF, 0x17]
    assert receive([0x35], 1)[0] & 2 == 0
    write_enable(guest, send)
    send([0x01, 0x00, 0x02])
    wait_flash(guest, receive)
    assert receive([0x35], 1)[0] & 2
    data = random.Random(4).randbytes(256)
    write_enable(guest, send)
    send([0x20, 0x08, 0x00, 0x00])
    wait_flash(guest, receive)
    write_enable(guest, send)
    guest.init(QUAD)
    guest.init_non_standard(8, 24, 0, 0)
    send([0x32, 0x080000, *data])
    wait_flash(guest, receive)
    assert guest.part.data[0x080000:0x080100] == data
    for frame_format, command, address_bits, wait, kind, shift in (
        (DUAL, 0x3B, 24, 8, 0, 0), (DUAL, 0xBB, 32, 0, 1, 8), (QUAD, 0x6B, 24, 8, 0, 0), (QUAD, 0xEB, 32, 4, 1, 8),
    ):  # fmt: skip
        guest.init(frame_format)
        guest.init_non_standard(8, address_bits, wait, kind)
        assert bytes(list(receive([command, 0x080000 << shift], 256))) == data
    guest.init()
    assert bytes(list(receive([0x0B, 0x08, 0x00, 0x00, 0xFF], 256))) == data
    assert bytes(list(receive([0x03, 0x08, 0x00, 0x00], 256))) == data


def test_32_bit_quad_frames_come_most_significant_byte_first(flash_guest):
    """LoBo's driver swaps the bytes of every word after such a read."""
    guest = flash_guest
    guest.send_normal([0x06])
    guest.send_normal([0x01, 0x00, 0x02])
    wait_flash(guest, guest.receive)
    guest.part.load(0x2000, bytes(range(16)))
    for endian, order in ((0, "big"), (1, "little")):
        guest.init(QUAD, bits=32, endian=endian)
        guest.init_non_standard(8, 24, 8, 0)
        got = guest.receive_dma([0x6B, 0x2000], 4)
        assert [int(word).to_bytes(4, order) for word in got] == [bytes(range(n, n + 4)) for n in (0, 4, 8, 12)]


def test_execute_in_place_as_kboot_sets_it_up(flash_guest):
    guest = flash_guest
    guest.part.load(0x4000, bytes.fromhex("5aa5d0c4000800001122334455667788"))
    guest.send_normal([0x06])
    guest.send_normal([0x31, 0x02])
    wait_flash(guest, guest.receive)
    guest.init(QUAD)
    control = 1 << 29 | 2 << 26 | 1 << 23 | 1 << 22 | 4 << 13 | 1 << 12 | 2 << 9 | 6 << 4 | 1 << 2 | 2
    for offset, value in ((0x108, control), (0x100, 0xEB), (0xFC, 0), (0x10C, 1), (SSIENR, 1)):
        guest.w(offset, value)
    assert guest.spi.xip_read(0x4000, 4) == 0x5AA5D0C4
    assert [guest.spi.xip_read(0x4000 + n, 1) for n in range(4)] == [0x5A, 0xA5, 0xD0, 0xC4]
    assert guest.spi.xip_read(0x4008, 8) == 0x55667788_11223344
    assert guest.spi.xip_bytes(0x4001, 3) == bytes.fromhex("a5d0c4")
    guest.w(ENDIAN, 1)
    assert guest.spi.xip_read(0x4000, 4) == 0xC4D0A55A


def test_reading_a_model_by_dma_is_cheap_on_the_host():
    guest = Guest(NorFlash)
    guest.memory = guest.dmac.bus = Memory(8 << 20)
    guest.part.load(0, random.Random(5).randbytes(1_572_864))
    guest.init()
    spent = 0.0
    for block in range(24):
        began = time.perf_counter()
        got = guest.receive_dma([0x0B, block, 0, 0, 0xFF], 65536, step=10**9)
        spent += time.perf_counter() - began
        assert got.astype(np.uint8).tobytes() == guest.part.data[block << 16 : (block + 1) << 16]
    assert spent < 1.0  # 0.1 s on an idle machine


def test_filling_a_display_by_dma_is_cheap_on_the_host():
    guest = Guest()
    guest.init(OCTAL, bits=32)
    guest.init_non_standard(0, 32, 0, 2)
    began = time.perf_counter()
    guest.send_dma(np.arange(38_400, dtype=np.uint32))
    assert time.perf_counter() - began < 1.0
    assert sum(len(entry[1]) for entry in guest.part.log if entry[0] == "send8") == 153_600


# Pads.


class Routing:
    """A stand-in for the FPIOA."""

    def __init__(self):
        self.functions = {}
        self.pads = [SimpleNamespace(line=Line(level=True)) for _ in range(48)]

    def pad_of(self, function):
        return next((pad for pad, f in self.functions.items() if f == function), None)

    def function_of(self, pad):
        return self.functions.get(pad, 120)


@pytest.fixture
def pads():
    clock, routing = Clock(), Routing()
    wiring = PadWiring(routing)
    spi = Spi("spi0", clock, bus=wiring.bus(SPI0_PINS), clk=ClockSignal("spi", HZ))
    other = Spi("spi1", clock, bus=wiring.bus(SPI1_PINS), clk=ClockSignal("spi", HZ))
    return SimpleNamespace(clock=clock, routing=routing, wiring=wiring, spi=spi, other=other)


def exchange(pads, data, ser, spi=None):
    spi = spi or pads.spi
    spi.write(SSIENR, 4, 0)
    spi.write(CTRLR0, 4, 7 << 16)
    spi.write(BAUDR, 4, 8)
    spi.write(SSIENR, 4, 1)
    spi.write(SER, 4, ser)
    for byte in data:
        spi.write(DR, 4, byte)
    pads.clock.advance(10**9)
    return [spi.read(DR, 4) for _ in data]


WIRED = {10: 17, 11: 4, 12: 5, 13: 14}  # SCLK, D0, D1, SS2


def test_part_with_the_controllers_own_select(pads):
    part = Recorder()
    pads.wiring.attach(Socket(part, sclk=10, mosi=11, miso=12, cs=13))
    assert exchange(pads, b"ab", 4) == [0xFF, 0xFF]
    pads.routing.functions.update(WIRED)
    assert exchange(pads, b"ab", 1) == [0xFF, 0xFF]
    assert part.log == []
    assert exchange(pads, b"ab", 4) == [0, 1]
    assert part.joined() == ["on", ("exchange", b"ab"), "off"]
    assert part.clock_hz == HZ // 8


def test_part_selected_by_gpio(pads):
    part = Recorder()
    pads.wiring.attach(Socket(part, sclk=10, mosi=11, miso=12, cs=13))
    pads.routing.functions.update(WIRED | {13: 24})
    assert exchange(pads, b"ab", 8) == [0xFF, 0xFF]
    pads.routing.pads[13].line.set(False)
    assert part.log == ["on"]
    assert exchange(pads, b"ab", 8) == [0, 1]
    assert exchange(pads, b"c", 8) == [2]
    pads.routing.pads[13].line.set(True)
    assert part.joined() == ["on", ("exchange", b"abc"), "off"]


def test_frames_reach_the_part_before_gpio_lets_go(pads):
    part = Recorder()
    pads.wiring.attach(Socket(part, sclk=10, mosi=11, miso=12, cs=13))
    pads.routing.functions.update(WIRED | {13: 24})
    pads.routing.pads[13].line.set(False)
    for offset, value in ((CTRLR0, 7 << 16), (BAUDR, 8), (SSIENR, 1), (SER, 1), (DR, 1), (DR, 2), (DR, 3)):
        pads.spi.write(offset, 4, value)
    pads.clock._now += 2 * 64 * PS_PER_SECOND // HZ  # two frames pass without their events
    pads.routing.pads[13].line.set(True)
    pads.clock.advance(10**9)
    assert part.joined() == ["on", ("exchange", b"\1\2"), "off"]


def test_missing_wires(pads):
    part = Recorder()
    pads.wiring.attach(Socket(part, sclk=10, mosi=11, miso=12, cs=None))
    pads.routing.functions.update(WIRED)
    del pads.routing.functions[12]
    assert exchange(pads, b"ab", 1) == [0xFF, 0xFF]
    assert part.joined()[-1] == ("exchange", b"ab")
    pads.routing.functions.update(WIRED)
    del pads.routing.functions[11]
    assert exchange(pads, b"cd", 1) == [2, 3]
    assert part.joined()[-1] == ("exchange", b"ab\xff\xff")
    del pads.routing.functions[10]
    assert exchange(pads, b"ef", 1) == [0xFF, 0xFF]
    assert part.count == 4


def test_two_parts_on_one_bus(pads):
    one, two = Recorder(), Recorder()
    pads.wiring.attach(Socket(one, sclk=10, mosi=11, miso=12, cs=13))
    socket = pads.wiring.attach(Socket(two, sclk=10, mosi=11, miso=12, cs=14))
    pads.routing.functions.update(WIRED | {14: 12})
    exchange(pads, b"1", 4)
    exchange(pads, b"22", 1)
    assert one.joined() == ["on", ("exchange", b"1"), "off"]
    assert two.joined() == ["on", ("exchange", b"22"), "off"]
    pads.wiring.detach(socket)
    assert exchange(pads, b"3", 1) == [0xFF]


def test_the_same_part_by_either_controller(pads):
    part = Recorder()
    pads.wiring.attach(Socket(part, sclk=10, mosi=11, miso=12, cs=13))
    pads.routing.functions.update({10: 83, 11: 70, 12: 71, 13: 81})
    assert exchange(pads, b"a", 8) == [0xFF]
    assert part.log == []
    assert exchange(pads, b"b", 8, pads.other) == [0]
    assert part.joined() == ["on", ("exchange", b"b"), "off"]


def test_display_on_dedicated_data_wires(pads):
    part, enabled = Recorder(), []
    pads.wiring.attach(Socket(part, sclk=39, cs=36, data_enable=lambda: bool(enabled)))
    pads.routing.functions.update({39: 17, 36: 15})
    for _ in range(2):
        for offset, value in ((SSIENR, 0), (CTRLR0, 3 << 21 | 7 << 16 | 1 << 8), (SPI_CTRLR0, 0x202), (BAUDR, 8),
                              (SSIENR, 1), (DR, 0x2C), (SER, 8)):  # fmt: skip
            pads.spi.write(offset, 4, value)
        pads.clock.advance(10**9)
        enabled.append(True)
    assert part.log == ["on", ("send8", b"\xff"), "off", "on", ("send8", b"\x2c"), "off"]


# Properties.


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 32), st.booleans(), st.lists(st.integers(0, 2**32 - 1), max_size=40), st.booleans())
def test_frames_survive_the_wire(bits, swapped, frames, bulk):
    wire = frames_to_bytes(np.array(frames, np.uint32) if bulk else frames, bits, swapped)
    assert len(wire) == len(frames) * ((bits + 7) // 8)
    assert bytes_to_frames(wire, bits, swapped).tolist() == [frame & ((1 << bits) - 1) for frame in frames]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([8, 16, 32]), st.integers(1, 200), st.integers(2, 40), st.booleans(),
    st.lists(st.integers(0, 3 * 10**6), min_size=1, max_size=6),
)  # fmt: skip
def test_full_duplex_loses_nothing_however_the_guest_dawdles(bits, count, baudr, dma, pauses):
    guest = Guest(number=1)
    guest.init(bits=bits, baudr=baudr)
    width = bits // 8
    frames = [(n * 0x01234567) & ((1 << bits) - 1) for n in range(count)]
    if dma:
        got = guest.duplex_dma(frames)
    else:
        guest.set_tmod(BOTH)
        guest.w(SSIENR, 1)
        guest.w(SER, 1)
        got, sent, turn = [], 0, 0
        while len(got) < count:
            if sent < count and sent - len(got) < 32:
                guest.w(DR, frames[sent])
                sent += 1
            if guest.r(RXFLR):
                got.append(guest.r(DR))
            guest.clock.advance(pauses[turn % len(pauses)])
            turn += 1
        guest.wait_sent()
        guest.stop()
    wire = b"".join(entry[1] for entry in guest.part.log if entry[0] == "exchange")
    assert wire == b"".join(frame.to_bytes(width, "big") for frame in frames)
    answer = bytes(n & 0xFF for n in range(count * width))
    assert got == [int.from_bytes(answer[n : n + width], "big") for n in range(0, len(answer), width)]


@pytest.mark.parametrize("number", [1, 3])
def test_nonsense_never_raises(number):
    rng = random.Random(6)
    guest = Guest(NorFlash, number)
    common = (CTRLR0, CTRLR1, SSIENR, SSIENR, SER, BAUDR, DR, DR, DR, DMACR, SPI_CTRLR0, IMR, SR)
    for _ in range(10_000):
        offset = rng.choice((rng.randrange(0x200), rng.choice(common), rng.choice(common)))
        size = rng.choice((1, 2, 4, 4, 8))
        value = rng.choice((rng.getrandbits(64), rng.getrandbits(8), 1, 0xFFFFFFFF, rng.getrandbits(32)))
        if rng.random() < 0.4:
            guest.spi.read(offset, size)
        else:
            guest.spi.write(offset, size, value & ((1 << 8 * size) - 1))
        if rng.random() < 0.2:
            guest.clock.advance(rng.randrange(10**7))
        if rng.random() < 0.02:
            guest.signal.set(rng.choice((0, 1000, HZ)))
            guest.channel(rng.randrange(2), RAM, DR_ADDRESS, 100, rng.choice((number * 2, number * 2 + 1)), True)
            guest.channel(2 + rng.randrange(2), DR_ADDRESS, RAM, 100, number * 2, False)
        if number == 3 and rng.random() < 0.05:
            guest.spi.xip_read(rng.getrandbits(24), rng.choice((1, 2, 4, 8)))
    guest.dmac.reset()
    guest.spi.reset()
    assert guest.r(SR) == 6
    assert guest.clock.next_time() is None or guest.part.busy
