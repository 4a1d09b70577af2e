"""The DMA controller, driven as the Kendryte SDK's dmac.c does."""

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board.core.bus import BusError
from k210kit.board.core.clock import PS_PER_SECOND, Clock
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.line import Line
from k210kit.board.devices.dmac import Dmac

RAM, RAM_SIZE = 0x80000000, 0x400000
ALIAS = 0x40000000
PERIPHERAL = 0x52000060
CFG, CHEN, RESET = 0x10, 0x18, 0x58
SAR, DAR, BLOCK_TS, CTL, CH_CFG, LLP, STATUS, RESUME = 0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x48
STATUS_ENABLE, INTSTATUS, SIGNAL_ENABLE, INTCLEAR = 0x80, 0x88, 0x90, 0x98
WIDTHS = {1: 0, 2: 1, 4: 2, 8: 3, 16: 4, 32: 5, 64: 6}


class FakeBus:
    """4 MiB of memory under two addresses and a register that logs."""

    def __init__(self):
        self.ram = bytearray(RAM_SIZE)
        self.log = []
        self.answers = iter(())

    def _at(self, address, size):
        for base in (RAM, ALIAS):
            if base <= address and address + size <= base + RAM_SIZE:
                return address - base
        return None

    def is_memory(self, address, size):
        return self._at(address, size) is not None

    def read(self, address, size):
        at = self._at(address, size)
        if at is None:
            raise BusError(address)
        return bytes(self.ram[at : at + size])

    def write(self, address, data):
        at = self._at(address, len(data))
        if at is None:
            raise BusError(address)
        self.ram[at : at + len(data)] = data

    def read_register(self, address, size):
        if not PERIPHERAL <= address < PERIPHERAL + 0x100:
            raise BusError(address)
        return next(self.answers, 0)

    def write_register(self, address, size, value):
        if not PERIPHERAL <= address < PERIPHERAL + 0x100:
            raise BusError(address)
        self.log.append((address, size, value))


class Guest:
    """The SDK's dmac driver."""

    def __init__(self):
        self.clock, self.bus = Clock(), FakeBus()
        self.tx, self.rx = DmaRequest(1, "tx"), DmaRequest(0, "rx")
        self.irqs = [Line() for _ in range(6)]
        self.selected = [63] * 6
        self.dmac = Dmac(
            "dmac", self.clock, bus=self.bus, requests={0: self.rx, 1: self.tx}, irqs=self.irqs,
            select=lambda channel: self.selected[channel], clk=ClockSignal("axi", 400_000_000),
        )  # fmt: skip
        self.w(CFG, 3)

    def w(self, offset, value):
        self.dmac.write(offset, 8, value)

    def r(self, offset):
        return self.dmac.read(offset, 8)

    def wc(self, channel, offset, value):
        self.w(0x100 + channel * 0x100 + offset, value)

    def rc(self, channel, offset):
        return self.r(0x100 + channel * 0x100 + offset)

    def enable(self, channel, on=True):
        self.w(CHEN, self.r(CHEN) & ~(1 << channel) | on << channel | 0x100 << channel)

    def set_single_mode(self, channel, source, target, source_fixed, target_fixed, width, count, flow, width_out=None):
        self.wc(channel, INTCLEAR, 0xFFFFFFFF)
        self.enable(channel, False)
        software_in, software_out = flow in (0, 1), flow in (0, 2)
        self.wc(
            channel, CH_CFG,
            flow << 32 | software_in << 35 | software_out << 36 | channel << 39 | channel << 44,
        )  # fmt: skip
        self.wc(channel, SAR, source)
        self.wc(channel, DAR, target)
        w_out = WIDTHS[width_out or width]
        self.wc(channel, CTL, 4 | source_fixed << 4 | target_fixed << 6 | WIDTHS[width] << 8 | w_out << 11 | 1 << 14)
        self.wc(channel, BLOCK_TS, count - 1)
        self.enable(channel)

    def idle(self, channel):
        return not self.r(CHEN) >> channel & 1

    def finish(self):
        self.clock.advance(PS_PER_SECOND)


@pytest.fixture
def guest():
    return Guest()


def test_dmac_init_of_the_sdk(guest):
    guest.w(RESET, 1)
    assert guest.r(RESET) == 0
    assert guest.r(CFG) == 0
    guest.w(0x38, 0x10F)
    guest.w(CFG, 3)
    assert guest.r(CFG) == 3
    guest.w(CHEN, 0)
    assert guest.r(CHEN) == 0


def test_memory_to_memory_completes_after_a_while(guest):
    data = random.Random(2).randbytes(4096)
    guest.bus.ram[0x1000:0x2000] = data
    guest.wc(2, STATUS_ENABLE, 2)
    guest.set_single_mode(2, RAM + 0x1000, ALIAS + 0x8000, 0, 0, 4, 1024, 0)
    assert guest.r(CHEN) == 0x4
    assert not guest.irqs[2].level
    started = guest.clock.now
    guest.clock.advance(1_000_000)
    assert not guest.idle(2)
    while not guest.idle(2):
        guest.clock.advance(1_000_000)
    assert 4 <= (guest.clock.now - started) // 10**6 <= 6  # 2,080 clocks at 400 MHz
    assert bytes(guest.bus.ram[0x8000:0x9000]) == data
    assert guest.rc(2, INTSTATUS) == 2
    assert guest.r(0x30) == 4
    assert guest.rc(2, STATUS) == 1024
    assert [line.level for line in guest.irqs] == [False, False, True, False, False, False]
    guest.wc(2, INTCLEAR, 0xFFFFFFFF)
    assert guest.rc(2, INTSTATUS) == 0
    assert not guest.irqs[2].level


def test_interrupt_enables(guest):
    guest.wc(0, STATUS_ENABLE, 0)
    guest.set_single_mode(0, RAM, RAM + 64, 0, 0, 4, 1, 0)
    guest.finish()
    assert guest.rc(0, INTSTATUS) == 0
    guest.wc(0, STATUS_ENABLE, 2)
    guest.wc(0, SIGNAL_ENABLE, 0)
    guest.enable(0)
    guest.finish()
    assert guest.rc(0, INTSTATUS) == 2
    assert not guest.irqs[0].level
    guest.wc(0, SIGNAL_ENABLE, 2)
    assert guest.irqs[0].level
    guest.w(CFG, 1)
    assert not guest.irqs[0].level


def test_halves_of_a_register_may_be_written_alone(guest):
    guest.dmac.write(0x100, 4, 0x80000010)
    guest.dmac.write(0x104, 4, 0x1)
    assert guest.rc(0, SAR) == 0x1_80000010
    guest.dmac.write(0x304, 4, 7)
    assert guest.rc(2, SAR) == 7 << 32


def test_fixed_source_fills_memory(guest):
    guest.bus.ram[0:4] = b"\x78\x56\x34\x12"
    guest.set_single_mode(0, RAM, RAM + 0x100, 1, 0, 4, 8, 0)
    guest.finish()
    assert guest.bus.ram[0x100:0x124] == b"\x78\x56\x34\x12" * 8 + bytes(4)


def test_fixed_target_keeps_the_last_item(guest):
    guest.bus.ram[0:8] = bytes(range(8))
    guest.set_single_mode(0, RAM, RAM + 0x100, 0, 1, 2, 4, 0)
    guest.finish()
    assert guest.bus.ram[0x100:0x104] == bytes((6, 7, 0, 0))


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("width_out", [1, 4, 64])
def test_widths(guest, width, width_out):
    data = random.Random(width).randbytes(width * 64)
    guest.bus.ram[0x1000 : 0x1000 + len(data)] = data
    guest.set_single_mode(0, RAM + 0x1000, RAM + 0x20000, 0, 0, width, 64, 0, width_out)
    guest.finish()
    assert guest.bus.ram[0x20000 : 0x20000 + len(data)] == data
    assert guest.bus.ram[0x20000 + len(data)] == 0


def test_memory_to_peripheral_by_handshake(guest):
    guest.bus.ram[0:16] = np.array([1, 2, 3, 0xDEADBEEF], "<u4").tobytes()
    guest.selected[3] = 1
    armed = []
    guest.tx.on_armed = lambda: armed.append(guest.tx.source is not None)
    guest.set_single_mode(3, RAM, PERIPHERAL, 0, 1, 4, 4, 1)
    assert armed == [True]
    guest.finish()
    assert not guest.idle(3), "the peripheral sets the pace"
    assert guest.tx.source.remaining() == 4
    assert guest.tx.pull(3).tolist() == [1, 2, 3]
    assert guest.rc(3, STATUS) == 3
    assert not guest.idle(3)
    assert guest.tx.pull(10).tolist() == [0xDEADBEEF]
    assert guest.idle(3)
    assert guest.tx.source is None
    assert guest.rc(3, INTSTATUS) & 2
    assert guest.tx.pull(1).tolist() == []


def test_peripheral_to_memory_by_handshake(guest):
    guest.selected[1] = 0
    guest.set_single_mode(1, PERIPHERAL, RAM + 0x100, 1, 0, 4, 3, 2)
    assert guest.rx.sink.remaining() == 3
    assert guest.rx.push(np.array([0x11, 0x22], np.uint32)) == 2
    assert guest.rx.push(np.array([0x33, 0x44], np.uint32)) == 1
    assert guest.idle(1)
    assert guest.bus.ram[0x100:0x110] == np.array([0x11, 0x22, 0x33, 0], "<u4").tobytes()
    assert guest.rx.push(np.array([5], np.uint32)) == 0


def test_peripheral_items_of_other_widths(guest):
    guest.selected[0], guest.selected[1] = 0, 1
    guest.set_single_mode(0, PERIPHERAL, RAM, 1, 0, 1, 4, 2)
    guest.rx.push(np.array([0x101, 0x202, 0x303, 0x404], np.uint32))
    assert guest.bus.ram[:5] == bytes((1, 2, 3, 4, 0))
    guest.set_single_mode(1, RAM, PERIPHERAL, 0, 1, 4, 1, 1, width_out=2)
    assert guest.tx.pull(4).tolist() == [0x201, 0x403]
    assert guest.idle(1)


def test_peripheral_with_a_64_bit_data_register(guest):
    """The FFT: 64-bit items keep their upper halves both ways."""
    guest.selected[0], guest.selected[1] = 1, 0
    guest.tx.item_bytes = guest.rx.item_bytes = 8
    words = [0x1122334455667788, 0xFFFFFFFF00000001]
    guest.bus.ram[0:16] = np.array(words, "<u8").tobytes()
    guest.set_single_mode(0, RAM, PERIPHERAL, 0, 1, 8, 2, 1)
    guest.set_single_mode(1, PERIPHERAL, RAM + 0x100, 1, 0, 8, 2, 2)
    items = guest.tx.pull(2)
    assert items.dtype == np.uint64
    assert items.tolist() == words
    assert guest.rx.push(items) == 2
    assert guest.bus.ram[0x100:0x110] == guest.bus.ram[0:16]
    assert guest.idle(0)
    assert guest.idle(1)


def test_interface_follows_the_channel_configuration(guest):
    guest.selected = [63, 63, 63, 63, 63, 1]
    guest.wc(0, CH_CFG, 1 << 32 | 1 << 35 | 5 << 44)
    guest.wc(0, SAR, RAM)
    guest.wc(0, CTL, 0x1240)
    guest.enable(0)
    assert guest.tx.source is not None


def test_register_target_without_handshake(guest):
    guest.bus.ram[0:12] = np.array([7, 8, 9], "<u4").tobytes()
    guest.set_single_mode(0, RAM, PERIPHERAL, 0, 1, 4, 3, 0)
    guest.finish()
    assert guest.bus.log == [(PERIPHERAL, 4, 7), (PERIPHERAL, 4, 8), (PERIPHERAL, 4, 9)]


def test_register_source_without_handshake(guest):
    guest.bus.answers = iter(range(1, 600))
    guest.set_single_mode(0, PERIPHERAL, RAM, 1, 0, 4, 500, 2)
    guest.finish()
    assert np.frombuffer(guest.bus.ram, "<u4", 501).tolist() == [*range(1, 501), 0]


def test_peripheral_to_peripheral(guest):
    guest.selected[0] = 0
    guest.dmac.select = lambda interface: interface
    told = []
    guest.tx.on_armed = lambda: told.append(1)
    guest.wc(0, CH_CFG, 3 << 32 | 0 << 39 | 1 << 44)
    guest.wc(0, SAR, PERIPHERAL)
    guest.wc(0, DAR, PERIPHERAL + 4)
    guest.wc(0, CTL, 0x1250)
    guest.wc(0, BLOCK_TS, 99)
    guest.enable(0)
    told.clear()
    assert guest.rx.push(np.arange(100, dtype=np.uint32)) == 64
    assert told
    assert guest.tx.pull(40).tolist() == list(range(40))
    assert guest.rx.push(np.arange(64, 110, dtype=np.uint32)) == 36
    assert guest.tx.pull(100).tolist() == list(range(40, 100))
    assert guest.idle(0)


@pytest.mark.parametrize(("source", "target", "bit"), [(0x1000, RAM, 5), (RAM, 0x1000, 6)])
def test_decode_errors_stop_the_channel(guest, source, target, bit):
    guest.set_single_mode(0, source, target, 0, 0, 4, 4, 0)
    guest.finish()
    assert guest.idle(0)
    assert guest.rc(0, INTSTATUS) == 1 << bit
    assert guest.irqs[0].level


def test_disable_suspend_abort(guest):
    guest.selected[0] = 1
    guest.set_single_mode(0, RAM, PERIPHERAL, 0, 1, 4, 8, 1)
    guest.w(CHEN, 0x01010000)
    assert guest.r(CHEN) == 0x10001
    assert guest.rc(0, INTSTATUS) == 1 << 29
    assert guest.tx.pull(1).tolist() == []
    guest.w(CHEN, 0x01000000)
    assert guest.tx.pull(1).tolist() == [0]
    guest.wc(0, INTCLEAR, 0xFFFFFFFF)
    guest.dmac.write(0x1C, 4, 0x0101)
    assert guest.idle(0)
    assert guest.rc(0, INTSTATUS) == 1 << 31
    guest.wc(0, INTCLEAR, 0xFFFFFFFF)
    guest.enable(0)
    guest.enable(0, False)
    assert guest.idle(0)
    assert guest.rc(0, INTSTATUS) == 1 << 30
    assert guest.tx.source is None


def test_suspended_copy_goes_on(guest):
    guest.bus.ram[0:4] = b"goes"
    guest.set_single_mode(0, RAM, RAM + 64, 0, 0, 4, 1, 0)
    guest.w(CHEN, 0x01010000)
    guest.finish()
    assert guest.bus.ram[64:68] == bytes(4)
    guest.w(CHEN, 0x01000000)
    guest.finish()
    assert guest.bus.ram[64:68] == b"goes"
    assert guest.idle(0)


def test_enable_needs_the_controller_on(guest):
    guest.w(CFG, 0)
    guest.enable(0)
    assert guest.r(CHEN) == 0


def item(guest, at, source, target, count, following, last=False, valid=True):
    control = 0x1200 | last << 62 | valid << 63
    words = np.array([source, target, count - 1, following, control, 0, 0, 0], "<u8")
    guest.bus.ram[at - RAM : at - RAM + 64] = words.tobytes()


def test_linked_list(guest):
    guest.bus.ram[0:8] = b"abcdefgh"
    item(guest, RAM + 0x1000, RAM, RAM + 0x200, 1, RAM + 0x1040)
    item(guest, RAM + 0x1040, RAM + 4, RAM + 0x300, 1, 0, last=True)
    guest.wc(0, CH_CFG, 0xF)
    guest.wc(0, LLP, RAM + 0x1000)
    guest.enable(0)
    guest.finish()
    assert guest.idle(0)
    assert guest.bus.ram[0x200:0x204] == b"abcd"
    assert guest.bus.ram[0x300:0x304] == b"efgh"
    assert guest.rc(0, INTSTATUS) == 2
    assert guest.bus.ram[0x1027] & 0x80 == 0, "the controller takes the valid bit back"


def test_linked_list_waits_for_a_valid_item(guest):
    guest.bus.ram[0:4] = b"late"
    item(guest, RAM + 0x1000, RAM, RAM + 0x200, 1, 0, last=True, valid=False)
    guest.wc(0, CH_CFG, 0xF)
    guest.wc(0, LLP, RAM + 0x1000)
    guest.enable(0)
    guest.finish()
    assert guest.rc(0, INTSTATUS) == 1 << 13
    assert not guest.idle(0)
    item(guest, RAM + 0x1000, RAM, RAM + 0x200, 1, 0, last=True)
    guest.wc(0, RESUME, 1)
    guest.finish()
    assert guest.idle(0)
    assert guest.bus.ram[0x200:0x204] == b"late"


def test_linked_list_at_a_handshake(guest):
    guest.selected[0] = 1
    guest.bus.ram[0:8] = np.array([5, 6], "<u4").tobytes()
    item(guest, RAM + 0x1000, RAM, PERIPHERAL, 1, RAM + 0x1040)
    item(guest, RAM + 0x1040, RAM + 4, PERIPHERAL, 1, 0, last=True)
    guest.wc(0, CH_CFG, 0xF | 1 << 32 | 1 << 35)
    guest.wc(0, LLP, RAM + 0x1000)
    guest.enable(0)
    assert guest.tx.pull(8).tolist() == [5, 6]
    assert guest.idle(0)


def test_clock_gate_holds_a_copy(guest):
    guest.dmac.clk.set(0)
    guest.set_single_mode(0, RAM, RAM + 64, 0, 0, 4, 4, 0)
    guest.finish()
    assert not guest.idle(0)
    guest.dmac.clk.set(100_000_000)
    guest.finish()
    assert guest.idle(0)


def test_large_copies_are_cheap_on_the_host(guest):
    guest.bus.ram[0x200000] = 0x5A
    began = time.perf_counter()
    guest.set_single_mode(0, RAM + 0x80000, RAM + 0x200000, 0, 0, 4, 1_500_000 // 4, 0)
    guest.finish()
    guest.selected[0] = 1
    guest.set_single_mode(0, RAM, PERIPHERAL, 0, 1, 4, 1_500_000 // 4, 1)
    total = 0
    while not guest.idle(0):
        total += len(guest.tx.pull(1024))
    assert total == 375_000
    assert guest.bus.ram[0x200000] == 0
    assert time.perf_counter() - began < 0.5


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]), st.integers(1, 600), st.integers(0, 100),
    st.lists(st.integers(1, 97), min_size=1, max_size=5),
)  # fmt: skip
def test_any_transfer_through_a_peripheral_loses_nothing(width_in, width_out, count, offset, steps):
    guest = Guest()
    guest.selected[0], guest.selected[1] = 1, 0
    size = width_in * count // width_out * width_out
    count = size // width_in
    if count * width_in % width_out or not count:
        return
    data = random.Random(count).randbytes(count * width_in)
    guest.bus.ram[offset : offset + len(data)] = data
    guest.set_single_mode(0, RAM + offset, PERIPHERAL, 0, 1, width_in, count, 1, width_out)
    guest.set_single_mode(1, PERIPHERAL, RAM + 0x10000, 1, 0, width_out, len(data) // width_out, 2, width_in)
    turn = 0
    while not guest.idle(0):
        items = guest.tx.pull(steps[turn % len(steps)])
        turn += 1
        assert guest.rx.push(items) == len(items)
    assert guest.idle(1)
    wanted = np.frombuffer(data, f"<u{width_out}").copy()
    if width_out == 8:
        wanted &= np.uint64(0xFFFFFFFF)  # a peripheral's data register has 32 bits
    assert guest.bus.ram[0x10000 : 0x10000 + len(data)] == wanted.tobytes()


def test_nonsense_never_raises(guest):
    rng = random.Random(3)
    addresses = (RAM, ALIAS, PERIPHERAL, 0, RAM + RAM_SIZE - 3)
    for _ in range(10_000):
        offset = rng.choice((rng.randrange(0x1000), rng.randrange(0, 0x700, 8), CHEN, CHEN, 0x120, 0x124))
        size = rng.choice((1, 2, 4, 4, 8, 8))
        value = rng.choice((rng.getrandbits(64), rng.choice(addresses), rng.getrandbits(8), 0x3F3F, 3, 0xFFFFFFFF))
        if 0x100 <= offset < 0x700 and offset & 0xF8 == 0x10:
            value &= 0xFFF
        if offset == 0x124:
            value &= ~7
        if rng.random() < 0.3:
            guest.dmac.read(offset, size)
        else:
            guest.dmac.write(offset, size, value & ((1 << 8 * size) - 1))
        if rng.random() < 0.1:
            guest.clock.advance(rng.randrange(10**7))
        guest.selected[rng.randrange(6)] = rng.randrange(3)
        guest.tx.pull(rng.randrange(5))
        guest.rx.push(np.zeros(rng.randrange(5), np.uint32))
    guest.dmac.reset()
    assert guest.r(CHEN) == 0
    assert guest.tx.source is None
    assert guest.clock.next_time() is None
