"""Clients that others wrote, on a board's RFC 2217 port; nothing of them is changed but how they open it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import serial

from k210kit.board.board import Board


def run_client(
    patch: pytest.MonkeyPatch, board: Board, process: Callable[[], object], name: str, *words: str
) -> BaseException | None:
    """Call a client's `process` as if started with these words and the board's port.

    Returns what it ended with, if anything: such clients end by exceptions, also where all went well.
    """

    def open_port(port: str | None = None, **settings: Any) -> object:
        return serial.serial_for_url(port, **settings)

    with patch.context() as patched:
        patched.setattr(serial, "Serial", open_port)
        patched.setattr(sys, "argv", [name, "-p", board.url, "-n", *words])
        try:
            process()
        except (Exception, SystemExit) as ended:
            return ended
    return None
