"""Runs every measurement and writes docs/benchmarks.md between its markers."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import compiler, firmware, flashing, frame, interpreter, kmodel, programs, storage, streaming
from k210kit.board import Board
from k210kit.board.core.clock import PS_PER_SECOND

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
MODEL_BYTES = 1_536_936
MODEL_OFFSET = 0x300000
LSR_OF_UART3, MTIME_OF_CLINT = 0x5023_0014, 0x0200_BFF8

Row = tuple[str, str, str]


def best(measure: Callable[[], float], times: int = 3) -> float:
    """The best of several measurements: what the machine can do when nothing disturbs it."""
    return max(measure() for _ in range(times))


def instructions_per_second(program: bytes, virtual_seconds: float, pure: bool = False) -> float:
    """Guest instructions retired by both harts per host second."""
    with Board(program, pure=pure) as board:
        board.run(0.0001)
        before, start = sum(board.retired), time.perf_counter()
        board.run(virtual_seconds)
        return (sum(board.retired) - before) / (time.perf_counter() - start)


def accesses_per_second(address: int, virtual_seconds: float, pure: bool = False) -> float:
    """Register reads per host second, none skipped."""
    with Board(programs.register_reads(address), pure=pure) as board:
        if not pure:
            board.machine.runner.be_eager(1)
        board.run(0.0001)
        before, start = board.retired[0], time.perf_counter()
        board.run(virtual_seconds)
        return (board.retired[0] - before) * programs.READS_PER_INSTRUCTION / (time.perf_counter() - start)


def flash_by_dma() -> tuple[float, float]:
    """Host and virtual seconds for reading a model from the flash by DMA, as firmware sets it up."""
    model = bytes(range(256)) * (MODEL_BYTES // 256 + 1)
    with Board(programs.idle(), flash={MODEL_OFFSET: model[:MODEL_BYTES]}) as board:
        board.run(0.0001)
        start, begun = time.perf_counter(), board.now
        done = 0
        while done < MODEL_BYTES:
            done += _read_chunk(board, MODEL_OFFSET + done, 0x8010_0000 + done, min(0x10000, MODEL_BYTES - done))
        host, virtual = time.perf_counter() - start, board.now - begun
        found = bytes(board.machine.memory.ram[0x100000 : 0x100000 + MODEL_BYTES])
        if found != model[:MODEL_BYTES]:
            raise AssertionError("the model read by DMA differs from the flash")
        return host, virtual


def _read_chunk(board: Board, offset: int, target: int, size: int) -> int:
    write = board.machine.write_register
    spi3, dmac, sysctl = 0x5400_0000, 0x5000_0000, 0x5044_0000
    write(spi3 + 0x08, 4, 0)
    write(spi3 + 0x00, 4, 2 << 22 | 2 << 10 | 7)  # quad, receive only, 8-bit frames
    write(spi3 + 0x14, 4, 4)
    write(spi3 + 0xF4, 4, 4 << 11 | 2 << 8 | 8 << 2 | 1)  # EBh: address on four lines, 4 wait cycles after the mode
    write(spi3 + 0x04, 4, size - 1)
    write(spi3 + 0x4C, 4, 1)
    write(spi3 + 0x08, 4, 1)
    write(sysctl + 0x64, 4, 6)  # channel 0 serves SPI3's receiver
    write(dmac + 0x10, 4, 3)
    write(dmac + 0x100, 8, spi3 + 0x60)
    write(dmac + 0x108, 8, target)
    write(dmac + 0x110, 8, size - 1)
    write(dmac + 0x118, 8, 1 << 4)
    write(dmac + 0x120, 8, 2 << 32)
    write(dmac + 0x18, 4, 0x101)
    write(spi3 + 0x60, 4, 0xEB)
    write(spi3 + 0x60, 4, offset << 8)
    write(spi3 + 0x10, 4, 1)
    end = board.machine.clock.now + PS_PER_SECOND
    board.run_while(lambda: bool(board.machine.read_register(dmac + 0x18, 4) & 1), end)
    write(spi3 + 0x10, 4, 0)
    return size


def start_up() -> float:
    """Host seconds of a `k210 board` process that runs a few instructions and ends."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as image:
        Path(image.name).write_bytes(programs.idle())
        command = [sys.executable, "-m", "k210kit.cli", "board", "--firmware", image.name, "--run-for", "0.000001"]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def million(value: float) -> str:
    """A rate in millions a second."""
    return f"{value / 1e6:,.2f} M/s" if value < 1e8 else f"{value / 1e6:,.0f} M/s"


def measure() -> list[Row]:
    """Every row: what, goal, result."""
    one, both, copying = programs.integer_loop(False), programs.integer_loop(True), programs.memory_loop()
    rate = instructions_per_second
    rows = [
        ("one busy hart, integer loop", "800 M/s", million(best(lambda: rate(one, 4)))),
        ("two busy harts, integer loop", "", million(best(lambda: rate(both, 2)))),
        ("one busy hart, loads and stores", "", million(best(lambda: rate(copying, 2)))),
        ("the same without C: one busy hart", "200 M/s", million(best(lambda: rate(one, 0.5, True)))),
        ("the same without C: two busy harts", "", million(best(lambda: rate(both, 0.2, True)))),
        (
            "register reads, plain register (UART status)",
            "10 M/s",
            million(best(lambda: accesses_per_second(LSR_OF_UART3, 0.1))),
        ),
        (
            "register reads, Python callback (CLINT time)",
            "1 M/s",
            million(best(lambda: accesses_per_second(MTIME_OF_CLINT, 0.01))),
        ),
        (
            "the same without C: plain register",
            "",
            million(best(lambda: accesses_per_second(LSR_OF_UART3, 0.005, True))),
        ),
    ]
    host, virtual = min(flash_by_dma() for _ in range(3))
    rows.append((f"{MODEL_BYTES:,} bytes from flash by DMA", "0.2 s", f"{host:.3f} s host, {virtual:.3f} s virtual"))
    rows.append(("start-up of `k210 board` to its end", "0.3 s", f"{min(start_up() for _ in range(5)):.2f} s"))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table under the machine and the command."""
    head = [
        f"`make bench` on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}:",
        "",
        "| measured | goal | result |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *(f"| {what} | {goal} | {result} |" for what, goal, result in rows)])


def put(name: str, text: str) -> None:
    """Print a table and put it into the document, between its markers."""
    print(text)
    marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", flags=re.S)
    DOCUMENT.write_text(marked.sub(lambda found: f"{found[1]}{text}\n{found[2]}", DOCUMENT.read_text()))


def main() -> None:
    """Measure, print, and put the tables into the document."""
    put("interpreter", interpreter.table())
    put("board", table(measure()))
    put("firmware", table(firmware.rows()))
    put("storage", table(storage.measure()))
    put("flashing", flashing.table())
    put("kmodel", table(kmodel.measure()))
    put("frame", frame.table())
    put("streaming", streaming.table())
    put("compiler", compiler.table())


if __name__ == "__main__":
    main()
