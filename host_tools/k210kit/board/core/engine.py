"""The two Unicorn engines: one a hart, over the same memory."""

from __future__ import annotations

import ctypes

from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV64, UC_PROT_ALL, UC_PROT_EXEC, UC_PROT_READ, Uc
from unicorn.riscv_const import (
    UC_CPU_RISCV64_SIFIVE_U54,
    UC_RISCV_REG_F0,
    UC_RISCV_REG_MSTATUS,
    UC_RISCV_REG_PC,
    UC_RISCV_REG_PRIV,
    UC_RISCV_REG_X0,
)
from unicorn.unicorn_py3 import unicorn as binding

from k210kit.board.core.hart import MSTATUS_FS, PRIV_MACHINE, PRIV_USER, HartState
from k210kit.board.core.memory import ROM_BASE, Memory

_ALL_REGISTERS = [
    UC_RISCV_REG_PC,
    *range(UC_RISCV_REG_X0, UC_RISCV_REG_X0 + 32),
    *range(UC_RISCV_REG_F0, UC_RISCV_REG_F0 + 32),
]


class Engine:
    """One hart: Unicorn executes its instructions, `state` holds what Unicorn does not.

    The guest runs in Unicorn's user mode whatever its own privilege, so that every privileged
    instruction and every CSR access arrives at the board, which alone knows virtual time.
    """

    def __init__(self, number: int, memory: Memory) -> None:
        self.number, self.state = number, HartState()
        self.uc = Uc(UC_ARCH_RISCV, UC_MODE_RISCV64)
        self.uc.ctl_set_cpu_model(UC_CPU_RISCV64_SIFIVE_U54)
        for region in memory.regions:
            rights = UC_PROT_READ | UC_PROT_EXEC if region.base == ROM_BASE else UC_PROT_ALL
            self.uc.mem_map_ptr(region.base, region.size, rights, ctypes.c_void_p(region.host))

    @property
    def handle(self) -> int:
        """The uc_engine pointer."""
        return self.uc._uch.value

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return self.uc.reg_read(UC_RISCV_REG_PC)

    @pc.setter
    def pc(self, value: int) -> None:
        self.uc.reg_write(UC_RISCV_REG_PC, value)

    def x(self, index: int) -> int:
        """Integer register x0..x31."""
        return self.uc.reg_read(UC_RISCV_REG_X0 + index)

    def set_x(self, index: int, value: int) -> None:
        """Set integer register x1..x31."""
        if index:
            self.uc.reg_write(UC_RISCV_REG_X0 + index, value)

    def registers(self) -> tuple[int, ...]:
        """The pc and all registers, integer and float."""
        return tuple(self.uc.reg_read_batch(_ALL_REGISTERS))

    def f(self, index: int) -> int:
        """Raw bits of float register f0..f31."""
        return self.uc.reg_read(UC_RISCV_REG_F0 + index)

    def set_f(self, index: int, value: int) -> None:
        """Set the raw bits of a float register."""
        self.uc.reg_write(UC_RISCV_REG_F0 + index, value)

    def engine_fs(self) -> int:
        """The FS bits as the engine tracks them."""
        self.uc.reg_write(UC_RISCV_REG_PRIV, PRIV_MACHINE)
        fs = self.uc.reg_read(UC_RISCV_REG_MSTATUS) & MSTATUS_FS
        self.uc.reg_write(UC_RISCV_REG_PRIV, PRIV_USER)
        return fs

    def set_engine_fs(self, fs: int) -> None:
        """Switch the engine's FPU: `fs` are the FS bits of mstatus."""
        self.uc.reg_write(UC_RISCV_REG_PRIV, PRIV_MACHINE)
        status = self.uc.reg_read(UC_RISCV_REG_MSTATUS)
        self.uc.reg_write(UC_RISCV_REG_MSTATUS, (status & ~MSTATUS_FS) | fs)
        self.uc.reg_write(UC_RISCV_REG_PRIV, PRIV_USER)

    def reset(self) -> None:
        """Registers zero, machine mode, time going on."""
        self.state.reset(self.number)
        for index in range(1, 32):
            self.set_x(index, 0)
        for index in range(32):
            self.set_f(index, 0)
        self.set_engine_fs(0)


def library_path() -> str:
    """Where the loaded Unicorn library lies."""
    return binding.uclib._name
