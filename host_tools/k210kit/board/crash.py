"""What is told of a guest that crashed: registers, the trap, the instruction, the function."""

from __future__ import annotations

from dataclasses import dataclass

from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import EXCEPTIONS
from k210kit.board.core.memory import Memory
from k210kit.images.elf import Symbols

REGISTER_NAMES = """zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11
t3 t4 t5 t6""".split()


@dataclass(frozen=True)
class Crash:
    """A hart that cannot go on; `report` is the text for a person."""

    hart: int
    cause: int
    pc: int
    address: int
    report: str


def describe(engine: Engine, memory: Memory, symbols: Symbols, why: str) -> Crash:
    """The crash of one hart from its state now. `why` ends the first line."""
    state = engine.state
    where = _place(symbols, state.fault_pc)
    reason = EXCEPTIONS.get(state.fault_cause, f"cause {state.fault_cause}")
    lines = [
        f"guest crashed on hart {engine.number}: {reason} at {where}, address {state.fault_tval:#x}; {why}",
        f"  instruction {_instruction(memory, state.fault_pc)}, cycle {state.fault_cycle}",
        f"  pc {engine.pc:016x}  mepc {state.mepc:016x}  mcause {state.mcause:x}  mtval {state.mtval:x}"
        f"  mstatus {state.mstatus:x}  mtvec {state.mtvec:x}",
    ]
    for row in range(0, 32, 4):
        lines.append("  " + "  ".join(f"{REGISTER_NAMES[n]:>4} {engine.x(n):016x}" for n in range(row, row + 4)))
    caller = symbols.find(engine.x(1))
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
