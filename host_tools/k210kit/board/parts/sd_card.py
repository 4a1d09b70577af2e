"""An SD card in SPI mode over an image.

Protocol: SD Physical Layer Simplified Specification, version 3.01, chapters 5 (CSD, CID, SCR) and 7 (SPI mode).
The card speaks bytes: output byte n depends on the input bytes before n only, however they are chunked.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from k210kit.board.parts.sd_store import GRAIN, CardStore
from k210kit.board.parts.spi_part import SpiPart
from k210kit.errors import K210Error

BLOCK = 512
LARGEST_STANDARD = 1 << 30
"""Bytes that a version 1 CSD describes with blocks of 512 bytes."""

R1_IDLE, R1_ERASE_RESET, R1_ILLEGAL, R1_CRC = 0x01, 0x02, 0x04, 0x08
R1_ERASE_SEQUENCE, R1_ADDRESS, R1_PARAMETER = 0x10, 0x20, 0x40
R2_LOCK_FAILED, R2_ERROR, R2_WP_VIOLATION, R2_OUT_OF_RANGE = 0x02, 0x04, 0x20, 0x80
DATA_ACCEPTED, DATA_CRC_ERROR, DATA_WRITE_ERROR = 0x05, 0x0B, 0x0D
TOKEN_START, TOKEN_MULTI, TOKEN_STOP = 0xFE, 0xFC, 0xFD
READ_OUT_OF_RANGE = 0x08

# Delays in bytes on the bus. The specification bounds them (N_CR 1 to 8, N_AC from 1); a fixed choice keeps runs alike.
NCR = b"\xff"
NAC = b"\xff"
BUSY = b"\x00\x00\x00\xff"
POLLS_UNTIL_READY = 2

SCR = bytes([0x02, 0x35, 0x80, 0x00, 0, 0, 0, 0])
"""SD specification 3.0, erased blocks are zero, SDHC security, 1 and 4 data lines (byte 2 bit 7: version 3)."""


def _crc7_table() -> bytes:
    table = bytearray()
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc << 1) ^ (0x112 if crc & 0x80 else 0)
        table.append(crc & 0xFF)
    return bytes(table)


_CRC7 = _crc7_table()


def crc7(data: bytes) -> int:
    """The last byte of a command frame: CRC-7 (x^7 + x^3 + 1) in bits 7 to 1, end bit 1 in bit 0."""
    crc = 0
    for byte in data:
        crc = _CRC7[crc ^ byte]
    return crc | 1


def crc16(data: bytes) -> bytes:
    """The two bytes after a data block: CRC-16 (x^16 + x^12 + x^5 + 1), most significant first."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


class SdCard(SpiPart):
    """An SDHC card of `image` (a file's path, or bytes), 512-byte blocks, capacity rounded up to 512 KiB.

    Without `high_capacity` it is an SDSC card (up to 1 GiB, addressed by bytes), with `version` 1 one that does not
    know CMD8. `serial` tells cards apart.

    Clocks that pass while the card is not selected must be sent here too (`exchange`, `send` or `receive`): without
    74 of them after power-on a card does not answer CMD0. Raises K210Error for an image that cannot be a card.
    """

    minds_idle_clocks = True

    def __init__(
        self,
        image: str | Path | bytes | bytearray,
        *,
        read_only: bool = False,
        version: int = 2,
        high_capacity: bool = True,
        serial: int = 0x21000001,
    ) -> None:
        self.store = CardStore(image, read_only)
        self.version, self.high_capacity, self.serial = version, high_capacity and version >= 2, serial
        if not self.high_capacity and self.store.capacity > LARGEST_STANDARD:
            self.store.close()
            raise K210Error(
                f"an SD card without high capacity has {LARGEST_STANDARD} bytes at most here, "
                f"the image {self.store.capacity}: give a smaller image"
            )
        self.blocks = self.store.capacity // BLOCK
        self.power_on()

    def power_on(self) -> None:
        """As after the supply was cycled: SD mode, waiting for clocks and CMD0."""
        self._selected = False
        self._clocks = 0
        self._spi_mode = False
        self._reset()

    def close(self) -> None:
        """Close the image file; the card must not be used after."""
        self.store.close()

    def _reset(self) -> None:
        self._idle, self._polls, self._interface_seen = True, 0, False
        self._crc_on = self._application = False
        self._status = self._extra = 0
        self._erase_start: int | None = None
        self._erase_end: int | None = None
        self._end_transfer()
        self._answer = bytearray()
        self._busy = bytearray()

    def _end_transfer(self) -> None:
        self._frame = bytearray()
        self._read_next: int | None = None
        self._write_next = 0
        self._writing = self._multiple = False
        self._block: bytearray | None = None

    # The bus

    def select(self, selected: bool) -> None:
        """Chip select; the card lets go of its output and forgets a command or block that was cut short."""
        self._selected = selected
        if not selected:
            self._frame.clear()
            self._answer.clear()
            self._block = None
            if self._writing and not self._multiple:
                self._writing = False

    def send(self, data: bytes, lines: int = 1) -> None:
        """Controller to card; a card in SPI mode has one line each way."""
        self.exchange(data if lines == 1 else b"\xff" * len(data))

    def receive(self, count: int, lines: int = 1) -> bytes:
        """Card to controller while the controller's line stands at one."""
        return self.exchange(b"\xff" * count)

    def exchange(self, data: bytes) -> bytes:
        """Full duplex, one byte out for each byte in."""
        if not self._selected:
            self._clocks += 8 * len(data)
            return b"\xff" * len(data)
        out = bytearray()
        at, end = 0, len(data)
        while at < end:
            token = 0
            if self._block is not None:
                taken = self._take_block(data, at)
            elif self._frame:
                taken = min(6 - len(self._frame), end - at)
                self._frame += data[at : at + taken]
            else:
                taken, token = self._wait(data, at)
            out += self._output(taken)
            at += taken
            if token:
                self._token(token)
            if len(self._frame) == 6:
                frame = bytes(self._frame)
                self._frame.clear()
                self._command(frame)
            elif self._block is not None and len(self._block) == BLOCK + 2:
                self._store_block(bytes(self._block))
        return bytes(out)

    def _take_block(self, data: bytes, at: int) -> int:
        assert self._block is not None
        part = data[at : at + BLOCK + 2 - len(self._block)]
        self._block += part
        return len(part)

    _START = re.compile(rb"[\x40-\x7f]")
    _START_OR_TOKEN = re.compile(rb"[\x40-\x7f\xfc-\xfe]")

    def _wait(self, data: bytes, at: int) -> tuple[int, int]:
        """Skip to the next command or data token; returns the bytes consumed and the token, or 0."""
        end = len(data)
        pattern = self._START
        if self._writing and self._busy:
            # A card that is busy does not look for tokens: let its busy bytes pass first.
            end = min(end, at + len(self._busy) + len(self._answer))
        elif self._writing:
            pattern = self._START_OR_TOKEN
        found = pattern.search(data, at, end)
        if found is None:
            return end - at, 0
        byte = data[found.start()]
        if byte >= 0x80:
            return found.end() - at, byte
        self._frame.append(byte)
        return found.end() - at, 0

    def _output(self, count: int) -> bytes:
        """What the card drives in the next `count` bytes: an answer, then blocks, then busy or ones."""
        out = self._answer[:count]
        del self._answer[:count]
        while self._read_next is not None and len(out) < count:
            self._answer += self._next_blocks(count - len(out))
            more = count - len(out)
            out += self._answer[:more]
            del self._answer[:more]
        if self._busy and len(out) < count:
            more = count - len(out)
            out += self._busy[:more]
            del self._busy[:more]
        return bytes(out) + b"\xff" * (count - len(out))

    def _next_blocks(self, wanted: int) -> bytes:
        assert self._read_next is not None
        number = min(-(-wanted // (BLOCK + 4)), max(self.blocks - self._read_next, 0))
        if number == 0:
            self._read_next = None
            self._status |= R2_OUT_OF_RANGE
            return NAC + bytes([READ_OUT_OF_RANGE])
        data = self.store.read(self._read_next * BLOCK, number * BLOCK)
        self._read_next += number
        return b"".join(self._data_block(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK))

    @staticmethod
    def _data_block(data: bytes) -> bytes:
        return NAC + bytes([TOKEN_START]) + data + crc16(data)

    # Writing

    def _token(self, token: int) -> None:
        if token == TOKEN_STOP:
            if self._multiple:
                self._writing = self._multiple = False
                self._busy = bytearray(b"\xff" + BUSY)
        elif token == (TOKEN_MULTI if self._multiple else TOKEN_START):
            self._block = bytearray()

    def _store_block(self, block: bytes) -> None:
        self._block = None
        data, crc = block[:BLOCK], block[BLOCK:]
        if self._crc_on and crc16(data) != crc:
            response = DATA_CRC_ERROR
        elif self._write_next >= self.blocks:
            self._status |= R2_OUT_OF_RANGE
            response = DATA_WRITE_ERROR
        elif not self.store.write(self._write_next * BLOCK, data):
            self._status |= R2_WP_VIOLATION if self.store.read_only else R2_ERROR
            response = DATA_WRITE_ERROR
        else:
            self._write_next += 1
            response = DATA_ACCEPTED
        self._writing = self._multiple
        self._answer = bytearray([response | 0xE0])
        self._busy = bytearray(BUSY)

    # Commands

    def _command(self, frame: bytes) -> None:
        index, argument = frame[0] & 0x3F, int.from_bytes(frame[1:5], "big")
        crc_good = crc7(frame[:5]) == frame[5]
        if not self._spi_mode:
            # Still in SD mode: only a whole CMD0 with CS low is understood, everything else stays unanswered.
            if index != 0 or not crc_good or self._clocks < 74:
                return
            self._spi_mode = True
        application, self._application = self._application, False
        if not crc_good and (self._crc_on or index in (0, 8)):
            self._respond(R1_CRC)
            return
        reading = self._read_next is not None
        if reading and index not in (0, 12, 13):
            self._respond(R1_ILLEGAL)
            return
        if index != 13 and not reading:
            # Vendor code ends a multi-block write by a new command without the stop token; cards accept that.
            self._end_transfer()
        erasing = self._erase_start is not None or self._erase_end is not None
        if erasing and index not in (13, 33, 38):
            self._erase_start = self._erase_end = None
            self._extra = R1_ERASE_RESET
        handler = (application and self._APPLICATION.get(index)) or self._COMMANDS.get(index)
        if handler is None or (self._idle and index not in self._IDLE_COMMANDS):
            self._respond(R1_ILLEGAL)
            return
        handler(self, argument)

    def _respond(self, bits: int = 0, more: bytes = b"") -> None:
        bits |= self._extra | (R1_IDLE if self._idle else 0)
        self._extra = 0
        self._answer = bytearray(NCR + bytes([bits]) + more)

    def _go_idle(self, argument: int) -> None:
        self._reset()
        self._respond()

    def _initialise(self, argument: int) -> None:
        # A host that does not declare high capacity (bit 30), or never sent CMD8, keeps an SDHC card busy for ever.
        ready = not self.high_capacity or (self._interface_seen and bool(argument & 0x4000_0000))
        if self._idle and ready:
            self._polls += 1
            self._idle = self._polls <= POLLS_UNTIL_READY
        self._respond()

    def _interface_condition(self, argument: int) -> None:
        if self.version < 2:
            self._respond(R1_ILLEGAL)
            return
        voltage = (argument >> 8) & 0xF
        accepted = 1 if voltage == 1 else 0
        self._interface_seen = self._interface_seen or bool(accepted)
        self._respond(more=bytes([0, 0, accepted, argument & 0xFF]))

    def _operating_conditions(self, argument: int) -> None:
        ready = 0xC000_0000 if self.high_capacity else 0x8000_0000
        ocr = 0x00FF_8000 | (0 if self._idle else ready)
        self._respond(more=ocr.to_bytes(4, "big"))

    def _next_is_application(self, argument: int) -> None:
        self._application = True
        self._respond()

    def _crc_option(self, argument: int) -> None:
        self._crc_on = bool(argument & 1)
        self._respond()

    def _send_register(self, content: bytes) -> None:
        self._respond(more=self._data_block(content))

    def _stop_reading(self, argument: int) -> None:
        self._end_transfer()
        self._respond()
        self._answer = bytearray(b"\xff" + self._answer)  # the stuff byte that follows CMD12
        self._busy = bytearray(BUSY)

    def _send_status(self, argument: int) -> None:
        status, self._status = self._status, 0
        self._respond(more=bytes([status]))

    def _set_block_length(self, argument: int) -> None:
        # On a high-capacity card this concerns CMD42 only; blocks stay at 512 bytes.
        self._respond(0 if 0 < argument <= BLOCK else R1_PARAMETER)

    def _block_number(self, argument: int) -> int | None:
        """The block that an address means; None, with the answer given, when there is no such block."""
        block, rest = (argument, 0) if self.high_capacity else divmod(argument, BLOCK)
        if rest:
            self._respond(R1_ADDRESS)
            return None
        if block < self.blocks:
            return block
        self._status |= R2_OUT_OF_RANGE
        self._respond(R1_PARAMETER)
        return None

    def _read_single(self, argument: int) -> None:
        if (block := self._block_number(argument)) is not None:
            self._send_register(self.store.read(block * BLOCK, BLOCK))

    def _read_multiple(self, argument: int) -> None:
        if (block := self._block_number(argument)) is not None:
            self._respond()
            self._read_next = block

    def _write_single(self, argument: int) -> None:
        if (block := self._block_number(argument)) is not None:
            self._respond()
            self._writing, self._write_next = True, block

    def _write_multiple(self, argument: int) -> None:
        self._write_single(argument)
        self._multiple = self._writing

    def _erase_first(self, argument: int) -> None:
        if (block := self._block_number(argument)) is not None:
            self._erase_start = block
            self._respond()

    def _erase_last(self, argument: int) -> None:
        if self._erase_start is None:
            self._erase_end = None
            self._respond(R1_ERASE_SEQUENCE)
        elif (block := self._block_number(argument)) is not None:
            self._erase_end = block
            self._respond()

    def _erase(self, argument: int) -> None:
        first, last = self._erase_start, self._erase_end
        self._erase_start = self._erase_end = None
        if first is None or last is None:
            self._respond(R1_ERASE_SEQUENCE)
        elif last < first:
            self._respond(R1_PARAMETER)
        else:
            if not self.store.erase(first * BLOCK, (last - first + 1) * BLOCK):
                self._status |= R2_WP_VIOLATION
            self._respond()
            self._busy = bytearray(BUSY)

    def _switch(self, argument: int) -> None:
        self._send_register(switch_status(argument))

    def _send_sd_status(self, argument: int) -> None:
        # R2 first, then 64 bytes; class 10, allocation units of 4 MiB.
        content = bytearray(64)
        content[8], content[10] = 4, 9 << 4
        self._respond(more=b"\x00" + self._data_block(bytes(content)))

    def _accept(self, argument: int) -> None:
        self._respond()

    _COMMANDS: ClassVar[dict[int, Callable[[SdCard, int], None]]] = {
        0: _go_idle,
        1: _initialise,
        6: _switch,
        8: _interface_condition,
        9: lambda card, _: card._send_register(card.csd),
        10: lambda card, _: card._send_register(card.cid),
        12: _stop_reading,
        13: _send_status,
        16: _set_block_length,
        17: _read_single,
        18: _read_multiple,
        24: _write_single,
        25: _write_multiple,
        32: _erase_first,
        33: _erase_last,
        38: _erase,
        55: _next_is_application,
        58: _operating_conditions,
        59: _crc_option,
    }
    _APPLICATION: ClassVar[dict[int, Callable[[SdCard, int], None]]] = {
        13: _send_sd_status,
        22: lambda card, _: card._send_register(bytes(4)),
        23: _accept,
        41: _initialise,
        42: _accept,
        51: lambda card, _: card._send_register(SCR),
    }
    _IDLE_COMMANDS = frozenset({0, 1, 8, 41, 55, 58, 59})

    # Registers

    @property
    def csd(self) -> bytes:
        """The 16 bytes of the CSD: 25 MHz, classes 0 2 4 5 7 8 10, C_SIZE from the capacity."""
        if not self.high_capacity:
            return self._standard_csd()
        c_size = self.store.capacity // GRAIN - 1
        protect = 0x10 if self.store.read_only else 0x00
        body = bytes([0x40, 0x0E, 0x00, 0x32, 0x5B, 0x59, 0x00]) + c_size.to_bytes(3, "big")
        body += bytes([0x7F, 0x80, 0x0A, 0x40, protect])
        return body + bytes([crc7(body)])

    def _standard_csd(self) -> bytes:
        # Version 1: (C_SIZE + 1) * 2^(C_SIZE_MULT + 2) blocks; the multiplier is at its largest, 7.
        c_size = self.store.capacity // (BLOCK << 9) - 1
        number = 0x002600325B59 << 80 | 1 << 79  # 25 MHz, the same classes, READ_BL_LEN 9, partial reads
        number |= c_size << 62 | 0xFFF << 50 | 7 << 47 | 1 << 46 | 0x7F << 39 | 2 << 26 | 9 << 22
        number |= 1 << 12 if self.store.read_only else 0
        body = number.to_bytes(16, "big")[:15]
        return body + bytes([crc7(body)])

    @property
    def cid(self) -> bytes:
        """The 16 bytes of the CID."""
        body = bytes([0x00]) + b"KV" + b"K210V" + bytes([0x10]) + self.serial.to_bytes(4, "big")
        body += (((2024 - 2000) << 4) | 1).to_bytes(2, "big")
        return body + bytes([crc7(body)])


def switch_status(argument: int) -> bytes:
    """The 64 bytes that answer CMD6 for `argument`: default and high speed in group 1, defaults elsewhere."""
    status = bytearray(64)
    status[0:2] = (100).to_bytes(2, "big")
    supported = [0x8003] + [0x8001] * 5
    selected = []
    for group in range(6):
        wanted = (argument >> (4 * group)) & 0xF
        function = 0 if wanted == 0xF else wanted
        selected.append(function if supported[group] >> function & 1 else 0xF)
    for group in range(6):
        at = 2 + 2 * (5 - group)
        status[at : at + 2] = supported[group].to_bytes(2, "big")
    status[14] = selected[5] << 4 | selected[4]
    status[15] = selected[3] << 4 | selected[2]
    status[16] = selected[1] << 4 | selected[0]
    return bytes(status)
