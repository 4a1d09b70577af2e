"""How DTR and RTS bring a board into download mode, or start it: a dance for each wiring of the boards.

Levels as in pyserial (True is active). Source: what the PyPI client `kflash` 1.1.6 does for each board.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from k210kit.errors import K210Error
from k210kit.flasher import cache
from k210kit.flasher.line import Line

STEP_SECONDS = 0.1
Levels = tuple[bool, bool]
NEITHER, DTR, RTS, BOTH = (False, False), (True, False), (False, True), (True, True)


@dataclass(frozen=True)
class Dance:
    """(DTR, RTS) one after the other: into download mode, and to a start from the flash."""

    name: str
    boards: tuple[str, ...]
    download: tuple[Levels, ...]
    run: tuple[Levels, ...]


DANCES = (
    Dance("dan", ("dan", "bit", "trainer"), (NEITHER, RTS, DTR), (NEITHER, RTS, NEITHER)),
    Dance("kd233", ("kd233", "goE", "maixduino", "bit_mic"), (NEITHER, DTR, RTS), (NEITHER, DTR, NEITHER)),
    # goD's old CMSIS-DAP firmware makes the levels of the pins itself.
    Dance("goD", ("goD",), (BOTH, DTR, DTR), (NEITHER, DTR, BOTH)),
)
NAMES = tuple(name for dance in DANCES for name in dance.boards)


def find(name: str) -> Dance:
    """The dance of a board's circuit. Raises K210Error for an unknown name."""
    for dance in DANCES:
        if name in dance.boards:
            return dance
    raise K210Error(f"there is no reset circuit {name!r}; known are {', '.join(NAMES)}")


def perform(line: Line, steps: tuple[Levels, ...]) -> None:
    """Set the levels one after the other, each for STEP_SECONDS. Raises DeviceError when the port has no such lines."""
    for dtr, rts in steps:
        line.set_control(dtr, rts)
        line.sleep(STEP_SECONDS)


def release(line: Line) -> None:
    """Let go of both lines, so that the boot pin is high when the chip starts anew."""
    if line.has_control:
        line.set_control(False, False)


# ---- Which one answered the last time


def _memory_path() -> Path:
    return cache.folder() / "reset_circuits.json"


def _remembered() -> dict[str, str]:
    try:
        known = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):
        return {}
    return known if isinstance(known, dict) else {}


def recall(identity: str) -> Dance | None:
    """The dance that answered at this port the last time, or None."""
    name = _remembered().get(identity)
    return next((dance for dance in DANCES if dance.name == name), None)


def remember(identity: str, dance: Dance) -> None:
    """Keep it for the next time; a disk that cannot be written is no matter."""
    known = _remembered()
    if known.get(identity) == dance.name:
        return
    known[identity] = dance.name
    with contextlib.suppress(OSError, RuntimeError):
        path = _memory_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        new.replace(path)


def in_turn(identity: str) -> list[Dance]:
    """All dances, the remembered one first."""
    last = recall(identity)
    return sorted(DANCES, key=lambda dance: dance is not last)
