"""Nothing answers: why, found out step by step, with a limit for each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from k210kit.errors import DeviceError
from k210kit.flasher import ports, reset, rom
from k210kit.flasher.line import Line

LISTEN_SECONDS = 0.8
OTHER_BAUDS = (1_500_000, 2_000_000, 921_600, 9_600)
"""Rates at which programs for this chip talk, besides 115200."""
KEYS = "hold the BOOT key down, press and release RESET, let go of BOOT, and give the command again with --no-reset"


def silence(line: Line, heard: bytes, dances: Sequence[reset.Dance], no_reset: bool) -> DeviceError:
    """What to tell when the ROM does not answer at an open port; `heard` came while it was greeted."""
    if not line.has_control:
        return DeviceError(
            f"{line.name} has no DTR and RTS lines to reset the board with, and none in download mode answers there: "
            + (_by_hand_failed() if no_reset else KEYS)
        )
    said = heard + _listen(line, dances, rom.BAUD, no_reset)
    if is_text(said):
        return DeviceError(
            f"firmware is running on the board at {line.name}, but its mask ROM is not reached: it says "
            f"{excerpt(said)!r}. {_circuits(dances, no_reset)}"
        )
    if said:
        return _another_baud(line, dances, said, no_reset)
    holder = ports.in_use_by(line.name)
    also = f" {holder} has the port open too and may take what the board says." if holder else ""
    return DeviceError(
        f"nothing at all comes from {line.name}: is it the board's port, and is the board powered?{also} "
        f"{_circuits(dances, no_reset)}"
    )


def _circuits(dances: Sequence[reset.Dance], no_reset: bool) -> str:
    if no_reset:
        return _by_hand_failed()
    names = ", ".join(dance.name for dance in dances)
    return f"Tried the reset circuit{'s' if len(dances) > 1 else ''} {names}. If the board has none, {KEYS}"


def _by_hand_failed() -> str:
    return "hold the BOOT key down while you press and release RESET, and keep to the 20 s after the command's start"


def _listen(line: Line, dances: Sequence[reset.Dance], baud: int, no_reset: bool) -> bytes:
    """What the board says at this rate after a start."""
    line.baud = baud
    line.drain(quiet=0.02, limit=0.1)
    said = bytearray()
    if not no_reset:
        for dance in dances:
            reset.perform(line, dance.run)
            said += line.drain(quiet=LISTEN_SECONDS / len(dances), limit=LISTEN_SECONDS)
        reset.release(line)
    if not said:
        line.write(b"\r\n")
        said += line.drain(quiet=LISTEN_SECONDS, limit=LISTEN_SECONDS)
    return bytes(said)


def _another_baud(line: Line, dances: Sequence[reset.Dance], said: bytes, no_reset: bool) -> DeviceError:
    for baud in OTHER_BAUDS:
        try:
            other = _listen(line, dances, baud, no_reset)
        except DeviceError:
            continue
        if is_text(other):
            return DeviceError(
                f"firmware is running on the board at {line.name} and talks at {baud} baud, but its mask ROM is not "
                f"reached: it says {excerpt(other)!r}. {_circuits(dances, no_reset)}"
            )
    return DeviceError(
        f"{len(said)} bytes have come from {line.name} that are no text at {rom.BAUD} baud or another usual rate "
        f"(they begin with {said[:8].hex(' ')}): is it a K210 board, and the cable sound? {_circuits(dances, no_reset)}"
    )


def is_text(data: bytes) -> bool:
    """Whether this is something that a program has printed, at the right rate."""
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|[\0\xff]", b"", data)
    good = sum(32 <= byte < 127 or byte in b"\r\n\t\b" for byte in plain)
    return good >= 4 and good >= 0.9 * len(plain)


def excerpt(data: bytes) -> str:
    """The last line that has something in it, shortened."""
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", data).decode("ascii", "replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][-80:] if lines else ""
