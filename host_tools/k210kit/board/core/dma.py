"""The handshake between a peripheral and the DMA controller.

The peripheral owns the timing: when its FIFO wants service it pushes or pulls items. One item is
one access of the peripheral's data register, whatever the width of the DMA transfer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# uint32, or uint64 where `item_bytes` is 8.
Items = NDArray[Any]
EMPTY: Items = np.zeros(0, np.uint32)


class DmaRequest:
    """One hardware handshake line; `number` as in the SDK's sysctl_dma_select_t.

    The DMAC sets `sink` (peripheral to memory) or `source` (memory to peripheral) while an enabled
    channel is bound to this line and clears it when the channel ends, then calls `on_armed`.
    `item_bytes` is 8 for a peripheral whose data register takes 64 bits at once (items are uint64).
    """

    def __init__(self, number: int, name: str) -> None:
        self.number, self.name = number, name
        self.item_bytes = 4
        self.sink: Callable[[Items], int] | None = None
        self.source: Callable[[int], Items] | None = None
        self.on_armed: Callable[[], None] = lambda: None

    def push(self, items: Items) -> int:
        """Offer received items; returns how many the DMAC took (0 when no channel listens)."""
        return self.sink(items) if self.sink is not None and len(items) else 0

    def pull(self, count: int) -> Items:
        """Take up to `count` items to send (none when no channel feeds this line)."""
        return self.source(count) if self.source is not None and count else EMPTY
