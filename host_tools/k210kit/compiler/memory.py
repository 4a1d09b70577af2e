"""Places in a memory for buffers that live for a while each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from k210kit.errors import K210Error


@dataclass
class Buffer:
    """`size` bytes, wanted from layer `first` to layer `last`; `address` is set by allocate()."""

    name: str
    size: int
    first: int
    last: int
    address: int = -1

    def used_at(self, layer: int) -> None:
        """That layer reads or writes it."""
        self.first, self.last = min(self.first, layer), max(self.last, layer)

    def meets(self, other: Buffer) -> bool:
        """Whether both are wanted at the same time."""
        return self.first <= other.last and other.first <= self.last


def allocate(buffers: Iterable[Buffer], alignment: int, limit: int | None = None) -> int:
    """Give every buffer an address, large ones first, each the lowest that is free for its time; returns bytes used.

    Raises K210Error when they need more than `limit`.
    """
    placed: list[Buffer] = []
    top = 0
    for buffer in sorted(buffers, key=lambda b: (-b.size, b.first, b.name)):
        size = -(-buffer.size // alignment) * alignment
        address = 0
        for other in sorted((o for o in placed if o.meets(buffer)), key=lambda o: o.address):
            if other.address - address >= size:
                break
            address = max(address, -(-(other.address + other.size) // alignment) * alignment)
        buffer.address = address
        placed.append(buffer)
        top = max(top, address + size)
        if limit is not None and top > limit:
            raise K210Error(
                f"{buffer.name} needs {buffer.size:,} bytes while others take {address:,} of {limit:,}: make the input "
                "or the layer smaller"
            )
    return top
