"""The drivers of DMA, SPI, flash and SD card, called by guest programs; the parts are attached and looked at here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from k210kit.board.board import Board
from k210kit.board.parts.sd_card import SdCard
from k210kit.board.parts.spi_bus import Socket
from k210kit.board.parts.spi_part import SpiPart


def test_dmac(run_both: Run) -> None:
    run_both("drv_dmac")


class Talker(SpiPart):
    """Answers byte n of a transfer with 3 n + 1 and keeps what it heard, one item a transfer."""

    def __init__(self) -> None:
        self.heard: list[bytearray] = []
        self.place = 0

    def select(self, selected: bool) -> None:
        self.place = 0
        if selected:
            self.heard.append(bytearray())

    def exchange(self, data: bytes) -> bytes:
        self.heard[-1] += data
        start, self.place = self.place, self.place + len(data)
        return bytes((3 * n + 1) & 0xFF for n in range(start, self.place))

    def send(self, data: bytes, lines: int = 1) -> None:
        self.exchange(data)

    def receive(self, count: int, lines: int = 1) -> bytes:
        start, self.place = self.place, self.place + count
        return bytes((3 * n + 1) & 0xFF for n in range(start, self.place))


def test_spi(run_both: Run) -> None:
    talkers: list[Talker] = []

    def prepare(board: Board) -> None:
        talkers.append(Talker())
        board.machine.spi_sockets.attach(Socket(talkers[-1], sclk=27, mosi=28, miso=26, cs=29))

    report = run_both("drv_spi", prepare)
    said = [(int(count), int(total)) for count, total in re.findall(r"said \w+: (\d+) (\d+)", report.output)]
    assert len(said) == 14
    for talker in talkers:
        # Select may go up in a long transfer, so what was heard is one stream; receptions send nothing but
        # commands of four bytes.
        heard = bytes(b"".join(part for part in talker.heard if part != bytes((1, 2, 3, 4))))
        for count, total in said:
            part, heard = heard[:count], heard[count:]
            assert sum(byte * (place + 1) for place, byte in enumerate(part)) & 0xFFFFFFFF == total
        assert not heard


def flash_pattern() -> bytes:
    index = np.arange(0x20000)
    return (index * 5 + index // 256).astype(np.uint8).tobytes()


def flash_before() -> dict[int, str | Path | bytes]:
    """The pattern, and blocks to be erased with a neighbour on either side."""
    return {0x200000: flash_pattern(), 0x30FFFF: bytes(0x8002), 0x31FFFF: bytes(0x10002)}


@pytest.mark.parametrize("quad_enabled", [True, False])
def test_flash(run_both: Run, quad_enabled: bool) -> None:
    boards: list[Board] = []

    def prepare(board: Board) -> None:
        boards.append(board)
        board.flash_chip.set_factory_quad(quad_enabled)

    run_both("drv_flash", prepare, flash=flash_before())
    chip = boards[-1].flash_chip
    assert chip.data[0x30FFFF] == 0 and chip.data[0x318000] == 0
    assert set(chip.data[0x310000:0x318000]) == {0xFF}
    assert chip.data[0x31FFFF] == 0 and chip.data[0x330000] == 0
    assert set(chip.data[0x320000:0x330000]) == {0xFF}
    assert bytes(chip.data[0x200000:0x220000]) == flash_pattern()
    # What the mask ROM finds: nothing is left of quad mode when power or reset comes, and no command is open.
    assert not chip.busy
    chip.power_cut()
    assert bool(chip.status(2) & 2) == quad_enabled


class DamagedCard(SdCard):
    """Damages the second block that it gives after `damage` was set."""

    damage = 0

    def _data_block(self, data: bytes) -> bytes:
        block = bytearray(super()._data_block(data))
        if self.damage:
            self.damage -= 1
            if not self.damage:
                block[100] ^= 0x10
        return bytes(block)


CARDS = {"high": {}, "version2": {"high_capacity": False}, "version1": {"version": 1}}


@pytest.mark.parametrize("kind", CARDS)
def test_sd(run_both: Run, kind: str) -> None:
    cards: list[SdCard] = []

    def prepare(board: Board) -> None:
        card = DamagedCard(bytes(3 << 20), **CARDS[kind])
        cards.append(card)
        socket = Socket(card, sclk=27, mosi=28, miso=26, cs=29)

        def insert() -> None:
            card.power_on()
            board.machine.spi_sockets.attach(socket)

        def change() -> None:
            board.machine.spi_sockets.detach(socket)
            other = SdCard(bytes(1 << 20), serial=77, **CARDS[kind])
            board.machine.spi_sockets.attach(Socket(other, sclk=27, mosi=28, miso=26, cs=29))

        actions = {
            "insert": insert,
            "damage": lambda: setattr(card, "damage", 2),
            "pull": lambda: board.machine.spi_sockets.detach(socket),
            "change": change,
        }
        line = bytearray()

        def heard(data: bytes) -> None:
            for byte in data:
                line.append(byte)
                if byte == 10:
                    word, _, action = line.decode().strip().partition(" ")
                    line.clear()
                    if word == "do":
                        actions[action]()

        board.line.listen(heard)

    report = run_both("drv_sd", prepare)
    assert f"card of {(3 << 20) // 512} blocks, high capacity {int(kind == 'high')}" in report.output
    wanted = bytes((i * 11 + (i >> 8)) & 0xFF for i in range(41 * 512))
    for card in cards:
        assert card.store.read(5 * 512, 512) == wanted[:512]
        assert card.store.read(100 * 512, 40 * 512) == wanted[3 : 3 + 40 * 512]
