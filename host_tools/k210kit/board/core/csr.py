"""Machine-mode CSRs, trap entry and return in Python: the same rules as fast/hart.c.

Numbers beyond the usual ones are those of the privileged specification 1.9.1 (0x320 to 0x322).
"""

from __future__ import annotations

from k210kit.board.core.hart import CRASHED, FAULT_SEEN, MSTATUS_FS, PRIV_MACHINE, PRIV_USER, HartState

MASK64 = (1 << 64) - 1
INTERRUPT = 1 << 63

MSTATUS_MIE, MSTATUS_MPIE, MSTATUS_SD = 1 << 3, 1 << 7, 1 << 63
MPP_SHIFT = 11
MSTATUS_MPP = 3 << MPP_SHIFT
MSTATUS_WRITABLE = 0x1F0E79BB
MIE_WRITABLE, MIP_WRITABLE = 0xAAA, 0x222

MARCHID_ROCKET = 1
MIMPID_K210 = 0x4D41495832303030

CAUSE_FETCH_ACCESS, CAUSE_ILLEGAL, CAUSE_BREAKPOINT = 1, 2, 3
CAUSE_LOAD_MISALIGNED, CAUSE_LOAD_ACCESS, CAUSE_STORE_MISALIGNED, CAUSE_STORE_ACCESS = 4, 5, 6, 7
CAUSE_USER_ECALL, CAUSE_MACHINE_ECALL = 8, 11

# A handler that faults within so many cycles of its entry, and so often, will do so for ever.
NESTED_CYCLES, NESTED_FAULTS = 64, 1000

_PLAIN = {
    0x301: "misa",
    0x302: "medeleg",
    0x303: "mideleg",
    0x304: "mie",
    0x104: "mie",
    0x344: "mip",
    0x144: "mip",
    0x305: "mtvec",
    0x320: "mucounteren",
    0x321: "mscounteren",
    0x340: "mscratch",
    0x341: "mepc",
    0x342: "mcause",
    0x343: "mtval",
    0x180: "satp",
    0x7A0: "tselect",
    0xF14: "hart_id",
}
_SCRATCH = {0x140: 0, 0x105: 1, 0x141: 2, 0x142: 3, 0x143: 4, 0x7A1: 5, 0x7A2: 6, 0x7A3: 7}
_CONSTANT = {0xF11: 0, 0xF12: MARCHID_ROCKET, 0xF13: MIMPID_K210}
_WRITE_MASK = {"mie": MIE_WRITABLE, "mtvec": MASK64 - 2, "mepc": MASK64 - 1}
_WRITE_MASK |= {"mucounteren": 7, "mscounteren": 7, "tselect": 3}


def _reads_zero(number: int) -> bool:
    return 0x322 <= number <= 0x33F or 0xB03 <= number <= 0xB1F


def read(hart: HartState, number: int, now: int) -> int | None:
    """The value of CSR `number` at cycle `now`; None when there is no such CSR at this privilege."""
    if number in (0xC00, 0xC02):
        if hart.priv != PRIV_MACHINE and not hart.mucounteren >> (number & 31) & 1:
            return None
        number += 0xB00 - 0xC00
    elif hart.priv < (number >> 8 & 3):
        return None
    if number in (0x300, 0x100):
        dirty = hart.mstatus & MSTATUS_FS == MSTATUS_FS
        return int(hart.mstatus | (MSTATUS_SD if dirty else 0))
    if number in _PLAIN:
        return int(getattr(hart, _PLAIN[number]))
    if number in _SCRATCH:
        return int(hart.scratch[_SCRATCH[number]])
    if number in _CONSTANT:
        return _CONSTANT[number]
    if number == 0xB00:
        return (now + hart.mcycle_offset) & MASK64
    if number == 0xB02:
        return (now - hart.stalled + hart.minstret_offset) & MASK64
    return 0 if _reads_zero(number) else None


def write(hart: HartState, number: int, now: int, value: int) -> bool:
    """Write CSR `number`; False when it cannot be written."""
    if number >> 10 & 3 == 3 or read(hart, number, now) is None:
        return False
    if number in (0x300, 0x100):
        if value >> MPP_SHIFT & 3 not in (PRIV_USER, PRIV_MACHINE):
            value = (value & ~MSTATUS_MPP) | (hart.mstatus & MSTATUS_MPP)
        hart.mstatus = (hart.mstatus & ~MSTATUS_WRITABLE) | (value & MSTATUS_WRITABLE)
    elif number in (0x344, 0x144):
        hart.mip = (hart.mip & ~MIP_WRITABLE) | (value & MIP_WRITABLE)
    elif number == 0xB00:
        hart.mcycle_offset = (value - (now + 1)) & MASK64
    elif number == 0xB02:
        hart.minstret_offset = (value - (now + 1 - hart.stalled)) & MASK64
    elif number in _SCRATCH:
        hart.scratch[_SCRATCH[number]] = value
    elif number in _PLAIN and number != 0x301:
        name = _PLAIN[number]
        setattr(hart, name, value & _WRITE_MASK.get(name, MASK64))
    return True


def _is_fault(cause: int) -> bool:
    return not cause & INTERRUPT and cause not in (CAUSE_USER_ECALL, CAUSE_MACHINE_ECALL)


def keeps_fault(hart: HartState, cause: int, pc: int, now: int) -> bool:
    """Whether entering this trap would overwrite what is kept of the last fault."""
    if not _is_fault(cause):
        return False
    return not hart.fault_depth or (pc != hart.mtvec & ~3 and now - hart.trap_cycle >= NESTED_CYCLES)


def enter_trap(hart: HartState, cause: int, pc: int, tval: int, now: int) -> int:
    """Enter the trap handler; returns its address."""
    vector = hart.mtvec & ~3
    if cause & INTERRUPT and hart.mtvec & 1:
        vector += 4 * (cause & 63)
    if _is_fault(cause):
        if keeps_fault(hart, cause, pc, now):
            hart.fault_cause, hart.fault_pc, hart.fault_tval, hart.fault_cycle = cause, pc, tval, now
            hart.fault_repeats = 0
        if hart.fault_watch:
            hart.fault_watch, hart.crashed = 0, FAULT_SEEN
        hart.fault_repeats += pc != vector
        if pc == vector or hart.fault_repeats > NESTED_FAULTS:
            hart.crashed = CRASHED
        hart.fault_count += 1
        hart.fault_depth += 1
    elif hart.fault_depth:
        hart.fault_depth += 1
    hart.trap_cycle = now
    mpie = MSTATUS_MPIE if hart.mstatus & MSTATUS_MIE else 0
    status = hart.mstatus & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP)
    hart.mstatus = status | mpie | hart.priv << MPP_SHIFT
    hart.mepc, hart.mcause, hart.mtval, hart.priv = pc, cause, tval, PRIV_MACHINE
    hart.traps += 1
    return int(vector)


def leave_trap(hart: HartState) -> int:
    """mret: returns the address to go on at."""
    mie = MSTATUS_MIE if hart.mstatus & MSTATUS_MPIE else 0
    hart.priv = hart.mstatus >> MPP_SHIFT & 3
    hart.mstatus = (hart.mstatus & ~(MSTATUS_MIE | MSTATUS_MPP)) | mie | MSTATUS_MPIE
    hart.fault_depth -= hart.fault_depth != 0
    return int(hart.mepc)


def pending(hart: HartState) -> int:
    """The cause of the most urgent interrupt that is pending and enabled, or 0."""
    if hart.priv == PRIV_MACHINE and not hart.mstatus & MSTATUS_MIE:
        return 0
    active = hart.mip & hart.mie
    for number in (11, 3, 7, 9, 1, 5):
        if active >> number & 1:
            return INTERRUPT | number
    return 0
