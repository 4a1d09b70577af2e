"""Our MicroPython measured on the virtual board, CanMV's image beside it where K210_GUESTS has that."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from k210kit.board import Board
from k210kit.board.core.clock import PS_PER_SECOND

ROOT = Path(__file__).parent.parent
FIRMWARE = ROOT / "build/firmware.bin"
CANMV = "prebuilt/canmv/canmv_lite_v1.0.7.bin"
PROMPT = b">>> "
EDGES_IN, ANSWERS_OUT, EDGES = 20, 21, 10

Row = tuple[str, str, str]


def prompt_time(board: Board) -> float:
    """Virtual milliseconds from power-on to the prompt's last character."""
    seen, times = bytearray(), []

    def heard(data: bytes) -> None:
        seen.extend(data)
        if PROMPT in seen and not times:
            times.append(board.machine.clock.now)

    board.line.listen(heard)
    board.run_until(PROMPT)
    return times[0] * 1000 / PS_PER_SECOND


def boot_milliseconds(image: Path, board: str) -> tuple[float, float]:
    """With an erased flash, and again with what the first start has left there."""
    with tempfile.TemporaryDirectory() as folder:
        chip = Path(folder) / "flash.bin"
        with Board(image, flash_image=chip, board=board) as first:
            formatting = prompt_time(first)
            first.run(1)  # what it does behind its prompt
        with Board(flash_image=chip, board=board) as second:
            return formatting, prompt_time(second)


def answer(board: Board, line: str) -> str:
    """What the REPL answers to one line."""
    board.send(line.encode() + b"\r")
    board.run_until(line + "\r\n")
    return board.run_until(PROMPT).removesuffix(PROMPT).decode().strip()


def free_memory() -> int:
    """Bytes of the heap that are free at the prompt."""
    with Board(FIRMWARE) as board:
        board.run_until(PROMPT)
        return int(answer(board, "import gc; _ = gc.collect(); gc.mem_free()"))


def cycles_to_answer(handler: str) -> int:
    """CPU cycles from an edge on a pad to the edge that a hard handler of pin interrupts makes on another, at most."""
    with Board(FIRMWARE) as board:
        board.run_until(PROMPT)
        hertz = int(answer(board, "import machine; machine.freq()").split(",")[0].strip("()"))
        answer(board, f"out = machine.Pin({ANSWERS_OUT}, machine.Pin.OUT, value=0)")
        answer(board, handler)
        answer(board, f"pin = machine.Pin({EDGES_IN}, machine.Pin.IN)")
        answer(board, "_ = pin.irq(f, machine.Pin.IRQ_RISING, hard=True)")
        board.send(b"while True: pass\r\r")
        board.run(0.05)
        pads, clock = board.machine.fpioa.pads, board.machine.clock
        answered: list[int] = []
        pads[ANSWERS_OUT].line.listen(lambda level: answered.append(clock.now) if level else None)
        longest = 0
        for _ in range(EDGES):
            board.run(0.0011)
            given = clock.now
            pads[EDGES_IN].drive(True, "benchmark")
            board.run(0.001)
            longest = max(longest, answered[-1] - given)
            pads[EDGES_IN].drive(False, "benchmark")
            board.send(b"\x03")
            board.run_until(PROMPT)
            answer(board, "out(0)")
            board.send(b"while True: pass\r\r")
            board.run(0.05)
        if len(answered) != EDGES:
            raise AssertionError(f"{EDGES} edges, {len(answered)} answers")
        return round(longest * hertz / PS_PER_SECOND)


def cycles_in_c() -> dict[str, int]:
    """What the guest that measures latency prints: cycles to the first line of a handler in C."""
    folder = ROOT / "build/guests"
    subprocess.run(["cmake", "-S", ROOT / "tests/board/guests", "-B", folder], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", folder, "--target", "drv_latency"], check=True, capture_output=True)
    with Board(folder / "drv_latency.elf") as board:
        board.wire(10, 11)
        text = board.run_until("done ", 1).decode()
    return {name: int(cycles) for name, cycles in re.findall(r"(\w+ \w+) to handler: (\d+)", text)}


def milliseconds(times: tuple[float, float]) -> str:
    """First and second start."""
    return f"{times[0]:,.0f} ms, {times[1]:,.0f} ms"


def rows() -> list[Row]:
    """Every row: what, goal, result."""
    native = cycles_in_c()
    found = [
        (
            "power-on to prompt, virtual: flash erased, second start",
            "150 ms",
            milliseconds(boot_milliseconds(FIRMWARE, "maix_bit")),
        ),
        ("size of firmware.bin", "< 700 KiB", f"{FIRMWARE.stat().st_size / 1024:,.0f} KiB"),
        ("memory free at the prompt", "4.5 MiB", f"{free_memory() / (1 << 20):.2f} MiB"),
        ("cycles from a pin's edge to a handler in C", "", f"{native['pin edge']}"),
        ("cycles from a timer's match to a handler in C", "", f"{native['timer match']}"),
        (
            "cycles from a pin's edge to the edge that a hard handler makes: `out.value`",
            "",
            f"{cycles_to_answer('f = out.value')}",
        ),
        ("the same, a Python function that calls it", "", f"{cycles_to_answer('f = lambda pin: out(1)')}"),
    ]
    canmv = Path(os.environ.get("K210_GUESTS", ".")) / CANMV
    if canmv.exists():
        found.insert(1, ("CanMV 1.0.7 on the same board", "", milliseconds(boot_milliseconds(canmv, "canmv"))))
    return found
