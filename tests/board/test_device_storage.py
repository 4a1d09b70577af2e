"""Flash, card and SPI in our MicroPython: scripts on the board, and what only the outside can do to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from device_script import FIRMWARE, ROOT, run_script

from k210kit.board.board import Board
from k210kit.board.parts.sd_card import SdCard
from k210kit.board.parts.spi_bus import Socket
from k210kit.board.parts.spi_part import SpiPart

PROMPT = ">>> "
FILES = 0x200000
"""Where /flash is in the chip."""


@pytest.fixture(autouse=True)
def needs_firmware() -> None:
    if not FIRMWARE.exists():
        pytest.skip("build/firmware.bin is not there: make firmware")


@pytest.fixture
def board() -> Iterator[Board]:
    with Board(FIRMWARE) as made:
        yield made


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A folder that becomes a card's contents."""
    folder = tmp_path / "card"
    folder.mkdir()
    (folder / "hello.txt").write_text("hello, card\n")
    return folder


def run_file(board: Board, name: str, seconds: float = 60.0) -> str:
    return run_script(board, (ROOT / "tests/device" / f"{name}.py").read_bytes(), seconds)


def ask(board: Board, expression: str) -> str:
    return run_script(board, f"import os, sys\nprint(repr(({expression})))".encode()).strip()


def restart(board: Board, press: str = "") -> str:
    """Cut the power off and put it on again, press a button then; returns what the board shows up to its prompt."""
    board.output.clear()
    board.flash_chip.power_cut()
    board.power_up()
    if press:
        board.press(press)
    return board.run_until(PROMPT).decode()


def test_flash(board: Board) -> None:
    board.run_until(PROMPT)
    image = bytes(board.flash_chip.data[: FIRMWARE.stat().st_size + 37])
    output = run_file(board, "flash")
    assert output.endswith("done\n")
    assert f"unique id {board.flash_chip.unique_id.hex()}" in output
    assert bytes(board.flash_chip.data[: len(image)]) == image
    assert b"littlefs" in bytes(board.flash_chip.data[FILES : FILES + 2 * 4096])
    assert board.flash_chip.data[FILES + 0x100000 : 0x800000] == b"\xff" * (0x800000 - FILES - 0x100000)


def test_strict_mode_finds_nothing(card: Path) -> None:
    """Card and SPI; test_firmware_strict.py has the flash."""
    with Board(FIRMWARE, sd=card, strict="all") as board:
        board.machine.spi_sockets.attach(Socket(Wire(), sclk=20, mosi=21, miso=22))
        board.wire(21, 22)
        board.run_until(PROMPT)
        run_file(board, "sdcard")
        run_file(board, "spi")
        strict = board.machine.strict
        assert strict is not None
        assert not strict.faults, "\n".join(strict.report())
        assert not strict.misaligned, "\n".join(strict.report())


def test_first_start_is_short(board: Board) -> None:
    """The flash is formatted: two sectors are erased."""
    board.run_until(PROMPT)
    first = board.now
    assert first < 0.2
    board.power_up()
    board.run_until(PROMPT)
    assert board.now - first < 0.05


def test_files_outlive_a_reset(board: Board) -> None:
    board.run_until(PROMPT)
    run_script(board, b"f = open('kept', 'w'); f.write('as it was'); f.close()")
    shown = restart(board)
    assert shown.startswith("MicroPython")  # nothing before the banner
    assert ask(board, "open('kept').read(), os.listdir('/')") == "('as it was', ['flash'])"


def test_card(card: Path) -> None:
    with Board(FIRMWARE, sd=card) as board:
        board.run_until(PROMPT)
        assert run_file(board, "sdcard").endswith("done\n")


def test_card_without_file_system(tmp_path: Path) -> None:
    image = tmp_path / "empty.img"
    image.write_bytes(bytes(1 << 20))
    with Board(FIRMWARE, sd=image) as board:
        assert board.run_until(PROMPT).startswith(b"MicroPython")
        assert ask(board, "os.getcwd(), os.listdir('/')") == "('/flash', ['flash'])"


def test_card_pulled_while_mounted(card: Path) -> None:
    with Board(FIRMWARE, sd=card) as board:
        board.run_until(PROMPT)
        sockets = board.machine.spi_sockets
        socket = next(socket for socket in sockets.sockets if socket.part is board.sd_card)
        sockets.detach(socket)
        script = b"""
import os
for access in lambda: open("hello.txt").read(), lambda: os.listdir("/sd"), lambda: open("/sd/x", "w").close():
    try:
        access()
    except OSError as error:
        print(error.errno)
print(os.listdir("/flash"))
"""
        lines = run_script(board, script).split("\n")
        assert lines[-2] == "[]"
        assert len(lines) >= 4
        assert set(lines[:-2]) <= {"5", "19", "110"}
        # Another card in its place is not written to.
        other = SdCard(bytes(1 << 20), serial=77)
        sockets.attach(Socket(other, socket.sclk, mosi=socket.mosi, miso=socket.miso, cs=socket.cs))
        script = b"""
try:
    f = open("/sd/x", "w")
    f.write("text")
    f.close()
except OSError:
    print("refused")
"""
        assert "refused" in run_script(board, script)
        assert other.store.read(0, 1 << 20) == bytes(1 << 20)


def test_card_that_ends_in_mid_life(card: Path) -> None:
    """A start with a card that answers its identification and then nothing."""

    class Dead(SdCard):
        def _read_single(self, argument: int) -> None:
            self._respond(0x40)

    with Board(FIRMWARE) as board:
        where = board.profile.sd
        dead = Dead(bytes(1 << 20))
        board.machine.spi_sockets.attach(Socket(dead, where.sclk, mosi=where.mosi, miso=where.miso, cs=where.cs))
        assert board.run_until(PROMPT).startswith(b"MicroPython")
        assert ask(board, "os.getcwd()") == "'/flash'"


class Wire(SpiPart):
    """Answers what it hears at the same clock: a wire from mosi to miso."""

    def exchange(self, data: bytes) -> bytes:
        return data

    def receive(self, count: int, lines: int = 1) -> bytes:
        return b"\xff" * count


def test_spi(board: Board) -> None:
    board.machine.spi_sockets.attach(Socket(Wire(), sclk=20, mosi=21, miso=22))
    board.wire(21, 22)
    board.run_until(PROMPT)
    assert run_file(board, "spi").endswith("done\n")


def write_scripts(board: Board) -> None:
    script = b"""
for name in "boot", "main":
    with open(name + ".py", "w") as f:
        f.write("print('this is %s')\\n" % name)
"""
    run_script(board, script)


def test_scripts_run_at_start(board: Board) -> None:
    board.run_until(PROMPT)
    write_scripts(board)
    shown = restart(board)
    assert shown.startswith("this is boot\r\nthis is main\r\nMicroPython")
    board.send(b"\x04")  # a soft reset runs them too
    shown = board.run_until("Type").decode()
    assert "soft reboot\r\nthis is boot\r\nthis is main\r\n" in shown


def test_boot_key_skips_scripts(board: Board) -> None:
    board.run_until(PROMPT)
    write_scripts(board)
    # Held when the mask ROM looks, the key leads to download mode.
    assert "this is" not in restart(board, press="boot")
    board.release("boot")
    assert "this is boot" in restart(board)


def test_scripts_of_the_card_come_first(card: Path) -> None:
    (card / "main.py").write_text("print('the card says so')\n")
    with Board(FIRMWARE, sd=card) as board:
        shown = board.run_until(PROMPT).decode()
    assert shown.startswith("the card says so\r\nMicroPython")


@pytest.mark.parametrize("damage", ["noise", "half"])
def test_damaged_file_system(board: Board, damage: str) -> None:
    """What is no file system is formatted; the prompt comes in any case."""
    board.run_until(PROMPT)
    run_script(board, b"f = open('x', 'w'); f.write('y' * 10000); f.close()")
    contents = bytes((i * i * 31 + (i >> 3)) & 0xFF for i in range(8192))
    if damage == "noise":
        board.flash_chip.load(FILES, contents)
    else:
        board.flash_chip.load(FILES + 16, contents[:80])
    assert restart(board).startswith("MicroPython")
    assert ask(board, "os.getcwd()") == "'/flash'"
    run_script(board, b"f = open('z', 'w'); f.write('again'); f.close()")
    restart(board)
    assert ask(board, "open('z').read()") == "'again'"


def test_flash_chip_that_does_not_answer(board: Board) -> None:
    """The prompt comes without any file system; the ROM read the firmware from a chip that then fell silent."""
    board.power_up()
    board.machine.spi3.bus.part = SpiPart()
    shown = board.run_until(PROMPT)
    assert shown.startswith(b"MicroPython")
    assert ask(board, "os.getcwd()") == "'/'"


def test_keyboard_interrupt_in_a_long_transfer(board: Board) -> None:
    board.run_until(PROMPT)
    board.send(b"import k210; a = k210.Flash(start=0x800000); b = bytes(4 << 19); a.writeblocks(0, b)\r")
    board.run(3.0)
    board.send(b"\x03")
    start = board.now
    assert b"KeyboardInterrupt" in board.run_until(PROMPT)
    assert board.now - start < 1.0
    assert ask(board, "os.getcwd()") == "'/flash'"
