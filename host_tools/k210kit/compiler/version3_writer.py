"""Writes kernel models of version 3. Layout: Kendryte standalone SDK, kpu.h; alignment as nncase v0.1.0-rc5."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

VERSION, EIGHT_BIT, K210 = 3, 1, 0
MAIN_MEMORY_OUT = 1
BODY_ALIGNMENT = 8
BLOCK_ALIGNMENT, PARAMETER_ALIGNMENT, ACTIVATION_ALIGNMENT = 8, 128, 256

Body = Callable[[int], bytes]
"""A layer's arguments for their offset in the file."""


@dataclass(frozen=True)
class FileLayer:
    """A layer type's number, and its arguments."""

    kind: int
    body: Body


def words(*values: int) -> bytes:
    """32-bit words."""
    return struct.pack(f"<{len(values)}I", *(value & 0xFFFF_FFFF for value in values))


def convolution_body(block: bytes, weights: bytes, batchnorm: bytes, activation: bytes, output: int | None) -> Body:
    """`output` is the address in main memory where the result goes too, or None."""

    def body(offset: int) -> bytes:
        data, places = bytearray(24), []
        for part, alignment in (
            (block, BLOCK_ALIGNMENT),
            (weights, PARAMETER_ALIGNMENT),
            (batchnorm, PARAMETER_ALIGNMENT),
            (activation, ACTIVATION_ALIGNMENT),
        ):
            data += bytes(-(offset + len(data)) % alignment)
            places.append(offset + len(data))
            data += part
        data[:24] = words(0 if output is None else MAIN_MEMORY_OUT, output or 0, *places)
        return bytes(data)

    return body


def write(layers: Sequence[FileLayer], main_memory: int, outputs: Sequence[tuple[int, int]]) -> bytes:
    """The file; `outputs` are addresses and sizes in main memory."""
    head = words(VERSION, EIGHT_BIT, K210, len(layers), 0, main_memory, len(outputs))
    head += b"".join(words(*output) for output in outputs)
    start = len(head) + 8 * len(layers)
    table, bodies = bytearray(), bytearray()
    for layer in layers:
        offset = start + len(bodies)
        body = layer.body(offset)
        body += bytes(-(offset + len(body)) % BODY_ALIGNMENT)
        table += words(layer.kind, len(body))
        bodies += body
    return bytes(head + table + bodies)
