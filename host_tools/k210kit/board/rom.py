"""The mask ROM: boot from flash, download mode, the entry points that software calls (mask_rom/entry_points.c)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from k210kit.board.core.hart import MSTATUS_FS
from k210kit.board.core.memory import ROM_BASE, SRAM_BASE, SRAM_SIZE, Memory
from k210kit.errors import K210Error
from k210kit.images import elf, header

if TYPE_CHECKING:
    from k210kit.board.core.device import Device
    from k210kit.board.core.engine import Engine
    from k210kit.board.parts.nor_flash import NorFlash

# The ROM's variables and stacks (laanwj's notes on a ROM dump); guests start with its pointers.
DATA_BASE = SRAM_BASE + 0x5FC000
STACK_SIZE = 0x2000

# What the ROM leaves in the devices: PLL0 at 780 MHz and the harts at half of it (Linux' clk-k210.c; Kboot counts
# on 390 MHz), the console at 115200 baud (Kboot, RT-Thread and OpenSBI print without setting it up).
LEFT_BEHIND = (
    ("sysctl", 0x08, 1 << 25 | 1 << 21 | 59 << 14 | 1 << 10 | 59 << 4),
    ("sysctl", 0x20, 1),
    ("uarths", 0x18, 390_000_000 // 115_200 - 1),
    ("uarths", 0x08, 1),
    ("uarths", 0x0C, 1),
)
"""Device, register offset, value."""

ENTRY_POINTS = Path(__file__).parent / "mask_rom" / "entry_points.elf"
_WAIT = (0x10500073).to_bytes(4, "little") + (0xFFDFF06F).to_bytes(4, "little")
WAIT_OFFSET = 0x100
"""Where both harts wait (wfi; j .-4) when there is nothing to boot."""


def fill(memory: Memory) -> None:
    """Write the ROM's contents: a wait loop and the entry points."""
    code = elf.parse(ENTRY_POINTS.read_bytes()).flatten(ROM_BASE)
    memory.rom[: len(code)] = code
    memory.rom[WAIT_OFFSET : WAIT_OFFSET + len(_WAIT)] = _WAIT


def set_up(devices: Mapping[str, Device]) -> None:
    """Bring the devices to the state in which the ROM leaves them."""
    for name, offset, value in LEFT_BEHIND:
        devices[name].write(offset, 4, value)


def boot(memory: Memory, engines: list[Engine], flash: NorFlash | None) -> str:
    """Load the payload from flash offset 0 and set both harts to its start.

    Returns '' when it boots, else why the ROM stays in download mode. The time that the ROM takes
    is not known and counts as none.
    """
    problem = "no flash chip answers"
    if flash is not None:
        try:
            payload = header.unwrap(bytes(flash.data), "flash")
            if len(payload) > SRAM_SIZE:
                raise K210Error(f"the payload has {len(payload)} bytes, the SRAM {SRAM_SIZE}")
            memory.ram[: len(payload)] = payload
            problem = ""
        except K210Error as error:
            problem = str(error)
    for engine in engines:
        engine.pc = SRAM_BASE if not problem else ROM_BASE + WAIT_OFFSET
        engine.set_x(2, DATA_BASE + STACK_SIZE * (engine.number + 1))
        engine.set_x(3, DATA_BASE + 0x800)
        engine.set_x(4, DATA_BASE)
        # The RAM stubs of the flashers use the FPU without switching it on.
        engine.state.mstatus |= MSTATUS_FS
        engine.set_engine_fs(MSTATUS_FS)
    return problem
