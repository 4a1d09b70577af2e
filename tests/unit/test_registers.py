"""Registers and the device base class: storage, masks, callbacks, widths, undeclared offsets."""

import random

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import READ_FAST, WRITE_FAST, Device
from k210kit.board.core.registers import Field, Register


class Sample(Device):
    """A register of each kind."""

    plain = Register(0x00, reset=0x1234_5678)
    masked = Register(0x04, [Field("low", 0, 4), Field("high", 28, 4)], writable=0xF000_000F)
    noisy = Register(0x08)
    bank = Register(0x10, count=3, stride=8, reset=7)

    def __init__(self):
        self.written, self.reads = [], 0
        super().__init__("sample", Clock())

    @noisy.on_read
    def _noisy_read(self):
        self.reads += 1
        return self.reads

    @noisy.on_write
    def _noisy_written(self, written):
        self.written.append((written, self.noisy))

    @bank.on_write
    def _bank_written(self, index, written):
        self.written.append((index, written))


def test_values_masks_and_reset():
    device = Sample()
    assert device.read(0x00, 4) == 0x1234_5678
    device.write(0x04, 4, 0xFFFF_FFFF)
    assert device.masked == 0xF000_000F
    device.reset()
    assert device.masked == 0 and device.read(0x10, 4) == 7


def test_callbacks_see_what_was_written_and_what_is_stored():
    device = Sample()
    device.write(0x08, 4, 0x1_0000_0005 & 0xFFFFFFFF)
    assert device.written == [(5, 5)]
    assert [device.read(0x08, 4), device.read(0x08, 4)] == [1, 2]


def test_an_array_tells_its_index():
    device = Sample()
    device.write(0x18, 4, 9)
    assert device.written == [(1, 9)] and list(device.bank) == [7, 9, 7]


def test_narrow_and_wide_accesses():
    device = Sample()
    assert device.read(0x01, 1) == 0x56 and device.read(0x02, 2) == 0x1234
    device.write(0x03, 1, 0xAB)
    assert device.plain == 0xAB34_5678
    device.write(0x00, 8, 0xF000_0001_1111_1111)
    assert (device.plain, device.masked) == (0x1111_1111, 0xF000_0001)
    assert device.read(0x00, 8) == 0xF000_0001_1111_1111


def test_only_registers_without_effects_take_the_fast_path():
    flags = Sample().flags
    assert flags[0] == flags[1] == READ_FAST | WRITE_FAST
    assert flags[2] == 0 and flags[4] == READ_FAST and flags[3] == 0


def test_fields_spell_out_a_value():
    register = Sample.masked
    assert register.describe(0x7000_0003) == "low=0x3 high=0x7"
    high = register.fields[1]
    assert high.put(0, 0x15) == 0x5000_0000 and high.get(0xA000_0000) == 10


def test_any_access_returns():
    device, rng = Sample(), random.Random(1)
    for _ in range(10_000):
        offset, size = rng.randrange(0x1000), rng.choice((1, 2, 4, 8))
        if rng.random() < 0.5:
            assert 0 <= device.read(offset, size) < 1 << 8 * size
        else:
            device.write(offset, size, rng.getrandbits(64))
