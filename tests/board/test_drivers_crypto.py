"""Drivers of SHA-256, AES and FFT against published vectors, on the virtual board's blocks."""

from __future__ import annotations

from conftest import Run

from k210kit.board.board import Board


def test_crypto_and_fft(run_both: Run) -> None:
    boards: list[Board] = []
    run_both("drv_crypto", boards.append)
    # SHA-256 has software that stands in for the block: the first 100,000 letters, three times, are 75,000 words.
    assert boards[-1].machine.devices["sha256"].touched > 75_000
