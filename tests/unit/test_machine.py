"""The whole chip: the address map, the bus, and any access to any device."""

import gc
import random
import weakref

import pytest

from k210kit.board import Board
from k210kit.board.core.bus import BusError
from k210kit.board.machine import ADDRESS_MAP

WAIT = bytes.fromhex("730050106ff0dfff")  # wfi; j -4


@pytest.fixture(scope="module")
def board():
    with Board(WAIT) as board:
        yield board


def test_a_board_that_nobody_holds_is_freed():
    """Each takes some fifty megabytes of memory."""
    with Board(WAIT) as board:
        board.run(0.0001)
    machine = weakref.ref(board.machine)
    del board
    gc.collect()
    assert machine() is None


def test_every_device_has_an_address_of_its_own(board):
    assert set(board.machine.devices) == set(ADDRESS_MAP)
    assert len(set(ADDRESS_MAP.values())) == len(ADDRESS_MAP)


@pytest.mark.parametrize("name", sorted(ADDRESS_MAP))
def test_any_access_to_any_device_is_survived(name):
    rng = random.Random(name)
    with Board(WAIT) as board:
        board.run(0.0001)
        machine = board.machine
        base, size = ADDRESS_MAP[name], max(machine.devices[name].size, 0x1000)
        declared = list(machine.devices[name].registers) or [0]
        for turn in range(10_000):
            width = rng.choice((1, 2, 4, 4, 8))
            offset = rng.choice(declared) if rng.random() < 0.8 else rng.randrange(size)
            offset = min(offset, size - width)
            value = rng.choice((0, 1, 0xFFFF_FFFF, rng.getrandbits(32), rng.getrandbits(64), rng.getrandbits(8)))
            if rng.random() < 0.4:
                machine.read_register(base + offset, width)
            else:
                machine.write_register(base + offset, width, value & ((1 << 8 * width) - 1))
            if turn % 100 == 99:
                board.run(1e-5)


def test_the_bus_knows_memory_from_devices_from_nothing(board):
    machine = board.machine
    machine.write(0x8010_0000, b"cached")
    assert machine.read(0x4010_0000, 6) == b"cached"
    machine.write(0x4070_0000, b"ai ram")
    assert machine.read(0x8070_0000, 6) == b"ai ram"
    for address in (0x6000_0000, 0x807F_FFFF, 0x8802_0000):
        with pytest.raises(BusError):
            machine.read(address, 2)
    with pytest.raises(BusError):
        machine.write(0x8800_0000, b"rom")
    with pytest.raises(BusError):
        machine.read_register(0x6000_0000, 4)


def test_clocks_follow_the_registers(board):
    sysctl = board.machine.sysctl
    base = ADDRESS_MAP["sysctl"]
    board.run(0.0001)
    assert sysctl.cpu_hz() == board.machine.clock.hz == 390_000_000
    board.machine.write_register(base + 0x20, 4, 1 | 1 << 1)  # ACLK = PLL0 / 4
    board.run(0.0001)
    assert board.machine.clock.hz == 195_000_000
    board.machine.write_register(base + 0x20, 4, 0)
    assert sysctl.cpu_hz() == 26_000_000
    board.machine.write_register(base + 0x20, 4, 1)
    assert sysctl.clock_of("uart1").hz == 390_000_000
    board.machine.write_register(base + 0x2C, 4, 0)
    assert sysctl.clock_of("uart1").hz == 0
    board.machine.write_register(base + 0x2C, 4, 0xFFFF_FFFF)
