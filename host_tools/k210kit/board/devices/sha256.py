"""SHA-256 accelerator: the compression function over a number of 512-bit blocks told in advance.

Layout: Kendryte standalone SDK, drivers/include/sha256.h; use: drivers/sha256.c and laanwj's k210-sdk-stuff
(rust/k210-shared/src/soc/sha256.rs). Padding is the software's task.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from itertools import pairwise
from math import isqrt

from k210kit.board.core.clock import Clock, Event, duration
from k210kit.board.core.clocks import ClockSignal
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest, Items
from k210kit.board.core.registers import Field, Register

log = logging.getLogger("k210kit.board")

BLOCK = 64
CYCLES_PER_BLOCK = 64  # One round a clock; the silicon's figure is not published.
_WORD = 0xFFFF_FFFF


def _root_fraction(prime: int, degree: int) -> int:
    """The first 32 bits of the fraction of a prime's square (2) or cube (3) root: FIPS 180-4's constants."""
    if degree == 2:
        return isqrt(prime << 64) & _WORD
    target, root = prime << 96, 0
    for bit in reversed(range(36)):
        if (root | 1 << bit) ** 3 <= target:
            root |= 1 << bit
    return root & _WORD


_PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, isqrt(n) + 1))]
_INITIAL = [_root_fraction(p, 2) for p in _PRIMES[:8]]
_ROUND = [_root_fraction(p, 3) for p in _PRIMES]


def compress(state: list[int], block: bytes) -> list[int]:
    """The SHA-256 state (8 words) after one 64-byte block (FIPS 180-4, 6.2.2)."""
    # Words are doubled (x * 2**32 + x) so that one shift rotates; the excess bits fall to the final mask.
    m, double = _WORD, 0x1_0000_0001
    w = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        x, y = w[i - 15] * double, w[i - 2] * double
        s0 = (x >> 7 ^ x >> 18 ^ w[i - 15] >> 3) & m
        s1 = (y >> 17 ^ y >> 19 ^ w[i - 2] >> 10) & m
        w.append(w[i - 16] + s0 + w[i - 7] + s1 & m)
    a, b, c, d, e, f, g, h = state
    for k, word in zip(_ROUND, w, strict=True):
        x, y = e * double, a * double
        t = h + ((x >> 6 ^ x >> 11 ^ x >> 25) & m) + (g ^ e & (f ^ g)) + k + word
        h, g, f, e = g, f, e, d + t & m
        t += ((y >> 2 ^ y >> 13 ^ y >> 22) & m) + (a & b | c & (a | b))
        d, c, b, a = c, b, a, t & m
    return [x + y & m for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def digest_of_blocks(blocks: bytes) -> bytes:
    """The 32-byte state after whole 64-byte blocks, without any padding added.

    Blocks that end in the standard's own padding go through hashlib; others (some 60 us a block) through `compress`.
    """
    size, odd_bits = divmod(int.from_bytes(blocks[-8:], "big"), 8)
    padded = len(blocks) == (size + 8) // BLOCK * BLOCK + BLOCK
    if padded and not odd_bits and blocks[size] == 0x80 and not any(blocks[size + 1 : -8]):
        return hashlib.sha256(blocks[:size]).digest()
    state = _INITIAL
    for start, end in pairwise(range(0, len(blocks) + 1, BLOCK)):
        state = compress(state, blocks[start:end])
    return b"".join(word.to_bytes(4, "big") for word in state)


class Sha256(Device):
    """The hash engine. `dma` is SYSCTL_DMA_SELECT_SHA_RX_REQ (memory to engine); `clk` paces the completion."""

    result = Register(0x00, count=8, writable=0, doc="digest, last word first")
    data_in = Register(0x20)
    num = Register(0x28, [Field("data_cnt", 0, 16), Field("data_num", 16, 16)], writable=0xFFFF)
    function_0 = Register(
        0x2C,
        [Field("en", 0, note="write 1: start; read: complete"), Field("overflow", 8), Field("endian", 16)],
        writable=1 << 16,
    )
    function_1 = Register(
        0x34,
        [Field("dma_en", 0), Field("fifo_in_full", 8, note="never: blocks are taken at once")],
        writable=1,
    )

    def __init__(
        self, name: str, clock: Clock, *, dma: DmaRequest | None = None, clk: ClockSignal | None = None
    ) -> None:
        self.dma = dma or DmaRequest(21, "SHA_RX")
        self.clk = clk or ClockSignal("sha256")
        self._message = bytearray()
        self._wanted = 0
        self._busy_until = 0
        self._event: Event | None = None
        self._moving = False  # The DMAC may arm the next block from within a pull.
        super().__init__(name, clock)
        self.dma.on_armed = self._pull

    def reset(self) -> None:
        """Forget the message and any pending completion."""
        super().reset()
        self._abort()

    def _abort(self) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = None
        self._message.clear()
        self._wanted = 0
        self._busy_until = 0

    @function_0.on_write
    def _function_0_written(self, written: int) -> None:
        # Writing 0 to en is taken as no request: whether it stops a running hash is not known.
        if not written & 1:
            return
        self._abort()
        self.function_0 &= 1 << 16
        self.num &= 0xFFFF
        self._wanted = self.num * BLOCK
        if not self._wanted:
            log.info("%s: started with a count of 0 blocks", self.name)
        self._pull()

    @num.on_write
    def _num_written(self, written: int) -> None:
        # A running hash follows the count: MaixPy starts with 2 blocks and corrects that before the first word.
        if not self._wanted or self._event is not None:
            return
        self._wanted = max(written & 0xFFFF, -(-len(self._message) // BLOCK)) * BLOCK
        self._pull()
        self._end_if_full()

    @function_1.on_write
    def _function_1_written(self, written: int) -> None:
        self._pull()

    @property
    def _order(self) -> str:
        return "little" if self.function_0 >> 16 & 1 else "big"

    @data_in.on_write
    def _data_written(self, word: int) -> None:
        if len(self._message) >= self._wanted:
            self.function_0 |= 1 << 8  # What raises the flag on silicon is not documented.
            return
        self._message += word.to_bytes(4, "little" if self.function_0 & 0x10000 else "big")
        if not len(self._message) % BLOCK:
            self._blocks_taken(1)

    def _pull(self) -> None:
        left = self._wanted - len(self._message)
        if not left or not self.function_1 & 1 or self._moving:
            return
        self._moving = True
        items: Items = self.dma.pull(left // 4)[: left // 4]
        self._moving = False
        before = len(self._message) // BLOCK
        self._message += items.astype("<u4" if self._order == "little" else ">u4").tobytes()
        taken = len(self._message) // BLOCK - before
        if taken:
            self._blocks_taken(taken)

    def _blocks_taken(self, blocks: int) -> None:
        spent = duration(blocks * CYCLES_PER_BLOCK, self.clk.hz)
        self._busy_until = max(self._busy_until, self.clock.now) + spent
        self.num = self.num & 0xFFFF | len(self._message) // BLOCK << 16
        self._end_if_full()

    def _end_if_full(self) -> None:
        if self._wanted and len(self._message) == self._wanted and self._event is None:
            self._event = self.clock.at(max(self._busy_until, self.clock.now), self._complete)

    def _complete(self) -> None:
        self._event = None
        digest = digest_of_blocks(bytes(self._message))
        swapped = self._order == "little"
        for i in range(8):
            self.result[7 - i] = int.from_bytes(digest[4 * i : 4 * i + 4], "little" if swapped else "big")
        self._message.clear()
        self._wanted = 0
        self.function_0 |= 1
