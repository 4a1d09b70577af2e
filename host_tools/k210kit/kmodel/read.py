"""A kmodel file's bytes to a Model; which version it is decides who reads it."""

from __future__ import annotations

import struct
from pathlib import Path

from k210kit.errors import K210Error
from k210kit.kmodel import version3
from k210kit.kmodel.model import Model

MAGIC = b"LDMK"
"""How versions 4 and 5 start; their number follows."""
FIRST_BYTES = 8
LARGEST = 16 << 20
"""The flash chip's size: no model is larger."""


def load(path: str | Path) -> Model:
    """Read a file. Raises K210Error when it cannot be read, is no kmodel, or is one that cannot be run."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise K210Error(f"cannot read {path}: {error.strerror}") from None
    try:
        return read(data)
    except K210Error as error:
        raise K210Error(f"{path}: {error}") from None


def read(data: bytes) -> Model:
    """The model in `data`, judged. Raises K210Error with the numbers of what is wrong."""
    if len(data) > LARGEST:
        raise K210Error(f"the file has more than {LARGEST:,} bytes, the size of the whole flash: this is no kmodel")
    if len(data) < FIRST_BYTES:
        raise K210Error(f"the file has {len(data)} bytes, too few for a kmodel; copy it again")
    first, second = struct.unpack_from("<2I", data)
    if first == version3.VERSION:
        return version3.read(data)
    if data[:4] == MAGIC:
        raise K210Error(f"version {second} is not supported yet, only {version3.VERSION} is")
    if set(data[:64]) == {0xFF}:
        raise K210Error("the file starts with erased flash (bytes 0xff): there is no model in it")
    if 0 < first < 32:
        raise K210Error(f"version {first} is not supported, only {version3.VERSION} is")
    raise K210Error(f"not a kmodel: it starts with {data[:4].hex(' ')}, not with 03 00 00 00 or {MAGIC.hex(' ')}")
