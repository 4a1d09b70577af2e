"""Tiny guests as instruction words, so that these tests need no compiler."""

from __future__ import annotations

import struct

HELLO = """
f1402573  csrr  a0, mhartid
04051a63  bnez  a0, idle
380005b7  lui   a1, 0x38000       UARTHS; its pads are the console's after reset
0e100293  li    t0, 225
0055ac23  sw    t0, 24(a1)        div: 26 MHz / 226 = 115,044 baud
00100293  li    t0, 1
0055a423  sw    t0, 8(a1)         txctrl
0055a623  sw    t0, 12(a1)        rxctrl
00000617  auipc a2, 0
04060613  addi  a2, a2, text
00064283  lbu   t0, 0(a2)         next:
00028c63  beqz  t0, echo
0005a303  lw    t1, 0(a1)         full:
fe034ee3  bltz  t1, full
0055a023  sw    t0, 0(a1)
00160613  addi  a2, a2, 1
fe9ff06f  j     next
0045a283  lw    t0, 4(a1)         echo: answers every character with the next one
fe02cee3  bltz  t0, echo
00128293  addi  t0, t0, 1
0055a023  sw    t0, 0(a1)
ff1ff06f  j     echo
10500073  wfi                     idle:
ffdff06f  j     idle
6c6c6548  text: "Hello"
000a0d6f
"""

COUNT = """
f1402573  csrr  a0, mhartid
02051463  bnez  a0, other
00000293  li    t0, 0
00000417  auipc s0, 0
03440413  addi  s0, s0, 0x34
00128293  addi  t0, t0, 1         loop: (0x14)
00543023  sd    t0, 0(s0)
008000ef  jal   func
ff5ff06f  j     loop
00238393  addi  t2, t2, 2         func: (0x24)
00008067  ret
001e0e13  addi  t3, t3, 1         other: (0x2c)
ffdff06f  j     other
00000013  nop
00000013  nop
00000013  nop
00000000  counter: (0x40)
00000000
"""

_FAULTING = """
f1402573  csrr  a0, mhartid
02051863  bnez  a0, other
00000317  auipc t1, 0
01c30313  addi  t1, t1, handler
30531073  csrw  mtvec, t1
000905b7  lui   a1, 0x90
00c59593  slli  a1, a1, 12
0085b603  ld    a2, 8(a1)         (0x1c) nothing is mapped at 0x90000008
0000006f  j     .
"""

CRASH = (
    _FAULTING
    + """
3e800293  li    t0, 1000          handler: takes its time, then gives up
fff28293  addi  t0, t0, -1
fe029ee3  bnez  t0, .-4
0000006f  j     .                 (0x30)
10500073  wfi                     other:
ffdff06f  j     other
"""
)

HANDLED = (
    _FAULTING
    + """
341022f3  csrr  t0, mepc          handler: goes on behind the load
00428293  addi  t0, t0, 4
34129073  csrw  mepc, t0
30200073  mret
10500073  wfi                     other:
ffdff06f  j     other
"""
)

RECURSIVE = """
00000317  auipc t1, 0
01030313  addi  t1, t1, 16
30531073  csrw  mtvec, t1
00000000  an illegal instruction  (0x0c)
000903b7  lui   t2, 0x90          handler: (0x10) its own third instruction faults
00c39393  slli  t2, t2, 12
0003a003  lw    zero, 0(t2)
0000006f  j     .
"""

STOP = """
00000013  nop
30047073  csrci mstatus, 8
0000006f  j     .
"""


def image(listing: str) -> bytes:
    """The words at the line starts, as they lie in memory."""
    words = [int(line.split()[0], 16) for line in listing.splitlines() if line.strip()]
    return struct.pack(f"<{len(words)}I", *words)


def elf(code: bytes, symbols: dict[str, int], base: int = 0x8000_0000) -> bytes:
    """A minimal executable with one segment and these functions."""
    names, table = b"\0", bytes(24)
    for name, address in symbols.items():
        table += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, address, 0)
        names += name.encode() + b"\0"
    start = 64 + 56
    sections = start + len(code) + len(table) + len(names)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 243, 1, base, 64, sections, 0, 64, 56, 1, 64, 3, 0)
    program = struct.pack("<IIQQQQQQ", 1, 5, start, base, base, len(code), len(code), 4)
    at = start + len(code)
    rows = bytes(64)
    rows += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, at, len(table), 2, 1, 8, 24)
    rows += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at + len(table), len(names), 0, 0, 1, 0)
    return header + program + code + table + names + rows
