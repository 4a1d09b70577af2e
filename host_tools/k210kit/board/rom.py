"""The mask ROM: boot from flash, and where its programs for the rest start (mask_rom/*.c).

What it does in which case: laanwj's annotations of a ROM dump (k210-sdk-stuff, rom/).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from k210kit.board.core.hart import MSTATUS_FS
from k210kit.board.core.memory import ROM_BASE, SRAM_BASE, Memory
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
    ("uarths", 0x10, 2),
    ("gpiohs", 0x04, 1),
)
"""Device, register offset, value."""

ENTRY_POINTS = Path(__file__).parent / "mask_rom" / "entry_points.elf"

PARK, NAMED_COMMANDS, EXIT, DOWNLOAD = 0x0058, 0x0100, 0x1A04, 0xA300
"""Offsets in the ROM: where hart 1 sleeps, whether commands are answered that only have a name, the end of a boot that
failed, download mode."""

LONGEST_PAYLOAD = 0x5FC000
BAD_PAYLOAD_SIZE = 0xE9
"""What the ROM exits with when the length in the flash is beyond that."""
BOOT_PIN = 16
BOOT_PIN_LOW = "the boot pin (IO16) is low"


def fill(memory: Memory, strict: bool = False) -> None:
    """Write the ROM's contents; when `strict`, commands of download mode that were never seen to work are refused."""
    code = elf.parse(ENTRY_POINTS.read_bytes()).flatten(ROM_BASE)
    memory.rom[: len(code)] = code
    if strict:
        memory.rom[NAMED_COMMANDS : NAMED_COMMANDS + 4] = bytes(4)


def set_up(devices: Mapping[str, Device]) -> None:
    """Bring the devices to the state in which the ROM leaves them."""
    for name, offset, value in LEFT_BEHIND:
        devices[name].write(offset, 4, value)


def boot(memory: Memory, engines: list[Engine], flash: NorFlash | None, boot_pin: bool = True) -> str:
    """Load the payload from flash offset 0 and set both harts to its start.

    Returns '' when it boots, else why not: with the boot pin low or with a payload that does not match its hash the ROM
    goes to download mode, with a length that the SRAM cannot hold it tells so and stops. The time that the ROM takes
    to boot is not known and counts as none.
    """
    start = ROM_BASE + DOWNLOAD
    problem = BOOT_PIN_LOW
    if boot_pin:
        size, problem = _load(memory, flash)
        start = SRAM_BASE if not problem else ROM_BASE + EXIT if size > LONGEST_PAYLOAD else start
    for engine in engines:
        _give_registers(engine)
        engine.pc = start if engine.number == 0 or not problem else ROM_BASE + PARK
    engines[0].set_x(10, BAD_PAYLOAD_SIZE if start == ROM_BASE + EXIT else 0)
    return problem


def _load(memory: Memory, flash: NorFlash | None) -> tuple[int, str]:
    """The length that the flash gives, and why its payload is not there now, or ''."""
    if flash is None:
        return 0xFFFF_FFFF, "no flash chip answers"
    size = int.from_bytes(flash.data[1:5], "little")
    try:
        payload = header.unwrap(bytes(flash.data), "flash")
        if size > LONGEST_PAYLOAD:
            raise K210Error(f"the payload has {size} bytes, the mask ROM takes {LONGEST_PAYLOAD}")
    except K210Error as error:
        return size, str(error)
    memory.ram[:size] = payload
    return size, ""


def _give_registers(engine: Engine) -> None:
    # Hart 0 has the upper one of the two stacks.
    stack = DATA_BASE + STACK_SIZE * (2 - engine.number)
    for register, value in ((2, stack), (3, DATA_BASE + 0x800), (4, stack)):
        engine.set_x(register, value)
    # The RAM stubs of the flashers use the FPU without switching it on.
    engine.state.mstatus |= MSTATUS_FS
    engine.set_engine_fs(MSTATUS_FS)
