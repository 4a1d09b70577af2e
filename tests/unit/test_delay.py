"""Waiting loops: skipped or executed round by round, in C or in Python, the result is the same."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k210kit.board import Board
from k210kit.board.core import delay

A0, A1, A2, A3, A4 = range(10, 15)


def csrr(rd, number=0xB00):
    return number << 20 | 2 << 12 | rd << 7 | 0x73


def add(rd, rs1, rs2, sub=False):
    return (0x20 if sub else 0) << 25 | rs2 << 20 | rs1 << 15 | rd << 7 | 0x33


def shift(rd, rs1, bits):
    return bits << 20 | rs1 << 15 | 5 << 12 | rd << 7 | 0x13


def addi(rd, rs1, value):
    return (value & 0xFFF) << 20 | rs1 << 15 | rd << 7 | 0x13


def branch(funct3, rs1, rs2, offset):
    o = offset & 0x1FFF
    bits = (o >> 12 & 1) << 31 | (o >> 5 & 63) << 25 | (o >> 1 & 15) << 8 | (o >> 11 & 1) << 7
    return bits | rs2 << 20 | rs1 << 15 | funct3 << 12 | 0x63


def program(body, limit):
    """Hart 1 waits; hart 0: a3 = limit, a4 = start, then `body`, then counts what it read."""
    start = [csrr(A0, 0xF14), branch(0, A0, 0, 12), 0x10500073, 0xFFDFF06F]
    start += [addi(A3, 0, limit >> 8), A3 << 15 | 8 << 20 | 1 << 12 | A3 << 7 | 0x13, csrr(A4)]
    return struct.pack(f"<{len(start) + len(body) + 2}I", *start, *body, 0x10500073, 0xFFDFF06F)


BODIES = {
    "sub, bltu": [csrr(A0), add(A1, A0, A4, sub=True), branch(6, A1, A3, -8)],
    "bgeu out": [csrr(A0), add(A1, A0, A4, sub=True), branch(7, A1, A3, 8), 0xFF5FF06F],
    "shifted": [csrr(A0), add(A1, A0, A4, sub=True), shift(A1, A1, 3), branch(6, A1, A3, -12)],
    "added": [csrr(A0), addi(A1, A0, -2048), addi(A1, A1, -2048), branch(4, A1, A3, -12)],
    "instret": [csrr(A0, 0xB02), add(A1, A0, A4, sub=True), branch(6, A1, A3, -8)],
    "falling: no delay loop": [csrr(A0), add(A1, A4, A0, sub=True), addi(A1, A1, 2047), branch(6, A4, A1, 8)],
    "carried over: no delay loop": [csrr(A0), addi(A2, A2, 1), branch(6, A2, A3, -8)],
}


def outcome(image, **how):
    with Board(image, pure=how.get("pure", False)) as board:
        if how.get("eager"):
            board.machine.runner.be_eager(7)
        board.run(0.0004)
        engine = board.machine.engines[0]
        return board.retired, engine.pc, [engine.x(n) for n in range(32)], engine.state.cycles


@pytest.mark.c_run_loop
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("limit", [0x100, 0x7000, 0x1FF00])
def test_the_same_result_in_every_way(name, limit):
    image = program(BODIES[name], limit)
    executed = outcome(image, eager=True)
    assert outcome(image) == executed
    assert outcome(image, pure=True) == executed


def words(body):
    return struct.pack(f"<{len(body)}I", *body).ljust(delay.CODE_BYTES, b"\0")


def test_rounds_that_certainly_go_on():
    registers = {A3: 1000, A4: 500}
    rounds, length = delay.rounds(words(BODIES["sub, bltu"]), 600, 10**6, registers.__getitem__)
    # Round k reads 600 + 3k and stays while that is below 1,500: 299 is the last that does.
    assert (rounds, length) == (299, 3)
    assert delay.rounds(words(BODIES["sub, bltu"]), 600, 30, registers.__getitem__) == (10, 3)


def test_what_is_no_delay_loop():
    for name, body in BODIES.items():
        assert (delay.find_loop(words(body)) is None) == ("no delay loop" in name)


@settings(max_examples=300)
@given(st.binary(min_size=delay.CODE_BYTES, max_size=delay.CODE_BYTES), st.integers(0, 2**64 - 1))
def test_any_code_is_judged(code, counter):
    rounds, length = delay.rounds(code, counter, 1000, lambda number: counter ^ number)
    assert rounds * length <= 1000
