"""What strict mode permits, asked as the run loop asks."""

import pytest

from k210kit.board.core.bus import BusError
from k210kit.board.machine import ADDRESS_MAP, XIP_WINDOW, Machine

UART1, SHA256, DMAC, KPU, DVP = (ADDRESS_MAP[name] for name in ("uart1", "sha256", "dmac", "kpu", "dvp"))


@pytest.fixture(scope="module")
def machine():
    return Machine(strict="all")


@pytest.mark.parametrize(
    ("address", "size", "permitted"),
    [
        (UART1, 4, True),
        (UART1, 1, False),
        (UART1, 2, False),
        (UART1, 8, False),
        (UART1 + 0xFC0, 4, False),
        (SHA256 + 0x34, 4, True),
        (SHA256 + 0x30, 4, False),
        (SHA256 + 0x38, 4, False),
        (DMAC + 0x18, 8, True),
        (DMAC + 0x1C, 4, True),
        (DMAC + 0x60, 8, False),
        (KPU + 0x40, 8, True),
        (KPU + 0x48, 8, False),
        (ADDRESS_MAP["debug"], 4, False),
        (0x6000_0000, 4, False),
    ],
)
def test_what_is_permitted(machine, address, size, permitted):
    assert machine.strict.permits(address, size, False) == permitted
    assert machine.strict.permits(address, size, True) == permitted


def test_the_flash_window_is_for_reading_while_it_is_open():
    machine = Machine(strict="all")
    inside = ADDRESS_MAP["spi3"] + 0x1001
    assert not machine.strict.permits(inside, 1, False)
    machine.sysctl.write(0x58, 4, 1 << 15)
    assert machine.strict.permits(inside, 1, False)
    assert machine.strict.permits(ADDRESS_MAP["spi3"] + XIP_WINDOW - 8, 8, False)
    assert not machine.strict.permits(inside, 1, True)
    assert not machine.strict.permits(ADDRESS_MAP["spi3"] + XIP_WINDOW, 4, False)
    machine.sysctl.write(0x58, 4, 0)
    assert not machine.strict.permits(inside, 1, False)


def test_bus_masters_meet_the_same_map():
    machine = Machine(strict="all")
    assert machine.read_register(SHA256, 4) == 0
    with pytest.raises(BusError):
        machine.write_register(SHA256 + 0x38, 4, 0)
    assert machine.strict.report() == ["bus master: store access fault, sha256+0x38"]


def test_findings_are_counted_and_named():
    machine = Machine(strict="all")
    for _ in range(2):
        machine.strict.note(1, 5, 0x8000_0010, UART1 + 0xFC0)
    machine.strict.note(0, 4, 0x8000_0020, 0x8000_1001)
    machine.strict.permits(DVP + 0x24, 4, True)
    assert machine.strict.report() == [
        "hart 1, pc 0x80000010: load access fault, uart1+0xfc0 (2 times)",
        "hart 0, pc 0x80000020: load address misaligned, address 0x80001001",
        "not modelled: dvp.reverse: not modelled: its meaning is not documented",
    ]
    assert len(machine.strict.faults) == len(machine.strict.misaligned) == 1


def test_without_it_nothing_is_refused():
    machine = Machine()
    assert machine.strict is None
    assert machine.read_register(SHA256 + 0x38, 4) == 0
