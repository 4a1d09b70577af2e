"""The text of register accesses."""

from __future__ import annotations

import io
import re

import guest_words
import pytest

from k210kit.board.board import Board
from k210kit.errors import K210Error

LINE = re.compile(
    r" *([\d.]+) us  (hart \d 0x[0-9a-f]{8}|bus) +(\w+) +\+0x([0-9a-f]+) (\S+) +(<-|->) 0x([0-9a-f]{8})(.*)"
)


def traced(names: set[str], pure: bool = False, seconds: float = 0.0002) -> str:
    stream = io.StringIO()
    with Board(guest_words.image(guest_words.HELLO), pure=pure) as board:
        trace = board.trace(names, stream)
        board.run(seconds)
        trace.close()
    # What the ROM does before is not the guest's.
    return "".join(line for line in stream.getvalue().splitlines(True) if " bus " not in line)


def test_each_access_is_a_line_with_time_pc_register_and_fields():
    lines = traced({"uarths"}).splitlines()
    found = [LINE.fullmatch(line) for line in lines[:4]]
    assert all(found), lines[:4]
    first = found[0]
    assert first[2] == "hart 0 0x80000010"
    assert (first[3], int(first[4], 16), first[5], first[6], int(first[7], 16)) == ("uarths", 0x18, "div", "<-", 225)
    assert float(first[1]) == pytest.approx(4 / 390, abs=0.001)  # the fifth instruction at 390 MHz
    places = (0x80000010, 0x80000018, 0x8000001C, 0x80000030)
    assert [match[2] for match in found] == [f"hart 0 {pc:#x}" for pc in places]
    assert found[3][6] == "->"
    assert "=0x" in found[3][8]


def test_repeated_accesses_are_counted():
    assert re.search(r"the same \d+ times more", traced({"uarths"}))


def test_other_devices_are_silent():
    assert traced({"sysctl", "dmac"}) == ""


def test_both_runners_give_the_same_trace():
    assert traced({"uarths"}) == traced({"uarths"}, pure=True)


def test_tracing_does_not_change_the_run():
    def run(names: set[str]) -> tuple[bytes, tuple[int, int]]:
        with Board(guest_words.image(guest_words.HELLO)) as board:
            board.trace(names, io.StringIO())
            board.run(0.002)
            return bytes(board.output), board.retired

    assert run(set()) == run({"uarths", "fpioa"})


def test_an_unknown_device_is_refused_by_name():
    with pytest.raises(K210Error, match=r"no device nonesuch; known are .*uarths"):
        traced({"nonesuch", "uarths"})
