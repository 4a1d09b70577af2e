"""The flasher with its real stub on the virtual board, through the mask ROM's download mode, over RFC 2217."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_proxy import FaultProxy

from k210kit import flasher
from k210kit.board import Board
from k210kit.errors import DeviceError
from k210kit.flasher import session
from k210kit.images import header

PROGRAM = b"\x6f\x00\x00\x00" + random.Random(1).randbytes(9000)
MODEL = random.Random(2).randbytes(20_003)
FILES = {0: PROGRAM, 0x300000: MODEL}
RUNS, FEW = 30, 3
LONGEST_SECONDS = 240.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def holds(board: Board) -> bool:
    data = board.flash_chip.data
    image = header.wrap(PROGRAM)
    return bytes(data[: len(image)]) == image and bytes(data[0x300000 : 0x300000 + len(MODEL)]) == MODEL


def running(circuit: str = "dan") -> Board:
    """A board on which some program runs, that only its reset circuit brings into the ROM."""
    return Board(b"\x6f\x00\x00\x00" * 100, serial="rfc2217:0", reset_circuit=circuit)


@pytest.mark.parametrize("circuit", ["kd233", "goD"])
def test_other_reset_circuits(circuit: str) -> None:
    with running(circuit) as board:
        board.start()
        chip = flasher.flash_id(board.address)
        assert (chip.jedec, chip.size) == (b"\xef\x60\x18", 16 << 20)


def test_all_jobs() -> None:
    with running() as board:
        url = board.address
        board.start()
        flasher.flash(url, FILES)
        assert holds(board)
        assert board.boot_problem == ""
        before = board.line.carried
        assert flasher.flash(url, FILES).size == 0
        assert board.line.carried - before < 20_000
        assert flasher.verify(url, FILES) == []
        assert flasher.read_flash(url, 0x300001, 10_000) == MODEL[1:10_001]
        flasher.erase_region(url, 0x301000, 0x1000)
        assert board.flash_chip.data[0x301000:0x302000] == b"\xff" * 0x1000
        (difference,) = flasher.verify(url, FILES)
        assert difference.offsets == (0x301000,)


def test_a_program_that_has_grown_is_sent_as_a_difference() -> None:
    chance = random.Random(6)
    words = [chance.randbytes(4) for _ in range(2000)]
    old = PROGRAM[:4] + b"".join(chance.choice(words) for _ in range(6000))
    new = old[:3000] + chance.randbytes(100) + old[3000:]
    with running() as board:
        board.start()
        flasher.flash(board.address, {0: old})
        before = board.line.carried_to_board
        flasher.flash(board.address, {0: new})
        assert bytes(board.flash_chip.data[5 : 5 + len(new)]) == new
        stub = len(session.stub_image())
        assert board.line.carried_to_board - before < stub * 1.05 + 5000


def test_a_piece_within_sectors_leaves_its_neighbours() -> None:
    with running() as board:
        board.flash_chip.data[0x300000:0x304000] = random.Random(3).randbytes(0x4000)
        before = bytes(board.flash_chip.data)
        board.start()
        flasher.flash(board.address, {0x300123: MODEL[:5000]})
        assert bytes(board.flash_chip.data) == before[:0x300123] + MODEL[:5000] + before[0x300123 + 5000 :]


def test_the_command_flashes_a_board_in_another_process(tmp_path: Path) -> None:
    chip, program = tmp_path / "chip.bin", tmp_path / "program.bin"
    program.write_bytes(PROGRAM)
    command = [sys.executable, "-m", "k210kit.cli"]
    board = subprocess.Popen(
        [*command, "board", "--flash-image", chip, "--serial", "rfc2217:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert board.stdout is not None
        url = board.stdout.readline().decode().strip()
        done = subprocess.run(
            [*command, "--port", url, "write-flash", program],
            capture_output=True,
            text=True,
            timeout=120,
            env=os.environ,
        )
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            f"verified: {len(header.wrap(PROGRAM)):,} bytes in 1 range by SHA-256",
        ), done.stderr
    finally:
        board.terminate()
        board.wait(30)
    assert chip.read_bytes()[: len(PROGRAM) + 5] == header.wrap(PROGRAM)[:-32]


def one_run(seed: int) -> str:
    """A flashing through a bad cable, then one through a good one; returns how the first ended."""
    chance = random.Random(seed)
    rates = tuple(10 ** chance.uniform(-6, -3) * chance.choice((0, 1)) for _ in range(2))
    cut = chance.randrange(1000, 60_000) if chance.random() < 0.3 else None
    with running(chance.choice(("dan", "kd233"))) as board:
        board.start()
        port = int(board.address.rpartition(":")[2])
        proxy = FaultProxy(port, rates, cut, seed)  # type: ignore[arg-type]
        begun = time.monotonic()
        try:
            flasher.flash(proxy.url, FILES)
            outcome = "verified"
            assert holds(board)
        except DeviceError as error:
            outcome = str(error)
            assert error.exit_status == 1 and "\n" not in outcome
        finally:
            proxy.close()
        assert time.monotonic() - begun < LONGEST_SECONDS, f"seed {seed}: {outcome}"
        flasher.flash(board.address, FILES)
        assert holds(board), f"seed {seed}: the clean run did not mend it"
        assert board.boot_problem == ""
    return outcome


@pytest.mark.parametrize("seed", range(FEW))
def test_a_bad_cable(seed: int) -> None:
    one_run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, RUNS))
def test_many_bad_cables(seed: int) -> None:
    one_run(seed)


def test_power_fails_during_a_write() -> None:
    with running() as board:
        board.flash_chip.data[0x300000:0x308000] = random.Random(4).randbytes(0x8000)
        board.flash_chip.torn = random.Random(5)
        board.start()

        class Cut(flasher.Report):
            def advance(self, name: str, size: int) -> None:
                if name != "stub":
                    board.power_cycle()

        with pytest.raises(DeviceError):
            flasher.flash(board.address, FILES, report=Cut())
        flasher.flash(board.address, FILES)
        assert holds(board)
