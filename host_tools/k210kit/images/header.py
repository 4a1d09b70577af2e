"""The header that the mask ROM expects at flash offset 0.

One flag byte, the payload's length as a little-endian 32-bit word, the payload, and the SHA-256 of
all before it. Layout: the PyPI client kflash 1.1.6 writes it; the flag's bits: 0 AES, 1 DIO.
"""

from __future__ import annotations

import hashlib
import struct

from k210kit.errors import K210Error

HEADER_SIZE = 5
HASH_SIZE = 32
FLAG_AES, FLAG_DIO = 1, 2
KNOWN_FLAGS = FLAG_AES | FLAG_DIO
LONGEST = 8 << 20
"""No payload is longer than the SRAM; one byte too long for the 6 MiB without AI RAM still deserves its message."""


class HeaderError(K210Error):
    """The mask ROM would refuse this image."""


def wrap(payload: bytes, flags: int = FLAG_DIO, *, key: bytes | None = None) -> bytes:
    """`payload` with the header and hash that the mask ROM expects.

    The ROM reads with two data lines (FLAG_DIO) unless told otherwise: that works with every flash chip, four lines
    only with one whose quad-enable bit is set. With a `key` of 16 bytes the payload is encrypted for a chip that has
    it in its fuses: AES-128-CBC from an initial vector of zeros, filled up with zeros.
    """
    if key is not None:
        payload, flags = _encrypt(payload, key), flags | FLAG_AES
    body = struct.pack("<BI", flags, len(payload)) + payload
    return body + hashlib.sha256(body).digest()


def _encrypt(payload: bytes, key: bytes) -> bytes:
    # Here, because the module takes time to load and few need it.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(key) != 16:
        raise K210Error(f"the key has {len(key)} bytes; an AES-128 key has 16, which are 32 hexadecimal digits")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(payload + bytes(-len(payload) % 16)) + encryptor.finalize()


def has_header(image: bytes) -> bool:
    """Whether `image` starts as the mask ROM's header does, rather than with RISC-V code.

    A header's first byte is 0 to 3 and its length one that fits into the SRAM. Code may start with such a byte (a
    compressed jump over an identification, in images for Kboot), but then the length is beyond all bounds.
    """
    if len(image) < HEADER_SIZE:
        return len(image) >= 1 and image[0] <= KNOWN_FLAGS
    flags, length = struct.unpack_from("<BI", image)
    return bool(flags <= KNOWN_FLAGS and length <= LONGEST)


def unwrap(image: bytes, name: str = "the image") -> bytes:
    """The payload of an image with header. Raises HeaderError when the mask ROM would refuse it, or it is encrypted."""
    if len(image) >= HEADER_SIZE + HASH_SIZE and image[0] <= KNOWN_FLAGS and image[0] & FLAG_AES:
        raise HeaderError(
            f"{name} is AES-encrypted (flag byte {image[0]:#04x}); only an unencrypted image can be booted"
        )
    _, length = check(image, name)
    return image[HEADER_SIZE : HEADER_SIZE + length]


def check(image: bytes, name: str = "the image") -> tuple[int, int]:
    """The flags and the payload's length. Raises HeaderError when the mask ROM would refuse the image."""
    if len(image) < HEADER_SIZE + HASH_SIZE:
        raise HeaderError(
            f"{name} has {len(image)} bytes, less than the {HEADER_SIZE + HASH_SIZE} of a header and its hash"
        )
    flags, length = struct.unpack_from("<BI", image)
    if flags & ~KNOWN_FLAGS:
        raise HeaderError(f"{name} does not start with a boot header: its first byte is {flags:#04x}, not 0x00 to 0x03")
    end = HEADER_SIZE + length
    if length == 0 or end + HASH_SIZE > len(image):
        raise HeaderError(
            f"{name} says that its payload has {length} bytes, but {len(image)} bytes hold at most "
            f"{len(image) - HEADER_SIZE - HASH_SIZE}; is the file cut short?"
        )
    stored, computed = image[end : end + HASH_SIZE], hashlib.sha256(image[:end]).digest()
    if stored != computed:
        raise HeaderError(
            f"{name} has a wrong SHA-256: {stored.hex()[:16]}... is stored, {computed.hex()[:16]}... computed over "
            f"{end} bytes; the file is damaged"
        )
    return flags, length
