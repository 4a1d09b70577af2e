"""State of one hart that Unicorn does not keep; the same bytes are fast/hart.h's hart_state_t."""

from __future__ import annotations

import ctypes

PRIV_USER, PRIV_MACHINE = 0, 3

# RV64IMAFDC with S and U, as the Rocket cores report it.
MISA = 2 << 62 | sum(1 << (ord(letter) - ord("A")) for letter in "ACDFIMSU")

MSTATUS_FS = 3 << 13

IDLE_WFI, IDLE_HELD = 1, 2
CRASHED, FAULT_SEEN = 1, 2

EXCEPTIONS = {
    0: "instruction address misaligned",
    1: "instruction access fault",
    2: "illegal instruction",
    3: "breakpoint",
    4: "load address misaligned",
    5: "load access fault",
    6: "store address misaligned",
    7: "store access fault",
    8: "environment call from user mode",
    11: "environment call from machine mode",
}

_WORDS = """cycles stalled polled mstatus misa medeleg mideleg mie mip mtvec mscratch mepc mcause mtval mucounteren
mscounteren mcycle_offset minstret_offset satp tselect""".split()
_REST = """priv idle spinning crashed traps fault_count fault_cause fault_pc fault_tval fault_cycle
fault_depth fault_repeats fault_watch trap_cycle hart_id""".split()


class HartState(ctypes.Structure):
    """CSRs, privilege, time and last fault of a hart; see fast/hart.h for each member."""

    _fields_ = [
        *((name, ctypes.c_uint64) for name in _WORDS),
        ("scratch", ctypes.c_uint64 * 8),
        *((name, ctypes.c_uint64) for name in _REST),
        ("fault_x", ctypes.c_uint64 * 32),
    ]

    cycles: int
    stalled: int
    polled: int
    traps: int
    mip: int

    def reset(self, hart_id: int) -> None:
        """Reset values: machine mode, interrupts off, FPU off; time goes on."""
        cycles, stalled, polled, traps = int(self.cycles), int(self.stalled), int(self.polled), int(self.traps)
        ctypes.memset(ctypes.addressof(self), 0, ctypes.sizeof(self))
        self.cycles, self.stalled, self.polled, self.traps = cycles, stalled, polled, traps
        self.misa, self.priv, self.hart_id = MISA, PRIV_MACHINE, hart_id
        self.mstatus = PRIV_MACHINE << 11
        self.mcycle_offset = (1 << 64) - cycles if cycles else 0
        self.minstret_offset = (1 << 64) - (cycles - stalled) if cycles else 0

    @property
    def retired(self) -> int:
        """Instructions retired since power-on."""
        return self.cycles - self.stalled

    @property
    def busy(self) -> int:
        """Of these, all but those of waiting loops that were skipped."""
        return self.retired - self.polled
