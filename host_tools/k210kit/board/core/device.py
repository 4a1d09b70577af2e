"""The base class of every memory-mapped device: registers in, effects out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

from k210kit.board.core.clock import Clock
from k210kit.board.core.registers import WORD_MASK, Register, RegisterArray

READ_FAST = 1
WRITE_FAST = 2

log = logging.getLogger("k210kit.board")

Tracer = Callable[[str, str, int, int, str], None]
"""Called as (device name, "read" or "write", byte offset, value, description)."""


class Device:
    """A block of registers at some base address.

    Subclasses declare Register attributes. `clock` gives virtual time in picoseconds. A register
    without callbacks is served by the C core from `words`; `flags` (one byte a word) says so, and
    `masks` which bits a write changes.
    Access never raises: an undeclared offset reads as 0, ignores writes and is logged once.
    """

    size = 0x1000
    window = 0
    """Bytes of address space behind the registers that answer too."""
    widths: ClassVar[tuple[int, ...]] = (4,)
    """Sizes of access that the documentation shows; only strict mode cares."""
    registers: ClassVar[dict[int, tuple[Register, int]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        table: dict[int, tuple[Register, int]] = {}
        for base in reversed(cls.__mro__):
            for register in vars(base).values():
                if isinstance(register, Register):
                    for index in range(register.count):
                        table[register.offset + index * register.stride] = (register, index)
        cls.registers = table

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock = name, clock
        self.words = memoryview(bytearray(self.size)).cast("I")
        self.flags = memoryview(bytearray(self.size >> 2))
        self.masks = memoryview(bytearray(self.size)).cast("I")
        self.arrays: dict[int, RegisterArray] = {}
        self.tracer: Tracer | None = None
        self.touched = 0  # accesses that reached Python
        self._unknown: set[int] = set()
        for offset, (register, _) in self.registers.items():
            flag = 0 if register.reader else READ_FAST
            if register.writer is None:
                flag |= WRITE_FAST
            self.flags[offset >> 2] = flag
            self.masks[offset >> 2] = register.writable
        self.reset()

    def reset(self) -> None:
        """Bring every register to its reset value; subclasses extend it with their hidden state."""
        for offset, (register, _) in self.registers.items():
            self.words[offset >> 2] = register.reset_value

    def read(self, offset: int, size: int) -> int:
        """What a guest reads: `size` (1, 2, 4 or 8) bytes at byte `offset` of the block."""
        self.touched += 1
        if size == 8:
            return self.read(offset, 4) | self.read(offset + 4, 4) << 32
        shift = (offset & 3) * 8
        return (self._read_word(offset & ~3) >> shift) & ((1 << (8 * size)) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        """What a guest writes: narrow writes are merged into the stored word."""
        self.touched += 1
        if size == 8:
            self.write(offset, 4, value & WORD_MASK)
            self.write(offset + 4, 4, value >> 32)
            return
        if size < 4:
            shift = (offset & 3) * 8
            mask = ((1 << (8 * size)) - 1) << shift
            old = self.words[offset >> 2] if offset < self.size else 0
            value = (old & ~mask) | ((value << shift) & mask)
        self._write_word(offset & ~3, value & WORD_MASK)

    def takes(self, offset: int, size: int, store: bool) -> bool:
        """Whether there are registers for the whole of an aligned access of a documented size."""
        return size in self.widths and all(at in self.registers for at in range(offset, offset + size, 4))

    def not_modelled(self, offset: int) -> tuple[str, str]:
        """Name of the register at `offset`, and what of it is known but without effect here ('' for nothing)."""
        register = self.registers[offset][0]
        notes = [f"{field.name}: {field.note}" for field in register.fields if "not modelled" in field.note]
        if "not modelled" in register.doc:
            notes.append(register.doc)
        return register.name, "; ".join(notes)

    def _read_word(self, offset: int) -> int:
        found = self.registers.get(offset)
        if found is None:
            self._unimplemented("read", offset)
            value, text = 0, ""
        else:
            register, index = found
            if register.reader is None:
                value = self.words[offset >> 2]
            elif register.count == 1:
                value = register.reader(self) & WORD_MASK
            else:
                value = register.reader(self, index) & WORD_MASK
            text = self._label(register, index, value) if self.tracer else ""
        if self.tracer:
            self.tracer(self.name, "read", offset, value, text)
        return value

    def _write_word(self, offset: int, value: int) -> None:
        found = self.registers.get(offset)
        if self.tracer:
            text = self._label(*found, value) if found else ""
            self.tracer(self.name, "write", offset, value, text)
        if found is None:
            self._unimplemented("write", offset)
            return
        register, index = found
        word = offset >> 2
        mask = register.writable
        self.words[word] = (self.words[word] & ~mask) | (value & mask)
        if register.writer is not None:
            if register.count == 1:
                register.writer(self, value)
            else:
                register.writer(self, index, value)

    @staticmethod
    def _label(register: Register, index: int, value: int) -> str:
        name = register.name if register.count == 1 else f"{register.name}[{index}]"
        return f"{name} {register.describe(value)}".rstrip()

    def _unimplemented(self, verb: str, offset: int) -> None:
        if offset not in self._unknown:
            self._unknown.add(offset)
            log.info("%s: %s of undeclared register +0x%x", self.name, verb, offset)
