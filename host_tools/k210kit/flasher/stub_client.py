"""The flasher's side of docs/flash_protocol.md: requests in flight, losses, and a slower rate when there are many."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from k210kit.errors import DeviceError
from k210kit.flasher import slip, stub_frames
from k210kit.flasher.line import Line
from k210kit.flasher.stub_frames import Reply

SECTOR = 4096
BLOCK = 0x10000
"""The longest read and write."""
WRITE_HEAD = 9
"""Bytes of a write's body before the data."""
HASH_RANGE = 1 << 20
"""Bytes of the chip that one question for the hashes of sectors covers."""
SILENCE_SECONDS = 3.0
"""So long nothing may come after a request is on the wire."""
SUSPECT_SECONDS = 0.7
"""The same once something has arrived damaged; a stub at work says so every 0.5 s."""
TRIES = 12
"""So often a request is sent without an answer before it is given up."""
TROUBLE = 3.0
"""With so many losses not long ago, the next slower rate and shorter frames are tried."""
SLOWER = (4_500_000, 3_000_000, 2_000_000, 1_500_000, 921_600, 460_800, 230_400, 115_200)
HASH_BYTES_PER_SECOND = 1 << 20
"""The slowest that a chip is taken to hash."""


class LineDamaged(DeviceError):
    """Too much was lost or damaged, even at the slowest rate."""


@dataclass(frozen=True)
class Chip:
    """The flash chip: its JEDEC id (three bytes), its size in bytes, its three status registers."""

    jedec: bytes
    size: int
    status: bytes


@dataclass
class Request:
    """A request, the patience that its answer needs, the bytes that it is for; of a write also where and which."""

    operation: int
    body: bytes
    patience: float = SILENCE_SECONDS
    size: int = 0
    number: int = 0
    tries: int = 0
    frame_size: int = 0
    sent_at: float = 0.0
    offset: int = 0
    data: bytes = b""
    under_way: Callable[[int, int], None] = field(default=lambda done, total: None)


class StubClient:
    """Requests over `line` to the stub, which holds `window` of them.

    `note` is told, in a sentence, what happens that a person may want to know. Every method raises DeviceError when the
    stub refuses or is lost.
    """

    def __init__(self, line: Line, note: Callable[[str], None] = lambda text: None) -> None:
        self.line, self.note = line, note
        self.window = 1
        self.longest = BLOCK
        self.chip_size = 0
        self._decoder = slip.Decoder()
        self._number = 0
        self._trouble = 0.0
        self._flying: deque[Request] = deque()
        self._suspect = False
        self._deadline = self._on_wire = self._answered_at = 0.0
        self._limit = BLOCK
        """A request may be for so many bytes, by the losses of late."""

    # ---- Operations

    def hello(self, seconds: float = 0.5, tries: int = 4) -> bool:
        """Whether the stub answers; takes over what it says of itself. Raises DeviceError for another protocol."""
        for _ in range(tries):
            reply = self._once(stub_frames.HELLO, b"K210", seconds)
            if reply is not None and reply.status == stub_frames.DONE and len(reply.body) >= 11:
                version, self.longest, held, _ = struct.unpack_from("<HIBI", reply.body)
                if version != stub_frames.PROTOCOL:
                    raise DeviceError(
                        f"the stub in the chip speaks version {version} of the protocol, this flasher "
                        f"{stub_frames.PROTOCOL}: reset the board and try again"
                    )
                self.window = max(1, held)
                self._limit = max(SECTOR, min(self._limit, (self.longest - WRITE_HEAD) // SECTOR * SECTOR))
                return True
        return False

    def set_baud(self, baud: int) -> bool:
        """Go to another rate; False when that did not work and the old one holds."""
        old = self.line.baud
        if baud == old:
            return True
        reply = self._once(stub_frames.BAUD, struct.pack("<I", baud), 0.5)
        if reply is not None and reply.status != stub_frames.DONE:
            return False
        # Without a reply the stub may have changed all the same; it comes back when nothing arrives there.
        if reply is not None:
            try:
                self.line.baud = baud
            except DeviceError as error:
                self.note(str(error))
            else:
                if self.hello(seconds=0.08, tries=3):
                    return True
        self.line.sleep(0.4)
        self.line.baud = old
        self.line.drain(quiet=0.02, limit=0.2)
        if not self.hello():
            raise DeviceError(
                f"the board does not answer any more at {old} baud: was it reset, or without power for a moment? Give "
                "the same command again, which sends only what is missing"
            )
        return False

    def flash_chip(self) -> Chip:
        """Who the flash chip is."""
        body = self.ask(stub_frames.FLASH, b"\0").body
        if len(body) < 10:
            raise _odd(stub_frames.FLASH, body)
        chip = Chip(body[:3], int.from_bytes(body[3:7], "little"), body[7:10])
        self.chip_size = chip.size
        return chip

    def read(self, offset: int, size: int, progress: Callable[[int], None] = lambda done: None) -> bytes:
        """Bytes of the flash."""
        pieces = [(at, min(BLOCK, offset + size - at)) for at in range(offset, offset + size, BLOCK)]
        found: dict[int, bytes] = {}
        requests: deque[Request] = deque(
            Request(stub_frames.READ, struct.pack("<IIB", at, length, 1), 8.0 + length * 20 / self.line.baud, length)
            for at, length in pieces
        )
        for request, reply in self._pipeline(requests, _halved_read):
            at, length = struct.unpack_from("<II", request.body)
            found[at] = _read_body(reply, at, length)
            progress(length)
        return b"".join(data for _, data in sorted(found.items()))

    def sector_hashes(self, offset: int, size: int) -> list[bytes]:
        """The first 8 bytes of the SHA-256 of each 4 KiB from `offset` on, the last one as far as the range goes."""
        requests: deque[Request] = deque()
        for at in range(offset, offset + size, HASH_RANGE):
            length = min(HASH_RANGE, offset + size - at)
            requests.append(_hash_request(at, length, SECTOR))
        found: dict[int, bytes] = {}
        for request, reply in self._pipeline(requests, _not_halved):
            at, length, _ = struct.unpack("<III", request.body)
            wanted = -(-length // SECTOR)
            # A piece that is the whole range comes with all its 32 bytes.
            part = 32 if length <= SECTOR else 8
            if len(reply.body) != wanted * part:
                raise _odd(stub_frames.HASH, reply.body)
            found[at] = reply.body if part == 8 else reply.body[:8]
        whole = b"".join(part for _, part in sorted(found.items()))
        return [whole[at : at + 8] for at in range(0, len(whole), 8)]

    def sha256(self, offset: int, size: int) -> bytes:
        """The SHA-256 of a range of the flash, computed on the chip."""
        request = _hash_request(offset, size, size)
        body = self._one(request).body
        if len(body) != 32:
            raise _odd(stub_frames.HASH, body)
        return body

    def erase(self, offset: int, size: int, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
        """Erase whole sectors (0, 0: the chip); returns how many bytes were not erased before."""
        request = Request(stub_frames.ERASE, struct.pack("<II", offset, size), under_way=progress)
        body = self._one(request).body
        return int.from_bytes(body[:4], "little")

    def write(
        self, requests: Iterable[Request], progress: Callable[[int, int], None] = lambda offset, size: None
    ) -> None:
        """Write what `pack` made, in this order; the chip answers each with the hash of what it reads back.

        `progress` is told offset and size of each part that is done. Raises DeviceError when one does not hold what it
        should.
        """
        for request, reply in self._pipeline(deque(requests), _halved_write):
            offset, data = request.offset, request.data
            if reply.body[8:40] != hashlib.sha256(data).digest():
                raise DeviceError(
                    f"the {len(data)} bytes at {offset:#x} read back otherwise than they were sent: the flash chip "
                    "does not hold its data; try again, and if it stays so the chip is worn or badly powered"
                )
            progress(offset, len(data))

    def reset(self) -> bool:
        """Start the chip anew; whether the stub said so."""
        reply = self._once(stub_frames.RESET, b"\0", 0.5)
        return reply is not None and reply.status == stub_frames.DONE

    # ---- Requests and answers

    def ask(self, operation: int, body: bytes) -> Reply:
        """The answer to one request."""
        return self._one(Request(operation, body))

    def _one(self, request: Request) -> Reply:
        for _, reply in self._pipeline(deque([request]), _not_halved):
            return reply
        raise AssertionError("a pipeline ends with its requests")

    def _once(self, operation: int, body: bytes, seconds: float) -> Reply | None:
        """The answer to a request sent a single time, or None."""
        number = self._next_number()
        self.line.write(slip.encode(stub_frames.request(operation, number, body)))
        end = self.line.now() + self.line.lag() + seconds
        while (left := end - self.line.now()) > 0:
            for frame in self._decoder.feed(self.line.read(left)):
                reply = stub_frames.parse_reply(frame)
                if reply is not None and (reply.operation, reply.number) == (operation, number):
                    return reply
        return None

    def _next_number(self) -> int:
        # 0 belongs to the notice of a damaged frame.
        self._number = self._number % 255 + 1
        return self._number

    def _pipeline(
        self, waiting: deque[Request], halve: Callable[[Request], list[Request]]
    ) -> Iterator[tuple[Request, Reply]]:
        """Send requests, `window` at a time, and give each with its answer, in the order of the answers."""
        self._flying.clear()
        self._suspect = False
        while waiting or self._flying:
            while waiting and len(self._flying) < self.window:
                request = waiting.popleft()
                if request.size > self._limit and len(halves := halve(request)) > 1:
                    waiting.extendleft(reversed(halves))
                    continue
                self._flying.append(request)
                self._send(request)
            for request, reply in self._receive():
                self._trouble *= 0.8
                yield request, reply
            if self._trouble >= TROUBLE:
                self._calm_down(waiting)

    def _send(self, request: Request) -> None:
        request.number = self._next_number()
        request.tries += 1
        if request.tries > TRIES:
            raise LineDamaged(
                f"the line to the board loses or damages too much: {TRIES} tries of one "
                f"{stub_frames.NAMES[request.operation]} at {self.line.baud} baud came to nothing. What was written so "
                "far stays; try another cable or USB port, then give the same command again"
            )
        frame = slip.encode(stub_frames.request(request.operation, request.number, request.body))
        request.frame_size, request.sent_at = len(frame), self.line.now()
        self.line.write(frame)
        self._on_wire = self.line.now() + self.line.lag()
        self._expect()

    def _expect(self) -> None:
        """Start the wait for the next sign of life anew."""
        patience = max((request.patience for request in self._flying), default=SILENCE_SECONDS)
        if self._suspect:
            patience = max(SUSPECT_SECONDS, patience - SILENCE_SECONDS + SUSPECT_SECONDS)
        self._deadline = self.line.now() + self.line.lag() + patience

    def _receive(self) -> Iterator[tuple[Request, Reply]]:
        """Read once; give what was answered, send again what was lost."""
        left = self._deadline - self.line.now()
        if left <= 0:
            self._lost(list(self._flying))
            return
        damaged = self._decoder.damaged
        frames = self._decoder.feed(self.line.read(left))
        for frame in frames:
            reply = stub_frames.parse_reply(frame)
            if reply is None:
                self._doubt()
            elif reply.operation == stub_frames.DAMAGED_FRAME:
                self._doubt(told=True)
            else:
                yield from self._answered(reply)
        if self._decoder.damaged != damaged:
            self._doubt()

    def _doubt(self, told: bool = False) -> None:
        """A frame has been damaged: one to the stub, which tells it once, or one from it."""
        if len(self._flying) == 1 and (told or self.line.now() > self._on_wire):
            # There is no doubt which.
            self._lost(list(self._flying))
        elif not self._suspect:
            self._suspect = True
            self._expect()

    def _answered(self, reply: Reply) -> Iterator[tuple[Request, Reply]]:
        request = next((one for one in self._flying if one.number == reply.number), None)
        if request is None or request.operation != reply.operation:
            return
        # Answers come in the order of the requests: those before were lost.
        before = [one for one in self._flying if one is not request][: self._flying.index(request)]
        if reply.status == stub_frames.UNDER_WAY:
            done, total = struct.unpack_from("<II", reply.body.ljust(8, b"\0"))
            request.under_way(done, total)
            self._expect()
            return
        self._flying.remove(request)
        self._note_pace(request)
        was_suspect, self._suspect = self._suspect, False
        self._expect()
        if reply.status == stub_frames.BAD_DATA and request.tries < TRIES:
            if request.operation == stub_frames.WRITE:
                request.body = _write_request(request.offset, request.data).body
            before.append(request)
            self._flying.append(request)
        elif reply.status != stub_frames.DONE:
            raise self._refusal(request, reply)
        else:
            yield request, reply
        if before or (was_suspect and self._flying):
            self._lost(before or list(self._flying))

    def _note_pace(self, request: Request) -> None:
        """Since it was sent, or the one before it answered, the line has carried it."""
        now = self.line.now()
        self.line.carried(request.frame_size, now - max(request.sent_at, self._answered_at))
        self.line.on_the_way(sum(one.frame_size for one in self._flying))
        self._answered_at = now

    def _lost(self, requests: list[Request]) -> None:
        """Send these again."""
        self._suspect = False
        self._trouble += 1
        for request in requests:
            self._flying.remove(request)
            self._flying.append(request)
            self._send(request)

    def _calm_down(self, waiting: deque[Request]) -> None:
        """Much is lost: shorter frames, and the next slower rate."""
        self._trouble = 0.0
        self._limit = max(SECTOR, self._limit // 4)
        # What is in flight goes back to the front, to be cut.
        self._await_quiet()
        waiting.extendleft(reversed(self._flying))
        self._flying.clear()
        slower = [baud for baud in SLOWER if baud < self.line.baud]
        if slower:
            self.note(f"much is damaged at {self.line.baud} baud, going down to {slower[0]}")
            self.set_baud(slower[0])
            for request in waiting:
                request.tries = 0

    def _await_quiet(self) -> None:
        """Let the stub finish what it has; late answers are of no use."""
        self.line.sleep(self.line.lag())
        self.line.drain(quiet=SUSPECT_SECONDS, limit=10.0)
        self._decoder.clear()

    def _refusal(self, request: Request, reply: Reply) -> DeviceError:
        what = stub_frames.NAMES[request.operation]
        number = int.from_bytes(reply.body[:4], "little")
        at = f" (request {request.body[:8].hex()})" if request.body else ""
        sentences = {
            stub_frames.UNKNOWN: f"the stub does not know the operation {what}; is it of another version?",
            stub_frames.WRONG_ARGUMENT: f"the stub finds the {what} wrong in length or argument{at}; report this",
            stub_frames.OUTSIDE: f"the {what} would reach beyond the end of the chip, which has {number:#x} bytes",
            stub_frames.NO_CHIP: (
                f"no flash chip answers (id {reply.body[:3].hex() or 'none'}): the board's flash is not on SPI3, is "
                "not powered, or is broken"
            ),
            stub_frames.TOO_SLOW: (
                f"the flash chip did not finish at {number:#x} in time: try again; if it stays so the chip is worn or "
                "badly powered"
            ),
            stub_frames.BAD_READBACK: (
                f"what was written does not read back at {number:#x}: try again; if it stays so that place of the "
                "flash is worn"
            ),
            stub_frames.PROTECTED: (
                f"the flash chip is write-protected (its status registers are {reply.body[:3].hex(' ')}): clear the "
                "protection with the program that set it"
            ),
        }
        return DeviceError(sentences.get(reply.status, f"the stub answered the {what} with status {reply.status}"))


def pack(blocks: Iterable[tuple[int, bytes]]) -> list[Request]:
    """Writes of (offset, whole sectors), deflated where that is shorter."""
    return [_write_request(offset, data) for offset, data in blocks]


def pack_with(offset: int, parts: Sequence[tuple[bytes, bytes, int]]) -> Request:
    """A write that refers to what the chip holds when it begins: of each part data, dictionary (a multiple of 8 bytes),
    and where the chip holds that.

    Should the chip hold something else, it says so and gets the data without.
    """
    body = bytearray()
    for data, dictionary, at in parts:
        packed = stub_frames.deflate_with(data, dictionary)
        body += stub_frames.PART_HEAD.pack(len(data), at, len(dictionary), zlib.crc32(data), len(packed)) + packed
    whole = b"".join(data for data, _, _ in parts)
    head = struct.pack("<IIB", offset, len(whole), stub_frames.DEFLATED_WITH_CHIP)
    return Request(stub_frames.WRITE, head + body, SILENCE_SECONDS, len(whole), offset=offset, data=whole)


def _hash_request(offset: int, size: int, piece: int) -> Request:
    patience = SILENCE_SECONDS + size / HASH_BYTES_PER_SECOND
    return Request(stub_frames.HASH, struct.pack("<III", offset, size, piece), patience)


def _write_request(offset: int, data: bytes) -> Request:
    flag, packed = stub_frames.deflate(data)
    body = struct.pack("<IIB", offset, len(data), flag) + packed
    return Request(stub_frames.WRITE, body, SILENCE_SECONDS, len(data), offset=offset, data=data)


def _halved_write(request: Request) -> list[Request]:
    offset, data = request.offset, request.data
    half = len(data) // 2 // SECTOR * SECTOR
    if not half:
        return [request]
    return _tried(request, [_write_request(offset, data[:half]), _write_request(offset + half, data[half:])])


def _halved_read(request: Request) -> list[Request]:
    offset, size, packed = struct.unpack("<IIB", request.body)
    half = size // 2
    pieces = ((offset, half), (offset + half, size - half))
    return _tried(
        request,
        [Request(stub_frames.READ, struct.pack("<IIB", at, n, packed), request.patience, n) for at, n in pieces],
    )


def _not_halved(request: Request) -> list[Request]:
    return [request]


def _tried(request: Request, halves: list[Request]) -> list[Request]:
    for half in halves:
        half.tries = request.tries // 2
    return halves


def _read_body(reply: Reply, offset: int, size: int) -> bytes:
    if len(reply.body) < 9:
        raise _odd(stub_frames.READ, reply.body)
    at, length, packed = struct.unpack_from("<IIB", reply.body)
    data = reply.body[9:]
    try:
        if (at, length) != (offset, size):
            raise ValueError("another range")
        data = stub_frames.inflate(data, size) if packed else data
        if len(data) != size:
            raise ValueError(f"{len(data)} bytes instead of {size}")
    except ValueError as error:
        raise DeviceError(f"the stub answered the read of {size} bytes at {offset:#x} with {error}") from None
    return data


def _odd(operation: int, body: bytes) -> DeviceError:
    return DeviceError(
        f"the stub's answer to {stub_frames.NAMES[operation]} has {len(body)} bytes, which the protocol does not know"
    )
