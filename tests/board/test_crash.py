"""What happens when things go wrong: crashes in C, full memory, deep recursion, Ctrl-C, soft reset."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from device_script import FIRMWARE, ROOT, run_script
from live_board import answer

from k210kit.board.board import Board
from k210kit.images.elf import Symbols, parse

ELF = ROOT / "build/firmware.elf"
NOWHERE = 0x6000_0000
"""Between two blocks of the chip."""


@pytest.fixture
def board() -> Iterator[Board]:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE) as started:
        started.run_until(">>> ")
        yield started


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    if not ELF.exists():
        pytest.skip("build/firmware.elf is not there: make firmware")
    return parse(ELF.read_bytes()).symbols


def crash_report(board: Board, line: str) -> str:
    """What the console shows between a line and the banner of the next start."""
    board.send(line.encode() + b"\r")
    report = board.run_until("MicroPython v", 10).decode(errors="replace")
    board.run_until(">>> ", 10)
    return report.replace("\r\n", "\n")


def chain(report: str, symbols: Symbols) -> list[str]:
    found = re.search(r"return chain:(.*)\n", report)
    assert found, report
    # A return address may lie behind the last instruction of a function that calls one without a return.
    return [symbols.find(int(word, 16) - (1 if index else 0)) or "?" for index, word in enumerate(found[1].split())]


def in_order(wanted: tuple[str, ...], names: list[str]) -> bool:
    rest = iter(names)
    return all(any(name.split("+")[0].split(".")[0] == want for name in rest) for want in wanted)


@pytest.mark.parametrize(
    ("line", "cause", "what"),
    (
        (f"import machine; machine.mem32[{NOWHERE}]", 5, "load from where nothing answers"),
        (f"import machine; machine.mem32[{NOWHERE}] = 1", 7, "store to where nothing answers"),
    ),
)
def test_access_to_nowhere(board: Board, symbols: Symbols, line: str, cause: int, what: str) -> None:
    report = crash_report(board, line)
    assert f"*** crash on hart 0: {what}, cause 0x{cause:016x} at 0x" in report
    assert f"address 0x{NOWHERE:016x}\n" in report
    registers = dict(re.findall(r"\b(ra|[sgt]p|[ast]\d+)=0x([0-9a-f]{16})", report))
    assert len(registers) == 31, registers
    names = chain(report, symbols)
    assert names[0].startswith("machine_mem_subscr+"), names
    assert in_order(("mp_obj_subscr", "mp_execute_bytecode", "pyexec_friendly_repl", "main"), names), names
    # The board is well again, and tells why it started.
    assert answer(board, "import machine; machine.reset_cause() == machine.HARD_RESET") == "True"


def test_jump_to_nowhere(board: Board, symbols: Symbols) -> None:
    answer(board, "import gc, machine; at = id(gc.isenabled) + 8")
    assert answer(board, f"machine.mem32[at] = {NOWHERE}; machine.mem32[at + 4] = 0; 1") == "1"
    report = crash_report(board, "gc.isenabled()")
    assert f"*** crash on hart 0: jump to where no memory is, cause 0x{1:016x} at 0x{NOWHERE:016x}" in report
    names = chain(report, symbols)
    assert in_order(("mp_execute_bytecode", "pyexec_friendly_repl", "main"), names), names
    assert answer(board, "1 + 1") == "2"


def test_real_misaligned_access_goes_on() -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")
    with Board(FIRMWARE, strict="all") as board:
        board.run_until(">>> ")
        answer(board, "import uctypes; b = bytearray(range(16)); a = uctypes.addressof(b) + 1")
        answer(board, "s = uctypes.struct(a, {'w': uctypes.UINT32, 'd': 4 | uctypes.UINT64}, uctypes.NATIVE)")
        assert answer(board, "hex(s.w), hex(s.d)") == "('0x4030201', '0xc0b0a0908070605')"
        answer(board, "s.w = 0xfedcba98")
        assert answer(board, "bytes(b[:6])") == r"b'\x00\x98\xba\xdc\xfe\x05'"
        assert board.machine.strict is not None
        assert board.machine.strict.misaligned and not board.machine.strict.faults


FULL = b"""
import gc
kept, n = None, 0
try:
    while True:
        kept = [kept, bytearray(5000)]
        n += 1
except MemoryError as error:
    size, kept = n * 5000, None
    gc.collect()
print(size > 4 << 20, gc.mem_free() > 4 << 20)
try:
    bytearray(100 << 20)
except MemoryError as error:
    print(error)
"""


def test_a_full_heap_raises(board: Board) -> None:
    lines = run_script(board, FULL).splitlines()
    assert lines[0] == "True True"
    assert lines[1] == f"memory allocation failed, allocating {100 << 20} bytes"


DEEP = b"""
import _thread
depth = {}
def down(n, key):
    depth[key] = n
    down(n + 1, key)
def dive(key):
    try:
        down(0, key)
    except RuntimeError as error:
        done.append((key, str(error)))
done = []
dive("main")
_thread.start_new_thread(dive, ("thread",))
import time
for _ in range(1000):
    if len(done) == 2:
        break
    time.sleep_ms(1)
def sort_down(n):
    return sorted([2, 1], key=lambda x: sort_down(n + 1))
try:
    sort_down(0)
except RuntimeError as error:
    done.append(("through C", str(error)))
print(done)
print(depth["main"] > 50, depth["thread"] > 10)
"""


def test_deep_recursion_raises(board: Board) -> None:
    problem = "maximum recursion depth exceeded"
    lines = run_script(board, DEEP).splitlines()
    assert lines[0] == str([("main", problem), ("thread", problem), ("through C", problem)])
    assert lines[1] == "True True"


@pytest.mark.parametrize(
    "waiting",
    (
        "import time; time.sleep(1000)",
        "import time; time.sleep_us(10**9)",
        "while True: pass",
        "for i in range(10**12): x = bytearray(1000)",
        "import _thread; k = _thread.allocate_lock(); k.acquire(); k.acquire()",
        "input()",
        "import select, sys; p = select.poll(); p.register(sys.stdin, 0); p.poll()",
        r"import asyncio; exec('async def m():\n await asyncio.sleep(1000)'); asyncio.run(m())",
        "import machine; machine.lightsleep(100000)",
        "import machine; machine.idle(); exec('while True: machine.idle()')",
    ),
)
def test_ctrl_c(board: Board, waiting: str) -> None:
    # A compound statement asks for one more empty line.
    board.send(waiting.encode() + b"\r" + (b"\r" if waiting.endswith(("pass", "(1000)")) else b""))
    board.run(0.3)
    assert b">>> " not in board.output.replace(b">>> \r\n>>> ", b"")[-6:], bytes(board.output)
    begun = board.now
    board.send(b"\x03")
    board.run_until("KeyboardInterrupt: ", 5)
    assert board.now - begun < 0.1
    board.run_until(">>> ", 5)
    assert answer(board, "6 * 7") == "42"


OLD_SESSION = b"""
import machine, _thread, micropython, time
def act(_):
    machine.mem32[MARK] += 1
machine.mem32[MARK] = 0
timers = [machine.Timer(-1, period=5, mode=machine.Timer.PERIODIC, callback=act)]
timers += [machine.Timer(n, period=5, mode=machine.Timer.PERIODIC, callback=act, hard=True) for n in (0, 1)]
pin = machine.Pin(20, machine.Pin.IN)
pin.irq(act, machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING)
hard = machine.Pin(21, machine.Pin.IN)
hard.irq(act, machine.Pin.IRQ_RISING | machine.Pin.IRQ_FALLING, hard=True)
def loop():
    while True:
        act(0)
        time.sleep_ms(3)
_thread.start_new_thread(loop, ())
time.sleep_ms(30)
print(machine.mem32[MARK] > 20)
"""
MARK = b"0x80700000"
"""A word of the AI memory: nothing of the firmware lies there, and it outlives a soft reset."""


def wiggle(board: Board) -> None:
    for level in (True, False) * 3:
        for pad in (20, 21):
            board.machine.fpioa.pads[pad].drive(level, "test")
        board.run(0.002)


def test_soft_reset_leaves_nothing_of_the_old_session(board: Board) -> None:
    assert run_script(board, OLD_SESSION.replace(b"MARK", MARK)) == "True\n"
    count = f"import machine; machine.mem32[{MARK.decode()}]"
    before = int(answer(board, count))
    wiggle(board)
    assert int(answer(board, count)) >= before + 12  # it does count
    board.send(b"\x04")
    board.run_until("soft reboot", 5)
    board.run_until(">>> ", 5)
    before = int(answer(board, count))
    wiggle(board)
    board.run(0.3)
    assert int(answer(board, count)) == before
    assert answer(board, "act").endswith("NameError: name 'act' isn't defined")


def test_twenty_soft_resets_cost_no_memory(board: Board) -> None:
    free = []
    for _ in range(21):
        free.append(int(answer(board, "import gc; _ = gc.collect(); gc.mem_free()")))
        run_script(board, OLD_SESSION.replace(b"MARK", MARK))
        board.send(b"\x04")
        board.run_until("soft reboot", 5)
        board.run_until(">>> ", 5)
    # The collector looks at all words on the stack; what old ones point to may stay, but does not add up.
    assert set(free[2:]) == {free[2]}, free
    assert abs(free[2] - free[0]) < 512, free
