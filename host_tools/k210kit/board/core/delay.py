"""Delay loops: a few instructions that read the cycle counter until enough cycles have passed.

Nothing but time changes in such a loop, so the run loop may let whole rounds pass at once. The same
rules stand in fast/delay.c.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MAX_INSNS = 12
CODE_BYTES = MAX_INSNS * 4
MASK64 = (1 << 64) - 1

Operation = Callable[[int, int], int]
_ADD: Operation = lambda a, b: (a + b) & MASK64  # noqa: E731
_SUB: Operation = lambda a, b: (a - b) & MASK64  # noqa: E731
_SRL: Operation = lambda a, b: a >> b  # noqa: E731
_DIVU: Operation = lambda a, b: a // b if b else MASK64  # noqa: E731


@dataclass(frozen=True)
class Step:
    """`rd` = operation(rising register, fixed register or immediate)."""

    operation: Operation
    rd: int
    rising: int
    fixed: int | None
    value: int


@dataclass
class Loop:
    """Registers hold either a value that the loop does not change, or one that never falls."""

    counter_rd: int
    steps: list[Step] = field(default_factory=list)
    length: int = 1
    rising: set[int] = field(default_factory=set)
    fixed: set[int] = field(default_factory=set)
    compare: int | None = None
    left: int = 0
    right: int = 0
    loops_if_taken: bool = False

    def add(self, operation: Operation, rd: int, rs1: int, rs2: int | None, value: int = 0) -> bool:
        """Take in an instruction; False when the loop is none of ours."""
        rising, fixed = rs1, rs2
        if rs1 not in self.rising:
            # Only an addition may have its rising operand on the right.
            if operation is not _ADD or rs2 not in self.rising:
                return False
            rising, fixed = rs2, rs1
        elif rs2 in self.rising:
            return False
        if rd == 0 or rising is None:
            return False
        if fixed is not None:
            self.fixed.add(fixed)
        self.steps.append(Step(operation, rd, rising, fixed, value & MASK64))
        self.rising.add(rd)
        return True

    def branch(self, compare: int, left: int, right: int, taken_stays: bool) -> bool:
        """Take in blt, bge, bltu or bgeu with the rising value on one side."""
        if self.compare is not None or compare < 4 or (left in self.rising) == (right in self.rising):
            return False
        self.fixed.add(right if left in self.rising else left)
        self.compare, self.left, self.right, self.loops_if_taken = compare, left, right, taken_stays
        return True

    def rising_at(self, registers: dict[int, int], counter: int) -> int:
        """The rising operand of the branch in the round that reads `counter`."""
        values = {self.counter_rd: counter}
        for step in self.steps:
            right = step.value if step.fixed is None else registers[step.fixed]
            values[step.rd] = step.operation(values[step.rising], right)
        return values[self.left if self.left in self.rising else self.right]

    def goes_on(self, registers: dict[int, int], rising: int) -> bool:
        """Whether the branch stays in the loop."""
        left = rising if self.left in self.rising else registers[self.left]
        right = registers[self.right] if self.left in self.rising else rising
        compare = self.compare or 0
        less = left < right if compare >= 6 else _signed(left) < _signed(right)
        return (not less if compare & 1 else less) == self.loops_if_taken


def _signed(value: int, bits: int = 64) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _bits(word: int, *fields: tuple[int, int, int]) -> int:
    return sum((word >> source & ((1 << width) - 1)) << target for source, width, target in fields)


def _branch_offset(insn: int) -> int:
    return _signed(_bits(insn, (31, 1, 12), (7, 1, 11), (25, 6, 5), (8, 4, 1)), 13)


def _jump_offset(insn: int) -> int:
    return _signed(_bits(insn, (31, 1, 20), (12, 8, 12), (20, 1, 11), (21, 10, 1)), 21)


def _compressed_jump_offset(half: int) -> int:
    fields = ((12, 1, 11), (11, 1, 4), (9, 2, 8), (8, 1, 10), (7, 1, 6), (6, 1, 7), (3, 3, 1), (2, 1, 5))
    return _signed(_bits(half, *fields), 12)


def _wide(loop: Loop, insn: int, at: int) -> bool | None:
    """True: go on; None: the loop is closed; False: not a delay loop."""
    rd, rs1, rs2, funct3, top = insn >> 7 & 31, insn >> 15 & 31, insn >> 20 & 31, insn >> 12 & 7, insn >> 25
    opcode = insn & 0x7F
    if opcode == 0x13 and funct3 == 0:
        return loop.add(_ADD, rd, rs1, None, _signed(insn >> 20, 12))
    if opcode == 0x13 and funct3 == 5 and insn >> 26 == 0:
        return loop.add(_SRL, rd, rs1, None, insn >> 20 & 63)
    if opcode == 0x33 and funct3 == 0 and top in (0, 0x20):
        return loop.add(_SUB if top else _ADD, rd, rs1, rs2)
    if opcode == 0x33 and funct3 == 5 and top == 1:
        return loop.add(_DIVU, rd, rs1, rs2)
    if opcode == 0x63:
        back = at + _branch_offset(insn) == 0
        return (None if back else True) if loop.branch(funct3, rs1, rs2, back) else False
    if opcode == 0x6F and rd == 0 and loop.compare is not None and at + _jump_offset(insn) == 0:
        return None
    return False


def _compressed(loop: Loop, half: int, at: int) -> bool | None:
    rd, rs2, small, top = half >> 7 & 31, half >> 2 & 31, 8 + (half >> 7 & 7), half >> 13
    immediate = (half >> 12 & 1) << 5 | (half >> 2 & 31)
    if half & 3 == 1:
        if top == 0 and rd:
            return loop.add(_ADD, rd, rd, None, _signed(immediate, 6))
        if top == 5:
            closes = loop.compare is not None and at + _compressed_jump_offset(half) == 0
            return None if closes else False
        if half >> 10 == 0x23 and half >> 5 & 3 == 0:
            return loop.add(_SUB, small, small, 8 + (half >> 2 & 7))
        if top == 4 and half >> 10 & 3 == 0:
            return loop.add(_SRL, small, small, None, immediate)
    elif half & 3 == 2 and top == 4 and rs2 and rd:
        return loop.add(_ADD, rd, rd, rs2) if half >> 12 & 1 else loop.add(_ADD, rd, rs2, None)
    return False


def find_loop(code: bytes) -> Loop | None:
    """The delay loop that starts with the counter read at the start of `code`, or None."""
    loop = Loop(int.from_bytes(code[:4], "little") >> 7 & 31)
    if loop.counter_rd == 0:
        return None
    loop.rising.add(loop.counter_rd)
    at = 4
    while loop.length < MAX_INSNS and at + 4 <= len(code):
        insn = int.from_bytes(code[at : at + 4], "little")
        wide = insn & 3 == 3
        state = _wide(loop, insn, at) if wide else _compressed(loop, insn & 0xFFFF, at)
        loop.length += 1
        at += 4 if wide else 2
        if state is False:
            return None
        if state is None:
            # A register read as fixed and set by the loop would carry over from round to round.
            return None if loop.fixed & loop.rising else loop
    return None


def rounds(code: bytes, counter: int, budget: int, register: Callable[[int], int]) -> tuple[int, int]:
    """(rounds, instructions of a round) that certainly go round again within `budget` cycles.

    `code` starts at the counter read, which yields `counter` in the first round; `register(n)` gives
    the present value of xn. (0, 0) when this is no delay loop.
    """
    loop = find_loop(code)
    if loop is None or budget // loop.length < 2:
        return 0, 0
    most = budget // loop.length
    registers = {number: register(number) if number else 0 for number in loop.fixed}
    first = loop.rising_at(registers, counter)
    last = loop.rising_at(registers, (counter + most * loop.length) & MASK64)
    # It must not wrap on the way, nor change its sign where that matters.
    signed = loop.compare is not None and loop.compare < 6
    if last < first or (signed and _signed(last) < _signed(first)) or not loop.goes_on(registers, first):
        return 0, 0
    if loop.goes_on(registers, last):
        return most, loop.length
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        if loop.goes_on(registers, loop.rising_at(registers, counter + middle * loop.length)):
            low = middle
        else:
            high = middle
    return low, loop.length
