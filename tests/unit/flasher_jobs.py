"""Fixtures and data for tests of the flasher on the fake chip."""

from __future__ import annotations

import random
from pathlib import Path

import fake_chip
import pytest

from k210kit import flasher
from k210kit.flasher.plan import Plan
from k210kit.images import header


def program(size: int, seed: int = 1) -> bytes:
    """Raw firmware that deflates about as well as code does."""
    chance = random.Random(seed)
    words = [chance.randbytes(4) for _ in range(size // 16 + 1)]
    return b"".join(chance.choice(words) for _ in range(size // 4 + 1))[:size]


FIRMWARE = program(90_001)
MODEL = random.Random(2).randbytes(70_003)
FILES = {0: FIRMWARE, 0x300000: MODEL}


@pytest.fixture(autouse=True)
def own_cache_and_stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache, and the fake chip knows its own stub."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("k210kit.flasher.session.stub_image", lambda: fake_chip.STUB)


class Record(flasher.Report):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.plans: list[tuple[Plan, int]] = []
        self.done: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def plan(self, plan: Plan, on_the_line: int) -> None:
        self.plans.append((plan, on_the_line))

    def begin(self, name: str, total: int) -> None:
        self.totals[name], self.done[name] = total, 0

    def advance(self, name: str, size: int) -> None:
        self.done[name] += size


def holds(chip: fake_chip.Chip, files: dict[int, bytes]) -> bool:
    """Whether the flash has these files, firmware with its header."""
    return all(
        chip.flash.data[offset : offset + len(data)] == data
        for offset, data in ((at, header.wrap(data) if at == 0 else data) for at, data in files.items())
    )
