"""What is told of a guest that crashed: registers, the trap, the instruction, the function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from k210kit.board.core.clock import PS_PER_SECOND, Event
from k210kit.board.core.csr import MSTATUS_MIE
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import CRASHED, EXCEPTIONS, FAULT_SEEN, PRIV_MACHINE
from k210kit.board.core.memory import ROM_BASE, ROM_SIZE, Memory
from k210kit.images.elf import Symbols

if TYPE_CHECKING:
    from k210kit.board.machine import Machine

CHECK_PS = PS_PER_SECOND // 50
"""How long after an exception to look whether its hart has stopped for good."""

_INSN_WFI, _INSN_NOP, _INSN_C_NOP = 0x10500073, 0x00000013, 0x0001

REGISTER_NAMES = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
]  # fmt: skip


@dataclass(frozen=True)
class Crash:
    """A hart that cannot go on; `report` is the text for a person."""

    hart: int
    cause: int
    pc: int
    address: int
    report: str


def describe(engine: Engine, memory: Memory, symbols: Symbols, why: str) -> Crash:
    """The crash of one hart, with the registers as they were at its exception. `why` ends the first line."""
    state = engine.state
    where = _place(symbols, state.fault_pc)
    reason = EXCEPTIONS.get(state.fault_cause, f"cause {state.fault_cause}")
    lines = [
        f"guest crashed on hart {engine.number}: {reason} at {where}, address {state.fault_tval:#x}; {why}",
        f"  instruction {_instruction(memory, state.fault_pc)}, cycle {state.fault_cycle}",
        f"  now at {_place(symbols, engine.pc)}, mepc {state.mepc:x}, mcause {state.mcause:x}, mtval {state.mtval:x}, "
        f"mstatus {state.mstatus:x}, mtvec {state.mtvec:x}; registers at the exception:",
    ]
    for row in range(0, 32, 4):
        lines.append("  " + "  ".join(f"{REGISTER_NAMES[n]:>4} {state.fault_x[n]:016x}" for n in range(row, row + 4)))
    caller = symbols.find(state.fault_x[1])
    if caller:
        lines.append(f"  ra is in {caller}")
    return Crash(engine.number, state.fault_cause, state.fault_pc, state.fault_tval, "\n".join(lines))


def _place(symbols: Symbols, pc: int) -> str:
    name = symbols.find(pc)
    return f"{pc:#x} ({name})" if name else f"{pc:#x}"


def _instruction(memory: Memory, pc: int) -> str:
    found = memory.find(pc, 2)
    if found is None:
        return "not in memory"
    region, offset = found
    size = 4 if region.view[offset] & 3 == 3 else 2
    return bytes(region.view[offset : offset + size])[::-1].hex()


class FaultWatch:
    """Finds a hart that an exception has stopped for good, as after a handler's last words.

    Handlers that dump the registers end in a jump to itself or a loop around wfi, with interrupts
    off. `found(engine, why)` is told, at a virtual time that follows from the exception's.
    """

    def __init__(self, machine: Machine, found: Callable[[Engine, str], None]) -> None:
        self._machine, self._found = machine, found
        self._event: Event | None = None

    def reset(self) -> None:
        """The harts start anew."""
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self._arm()

    def _arm(self) -> None:
        for engine in self._machine.engines:
            engine.state.fault_watch = 1

    def look(self) -> None:
        """The run loop has stopped for a crash or for an exception, the first since the last look."""
        for engine in self._machine.engines:
            state = engine.state
            if state.crashed == CRASHED:
                self._found(engine, "its trap handler cannot run")
            elif state.crashed == FAULT_SEEN:
                state.crashed = 0
                if self._event is None:
                    self._event = self._machine.clock.after(CHECK_PS, self._check)

    def _check(self) -> None:
        self._event = None
        engines = [engine for engine in self._machine.engines if engine.state.fault_depth]
        if not engines:
            self._arm()
            return
        self._event = self._machine.clock.after(CHECK_PS, self._check)
        if any(self._machine.devices[name].words[0] & 1 for name in ("wdt0", "wdt1")):
            return  # a watchdog will reset it
        for engine in engines:
            if _in_rom(engine.pc) and _in_rom(engine.state.fault_pc):
                continue  # the mask ROM's own, of a command in download mode
            if _deaf(engine) and goes_nowhere(self._machine.memory, engine.pc):
                self._found(engine, "its trap handler has ended in an endless loop")


def _in_rom(pc: int) -> bool:
    return 0 <= pc - ROM_BASE < ROM_SIZE


def _deaf(engine: Engine) -> bool:
    state = engine.state
    return not state.mie or (state.priv == PRIV_MACHINE and not state.mstatus & MSTATUS_MIE)


def goes_nowhere(memory: Memory, pc: int) -> bool:
    """Whether the code at `pc` is a loop of nothing but jumps, waits and nops."""
    seen: set[int] = set()
    while pc not in seen:
        seen.add(pc)
        offset = _jump(_fetch(memory, pc))
        if offset is None or len(seen) > 8:
            return False
        pc += offset
    return True


def _jump(insn: int) -> int | None:
    """How far an instruction that does nothing else moves pc; None for any other."""
    if insn in (_INSN_WFI, _INSN_NOP) or insn & 0x707F == 0x0F:
        return 4
    if insn & 0xFFFF == _INSN_C_NOP:
        return 2
    if insn & 0xE003 == 0xA001:
        picked = [(12, 11), (11, 4), (10, 9), (9, 8), (8, 10), (7, 6), (6, 7), (5, 3), (4, 2), (3, 1), (2, 5)]
        offset = sum((insn >> source & 1) << to for source, to in picked)
        return offset - ((offset & 0x800) << 1)
    if insn & 0xFFF == 0x06F:
        offset = (insn >> 21 & 0x3FF) << 1 | (insn >> 20 & 1) << 11 | (insn >> 12 & 0xFF) << 12 | (insn >> 31) << 20
        return offset - ((offset & 0x100000) << 1)
    return None


def _fetch(memory: Memory, pc: int) -> int:
    found = memory.find(pc, 4) or memory.find(pc, 2)
    if found is None:
        return 0
    region, offset = found
    return int.from_bytes(region.view[offset : min(offset + 4, region.size)], "little")
