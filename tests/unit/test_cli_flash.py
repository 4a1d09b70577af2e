"""The flashing commands: what they print, their exit status, and how they refuse bad input."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fake_chip
import pytest
from fake_chip import Chip, FakeFlash
from flasher_jobs import FIRMWARE, MODEL, holds, own_cache_and_stub  # noqa: F401

from k210kit.cli import main
from k210kit.flasher import ports
from k210kit.images import header, kfpkg

Run = Callable[..., tuple[int, str, str]]
PORT = "/dev/ttyFAKE"


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


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Chip:
    """A fake board at PORT on which firmware runs."""
    flash = FakeFlash()
    old = header.wrap(b"\x13\0\0\0" * 100)
    flash.data[: len(old)] = old
    made = Chip(flash=flash)

    def open_line(port: str):
        assert port == PORT
        return fake_chip.line(made, name=port)

    monkeypatch.setattr(ports, "open_line", open_line)
    return made


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    firmware, model = tmp_path / "firmware.bin", tmp_path / "model.kmodel"
    firmware.write_bytes(FIRMWARE)
    model.write_bytes(MODEL)
    return firmware, model


def refused(result: tuple[int, str, str], status: int, *parts: str) -> None:
    assert result[0] == status
    assert result[1] == ""
    last = result[2].splitlines()[-1]
    assert last.startswith("k210: ")
    assert "Traceback" not in result[2]
    for part in parts:
        assert part in last


# ---- Writing


def test_write_flash_shows_a_plan_and_says_that_it_is_verified(k210, chip, files):
    status, out, err = k210("--port", PORT, "write-flash", "0", files[0], "0x300000", files[1])
    assert status == 0
    assert holds(chip, {0: FIRMWARE, 0x300000: MODEL})
    head, first, second, total, verified = out.splitlines()
    assert re.split(r"  +", head.strip()) == ["flash", "file", "bytes", "on the chip now", "to write"]
    assert re.split(r"  +", first)[:3] == ["0x000000..0x015fb6", "firmware.bin", "90,038"]
    assert re.search(r"  [0-9a-f]{8}: 22 of 22 sectors differ +90,112$", first)
    assert re.split(r"  +", second) == ["0x300000..0x311173", "model.kmodel", "70,003", "erased", "73,728"]
    assert re.fullmatch(r"163,840 bytes in 40 sectors to write, [\d,]+ bytes on the line", total)
    assert verified == "verified: 160,041 bytes in 2 ranges by SHA-256"
    assert "reset circuit: dan" in err
    assert re.search(r"^model\.kmodel: 73,728 of 73,728 bytes, [\d,]+ kB/s$", err, re.M)
    assert k210("--port", PORT, "write-flash", "0", files[0], "3M", files[1])[1].splitlines()[3] == "nothing to write"


def test_a_kfpkg_or_firmware_stands_alone(k210, chip, files, tmp_path):
    package = tmp_path / "both.kfpkg"
    assert k210("kfpkg", "pack", package, "0", files[0], "0x300000", files[1])[0] == 0
    assert k210("--port", PORT, "write-flash", package)[0] == 0
    assert holds(chip, {0: FIRMWARE, 0x300000: MODEL})
    assert k210("--port", PORT, "verify-flash", files[0])[1] == "verified: the chip holds these files\n"


def test_a_wild_kfpkg_with_bare_hexadecimal_addresses(k210, chip, tmp_path):
    import zipfile

    package = tmp_path / "wild.kfpkg"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(
            "flash-list.json",
            '{"version": "0.1.0", "files": [{"address": 0x00000, "bin": "a.bin", "sha256Prefix": true},\n'
            '{"address": 0x00300000, "bin": "m", "sha256Prefix": false}]}',
        )
        archive.writestr("a.bin", FIRMWARE)
        archive.writestr("m", MODEL)
    assert k210("--port", PORT, "write-flash", package)[0] == 0
    assert holds(chip, {0: FIRMWARE, 0x300000: MODEL})


def test_a_key_encrypts_as_the_usual_client_does(k210, chip, files):
    key = "00112233445566778899aabbccddeeff"
    files[0].write_bytes(bytes(range(40)))
    assert k210("--port", PORT, "write-flash", "--key", key, files[0])[0] == 0
    # Made by kflash 1.1.6 of the same bytes and key.
    assert bytes(chip.flash.data[:85]).hex() == KFLASH_IMAGE
    assert k210("--port", PORT, "verify-flash", "--key", key, "0", files[0])[0] == 0
    refused(k210("--port", PORT, "write-flash", "--key", "12", files[0]), 2, "1 bytes", "32 hexadecimal digits")
    refused(k210("--port", PORT, "write-flash", "--key", "xy", files[0]), 2, "not hexadecimal")
    refused(k210("--port", PORT, "write-flash", "--key", key, "3M", files[1]), 2, "none of the files goes to 0x0")


KFLASH_IMAGE = (
    "0330000000279fb74a7572135e8f9b8ef6d1eee0037dfbc4e6d6fd255bc29d75359052c9eb0aa125a0f029e51d"
    "5d212329e10389f21cb19b244bb4f21bc1d7c3f5cc2a760bc11efb6811ac1a622bedde9ad322f8d7"
)


def test_raw_writes_the_bytes_as_they_are(k210, chip, files):
    assert k210("--port", PORT, "write-flash", "--raw", "0", files[1])[0] == 0
    assert chip.flash.data[: len(MODEL)] == MODEL


def test_verify_flash_names_what_differs(k210, chip, files):
    status, out, _ = k210("--port", PORT, "verify-flash", "3M", files[1])
    assert status == 1
    assert out == "model.kmodel: 18 of 18 sectors differ, at 0x300000, 0x301000, 0x302000, 0x303000, ...\n"


def test_read_flash_and_erase_region(k210, chip, files, tmp_path):
    k210("--port", PORT, "write-flash", "3M", files[1])
    copy = tmp_path / "copy"
    status, out, _ = k210("--port", PORT, "read-flash", "0x300000", len(MODEL), copy)
    assert (status, out) == (0, f"70,003 bytes from 0x300000 on are in {copy}\n")
    assert copy.read_bytes() == MODEL
    assert k210("--port", PORT, "erase-region", "0x300000", "4K")[1] == "erased: 4,096 bytes from 0x300000 on\n"
    assert k210("--port", PORT, "read-flash", "0xfff000", "all", copy)[0] == 0
    assert copy.read_bytes() == b"\xff" * 4096
    refused(k210("--port", PORT, "read-flash", "0", "17M", copy), 2, "not within the chip", "0x1000000")
    refused(k210("--port", PORT, "read-flash", "0", "1", tmp_path), 2, "folder")
    refused(k210("--port", PORT, "erase-region", "1", "4K"), 2, "whole sectors", "0x2000 bytes at 0x0")


def test_erase_flash_flash_id_and_reset(k210, chip):
    assert k210("--port", PORT, "flash-id")[1].splitlines() == [
        "manufacturer      0xef (Winbond)",
        "device            6018",
        "size              16,777,216 bytes",
        "status registers  00 02 00",
    ]
    assert k210("--port", PORT, "reset")[1] == "reset through the circuit dan\n"
    assert k210("--port", PORT, "--reset-circuit", "kd233", "reset")[1] == "reset through the circuit kd233\n"
    assert k210("--port", PORT, "erase-flash")[1] == "erased: all 16,777,216 bytes of the flash\n"
    refused(k210("--port", PORT, "--no-reset", "reset"), 2, "RESET key")


def test_ctrl_c_leaves_in_order(k210, chip, files, monkeypatch):
    from k210kit.cli import flashing

    def interrupt(self, name, size):
        if name == "model.kmodel":
            raise KeyboardInterrupt

    monkeypatch.setattr(flashing.Console, "advance", interrupt)
    status, _, err = k210("--port", PORT, "write-flash", "3M", files[1])
    assert status == 130
    assert "interrupted: 65,536 of 73,728 bytes are confirmed; the same command writes what is missing" in err
    assert chip.mode == "firmware"
    monkeypatch.undo()


# ---- What cannot be meant: status 2, and nothing is touched


def test_bad_words_are_refused_before_the_port_is_opened(k210, files, tmp_path):
    firmware, model = files
    at = ("--port", "/dev/nonesuch", "write-flash")
    refused(k210(*at, "0", firmware, "3M"), 2, "3 words")
    refused(k210(*at, "ten", firmware), 2, "'ten'", "0x1000")
    refused(k210(*at, "0", firmware, "0x0", model), 2, "both are to go to 0x0")
    refused(k210(*at, "0", firmware, "0x10000", model), 2, "overlaps firmware.bin, which ends at 0x15fb6", "0x16000")
    refused(k210(*at, "0x280000", model), 2, "would destroy /flash", "--force")
    refused(k210(*at, "0xfff000", model), 2, "the chip ends at 0x1000000")
    refused(k210(*at, "3M", tmp_path / "none"), 2, "cannot read", "No such file")
    (tmp_path / "empty").write_bytes(b"")
    refused(k210(*at, "3M", tmp_path / "empty"), 2, "is empty")
    (tmp_path / "v4.kmodel").write_bytes(b"LDMK" + bytes(100))
    refused(k210(*at, "0", tmp_path / "v4.kmodel"), 2, "is a kernel model", "0x300000")
    damaged = bytearray(header.wrap(FIRMWARE))
    damaged[1000] ^= 1
    firmware.write_bytes(damaged)
    refused(k210(*at, firmware), 2, "wrong SHA-256")
    (tmp_path / "bad.kfpkg").write_bytes(b"PK no zip")
    refused(k210(*at, tmp_path / "bad.kfpkg"), 2, "kfpkg")
    refused(k210("--baud", "99", "--port", PORT, "flash-id"), 2, "--baud 99")
    refused(k210("--reset-circuit", "esp", "--port", PORT, "flash-id"), 2, "no reset circuit 'esp'")


# ---- Ports that do not open


def test_a_port_that_is_missing(k210, monkeypatch):
    monkeypatch.setattr(ports, "candidates", list)
    refused(k210("--port", "/dev/nonesuch", "flash-id"), 1, "there is no port /dev/nonesuch", "plugged in")
    refused(k210("flash-id"), 1, "no port has the USB id of a board", "--port")


HOLDER = "import sys, serial; port = serial.Serial(sys.argv[1], exclusive=True); print(1, flush=True); input()"


def test_a_port_in_use_names_the_process(k210):
    master, slave = pty.openpty()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, os.ttyname(slave)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        refused(k210("--port", os.ttyname(slave), "flash-id"), 1, f"in use by process {holder.pid} (python")
    finally:
        holder.communicate(b"\n", timeout=10)
        os.close(master)
        os.close(slave)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every port")
def test_a_port_without_permission_names_the_group(k210, tmp_path):
    port = tmp_path / "port"
    port.touch(mode=0)
    refused(k210("--port", port, "flash-id"), 1, "usermod -aG")


def test_permission_is_told_with_the_group(monkeypatch, tmp_path):
    port = tmp_path / "port"
    port.touch()
    error = ports.why_not(str(port), "", PermissionError(13, "Permission denied"))
    assert "it belongs to the group" in str(error) and "sudo usermod -aG" in str(error)
    assert error.exit_status == 1


def test_a_pseudo_terminal_cannot_reset_and_says_so(k210):
    master, slave = pty.openpty()
    try:
        refused(k210("--port", os.ttyname(slave), "flash-id"), 1, "has no DTR and RTS lines", "--no-reset")
    finally:
        os.close(master)
        os.close(slave)


def test_a_socket_cannot_reset_and_says_so(k210):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        refused(k210("--port", url, "flash-id"), 1, "has no DTR and RTS lines", "hold the BOOT key down")
    refused(k210("--port", url, "flash-id"), 1, "cannot be opened", "does anything listen there?")


def test_several_boards_are_listed(k210, monkeypatch):
    class Usb:
        def __init__(self, device, serial_number):
            self.device, self.serial_number = device, serial_number
            self.vid, self.pid, self.location = 0x1A86, 0x7523, device

    monkeypatch.setattr(ports, "candidates", lambda: [Usb("/dev/ttyUSB0", "a"), Usb("/dev/ttyUSB1", "b")])
    refused(k210("flash-id"), 1, "several ports", "/dev/ttyUSB0 (WCH 1a86:7523), /dev/ttyUSB1", "--port")


def test_the_second_port_of_a_two_channel_chip_is_found(k210, chip, monkeypatch):
    class Usb:
        vid, pid, serial_number, location = 0x0403, 0x6010, "k", "1-1:1.0"

        def __init__(self, device):
            self.device = device

    monkeypatch.setattr(ports, "candidates", lambda: [Usb("/dev/ttyUSB0"), Usb(PORT)])
    open_board, silent = ports.open_line, Chip(rom_answers=False)
    monkeypatch.setattr(
        ports, "open_line", lambda port: open_board(port) if port == PORT else fake_chip.line(silent, name=port)
    )
    status, _, err = k210("flash-id")
    assert status == 0
    assert f"the board is at {PORT}" in err


# ---- Nothing answers


def silent_board(monkeypatch, **options) -> Chip:
    flash = FakeFlash()
    flash.data[: len(header.wrap(FIRMWARE))] = header.wrap(FIRMWARE)
    made = Chip(flash=flash, **options)
    monkeypatch.setattr(ports, "open_line", lambda port: fake_chip.line(made, name=port))
    return made


def test_no_bytes_at_all(k210, monkeypatch):
    chip = silent_board(monkeypatch, circuit="none", firmware_says=b"", rom_answers=False)
    chip.flash.answers = False
    chip._start(download=False)
    refused(k210("--port", PORT, "flash-id"), 1, f"nothing at all comes from {PORT}", "powered", "dan, kd233, goD")


def test_firmware_runs_and_the_rom_is_not_reached(k210, monkeypatch):
    silent_board(monkeypatch, circuit="none")
    result = k210("--port", PORT, "flash-id")
    refused(result, 1, "firmware is running", "ROM is not reached", ">>>", "hold the BOOT key down")


def test_firmware_at_another_baud(k210, monkeypatch):
    silent_board(monkeypatch, circuit="dan", firmware_baud=1_500_000, rom_answers=False)
    refused(k210("--port", PORT, "flash-id"), 1, "talks at 1500000 baud", ">>>")


def test_bytes_at_no_usual_baud(k210, monkeypatch):
    silent_board(monkeypatch, circuit="dan", firmware_baud=75_000, rom_answers=False)
    refused(k210("--port", PORT, "flash-id"), 1, "no text at 115200 baud or another usual rate")


def test_the_rom_answers_and_the_stub_does_not(k210, monkeypatch):
    silent_board(monkeypatch, stub_runs=False)
    refused(k210("--port", PORT, "flash-id"), 1, "ROM", "answers", "stub does not answer")


# ---- Files


def test_image_info(k210, files, tmp_path):
    status, out, _ = k210("image-info", files[0])
    assert status == 0
    assert "raw image, which gets the boot header" in out
    assert re.search(r"0x000000\.\.0x015fb6 +90,038 +90,001 +good, two data lines", out)
    encrypted = tmp_path / "e.bin"
    encrypted.write_bytes(header.wrap(FIRMWARE, key=bytes(16)))
    assert "good, AES, two data lines" in k210("image-info", encrypted)[1]
    encrypted.write_bytes(encrypted.read_bytes()[:-1])
    assert "is the file cut short?" in k210("image-info", encrypted)[1]
    package = tmp_path / "p.kfpkg"
    k210("kfpkg", "pack", package, "0", files[0], "3M", files[1])
    out = k210("image-info", package)[1]
    assert "kfpkg of 2 files" in out and "0x300000..0x311173" in out
    refused(k210("image-info", tmp_path / "none"), 2, "No such file")
    (tmp_path / "empty").write_bytes(b"")
    refused(k210("image-info", tmp_path / "empty"), 2, "empty")


def test_kfpkg_pack_list_unpack(k210, files, tmp_path):
    package, folder = tmp_path / "p.kfpkg", tmp_path / "new" / "folder"
    assert k210("kfpkg", "pack", package, "0", files[0], "0x300000", files[1])[1] == f"{package}: 2 files\n"
    listed = json.loads(__import__("zipfile").ZipFile(package).read("flash-list.json"))["files"]
    assert [entry["sha256Prefix"] for entry in listed] == [True, False]
    lines = k210("kfpkg", "list", package)[1].splitlines()
    assert re.split(r"  +", lines[1].strip()) == ["0x000000", "90,001", "yes", "firmware.bin"]
    assert re.split(r"  +", lines[2].strip()) == ["0x300000", "70,003", "no", "model.kmodel"]
    status, out, _ = k210("kfpkg", "unpack", package, folder)
    assert status == 0
    assert (folder / "firmware.bin").read_bytes() == FIRMWARE
    assert (folder / "model.kmodel").read_bytes() == MODEL
    assert f"0x300000  {folder / 'model.kmodel'}" in out
    refused(k210("kfpkg", "unpack", package, folder), 2, "is there already")
    refused(k210("kfpkg", "pack", package, "0", files[0], "3M"), 2, "3 words")
    refused(k210("kfpkg", "pack", package, "15M", files[1], "0xfffff0", files[0]), 2, "within the 16 MiB")
    refused(k210("kfpkg", "list", files[1]), 2, "zip")


def test_an_unpacked_name_stays_in_its_folder(k210, tmp_path):
    package = tmp_path / "evil.kfpkg"
    package.write_bytes(kfpkg.write([kfpkg.Entry(0, "../../evil", b"x", False)]))
    assert k210("kfpkg", "unpack", package, tmp_path / "folder")[0] == 0
    assert (tmp_path / "folder/evil").read_bytes() == b"x"
    assert not (tmp_path.parent / "evil").exists()


def test_help_is_shown_for_every_command(k210):
    from k210kit.cli import COMMANDS

    for name in COMMANDS:
        status, out, _ = k210(name, "--help")
        assert status == 0 and "Usage" in out


def test_bars_are_drawn_on_a_terminal(chip, files, monkeypatch):
    """A pseudo-terminal sees a bar for each file, with bytes, rate and time."""
    import io

    from k210kit.cli import flashing

    drawn = io.StringIO()
    drawn.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", drawn)
    monkeypatch.setenv("TERM", "xterm")
    console = flashing.Console()
    console.begin("model.kmodel", 8192)
    console.advance("model.kmodel", 4096)
    time.sleep(0.2)
    console.note("a remark")
    console.advance("model.kmodel", 4096)
    console.end()
    text = drawn.getvalue()
    assert "model.kmodel" in text and "8.2/8.2 kB" in text and "a remark" in text and "/s" in text
