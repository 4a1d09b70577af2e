"""How fast our firmware reads and writes /flash and /sd, in virtual time: a script on a card says it."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from k210kit.board import Board

FIRMWARE = Path(__file__).parent.parent / "build/firmware.bin"
SCRIPT = Path(__file__).parent / "storage_on_board.py"


def rates() -> list[tuple[str, float]]:
    """What was measured, and megabytes a virtual second. Raises K210Error when the script does not end."""
    with tempfile.TemporaryDirectory() as card:
        (Path(card) / "main.py").write_text(SCRIPT.read_text())
        with Board(FIRMWARE, sd=card) as board:
            output = board.run_until("storage measured", 60).decode()
    return [(what, float(rate)) for what, rate in re.findall(r"rate of (.+): ([0-9.]+) MB/s", output)]


def measure() -> list[tuple[str, str, str]]:
    """Rows for the table of `make bench`: what, goal, result."""
    return [(what, "", f"{rate:.2f} MB/s virtual") for what, rate in rates()]


if __name__ == "__main__":
    for row in measure():
        print(*row)
