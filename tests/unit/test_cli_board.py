"""`k210 board`: its exit status, what it prints, and how it refuses bad input."""

from __future__ import annotations

import hashlib
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import guest_words
import pytest
from PIL import Image

from k210kit.board.board import Board, GuestCrash
from k210kit.cli import main
from k210kit.images import header

FLASH_SIZE = 16 << 20
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.bin"
    path.write_bytes(guest_words.image(guest_words.HELLO))
    return path


@pytest.fixture
def k210(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: (status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return run


def start(*arguments: object, **extra: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from k210kit.cli import main; main()", "board", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **extra)  # type: ignore[call-overload,no-any-return]


def image_of(listing: str, path: Path) -> Path:
    path.write_bytes(guest_words.image(listing))
    return path


# ---- Ends


def test_until_met_ends_with_0(k210, hello):
    assert k210("board", "--firmware", hello, "--until", "Hello") == (0, "Hello\r\n", "")


def test_run_for_ends_with_0_and_the_console_is_standard_output(k210, hello):
    status, out, err = k210("board", "--firmware", hello, "--run-for", "0.01")
    assert (status, out, err) == (0, "Hello\r\n", "")


def test_a_wire_joins_two_pads(k210, hello):
    # The guest answers each character with the next one; what it has printed is what it hears.
    status, out, _ = k210("board", "--firmware", hello, "--wire", "20-21", "--wire", "5-4", "--until", "Ifmmp")
    assert (status, out[:12]) == (0, "Hello\r\nIfmmp")
    assert k210("board", "--firmware", hello, "--wire", "4-20", "--run-for", "0.01")[1] == "Hello\r\n"


def test_until_not_met_in_time_ends_with_3(k210, hello):
    status, out, err = k210("board", "--firmware", hello, "--run-for", "0.01", "--until", "Goodbye")
    assert (status, out) == (3, "Hello\r\n")
    assert err == "k210: 'Goodbye' was not shown within 0.01 virtual seconds\n"


def test_runs_are_the_same_to_the_instruction(k210, hello):
    def instructions() -> list[str]:
        _, _, err = k210("board", "--firmware", hello, "--until", "ll", "--stats")
        return re.findall(r"hart \d instructions +([\d,]+)\n", err)

    first = instructions()
    assert len(first) == 2
    assert instructions() == first


def test_a_camera_and_its_chip_are_taken(k210, hello, tmp_path):
    Image.new("RGB", (320, 240)).save(tmp_path / "photo.png")
    for where in (tmp_path, tmp_path / "photo.png"):
        arguments = ("--firmware", hello, "--camera", where, "--sensor", "gc0328", "--until", "Hello")
        assert k210("board", *arguments) == (0, "Hello\r\n", "")
    refused(k210("board", "--camera", tmp_path, "--sensor", "retina"), "ov2640, ov5640, gc0328")


def test_stats_are_a_table_on_standard_error(k210, hello):
    status, out, err = k210("board", "--firmware", hello, "--run-for", "0.01", "--stats")
    assert (status, out) == (0, "Hello\r\n")
    rows = dict(re.split(r"  +", line, maxsplit=1) for line in err.splitlines())
    assert list(rows) == [
        "hart 0 instructions", "hart 1 instructions", "virtual time", "host time", "instructions per host second",
        "register accesses", "KPU layers",
    ]  # fmt: skip
    assert float(rows["virtual time"].split()[0]) == pytest.approx(0.01, rel=0.01)
    assert int(rows["hart 0 instructions"].replace(",", "")) > 1_000_000
    assert int(rows["register accesses"].replace(",", "")) > 10
    assert len({len(line) for line in err.splitlines() if not line.endswith(" s")}) == 1


def test_a_wait_for_a_text_over_two_pieces_of_output():
    from k210kit.cli.board import Awaited

    found: list[bool] = []
    awaited = Awaited("abc", lambda: found.append(True))
    for piece in (b"xxa", b"b", b"dab", b"c..."):
        awaited.feed(piece)
    assert found == [True]
    single = Awaited("x", lambda: found.append(True))
    single.feed(b"ax")
    assert single.seen


def test_nothing_to_boot_is_told(k210):
    status, out, err = k210("board", "--run-for", "0.01")
    assert status == 0
    assert "boot failed with exit code 233" in out  # the mask ROM's own words
    assert "nothing was booted, the mask ROM waits" in err


# ---- Crashes


def test_a_crash_ends_with_4_and_tells_where(k210, tmp_path):
    path = tmp_path / "crash.elf"
    code = guest_words.image(guest_words.CRASH)
    path.write_bytes(guest_words.elf(code, {"start": 0x80000000, "reader": 0x80000010, "handler": 0x80000024}))
    status, _, err = k210("board", "--firmware", path, "--run-for", "1")
    assert status == 4
    first, *rest = err.splitlines()
    assert first == (
        "k210: guest crashed on hart 0: load access fault at 0x8000001c (reader+0xc), address 0x90000008; "
        "its trap handler has ended in an endless loop"
    )
    assert "instruction 0085b603" in rest[0]
    assert "now at 0x80000030 (handler+0xc)" in rest[1]
    assert " a1 0000000090000000" in err
    assert " t0 0000000000000000" in err  # as at the exception, though the handler has used t0
    assert len(rest) >= 10


@pytest.mark.parametrize("pure", [False, True])
def test_a_crash_is_the_same_in_both_run_loops(pure):
    with Board(guest_words.image(guest_words.CRASH), pure=pure) as board, pytest.raises(GuestCrash) as caught:
        board.run(0.1)
    crash = caught.value.crash
    assert (crash.hart, crash.cause, crash.pc, crash.address) == (0, 5, 0x8000001C, 0x90000008)
    assert "cycle 7\n" in crash.report
    assert board.now == pytest.approx(0.02, abs=0.001)


@pytest.mark.parametrize("pure", [False, True])
def test_a_handler_that_faults_itself_is_a_crash_of_the_first_cause(pure):
    with Board(guest_words.image(guest_words.RECURSIVE), pure=pure) as board, pytest.raises(GuestCrash) as caught:
        board.run(0.1)
    assert (caught.value.crash.cause, caught.value.crash.pc) == (2, 0x8000000C)
    assert "its trap handler cannot run" in caught.value.crash.report


@pytest.mark.parametrize("listing", [guest_words.HANDLED, guest_words.STOP], ids=["handled", "stopped"])
def test_a_guest_that_handles_its_exception_or_just_stops_has_not_crashed(k210, tmp_path, listing):
    path = image_of(listing, tmp_path / "guest.bin")
    assert k210("board", "--firmware", path, "--run-for", "0.2") == (0, "", "")


def test_a_watchdog_that_will_reset_a_stuck_guest_is_waited_for():
    with Board(guest_words.image(guest_words.CRASH)) as board:
        board.machine.on_reset = lambda cause: None
        board.run(0.001)
        board.machine.write_register(0x5040_0000, 4, 1)
        board.run(0.1)
        assert board.crash is None


def test_loops_that_go_nowhere_are_told_from_others():
    from k210kit.board.core.memory import Memory
    from k210kit.board.crash import goes_nowhere

    memory = Memory()

    def nowhere(*words: int, start: int = 0) -> bool:
        code = struct.pack(f"<{len(words)}I", *words)
        memory.ram[: len(code)] = code
        return goes_nowhere(memory, 0x8000_0000 + start)

    assert nowhere(0x0000006F)
    assert nowhere(0x0000A001)  # c.j .
    assert nowhere(0x10500073, 0xFFDFF06F)
    assert nowhere(0x10500073, 0xFFDFF06F, start=4)
    assert nowhere(0x00010001, 0x0000BFF5)  # c.nop, c.nop, c.j .-4
    assert not nowhere(0x00128293, 0xFFDFF06F)
    assert not nowhere(0x10500073, 0x00008067)
    assert not goes_nowhere(memory, 0x9000_0000)


# ---- Console endpoints and signals


@pytest.mark.c_run_loop
def test_piped_input_is_typed_when_the_guest_waits_for_it(hello):
    board = start("--firmware", hello, "--until", "cb", stdin=subprocess.PIPE)
    out, err = board.communicate(b"ba", timeout=30)
    assert (board.returncode, out, err) == (0, b"Hello\r\ncb", b"")


@pytest.mark.c_run_loop
def test_a_pseudo_terminal_is_the_first_line_and_answers(hello):
    board = start("--firmware", hello, "--serial", "pty", stdin=subprocess.PIPE)
    try:
        assert board.stdout is not None
        path = board.stdout.readline().decode().strip()
        assert path.startswith("/dev/")
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        seen = b""
        while b"Hello\r\n" not in seen:
            seen += os.read(terminal, 100)
        os.write(terminal, b"A")
        assert os.read(terminal, 1) == b"B"
        os.close(terminal)
    finally:
        board.send_signal(signal.SIGINT)
        _, err = board.communicate(timeout=30)
    assert (board.returncode, err) == (130, b"")


def test_an_rfc2217_url_is_printed_and_a_sigterm_ends_in_order(hello, tmp_path):
    picture = tmp_path / "lcd.png"
    board = start("--firmware", hello, "--serial", "rfc2217:0", "--lcd", picture, stdin=subprocess.DEVNULL)
    try:
        assert board.stdout is not None
        url = board.stdout.readline().decode().strip()
        port = int(re.fullmatch(r"rfc2217://127\.0\.0\.1:(\d+)", url)[1])
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    finally:
        board.terminate()
        board.communicate(timeout=30)
    assert board.returncode == 143
    assert picture.stat().st_size > 100


def test_the_picture_is_written_meanwhile_too(k210, hello, tmp_path):
    picture = tmp_path / "lcd.png"
    assert k210("board", "--firmware", hello, "--run-for", "0.05", "--lcd", picture, "--lcd-every", "0.01")[0] == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_trace_goes_to_standard_error_or_a_file(k210, hello, tmp_path):
    status, out, err = k210("board", "--firmware", hello, "--run-for", "0.001", "--trace", "uarths")
    assert (status, out) == (0, "Hello\r\n")
    assert "uarths    +0x000 txdata" in err
    listing = tmp_path / "trace.txt"
    arguments = ("--run-for", "0.001", "--trace", "uarths,fpioa", "--trace-file", listing)
    assert k210("board", "--firmware", hello, *arguments) == (0, "Hello\r\n", "")
    assert listing.read_text() == err


def test_a_flash_image_is_kept_across_runs(k210, hello, tmp_path):
    chip, model = tmp_path / "chip.bin", tmp_path / "model"
    model.write_bytes(b"model")
    pieces = ("--firmware", hello, "--flash", f"{model}@0x300000", "--flash-image", chip)
    assert k210("board", *pieces, "--until", "H")[0] == 0
    data = chip.read_bytes()
    assert len(data) == FLASH_SIZE
    assert data[0x300000:0x300006] == b"model\xff"
    assert k210("board", "--flash-image", chip, "--until", "Hello") == (0, "Hello\r\n", "")


# ---- Bad input: one sentence, status 2, nothing overwritten


def refused(result: tuple[int, str, str], *parts: str) -> None:
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("k210: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_firmware_with_a_wrong_header_length_or_hash(k210, tmp_path):
    good = header.wrap(b"\x13\0\0\0" * 8)
    path = tmp_path / "bad.bin"
    path.write_bytes(b"\x01" + good[1:])
    refused(k210("board", "--firmware", path), "AES", "bad.bin")
    path.write_bytes(good[:-1])
    refused(k210("board", "--firmware", path), "32 bytes")
    path.write_bytes(good[:1] + struct.pack("<I", 1 << 20) + good[5:])
    refused(k210("board", "--firmware", path), "1048576 bytes")
    path.write_bytes(good[:-1] + bytes((good[-1] ^ 1,)))
    refused(k210("board", "--firmware", path), "SHA-256", hashlib.sha256(good[:-32]).hexdigest()[:16])
    path.write_bytes(b"")
    refused(k210("board", "--firmware", path), "empty")
    path.write_bytes(b"PK\x03\x04 no zip")
    refused(k210("board", "--firmware", path), "kfpkg")
    path.write_bytes(b"\x7fELF" + bytes(60))
    refused(k210("board", "--firmware", path), "ELF")


def test_a_flash_image_of_the_wrong_size_is_refused_and_kept(k210, hello, tmp_path):
    chip = tmp_path / "chip.bin"
    chip.write_bytes(b"precious")
    refused(k210("board", "--firmware", hello, "--flash-image", chip), "8 bytes", str(FLASH_SIZE))
    assert chip.read_bytes() == b"precious"


@pytest.mark.parametrize("option", ["--firmware", "--sd"])
def test_a_missing_file(k210, tmp_path, option):
    refused(k210("board", option, tmp_path / "nonesuch"), "nonesuch", "No such file")


def test_a_missing_flash_piece_and_a_malformed_one(k210, tmp_path):
    refused(k210("board", "--flash", f"{tmp_path}/nonesuch@0"), "nonesuch", "No such file")
    for bad in ("file", "file@", "@0", "file@ten", "file@-1"):
        refused(k210("board", "--flash", bad), "FILE@OFFSET")


def test_overlapping_pieces_change_no_flash_image(k210, hello, tmp_path):
    chip, piece = tmp_path / "chip.bin", tmp_path / "piece"
    chip.write_bytes(b"\xa5" * FLASH_SIZE)
    piece.write_bytes(bytes(100))
    flash = ("--flash-image", chip)
    refused(k210("board", *flash, "--flash", f"{piece}@0x1000", "--flash", f"{piece}@0x1010"), "overlaps", "0x1010")
    refused(k210("board", *flash, "--flash", f"{piece}@0x1000", "--flash", f"{piece}@4096"), "overlaps", "0x1000")
    refused(k210("board", *flash, "--firmware", hello, "--flash", f"{piece}@0x10"), "overlaps")
    refused(k210("board", *flash, "--flash", f"{piece}@{FLASH_SIZE - 99}"), "outside")
    assert chip.read_bytes() == b"\xa5" * FLASH_SIZE


@pytest.mark.parametrize("option", ["--gdb", "--serial"])
def test_a_busy_port_changes_no_flash_image(k210, hello, tmp_path, option):
    chip = tmp_path / "chip.bin"
    chip.write_bytes(b"\xa5" * FLASH_SIZE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        value = port if option == "--gdb" else f"rfc2217:{port}"
        refused(k210("board", "--firmware", hello, "--flash-image", chip, option, value), str(port), "in use")
    assert chip.read_bytes() == b"\xa5" * FLASH_SIZE


def test_a_full_disk_leaves_no_flash_image(hello, tmp_path):
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    chip = tmp_path / "chip.bin"
    board = start("--firmware", hello, "--flash-image", chip, stdin=subprocess.DEVNULL, preexec_fn=small_disk)
    out, err = board.communicate(timeout=30)
    refused((board.returncode, out.decode(), err.decode()), "chip.bin", "File too large")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hello.bin"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--camera", "/nonesuch/photo.png"], "/nonesuch/photo.png"),
        (["--camera", str(Path(__file__))], "no picture"),
        (["--sensor", "ov2640"], "--camera"),
        (["--serial", "carrier-pigeon"], "known are stdio, pty"),
        (["--serial", "rfc2217:"], "TCP port"),
        (["--serial", "rfc2217:99999999"], "99999999"),
        (["--gdb", "70000"], "70000"),
        (["--board", "nonesuch"], "known are maix_dock"),
        (["--reset-circuit", "nonesuch"], "known are none, dan"),
        (["--press", "nonesuch"], "boot"),
        (["--wire", "10"], "10-11"),
        (["--wire", "10-x"], "10-11"),
        (["--wire", "10-10"], "10-11"),
        (["--wire", "47-48"], "pad 48"),
        (["--trace", "nonesuch"], "uarths"),
        (["--trace-file", "x"], "--trace"),
        (["--trace", "uarths", "--trace-file", "/nonesuch/x"], "/nonesuch/x"),
        (["--lcd", "/nonesuch/x.png"], "/nonesuch"),
        (["--lcd", "picture.xyz"], ".png"),
        (["--lcd-every", "1"], "--lcd"),
        (["--run-for", "0"], "above 0"),
        (["--run-for", "nan"], "above 0"),
        (["--run-for", "soon"], "soon"),
        (["--until", ""], "--until"),
        (["--nonesuch"], "--nonesuch"),
        (["stray"], "stray"),
    ],
)
def test_options_that_cannot_be_meant(k210, arguments, part):
    refused(k210("board", *arguments), part)


def test_an_unknown_command(k210):
    refused(k210("nonesuch"), "nonesuch")


def test_help_names_every_option(k210):
    status, out, _ = k210("board", "--help")
    assert status == 0
    names = """firmware flash flash-image sd camera sensor lcd lcd-every serial run-for until gdb stats board
    reset-circuit trace trace-file press wire verbose"""
    for name in names.split():
        assert f"--{name} " in out or f"--{name}\n" in out
    assert "board" in k210("--help")[1]
