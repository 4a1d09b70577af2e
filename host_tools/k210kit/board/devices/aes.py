"""AES accelerator: ECB, CBC and GCM with 128, 192 and 256-bit keys.

Layout: Kendryte standalone SDK, drivers/include/aes.h; use: drivers/aes.c and laanwj's k210-sdk-stuff
(rust/k210-shared/src/soc/aes.rs, whose test vectors were run on silicon). Results appear without delay: the dozen
clocks a block takes are shorter than the bus accesses that feed it.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import numpy as np

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.dma import DmaRequest
from k210kit.board.core.registers import WORD_MASK, Field, Register

log = logging.getLogger("k210kit.board")

ECB, CBC, GCM = 0, 1, 2
BLOCK = 16
# The SDK writes 80 bytes before it reads any, so that much fits in; the true depth is not published.
FIFO_BYTES = 80
TAG_FAILED, TAG_GOOD = 1, 2


class Aes(Device):
    """The cipher engine. `dma` is SYSCTL_DMA_SELECT_AES_REQ: results to memory; input comes from a bus master."""

    key = Register(0x00, count=4, doc="the key's last four words, last first")
    encrypt_sel = Register(0x10, [Field("decrypt", 0)])
    mode_ctl = Register(
        0x14,
        [
            Field("cipher_mode", 0, 3),
            Field("kmode", 3, 2),
            Field("key_order", 5, 2, note="not modelled: no known software sets it"),
            Field("input_order", 7, 2, note="not modelled: no known software sets it"),
            Field("output_order", 9, 2, note="not modelled: no known software sets it"),
        ],
    )
    iv = Register(0x18, count=4, doc="last word first")
    endian = Register(0x28, [Field("little", 0)])
    finish = Register(0x2C, [Field("finish", 0)], writable=0)
    dma_sel = Register(0x30, [Field("dma", 0)])
    aad_num = Register(0x34, doc="bytes of additional data, less one")
    reserved = Register(0x38)
    pc_num = Register(0x3C, doc="bytes of text, less one")
    text_data = Register(0x40)
    aad_data = Register(0x44)
    tag_chk = Register(0x48, [Field("result", 0, 2)], writable=0)
    data_in_flag = Register(0x4C, [Field("ready", 0)], writable=0)
    in_tag = Register(0x50, count=4)
    out_data = Register(0x60, writable=0)
    en = Register(0x64, [Field("enable", 0)])
    data_out_flag = Register(0x68, [Field("ready", 0)], writable=0)
    tag_in_flag = Register(0x6C, [Field("ready", 0)], writable=0)
    tag_clear = Register(0x70)
    out_tag = Register(0x74, count=4, writable=0, doc="last word first")
    key_ext = Register(0x84, count=4, doc="the key's leading words, for 192 and 256 bits")

    def __init__(self, name: str, clock: Clock, *, dma: DmaRequest | None = None) -> None:
        self.dma = dma or DmaRequest(20, "AES")
        self._cipher: Any = None
        self._tagger: Any = None
        self._aad, self._text, self._out = bytearray(), bytearray(), bytearray()
        self._aad_left = self._text_left = 0
        self._tag = b""
        self._tag_words: set[int] = set()
        self._moving = False  # The DMAC may arm the next block from within a push.
        super().__init__(name, clock)
        self.dma.on_armed = self._push

    def reset(self) -> None:
        """Drop the operation under way."""
        super().reset()
        self._stop()

    def _stop(self) -> None:
        self._cipher = self._tagger = None
        for buffer in (self._aad, self._text, self._out):
            buffer.clear()
        self._aad_left = self._text_left = 0
        self._tag = b""
        self._tag_words.clear()
        self.finish = self.tag_chk = self.tag_in_flag = 0
        self._update_flags()

    @property
    def _order(self) -> Literal["little", "big"]:
        return "little" if self.endian & 1 else "big"

    @property
    def _is_gcm(self) -> bool:
        return bool(self.mode_ctl & 7 == GCM)

    @en.on_write
    def _en_written(self, written: int) -> None:
        self._stop()
        if not written & 1:
            return
        mode, key_size = self.mode_ctl & 7, 16 + 8 * (self.mode_ctl >> 3 & 3)
        if mode > GCM or key_size > 32:
            log.info("%s: mode_ctl %#x asks for a reserved mode; not started", self.name, self.mode_ctl)
            return
        # A count of "all ones" stands for none: silicon passes GCM vectors without additional data that way
        # (k210-sdk-stuff, cryptest). With no text at all silicon gives a wrong tag; here it is the right one.
        self._text_left = (self.pc_num + 1) & WORD_MASK
        self._aad_left = (self.aad_num + 1) & WORD_MASK if mode == GCM else 0
        if mode != GCM:
            self._text_left += -self._text_left % BLOCK
        self._open(mode, self._key_bytes(key_size))
        if mode == GCM and not self._text_left and not self._aad_left:
            self._finish()
        self._update_flags()

    def _key_bytes(self, size: int) -> bytes:
        words = [*self.key, *self.key_ext][: size // 4]
        return b"".join(word.to_bytes(4, self._order) for word in reversed(words))

    def _iv_bytes(self, size: int) -> bytes:
        return b"".join(self.iv[i].to_bytes(4, self._order) for i in reversed(range(size // 4)))

    def _open(self, mode: int, key: bytes) -> None:
        # Here, because most firmware never uses it and start-up is to be quick.
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        chaining: Any = modes.ECB()
        if mode == CBC:
            chaining = modes.CBC(self._iv_bytes(16))
        elif mode == GCM:
            chaining = modes.GCM(self._iv_bytes(12))
        cipher = Cipher(algorithms.AES(key), chaining)
        decrypt = self.encrypt_sel & 1
        self._cipher = cipher.decryptor() if decrypt else cipher.encryptor()
        # A decryptor keeps its tag to itself, so the recovered text is encrypted again to have it.
        self._tagger = (cipher.encryptor() if decrypt else self._cipher) if mode == GCM else None

    @aad_data.on_write
    def _aad_written(self, word: int) -> None:
        if not self._aad_left:
            return
        self._aad += word.to_bytes(4, self._order)
        if len(self._aad) < self._aad_left:
            return
        aad = bytes(self._aad[: self._aad_left])
        self._aad_left = 0
        for context in {id(c): c for c in (self._cipher, self._tagger)}.values():
            context.authenticate_additional_data(aad)
        if not self._text_left:
            self._finish()
        self._update_flags()

    @text_data.on_write
    def _text_written(self, word: int) -> None:
        if self._aad_left or not self.data_in_flag:
            return  # Nowhere to go; what silicon does with such words is not known.
        text = self._text
        text += word.to_bytes(4, self._order)
        if len(text) >= BLOCK or len(text) >= self._text_left:
            self._crunch()
        self._update_flags()

    def _crunch(self) -> None:
        data = bytes(self._text[: min(BLOCK, self._text_left)])
        self._text.clear()
        self._text_left -= len(data)
        result = self._cipher.update(data)
        if self._tagger is not None and self._tagger is not self._cipher:
            self._tagger.update(result)
        self._out += result
        self._out += bytes(-len(result) % 4)
        if not self._text_left:
            self._finish()
        self._push()

    def _finish(self) -> None:
        self.finish = 1
        if self._tagger is None:
            return
        self._tagger.finalize()
        self._tag = self._tagger.tag
        for i in range(4):
            self.out_tag[3 - i] = int.from_bytes(self._tag[4 * i : 4 * i + 4], "big")
        self.tag_in_flag = 1

    def _update_flags(self) -> None:
        self.data_out_flag = 1 if self._out else 0
        room = len(self._out) + len(self._text) < FIFO_BYTES
        self.data_in_flag = 1 if self._aad_left or (self._text_left and room) else 0

    @out_data.on_read
    def _out_read(self) -> int:
        out = self._out
        if not out:
            return 0
        value = int.from_bytes(out[:4], self._order)
        del out[:4]
        self._update_flags()
        return value

    @dma_sel.on_write
    def _dma_sel_written(self, written: int) -> None:
        self._push()

    def _push(self) -> None:
        if self._out and self.dma_sel & 1 and not self._moving:
            dtype = "<u4" if self._order == "little" else ">u4"
            self._moving = True
            taken = self.dma.push(np.frombuffer(bytes(self._out), dtype).astype(np.uint32))
            self._moving = False
            del self._out[: 4 * taken]
            self._update_flags()

    @in_tag.on_write
    def _in_tag_written(self, index: int, written: int) -> None:
        if not self.tag_in_flag:
            return
        self._tag_words.add(index)
        if len(self._tag_words) < 4:
            return
        # The check follows the input byte order, the tag output does not: aes.c reads one big-endian and writes the
        # other as little-endian words.
        given = b"".join(self.in_tag[i].to_bytes(4, self._order) for i in (3, 2, 1, 0))
        self.tag_chk = TAG_GOOD if given == self._tag else TAG_FAILED
        self._tag_words.clear()
        self.tag_in_flag = 0

    @tag_clear.on_write
    def _tag_clear_written(self, written: int) -> None:
        self.tag_chk = 0
