"""Power chip, touch panel and the ROM's entry points, as firmware talks to them; every profile makes a board."""

import random

import pytest

from k210kit.board.board import Board
from k210kit.board.parts.axp import Axp
from k210kit.board.parts.ft6x36 import Ft6x36
from k210kit.board.parts.i2c_bus import I2cBus
from k210kit.board.profiles import PROFILES


def write_register(bus: I2cBus, address: int, register: int, *values: int) -> bool:
    taken = bus.start(address, False)
    for byte in (register, *values):
        bus.write(byte)
    bus.stop()
    return taken


def read_registers(bus: I2cBus, address: int, register: int, count: int) -> bytes:
    bus.start(address, False)
    bus.write(register)
    bus.start(address, True)
    found = bytes(bus.read() or 0 for _ in range(count))
    bus.stop()
    return found


def test_battery_voltage_comes_out_of_two_registers() -> None:
    bus = I2cBus([Axp(battery=3.7)])
    high, low = read_registers(bus, 0x34, 0x78, 2)
    assert ((high << 4) + low) * 1.1 == pytest.approx(3700, abs=1.1)


def test_key_interrupts_clear_by_ones_and_results_are_read_only() -> None:
    axp = Axp()
    bus = I2cBus([axp])
    before = read_registers(bus, 0x34, 0x78, 2)
    assert write_register(bus, 0x34, 0x78, 0, 0)
    assert read_registers(bus, 0x34, 0x78, 2) == before
    axp.press_power()
    assert read_registers(bus, 0x34, 0x46, 1) == b"\x02"
    write_register(bus, 0x34, 0x46, 0xFF)
    assert read_registers(bus, 0x34, 0x46, 1) == b"\x00"
    write_register(bus, 0x34, 0x36, 0x6C)
    assert read_registers(bus, 0x34, 0x36, 1) == b"\x6c"


def test_touch_gives_the_point_and_its_release() -> None:
    panel = Ft6x36()
    bus = I2cBus([panel])
    assert read_registers(bus, 0x38, 0x02, 1) == b"\x00"
    panel.touch(0x123, 0x45)
    count, x_high, x_low, y_high, y_low = read_registers(bus, 0x38, 0x02, 5)
    assert (count, (x_high & 0xF) << 8 | x_low, (y_high & 0xF) << 8 | y_low) == (1, 0x123, 0x45)
    write_register(bus, 0x38, 0x02, 7)
    assert read_registers(bus, 0x38, 0x02, 1) == b"\x01"
    panel.release()
    assert read_registers(bus, 0x38, 0x02, 1) == b"\x00"


def test_parts_take_any_traffic() -> None:
    chance = random.Random(7)
    bus = I2cBus([Axp(), Ft6x36()])
    for _ in range(10_000):
        action = chance.randrange(4)
        if action == 0:
            bus.start(chance.choice((0x34, 0x38, 0x50)), chance.random() < 0.5)
        elif action == 1:
            bus.write(chance.randrange(256))
        elif action == 2:
            assert 0 <= (bus.read() or 0) <= 255
        else:
            bus.stop()


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_makes_a_board(name: str) -> None:
    with Board(board=name) as board:
        board.run(0.001)
        assert "boot" in board.buttons
        assert board.lcd.image().size[0] > 0


def words(*codes: int) -> bytes:
    return b"".join(code.to_bytes(4, "little") for code in codes)


def calling(entry: int, text: bytes) -> bytes:
    """A program for hart 0 that calls the ROM at offset `entry` with a0 = `text`, a1 = 42, a2 = `text` + 32."""
    return (
        words(
            0xF1402573,  # csrr a0, mhartid
            0x02051463,  # bnez a0, wait
            0x00000517,  # auipc a0, 0
            0x02850513,  # addi a0, a0, text
            0x02A00593,  # li a1, 42
            0x02050613,  # addi a2, a0, 32
            0x110002B7,  # lui t0, 0x11000
            0x00329293,  # slli t0, t0, 3
            entry & 0xFFFFF000 | 0x337,  # lui t1, high part
            0x006282B3,  # add t0, t0, t1
            (entry & 0xFFF) << 20 | 0x000280E7,  # jalr low part(t0)
            0x0000006F,  # wait: j wait
        )
        + text.ljust(32, b"\0")
        + b"string\0"
    )


def test_rom_printk_formats_as_tinyprintf_does() -> None:
    with Board(firmware=calling(0x16B0, b"<%08X|%-9s|%%>\n")) as board:
        board.run(0.01)
        assert bytes(board.output) == (b"<0000002A|string   |%>\n")
