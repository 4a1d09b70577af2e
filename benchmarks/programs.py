"""Guest programs for measuring, as RISC-V machine words."""

from __future__ import annotations

import struct


def _words(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


# Hart 1 waits for an interrupt that never comes; hart 0 goes on at the next instruction.
_PARK_HART_1 = (0xF1402573, 0x00050663, 0x10500073, 0xFFDFF06F)  # csrr a0,mhartid; beqz a0,+12; wfi; j -4

_INTEGER_LOOP = (
    0x00150513,  # addi a0,a0,1
    0x00A5C5B3,  # xor a1,a1,a0
    0x00B50633,  # add a2,a0,a1
    0x00C5C6B3,  # xor a3,a1,a2
    0x00D50733,  # add a4,a0,a3
    0x00371793,  # slli a5,a4,3
    0x40F70833,  # sub a6,a4,a5
    0xFE5FF06F,  # j to the start
)


def integer_loop(both: bool) -> bytes:
    """Eight integer instructions round and round, on one hart or on both."""
    return _words(*(() if both else _PARK_HART_1), *_INTEGER_LOOP)


def memory_loop() -> bytes:
    """One hart copying a word, counting and branching: loads, stores and a taken branch."""
    return _words(
        *_PARK_HART_1,
        0x00100517,  # auipc a0,0x100
        0x00100593,  # li a1,1
        0x00052603,  # lw a2,0(a0)
        0x00160613,  # addi a2,a2,1
        0x00C52023,  # sw a2,0(a0)
        0x00C52223,  # sw a2,4(a0)
        0xFE0598E3,  # bnez a1,-16
    )


def register_reads(address: int) -> bytes:
    """One hart reading the device register at `address` (a multiple of 4) and jumping back."""
    high, low = (address + 0x800) >> 12, address & 0xFFF
    return _words(
        *_PARK_HART_1,
        high << 12 | 10 << 7 | 0x37,  # lui a0,high
        low << 20 | 10 << 15 | 2 << 12 | 11 << 7 | 0x03,  # lw a1,low(a0)
        0xFFDFF06F,  # j -4
    )


READS_PER_INSTRUCTION = 0.5


def idle() -> bytes:
    """Both harts in WFI."""
    return _words(0x10500073, 0xFFDFF06F)
