"""Boots the firmware on a virtual board, runs a script over its REPL and prints what the script prints.

demo.py FIRMWARE SCRIPT
"""

from __future__ import annotations

import sys
from pathlib import Path

from k210kit.board import Board
from k210kit.errors import K210Error

RAW_REPL, RUN, END = b"\x01", b"\x04", b"\x04"
SECONDS = 60


def main(firmware: str, script: str) -> int:
    """Returns the exit status: 1 when the board or the script failed."""
    try:
        with Board(firmware) as board:
            board.run_until(">>> ")
            board.send(RAW_REPL)
            board.run_until(b"raw REPL; CTRL-B to exit\r\n>")
            board.send(Path(script).read_bytes() + RUN)
            board.run_until(b"OK")
            printed = board.run_until(END, SECONDS)[:-1].decode()
            problem = board.run_until(END)[:-1].decode()
            print((printed + problem).replace("\r\n", "\n"), end="")
            harts = " and ".join(f"{count:,}" for count in board.retired)
            print(f"{board.now:.3f} virtual seconds, {harts} instructions on the two harts")
            return 1 if problem else 0
    except (K210Error, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
