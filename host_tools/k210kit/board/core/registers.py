"""Declaring the registers of a device: every bit stands once, as a field of a register.

A device class lists its registers as class attributes. The value of a register lives in the
device's word array, which the C core reads without calling Python; callbacks exist only for
effects:

    class Timer(Device):
        control = Register(0x08, [Field("enable", 0), Field("mode", 1)], writable=0x7)
        eoi = Register(0x0C, doc="reading clears the interrupt")

        @control.on_write
        def _control_written(self, value): ...   # self.control already holds the new value

        @eoi.on_read
        def _eoi_read(self): self.irq.set(False); return 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

WORD_MASK = 0xFFFF_FFFF


@dataclass(frozen=True)
class Field:
    """`width` bits from bit `low` of a register; `note` says what is known but not modelled."""

    name: str
    low: int
    width: int = 1
    note: str = ""

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return ((1 << self.width) - 1) << self.low

    def get(self, value: int) -> int:
        """The field's number within register value `value`."""
        return (value & self.mask) >> self.low

    def put(self, value: int, number: int) -> int:
        """`value` with this field replaced by `number` (excess bits are dropped)."""
        return (value & ~self.mask) | ((number << self.low) & self.mask)


class RegisterArray:
    """The values of a register that repeats: indexable, backed by the device's words."""

    def __init__(self, words: Any, start: int, step: int, count: int) -> None:
        self._words, self._start, self._step, self._count = words, start, step, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:
        return self._words[self._start + range(self._count)[index] * self._step]

    def __setitem__(self, index: int, value: int) -> None:
        self._words[self._start + range(self._count)[index] * self._step] = value & WORD_MASK


class Register:
    """A 32-bit register at byte `offset`, or `count` of them, `stride` bytes apart.

    `writable` masks what a guest's write may change; `reset` is the value after reset. Read as an
    attribute of a device it is the stored value (an int, or a RegisterArray when `count` > 1);
    assigning to it stores a value without any effect.
    """

    def __init__(
        self,
        offset: int,
        fields: Sequence[Field] = (),
        *,
        reset: int = 0,
        writable: int = WORD_MASK,
        count: int = 1,
        stride: int = 4,
        doc: str = "",
    ) -> None:
        self.offset, self.fields, self.reset_value = offset, tuple(fields), reset
        self.writable, self.count, self.stride, self.doc = writable, count, stride, doc
        self.name = ""
        self.reader: Callable[..., int] | None = None
        self.writer: Callable[..., None] | None = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, device: Any, owner: type | None = None) -> Any:
        if device is None:
            return self
        if self.count == 1:
            return device.words[self.offset >> 2]
        array = device.arrays.get(self.offset)
        if array is None:
            array = RegisterArray(device.words, self.offset >> 2, self.stride >> 2, self.count)
            device.arrays[self.offset] = array
        return array

    def __set__(self, device: Any, value: int) -> None:
        if self.count != 1:
            raise AttributeError(f"{self.name} repeats {self.count} times: assign to {self.name}[i]")
        device.words[self.offset >> 2] = value & WORD_MASK

    def on_read(self, function: Callable[..., int]) -> Callable[..., int]:
        """Decorate `f(self)` (or `f(self, index)` for an array): its result is what a guest reads."""
        self.reader = function
        return function

    def on_write(self, function: Callable[..., None]) -> Callable[..., None]:
        """Decorate `f(self, written)` (or `f(self, index, written)`), called after the value is stored.

        `written` is what the guest wrote, unmasked; the stored value is the attribute.
        """
        self.writer = function
        return function

    def describe(self, value: int) -> str:
        """`value` spelled out by fields, for a trace: `enable=1 mode=0`."""
        return " ".join(f"{f.name}={f.get(value):#x}" for f in self.fields)
