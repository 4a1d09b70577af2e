"""The RISC-V debug module's window at address 0: what a null pointer meets.

Place: laanwj's K210 memory map. The harts may read and write there (rocket-chip's TLDebugModule answers its whole
page, unused words with zero), so null pointers do not trap: MaixPy reads a type through one at every start.
Not modelled: a debugger behind it, its program buffer and its ROM at 0x800, which read as zero here.
"""

from __future__ import annotations

from k210kit.board.core.device import Device
from k210kit.board.core.registers import Register


class DebugModule(Device):
    """Reads as zero and ignores writes."""

    size = 0x1000
    word = Register(0x000, writable=0, count=1024)
