"""MicroPython's own tests, unmodified, by its own runner, on the virtual board with our firmware.

`make test` runs a part of them, `make test-all` all. Each piece has a board of its own, so that two run side by side.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from device_script import ROOT

SOURCE = Path(os.environ.get("MICROPYTHON_DIR", ROOT / "build/micropython-1.25.0"))
TESTS = SOURCE / "tests"
TABLE = tomllib.loads((Path(__file__).parent / "suite_skips.toml").read_text())
VERDICT = re.compile(r"^(pass|FAIL|skip)  (\S+\.py)", re.MULTILINE)

PIECES = {
    "basics": 4,
    "micropython": 1,
    "float": 1,
    "io": 1,
    "import": 1,
    "misc": 1,
    "stress": 1,
    "unicode": 1,
    "extmod": 2,
    "thread": 2,
}
"""Directory, and into how many pieces it is cut."""

ON_CARD = {"io", "import", "unicode"}
"""Tests that open files next to them: their directory is the card's contents, which is the current directory."""

# The card's boot.py: copies its data to the flash, where the tests then run.
TO_FLASH = """\
import os
os.chdir("/flash")
if "data" not in os.listdir():
    os.mkdir("data")
    for name in os.listdir("/sd/data"):
        with open("/sd/data/" + name, "rb") as source, open("data/" + name, "wb") as target:
            target.write(source.read())
"""

QUICK = {
    "float": 4,
    "io": 1,
    "import": 1,
    "misc": 1,
    "unicode": 1,
    "basics": 8,
    "extmod": 8,
    "micropython": 8,
    "stress": 4,
}
"""Of these directories, every so manyth file is in `make test`."""


def listed(kind: str, path: str) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for entry in TABLE[kind] for pattern in entry["tests"])


def files_of(directory: str) -> list[str]:
    paths = sorted(path.relative_to(TESTS).as_posix() for path in (TESTS / directory).glob("*.py"))
    return [path for path in paths if not listed("excluded", path)]


def run_suite(
    firmware: Path, directory: str, files: list[str], results: Path, on_flash: bool = False, strict: str = ""
) -> None:
    """Run the files with run-tests.py; all pass but those that the table says to skip."""
    place = "not_on_flash" if on_flash else "not_on_card"
    files = [path for path in files if not listed(place, path)]
    assert files, f"no tests in {TESTS / directory}"
    board = [sys.executable, "-m", "k210kit.cli", "board", "--serial", "pty", "--firmware", str(firmware)]
    if strict:
        board += ["--strict", strict]
    if directory in ON_CARD:
        card = results / "card"
        shutil.copytree(TESTS / directory, card)
        if on_flash:
            (card / "boot.py").write_text(TO_FLASH)
        board += ["--sd", str(card)]
    done = subprocess.run(
        [sys.executable, "run-tests.py", "-t", "execpty:" + " ".join(board), "-r", str(results / "results"), *files],
        cwd=TESTS,
        env={**os.environ, "MICROPY_CPYTHON3": sys.executable},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdicts = {path: verdict for verdict, path in VERDICT.findall(done.stdout)}
    assert not [path for path in files if verdicts.get(path) == "FAIL"], explain(results, done.stdout)
    assert done.returncode == 0, done.stdout[-3000:]
    assert sorted(verdicts) == sorted(files), done.stdout[-3000:]
    skipped = {path for path, verdict in verdicts.items() if verdict == "skip"}
    assert skipped == {path for path in files if listed("skip", path)}


def explain(results: Path, output: str) -> str:
    """What the failed tests printed, and what they should have printed."""
    lines = [line for line in output.splitlines() if not line.startswith(("pass", "skip"))]
    for printed in sorted((results / "results").glob("*.out")):
        lines += [f"--- {printed}", printed.read_text(errors="replace")[-1500:]]
        expected = printed.with_suffix(".exp")
        if expected.exists():
            lines += ["--- expected", expected.read_text(errors="replace")[-1500:]]
    return "\n".join(lines)


def test_table_names_existing_tests(micropython_firmware: Path) -> None:
    directories = [*PIECES, "extmod_hardware"]
    paths = [path.relative_to(TESTS).as_posix() for name in directories for path in (TESTS / name).glob("*.py")]
    patterns = [pattern for kind in TABLE for entry in TABLE[kind] for pattern in entry["tests"]]
    assert not [pattern for pattern in patterns if not fnmatch.filter(paths, pattern)]


@pytest.mark.parametrize("directory", QUICK)
def test_sample(micropython_firmware: Path, directory: str, tmp_path: Path) -> None:
    run_suite(micropython_firmware, directory, files_of(directory)[:: QUICK[directory]], tmp_path)


def test_io_on_flash(micropython_firmware: Path, tmp_path: Path) -> None:
    run_suite(micropython_firmware, "io", files_of("io"), tmp_path, on_flash=True)


PARTS = [(directory, piece) for directory, pieces in PIECES.items() for piece in range(pieces)]


@pytest.mark.slow
@pytest.mark.parametrize(("directory", "piece"), PARTS)
def test_all(micropython_firmware: Path, directory: str, piece: int, tmp_path: Path) -> None:
    run_suite(micropython_firmware, directory, files_of(directory)[piece :: PIECES[directory]], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("directory", "piece"), PARTS)
def test_all_strict(micropython_firmware: Path, directory: str, piece: int, tmp_path: Path) -> None:
    """The image passes when every access to a register outside the documented map traps."""
    files = files_of(directory)[piece :: PIECES[directory]]
    run_suite(micropython_firmware, directory, files, tmp_path, strict="registers")
