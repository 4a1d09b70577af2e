"""The run loop in Python, for machines where the C one was not built; same results, slower.

Unicorn counts instructions in this mode (emu_start's count), so any instruction can be the last;
the loop walks on to the boundary where the C one would stop (see runner.py).
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from unicorn import (
    UC_ERR_INSN_INVALID,
    UC_ERR_OK,
    UC_ERR_READ_PROT,
    UC_ERR_READ_UNMAPPED,
    UC_ERR_WRITE_PROT,
    UC_ERR_WRITE_UNMAPPED,
    UC_HOOK_CODE,
    UC_HOOK_EDGE_GENERATED,
    UC_HOOK_INSN_INVALID,
    UC_HOOK_INTR,
    UC_HOOK_MEM_FETCH_PROT,
    UC_HOOK_MEM_FETCH_UNMAPPED,
    UC_HOOK_MEM_READ,
    UC_HOOK_MEM_READ_UNMAPPED,
    UC_HOOK_MEM_WRITE,
    UC_HOOK_MEM_WRITE_PROT,
    UC_HOOK_MEM_WRITE_UNMAPPED,
    UC_HOOK_TLB_FILL,
    UC_MEM_WRITE,
    UC_PROT_ALL,
    UC_TLB_VIRTUAL,
    Uc,
    UcError,
)
from unicorn.riscv_const import UC_RISCV_REG_PRIV

from k210kit.board.core import csr, delay
from k210kit.board.core.device import READ_FAST, WRITE_FAST
from k210kit.board.core.engine import Engine
from k210kit.board.core.hart import IDLE_WFI, MSTATUS_FS, PRIV_USER
from k210kit.board.core.memory import SRAM_BASE, SRAM_UNCACHED, Memory
from k210kit.board.core.runner import PAGE, TURN, Reason
from k210kit.board.core.strict import Strict

LONG_WINDOW = 4_000_000
HOST_SLICE_SECONDS = 0.02
INSN_FENCE_I = 0x0000100F
OPCODE_AMO, INSN_LR = 0x2F, 2
ADDRESS_MASK = 0xFFFF_FFFF
_CALIBRATION = 4099
_SEARCH_BYTES = 2048


def transfers(half: int) -> bool:
    """Whether the instruction whose low half is `half` ends a straight line (as fast/decode.h)."""
    quadrant = half & 3
    if quadrant == 3:
        opcode = half & 0x7F
        return opcode in (0x63, 0x67, 0x6F, 0x73) or (opcode == 0x0F and half >> 12 & 7 == 1)
    if quadrant == 1:
        return half >> 13 >= 5
    if quadrant == 2:
        return half == 0x9002 or (half >> 13 == 4 and half >> 2 & 31 == 0 and half >> 7 & 31 != 0)
    return False


def reads_user_counter(insn: int) -> bool:
    """Whether `insn` is an access to CSR cycle, time or instret (as fast/decode.h)."""
    return insn & 0x7F == 0x73 and insn >> 12 & 3 != 0 and insn >> 20 in (0xC00, 0xC01, 0xC02)


class _Hart:
    """One hart's engine with what its callbacks leave behind."""

    def __init__(self, engine: Engine, counter: ctypes.c_uint64) -> None:
        self.engine, self.state, self.uc, self.counter = engine, engine.state, engine.uc, counter
        self.most = ctypes.c_uint64.from_address(ctypes.addressof(counter) + 8)
        self.fault_address = 0
        self.trapped = False
        self.stopped_at: int | None = None
        self.error: BaseException | None = None
        self.flush = False
        self.refused: tuple[int, int] | None = None  # in strict mode: cause and address of the access under way
        self.undo: tuple[memoryview, bytes] | None = None
        self.hooked: set[int] = set()
        self.started: set[int] = set()
        self.counter_pc = self.counter_cycle = 0  # of the last read of a cycle counter


class PureRunner:
    """See Runner for the methods."""

    def __init__(self, engines: list[Engine], memory: Memory) -> None:
        self._memory = memory
        self._harts = [_Hart(engine, _find_counter(engine, memory)) for engine in engines]
        self._counter_reads = 0
        self._until, self._window, self._running, self._stop = 0, 0, -1, False
        self._stepping = self._broke = False
        self._accesses = 0
        self._strict: Strict | None = None
        self._memory_strict = False
        for hart in self._harts:
            self._add_hooks(hart)

    # ---- What devices and the board call

    def map_device(
        self,
        base: int,
        size: int,
        words: memoryview,
        flags: memoryview,
        masks: memoryview,
        read: Callable[[int, int], int],
        write: Callable[[int, int, int], None],
    ) -> None:
        """Put a device's registers at `base`."""
        limit = len(flags)

        def on_read(uc: Uc, offset: int, width: int, data: Any) -> int:
            if self._harts[self._running].refused is not None:
                return 0
            self._accesses += 1
            word = offset >> 2
            if word < limit and flags[word] & READ_FAST:
                value = words[word] >> (offset & 3) * 8
                return value if width == 4 else value & ((1 << 8 * width) - 1)
            return self._guard(lambda: read(offset, width)) or 0

        def on_write(uc: Uc, offset: int, width: int, value: int, data: Any) -> None:
            if self._harts[self._running].refused is not None:
                return
            self._accesses += 1
            word = offset >> 2
            if width == 4 and word < limit and flags[word] & WRITE_FAST:
                words[word] = (words[word] & ~masks[word]) | (value & masks[word])
            else:
                self._guard(lambda: write(offset, width, value))

        for hart in self._harts:
            hart.uc.mmio_map(base, size, on_read, None, on_write, None)

    def now(self) -> int:
        """The running hart's cycle, or the one that both have reached."""
        if self._running < 0:
            return min(hart.state.cycles for hart in self._harts)
        hart = self._harts[self._running]
        return int(hart.state.cycles + max(hart.counter.value - 1, 0))

    def shorten(self, cycle: int) -> None:
        """An event is due at `cycle`: run() is to return then."""
        self._until = min(self._until, cycle)
        self._shorten_window(cycle)

    def _shorten_window(self, cycle: int) -> None:
        if cycle < self._window:
            self._window = cycle
            if self._running >= 0:
                self._halt(self._harts[self._running])

    def end_window(self) -> None:
        """Let the present window end here."""
        self._shorten_window(self.now())

    def stop(self) -> None:
        """Make run() return."""
        self._stop = True
        self.end_window()

    def running(self) -> int:
        """The hart whose instruction is under way, or -1."""
        return self._running

    def counter_reads(self) -> int:
        """How often a guest read a counter CSR."""
        return self._counter_reads

    def drop_code(self) -> None:
        """Drop all translated code."""
        for hart in self._harts:
            hart.started.clear()
            hart.uc.ctl_flush_tb()

    def invalidate(self, offset: int, size: int) -> None:
        """Drop translated code in that range of SRAM, under both its addresses."""
        if size <= 0 or offset + size > len(self._memory.ram):
            return
        start, end = offset & -PAGE, (offset + size + PAGE - 1) & -PAGE
        for hart in self._harts:
            hart.started.clear()
            for base in (SRAM_BASE, SRAM_UNCACHED):
                for page in range(start, end, PAGE):
                    hart.uc.ctl_remove_cache(base + page, base + page + PAGE)

    def watch_stores(self) -> list[int]:
        """All pages: nothing is known of them here."""
        return list(range(len(self._memory.ram) // PAGE))

    def set_fs(self, hart: int, fs: int) -> None:
        """Switch a hart's FPU in the engine."""
        self._harts[hart].engine.set_engine_fs(fs)

    # ---- For debuggers

    def step(self, number: int) -> None:
        """Execute one instruction of that hart alone; interrupts wait, wfi does not."""
        hart, other = self._harts[number], self._harts[1 - number].state
        state, start, traps, pc = hart.state, hart.state.cycles, hart.state.traps, hart.engine.pc
        self._until = self._window = 1 << 64
        self._running, self._stepping = number, True
        state.idle, hart.counter.value = 0, 0
        try:
            self._execute(hart, 1)
        finally:
            self._running, self._stepping, self._stop = -1, False, False
        if hart.flush:
            hart.flush = False
            hart.uc.ctl_flush_tb()
        # A trap at another pc is that of the next instruction's fetch.
        state.cycles = start + (state.traps == traps or state.mepc != pc)
        state.idle = 0
        _idle_until(other, state.cycles)

    def break_here(self) -> None:
        """Stop before the instruction whose hook calls this, not at the next boundary."""
        self.stop()
        if self._running >= 0:
            hart = self._harts[self._running]
            hart.stopped_at, self._broke = max(hart.counter.value - 1, 0), True
            hart.uc.emu_stop()

    def be_strict(self, judge: Strict, memory: bool) -> None:
        """Trap accesses that `judge` does not permit; with `memory` also those to memory that are not aligned."""
        self._strict, self._memory_strict = judge, memory
        for hart in self._harts:
            hart.uc.hook_add(UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, partial(self._on_strict_access, hart, judge))

    def _on_strict_access(
        self, hart: _Hart, judge: Strict, uc: Uc, kind: int, address: int, size: int, value: int, data: Any
    ) -> None:
        store = kind == UC_MEM_WRITE
        address &= ADDRESS_MASK
        found = self._memory.find(address, size)
        if hart.refused is not None:
            return
        if address & (size - 1) and (found is None or self._memory_strict):
            hart.refused = csr.CAUSE_STORE_MISALIGNED if store else csr.CAUSE_LOAD_MISALIGNED, address
        elif found is None and not judge.permits(address, size, store):
            hart.refused = csr.CAUSE_STORE_ACCESS if store else csr.CAUSE_LOAD_ACCESS, address
        else:
            return
        if found is not None and store:
            part = found[0].view[found[1] : found[1] + size]
            hart.undo = part, bytes(part)
        hart.stopped_at = max(hart.counter.value - 1, 0)
        uc.emu_stop()

    def _refuse(self, hart: _Hart) -> None:
        """The trap for an access that was refused: the engine has stopped before the instruction."""
        assert hart.refused is not None
        (cause, address), hart.refused = hart.refused, None
        if hart.undo is not None:
            part, old = hart.undo
            part[:], hart.undo = old, None
        hart.fault_address = address
        hart.state.cycles += hart.stopped_at or 0
        pc = hart.engine.pc
        insn = self._fetch(pc)
        if insn & 0x7F == OPCODE_AMO and insn >> 27 != INSN_LR:
            cause |= 2  # Unicorn loads first in an atomic; all but LR count as stores.
        self._enter_refused(hart, cause, pc)

    def accesses(self) -> int:
        """Register accesses served so far."""
        return self._accesses

    # ---- The loop

    def run(self, until: int) -> int:
        """Run to cycle `until`, or until something else wants attention; returns a Reason."""
        self._until = until
        try:
            return self._run()
        finally:
            self._stop = False

    def _run(self) -> Reason:
        a, b = (hart.state for hart in self._harts)
        deadline = time.monotonic() + HOST_SLICE_SECONDS
        rounds = 0
        while True:
            if self._stop:
                return Reason.STOPPED
            if a.crashed or b.crashed:
                return Reason.CRASHED
            if a.idle and not b.idle:
                _idle_until(a, b.cycles)
            elif b.idle and not a.idle:
                _idle_until(b, a.cycles)
            for state in (a, b):
                if state.idle == IDLE_WFI and state.mip & state.mie:
                    state.idle = 0
            if a.idle and b.idle:
                _idle_until(a, self._until)
                _idle_until(b, self._until)
                return Reason.DUE
            if min(a.cycles, b.cycles) >= self._until:
                return Reason.DUE
            rounds += 1
            if rounds & 7 == 0 and time.monotonic() > deadline:
                return Reason.YIELD
            self._run_window()

    def _run_window(self) -> None:
        a, b = (hart.state for hart in self._harts)
        behind = b.cycles if a.idle else a.cycles if b.idle else min(a.cycles, b.cycles)
        length = LONG_WINDOW if a.idle or b.idle else TURN
        self._window = min(self._until, behind + length)
        for number, hart in enumerate(self._harts):
            if not hart.state.idle and hart.state.cycles < self._window:
                self._run_hart(number, hart)
            if self._stop or hart.state.crashed:
                return

    def _run_hart(self, number: int, hart: _Hart) -> None:
        state = hart.state
        self._running = number
        hart.counter.value = 0
        cause = csr.pending(state)
        if cause:
            hart.engine.pc = csr.enter_trap(state, cause, hart.engine.pc, 0, state.cycles)
        hart.uc.reg_write(UC_RISCV_REG_PRIV, PRIV_USER)
        while not self._stop and not state.idle and not state.crashed and state.cycles < self._window:
            at_boundary = self._execute(hart, self._window - state.cycles - 1)
            while not at_boundary and state.cycles + 1 < self._window and not self._stop:
                at_boundary = self._execute(hart, self._window - state.cycles - 1)
            if not at_boundary:
                self._to_boundary(hart)
            if hart.flush:
                hart.flush = False
                hart.started.clear()
                hart.uc.ctl_flush_tb()
        self._running = -1

    def _to_boundary(self, hart: _Hart) -> None:
        while True:
            count = self._line(hart.engine.pc)[0]
            before = hart.state.cycles
            if self._execute(hart, count) or hart.state.cycles - before >= count:
                return

    def _line(self, pc: int) -> tuple[int, int]:
        """Length in instructions of the straight line from `pc`, and where its last one stands."""
        count = 0
        while True:
            found = self._memory.find(pc & ADDRESS_MASK, 2)
            if found is None:
                return count + 1, pc
            half = int.from_bytes(found[0].view[found[1] : found[1] + 2], "little")
            count += 1
            if transfers(half) or half == 0:  # 0 is illegal, hence a trap
                return count, pc
            pc += 4 if half & 3 == 3 else 2

    def _execute(self, hart: _Hart, count: int) -> bool:
        """Execute up to `count` instructions; True when a trap was entered (which is a boundary)."""
        if count <= 0:
            return False
        pc = hart.engine.pc
        if pc not in hart.started:
            # Unicorn may translate the first block of a run without telling _on_translate.
            hart.started.add(pc)
            if self._hook_last(hart, self._line(pc)[1]):
                hart.uc.ctl_flush_tb()
        hart.trapped, hart.stopped_at, hart.error = False, None, None
        status = UC_ERR_OK
        try:
            hart.uc.emu_start(pc, 0, 0, count)
        except UcError as error:
            status = error.errno
        counter, hart.counter.value = hart.counter.value, 0
        if hart.error is not None:
            raise hart.error
        if hart.trapped:
            return True
        if hart.refused is not None:
            self._refuse(hart)
            return True
        if status not in (UC_ERR_OK, UC_ERR_INSN_INVALID):
            self._fault(hart, status, counter)
            return True
        hart.state.cycles += min(count, counter) if hart.stopped_at is None else hart.stopped_at
        broke, self._broke = self._broke, False
        return broke

    # ---- Traps

    def _fault(self, hart: _Hart, status: int, counter: int) -> None:
        state = hart.state
        if status in (UC_ERR_READ_UNMAPPED, UC_ERR_READ_PROT):
            insn = self._fetch(hart.engine.pc)
            atomic = insn & 0x7F == OPCODE_AMO and insn >> 27 != INSN_LR
            cause = csr.CAUSE_STORE_ACCESS if atomic else csr.CAUSE_LOAD_ACCESS
        elif status in (UC_ERR_WRITE_UNMAPPED, UC_ERR_WRITE_PROT):
            cause = csr.CAUSE_STORE_ACCESS
            hart.fault_address = self._store_address(hart)
        else:
            cause = csr.CAUSE_FETCH_ACCESS
        pc = hart.engine.pc
        if cause == csr.CAUSE_FETCH_ACCESS:
            state.cycles += counter
            pc = hart.fault_address
        else:
            state.cycles += counter - 1
        self._enter_refused(hart, cause, pc)

    def _enter_refused(self, hart: _Hart, cause: int, pc: int) -> None:
        if self._strict is not None:
            self._strict.note(hart.engine.number, cause, pc, hart.fault_address)
        hart.engine.pc = _enter_exception(hart, cause, pc, hart.fault_address, hart.state.cycles)

    def _store_address(self, hart: _Hart) -> int:
        """The address of the store or atomic that the hart stands at."""
        insn = self._fetch(hart.engine.pc)
        base, offset, word = 2, 0, insn >> 13 & 7 == 6  # c.sw c.swsp; the others store 8 bytes
        if insn & 3 == 3:
            base = insn >> 15 & 31
            if insn & 0x7F != OPCODE_AMO:
                offset = (insn >> 25 << 5 | insn >> 7 & 31) - (insn >> 31 << 12)
        elif insn & 3 == 0:
            base, offset = 8 + (insn >> 7 & 7), (insn >> 10 & 7) << 3
            offset |= (insn >> 6 & 1) << 2 | (insn >> 5 & 1) << 6 if word else (insn >> 5 & 3) << 6
        elif word:
            offset = (insn >> 9 & 15) << 2 | (insn >> 7 & 3) << 6
        else:
            offset = (insn >> 10 & 7) << 3 | (insn >> 7 & 7) << 6
        return (hart.engine.x(base) + offset) & csr.MASK64

    def _on_exception(self, hart: _Hart, uc: Uc, cause: int, data: Any) -> None:
        pc = hart.engine.pc - 4
        state = hart.state
        state.cycles += max(hart.counter.value - 1, 0)
        hart.counter.value = 0
        if cause == csr.CAUSE_ILLEGAL:
            following = self._guard(lambda: self._execute_system(hart, pc)) or 0
        else:
            tval = 0
            if cause == csr.CAUSE_USER_ECALL and state.priv != PRIV_USER:
                cause = csr.CAUSE_MACHINE_ECALL
            elif cause in (csr.CAUSE_LOAD_MISALIGNED, csr.CAUSE_STORE_MISALIGNED):
                # Only atomics get here, and they have no offset; all but LR count as stores.
                insn = self._fetch(pc)
                cause = csr.CAUSE_LOAD_MISALIGNED if insn >> 27 == INSN_LR else csr.CAUSE_STORE_MISALIGNED
                tval = hart.engine.x(insn >> 15 & 31)
                if self._strict is not None:
                    self._strict.note(hart.engine.number, cause, pc, tval)
            following = _enter_exception(hart, cause, pc, tval, state.cycles)
        self._after_trap(hart, following)

    def _on_invalid(self, hart: _Hart, uc: Uc, data: Any) -> bool:
        pc, state = hart.engine.pc, hart.state
        if pc == 0:
            state.cycles += hart.counter.value
            following = _enter_exception(hart, csr.CAUSE_FETCH_ACCESS, 0, 0, state.cycles)
        else:
            state.cycles += max(hart.counter.value - 1, 0)
            following = _enter_exception(hart, csr.CAUSE_BREAKPOINT, pc, pc, state.cycles)
        hart.counter.value = 0
        self._after_trap(hart, following)
        return True

    def _after_trap(self, hart: _Hart, pc: int) -> None:
        cause = 0 if hart.state.idle or self._stepping else csr.pending(hart.state)
        if cause:
            pc = csr.enter_trap(hart.state, cause, pc, 0, hart.state.cycles)
        hart.engine.pc = pc
        hart.trapped = True
        hart.uc.emu_stop()

    def _execute_system(self, hart: _Hart, pc: int) -> int:
        state, insn, following, legal = hart.state, self._fetch(pc), pc + 4, False
        now = state.cycles
        if insn & 0x7F == 0x73:
            if insn & 0xFF07F == 0x02073 and insn >> 20 in (0xB00, 0xB02, 0xC00, 0xC02):
                self._skip_delay(hart, pc, insn >> 20)
                now = state.cycles
            if insn >> 12 & 3:
                legal = self._execute_csr(hart, insn, now)
            elif insn == 0x30200073 and state.priv != PRIV_USER:
                following, legal = csr.leave_trap(state), True
            elif insn == 0x10500073:
                state.idle, legal = int(not state.mip & state.mie), True
            elif insn & 0xFFF07FFF == 0x10400073:
                legal = state.priv != PRIV_USER
        if not legal:
            return _enter_exception(hart, csr.CAUSE_ILLEGAL, pc, 0, now)
        state.cycles = now + 1
        return following

    def _skip_delay(self, hart: _Hart, pc: int, number: int) -> None:
        """Let rounds pass of a loop that waits for the cycle counter; the last ones are executed."""
        state, now = hart.state, hart.state.cycles
        counter = csr.read(state, number, now)
        if counter is None:
            return
        again = hart.counter_pc == pc and now - hart.counter_cycle <= delay.MAX_INSNS
        found = self._memory.find(pc, delay.CODE_BYTES)
        if again and found and self._window > now + 1:
            region, offset = found
            code = bytes(region.view[offset : offset + delay.CODE_BYTES])
            rounds, length = delay.rounds(code, counter, self._window - 1 - now, hart.engine.x)
            state.cycles += rounds * length
        hart.counter_pc, hart.counter_cycle = pc, state.cycles

    def _execute_csr(self, hart: _Hart, insn: int, now: int) -> bool:
        state = hart.state
        number, source, rd, op = insn >> 20, insn >> 15 & 31, insn >> 7 & 31, insn >> 12 & 3
        operand = source if insn >> 14 & 1 else hart.engine.x(source)
        if number == 0x300 and state.mstatus & MSTATUS_FS:
            state.mstatus = (state.mstatus & ~MSTATUS_FS) | hart.engine.engine_fs()
        self._counter_reads += number >> 4 in (0xB0, 0xC0)
        old = csr.read(state, number, now)
        if old is None:
            return False
        if op == 1 or source:
            fs = state.mstatus & MSTATUS_FS
            value = operand if op == 1 else old | operand if op == 2 else old & ~operand
            if not csr.write(state, number, now, value & csr.MASK64):
                return False
            if state.mstatus & MSTATUS_FS != fs:
                hart.engine.set_engine_fs(state.mstatus & MSTATUS_FS)
        hart.engine.set_x(rd, old)
        return True

    def _fetch(self, pc: int) -> int:
        pc &= ADDRESS_MASK
        found = self._memory.find(pc, 4) or self._memory.find(pc, 2)
        if found is None:
            return 0
        region, offset = found
        return int.from_bytes(region.view[offset : min(offset + 4, region.size)], "little")

    # ---- Hooks

    def _add_hooks(self, hart: _Hart) -> None:
        uc = hart.uc
        uc.ctl_set_tlb_mode(UC_TLB_VIRTUAL)
        uc.hook_add(UC_HOOK_TLB_FILL, _fill)
        uc.hook_add(UC_HOOK_INTR, partial(self._on_exception, hart))
        uc.hook_add(UC_HOOK_INSN_INVALID, partial(self._on_invalid, hart))
        uc.hook_add(UC_HOOK_EDGE_GENERATED, partial(self._on_translate, hart))
        kinds = UC_HOOK_MEM_READ_UNMAPPED | UC_HOOK_MEM_WRITE_UNMAPPED | UC_HOOK_MEM_FETCH_UNMAPPED
        uc.hook_add(kinds | UC_HOOK_MEM_FETCH_PROT | UC_HOOK_MEM_WRITE_PROT, partial(self._on_unmapped, hart))

    def _on_unmapped(self, hart: _Hart, uc: Uc, kind: int, address: int, size: int, value: int, data: Any) -> bool:
        hart.fault_address = address
        return False

    def _on_translate(self, hart: _Hart, uc: Uc, block: Any, previous: Any, data: Any) -> None:
        # The first execution follows this translation at once.
        if self._hook_last(hart, block.pc + block.size - 4):
            self._halt(hart)

    def _hook_last(self, hart: _Hart, last: int) -> bool:
        """See to the last instruction of a block; True when the block has to be translated anew."""
        insn = self._fetch(last)
        if last in hart.hooked or not (insn == INSN_FENCE_I or reads_user_counter(insn)):
            return False
        # Unicorn does nothing at fence.i, and lets every mode read the user's counters, taking the
        # host's ticks for them: both get hooks of their own.
        hart.hooked.add(last)
        action = self._on_fence if insn == INSN_FENCE_I else self._on_counter
        hart.uc.hook_add(UC_HOOK_CODE, partial(action, hart), None, last, last)
        hart.flush = True
        return True

    def _on_counter(self, hart: _Hart, uc: Uc, address: int, size: int, data: Any) -> None:
        if reads_user_counter(self._fetch(address)) and hart.stopped_at is None:
            hart.state.cycles += max(hart.counter.value - 1, 0)
            hart.counter.value = 0
            self._after_trap(hart, self._guard(lambda: self._execute_system(hart, address)) or 0)

    def _on_fence(self, hart: _Hart, uc: Uc, address: int, size: int, data: Any) -> None:
        hart.flush = True

    def _halt(self, hart: _Hart) -> None:
        # emu_stop() in a device access would make Unicorn execute the instruction again; letting the
        # count run out stops before the next one.
        if hart.stopped_at is None:
            hart.stopped_at = hart.most.value = hart.counter.value

    def _guard(self, action: Callable[[], int | None]) -> int | None:
        """Run a device's callback; an error of ours waits until the engine has returned."""
        try:
            return action()
        except BaseException as error:  # re-raised by _execute
            hart = self._harts[self._running]
            hart.error = hart.error or error
            self.stop()
            return None


def _enter_exception(hart: _Hart, cause: int, pc: int, tval: int, now: int) -> int:
    """Enter the handler of an exception, keeping the registers for a crash report."""
    if csr.keeps_fault(hart.state, cause, pc, now):
        hart.state.fault_x[:] = [hart.engine.x(index) for index in range(32)]
    return csr.enter_trap(hart.state, cause, pc, tval, now)


def _fill(uc: Uc, address: int, kind: int, entry: Any, data: Any) -> bool:
    # The upper half of an address is not decoded (as fast/core.c, on_fill).
    entry.paddr, entry.perms = address & ADDRESS_MASK, UC_PROT_ALL
    return True


def _idle_until(state: Any, cycle: int) -> None:
    if state.cycles < cycle:
        state.stalled += cycle - state.cycles
        state.cycles = cycle


def _find_counter(engine: Engine, memory: Memory) -> ctypes.c_uint64:
    """Unicorn's instruction counter, which its API does not show, found by running a known count."""
    nops, saved = b"\x01\x00" * 8 + b"\xc5\xbf", bytes(memory.ram[:18])
    memory.ram[:18] = nops
    engine.uc.emu_start(SRAM_BASE, 0, 0, _CALIBRATION)
    memory.ram[:18] = saved
    engine.uc.ctl_flush_tb()
    for offset in range(0, _SEARCH_BYTES, 8):
        counter = ctypes.c_uint64.from_address(engine.handle + offset)
        count = ctypes.c_uint64.from_address(engine.handle + offset + 8)
        if count.value == _CALIBRATION and counter.value in (_CALIBRATION, _CALIBRATION + 1):
            counter.value = 0
            return counter
    raise RuntimeError("this Unicorn keeps its instruction counter where the board does not find it")
