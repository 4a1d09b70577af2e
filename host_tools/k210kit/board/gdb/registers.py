"""What gdb knows of the harts' registers, and how they are read and written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unicorn.riscv_const import UC_RISCV_REG_FCSR

from k210kit.board.core import csr
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import MSTATUS_FS, PRIV_MACHINE
from k210kit.board.machine import Machine

REG_PC, REG_F0, REG_FFLAGS, REG_FRM, REG_FCSR, REG_CSR0 = 32, 33, 65, 66, 67, 68
CSR_MSTATUS = 0x300
CSRS = {
    "mstatus": CSR_MSTATUS, "misa": 0x301, "medeleg": 0x302, "mideleg": 0x303, "mie": 0x304, "mtvec": 0x305,
    "mscratch": 0x340, "mepc": 0x341, "mcause": 0x342, "mtval": 0x343, "mip": 0x344,
    "mcycle": 0xB00, "minstret": 0xB02, "mvendorid": 0xF11, "marchid": 0xF12, "mimpid": 0xF13, "mhartid": 0xF14,
    "satp": 0x180, "cycle": 0xC00, "instret": 0xC02,
}  # fmt: skip
_CSR_NUMBERS = list(CSRS.values())
X_NAMES = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6",
    "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
]  # fmt: skip
F_NAMES = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4",
    "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9",
    "ft10", "ft11",
]  # fmt: skip
_POINTERS = {"ra": "code_ptr", "sp": "data_ptr", "gp": "data_ptr", "tp": "data_ptr", "fp": "data_ptr"}


def target_description() -> str:
    """The registers for gdb, as target.xml."""
    integer = [_reg(name, number, 64, _POINTERS.get(name, "int")) for number, name in enumerate(X_NAMES)]
    integer.append(_reg("pc", REG_PC, 64, "code_ptr"))
    floats = [_reg(name, REG_F0 + number, 64, "ieee_double") for number, name in enumerate(F_NAMES)]
    floats += [_reg(name, REG_FFLAGS + number, 32, "int") for number, name in enumerate(("fflags", "frm", "fcsr"))]
    csrs = [_reg(name, REG_CSR0 + number, 64, "int") for number, name in enumerate(CSRS)]
    features = "".join(
        f'<feature name="org.gnu.gdb.riscv.{name}">{"".join(registers)}</feature>'
        for name, registers in (("cpu", integer), ("fpu", floats), ("csr", csrs))
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
        f"<architecture>riscv:rv64</architecture>{features}</target>"
    )


def _reg(name: str, number: int, bits: int, kind: str) -> str:
    return f'<reg name="{name}" bitsize="{bits}" regnum="{number}" type="{kind}"/>'


class Registers:
    """A hart's registers by the numbers of the target description."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    @staticmethod
    def size(number: int) -> int:
        """Bytes of a register; 0 when there is none of that number."""
        if not 0 <= number < REG_CSR0 + len(CSRS):
            return 0
        return 4 if REG_FFLAGS <= number <= REG_FCSR else 8

    def read(self, engine: Engine, number: int) -> int:
        """A register's value."""
        if number < REG_PC:
            return engine.x(number)
        if number == REG_PC:
            return engine.pc
        if number < REG_FFLAGS:
            return engine.f(number - REG_F0)
        if number < REG_CSR0:
            return self._fcsr(engine) >> (5 if number == REG_FRM else 0) & {REG_FFLAGS: 31, REG_FRM: 7}.get(number, 255)
        return self._read_csr(engine, _CSR_NUMBERS[number - REG_CSR0])

    def write(self, engine: Engine, number: int, value: int) -> bool:
        """Set a register; False when it cannot be written."""
        if number < REG_PC:
            engine.set_x(number, value)
        elif number == REG_PC:
            engine.pc = value
        elif number < REG_FFLAGS:
            engine.set_f(number - REG_F0, value)
        elif number < REG_CSR0:
            low, width = {REG_FFLAGS: (0, 5), REG_FRM: (5, 3)}.get(number, (0, 8))
            mask = ((1 << width) - 1) << low
            return self._set_fcsr(engine, (self._fcsr(engine) & ~mask) | (value << low & mask))
        else:
            return self._write_csr(engine, _CSR_NUMBERS[number - REG_CSR0], value)
        return True

    @staticmethod
    def _with_fpu(engine: Engine, action: Callable[[], Any]) -> Any:
        """`action()` with the FPU switched on, without which Unicorn shows no fcsr."""
        before = engine.engine_fs()
        engine.set_engine_fs(MSTATUS_FS)
        try:
            return action()
        finally:
            engine.set_engine_fs(before)

    def _fcsr(self, engine: Engine) -> int:
        return int(self._with_fpu(engine, lambda: engine.uc.reg_read(UC_RISCV_REG_FCSR)))

    def _set_fcsr(self, engine: Engine, value: int) -> bool:
        self._with_fpu(engine, lambda: engine.uc.reg_write(UC_RISCV_REG_FCSR, value))
        return True

    def _as_machine(self, engine: Engine, action: Callable[[], Any]) -> Any:
        """`action()` with the rights of machine mode."""
        state = engine.state
        if state.mstatus & MSTATUS_FS:
            state.mstatus = (state.mstatus & ~MSTATUS_FS) | engine.engine_fs()
        priv, state.priv = state.priv, PRIV_MACHINE
        try:
            return action()
        finally:
            state.priv = priv

    def _read_csr(self, engine: Engine, number: int) -> int:
        state = engine.state
        return self._as_machine(engine, lambda: csr.read(state, number, state.cycles)) or 0

    def _write_csr(self, engine: Engine, number: int, value: int) -> bool:
        state = engine.state
        done = self._as_machine(engine, lambda: csr.write(state, number, state.cycles, value))
        if done and number == CSR_MSTATUS:
            engine.set_engine_fs(state.mstatus & MSTATUS_FS)
        return bool(done)
