"""One-time programmable memory, 16 KiB: reading, programming, write protection and key comparison.

Layout and sequences: the vendor's otp.h and otp.c (early FreeRTOS SDK; later SDKs left them out). Map of the contents:
laanwj's k210-sdk-stuff, doc/otp_layout.md. Operations complete at once. Not modelled: the write test, programming in
bypass mode, block repair, and the key's way to the AES block.
"""

from __future__ import annotations

import logging

from k210kit.board.core.clock import Clock
from k210kit.board.core.device import Device
from k210kit.board.core.registers import Field, Register
from k210kit.errors import K210Error

log = logging.getLogger("k210kit.board")

SIZE = 0x4000
SYSTEM_DATA, BISR_DATA, BLOCK_FLAGS, FUNCTION_FLAGS, AES_KEY = 0x3AD0, 0x3DD0, 0x3FD0, 0x3FE0, 0x3FF0
READ, PROGRAM, TEST = 0, 1, 2
BLANK_CHECK, TEST_DECODER, REPAIR, WRITE_TEST = 0x24, 0x21, 0x30, 0x01
AES_WRITE_DISABLE, AES_VERIFY_DISABLE = 2, 3
TEST_ENABLE = 0xCAAC
FAILED, DONE, REFUSED = 1, 2, 3


class Otp(Device):
    """The OTP controller and its array. `contents` are the bytes from address 0 (the rest blank); bits only go to 1.

    Raises K210Error when `contents` are longer than 16,384 bytes.
    """

    ceb = Register(0x00, [Field("off", 0)], reset=1, doc="writing 0 starts the operation chosen by mode")
    test_mode = Register(0x04)
    mode = Register(0x08, [Field("mode", 0, 2)])
    gb_otp_en = Register(0x0C, [Field("key_out", 0, note="passes the key to the AES block")])
    dat_in_finish = Register(0x10)
    bisr_fail = Register(0x14)
    test_step = Register(0x18)
    pwrrdy = Register(0x1C, writable=0, reset=1)
    last_dat = Register(0x20)
    data = Register(0x24, writable=0)
    pwr_mode = Register(0x28)
    in_dat = Register(0x2C)
    apb_adr = Register(0x30, doc="in bits")
    td_result = Register(0x34)
    data_acp_flag = Register(0x38)
    adr_in_flag = Register(0x3C, writable=0)
    wr_result = Register(0x40)
    threshold = Register(0x44, doc="clock divider")
    bisr_finish = Register(0x48)
    key_cmp_result = Register(0x4C)
    cmp_key = Register(0x50)
    cmp_result_rdy = Register(0x54)
    cle = Register(0x58)
    data_blk_ctrl = Register(0x5C)
    wrg_adr_flag = Register(0x60)
    pro_wrong = Register(0x64)
    status = Register(
        0x68,
        [Field("busy", 0), Field("bypass", 1, note="not modelled"), Field("test", 2, note="not modelled")],
        writable=0,
    )
    pro_adr = Register(0x6C, writable=0, doc="where programming failed")
    blank_finish = Register(0x70)
    bisr2otp_en = Register(0x74)
    cpu_ctrl = Register(0x78, doc="0xCAAC: bypass mode")
    web_cpu = Register(0x7C, reset=1)
    rstb_cpu = Register(0x80, reset=1)
    seltm_cpu = Register(0x84)
    readen_cpu = Register(0x88)
    pgmen_cpu = Register(0x8C)
    dle_cpu = Register(0x90)
    din_cpu = Register(0x94)
    cpumpen_cpu = Register(0x98)
    cle_cpu = Register(0x9C)
    ceb_cpu = Register(0xA0, reset=1)
    adr_cpu = Register(0xA4)
    dat_cpu = Register(0xA8)
    data_rdy = Register(0xAC, writable=0)
    block_flag_high = Register(0xB0, writable=0)
    block_flag_low = Register(0xB4, writable=0)
    reg_flag_high = Register(0xB8, writable=0)
    reg_flag_low = Register(0xBC, writable=0)

    def __init__(self, name: str, clock: Clock, *, contents: bytes = b"") -> None:
        if len(contents) > SIZE:
            raise K210Error(f"OTP contents are {len(contents)} bytes; the chip has {SIZE}: shorten the file")
        self.array = bytearray(contents.ljust(SIZE, b"\0"))
        self._key = bytearray()
        super().__init__(name, clock)

    def reset(self) -> None:
        """Reset the controller; the array keeps what was programmed."""
        super().reset()
        self._key.clear()
        self._refresh_flags()

    def _flags(self, start: int) -> int:
        """64 flags of two bits each, one bit a flag; either bit sets it."""
        pairs = int.from_bytes(self.array[start : start + 16], "little")
        return sum(1 << i for i in range(64) if pairs >> 2 * i & 3)

    def _refresh_flags(self) -> None:
        blocks, functions = self._flags(BLOCK_FLAGS), self._flags(FUNCTION_FLAGS)
        self.block_flag_low, self.block_flag_high = blocks, blocks >> 32
        self.reg_flag_low, self.reg_flag_high = functions, functions >> 32

    def _write_protected(self, address: int) -> bool:
        if address >= AES_KEY:
            return bool(self.reg_flag_low >> AES_WRITE_DISABLE & 1)
        if address >= BISR_DATA:
            return False
        # 15 common blocks of 1 KiB and 48 system blocks of 16 bytes: inferred from the areas' sizes and the counts.
        block = 16 + (address - SYSTEM_DATA) // 16 if address >= SYSTEM_DATA else address // 1024
        flags = self.block_flag_low | self.block_flag_high << 32
        return bool(flags >> block & 1)

    @ceb.on_write
    def _ceb_written(self, written: int) -> None:
        self.data_rdy = 0
        starts = not written & 1
        self.adr_in_flag = int(starts and self.mode in (READ, PROGRAM))
        if starts and self.mode == TEST:
            self._run_test()

    def _run_test(self) -> None:
        if self.test_mode == BLANK_CHECK:
            self.bisr_fail = int(any(self.array))
            self.blank_finish = 1
        elif self.test_mode == TEST_DECODER:
            self.td_result = DONE
        elif self.test_mode == REPAIR:
            self.bisr_finish = 1
        else:
            log.info("%s: test mode %#x is not modelled", self.name, self.test_mode)

    @apb_adr.on_write
    def _address_written(self, bit: int) -> None:
        if not self.adr_in_flag or self.mode != READ:
            return
        address = bit // 8
        self.wrg_adr_flag = int(address >= AES_KEY)
        self.data = 0 if address >= AES_KEY else self.array[address]
        self.data_rdy = 1
        if BLOCK_FLAGS <= address < AES_KEY:
            self._refresh_flags()
        self._end_after_last()

    @dat_in_finish.on_write
    def _bit_given(self, written: int) -> None:
        if not written & 1 or not self.adr_in_flag or self.mode != PROGRAM:
            return
        address, bit = divmod(self.apb_adr, 8)
        if address >= SIZE or self._write_protected(address):
            self.wrg_adr_flag, self.data_acp_flag = 1, FAILED
            self.pro_adr = self.apb_adr
        else:
            self.array[address] |= (self.in_dat & 1) << bit
            self.data_acp_flag = DONE
        self.dat_in_finish = 0
        self._end_after_last()

    def _end_after_last(self) -> None:
        if self.last_dat & 1:
            self.last_dat = self.adr_in_flag = 0
            self.ceb = 1
            self._refresh_flags()

    @cmp_key.on_write
    def _key_word(self, word: int) -> None:
        self._key += word.to_bytes(4, "big")
        if len(self._key) < 16:
            return
        if self.reg_flag_low >> AES_VERIFY_DISABLE & 1:
            self.key_cmp_result = REFUSED
        else:
            self.key_cmp_result = DONE if self._key == self.array[AES_KEY:] else FAILED
        self._key.clear()

    @readen_cpu.on_write
    def _bypass_read(self, written: int) -> None:
        address = self.adr_cpu // 8
        if written & 1 and not self.ceb_cpu & 1 and self.cpu_ctrl == TEST_ENABLE:
            self.dat_cpu = self.array[address] if address < AES_KEY else 0

    @cpumpen_cpu.on_write
    def _bypass_program(self, written: int) -> None:
        if written & 1 and self.pgmen_cpu & 1:
            log.info("%s: programming in bypass mode is not modelled", self.name)
