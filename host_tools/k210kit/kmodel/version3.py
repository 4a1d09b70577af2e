"""kmodel version 3, as nncase 0.1 writes it.

A header, the outputs, a header for each layer, the layers' bodies one after the other. Source: Kendryte standalone SDK,
drivers/include/kpu.h and kpu.c; nncase v0.1.0-rc5, NnCase.Converter.K210.
"""

from __future__ import annotations

import struct

from k210kit.errors import K210Error
from k210kit.kmodel.body import Body, File
from k210kit.kmodel.model import BYTE, KPU_RAM_SIZE, SRAM_SIZE, KpuImage, Layer, Model, Place, Region
from k210kit.kmodel.version3_layers import NAMES, PARSERS

VERSION = 3
HEADER = struct.Struct("<7I")
PAIR = struct.Struct("<2I")
EIGHT_BIT_WEIGHTS = 1
PADDING = 7
"""So many bytes may be missing at the end: converters pad the last layer, and some files lack that."""
MOST_LAYERS, MOST_OUTPUTS = 4096, 256
"""No network for this chip comes near; the firmware has the same."""


def read(data: bytes) -> Model:
    """The model in `data`, which starts with the version. Raises K210Error."""
    _complete(data, HEADER.size)
    version, flags, arch, count, _, main_memory, output_count = HEADER.unpack_from(data)
    if version != VERSION or arch:
        raise K210Error(f"version {version} for architecture {arch} is not supported, only {VERSION} for 0 (K210) is")
    for what, has, most in (
        ("flags", flags, 1),
        ("layers", count, MOST_LAYERS),
        ("outputs", output_count, MOST_OUTPUTS),
    ):
        if has > most or (what != "flags" and not has):
            raise K210Error(
                f"the header says {has:,} {what}, at most {most:,} can be; the file is damaged, copy it again"
            )
    if main_memory > SRAM_SIZE:
        raise K210Error(
            f"the model needs {main_memory:,} bytes of main memory, more than the {SRAM_SIZE:,} of the chip"
        )
    headers = HEADER.size + PAIR.size * output_count
    start = table_size = headers + PAIR.size * count
    _complete(data, start)
    table = list(PAIR.iter_unpack(data[headers:start]))
    for number, (kind, _) in enumerate(table):
        if kind not in PARSERS:
            name = f" ({NAMES[kind]})" if kind in NAMES else ""
            raise K210Error(f"layer {number} of type {kind}{name} is not supported; compile the model without it")
    size = start + sum(body for _, body in table)
    _complete(data, size - PADDING)
    file = File(data[:size], bool(flags & EIGHT_BIT_WEIGHTS), main_memory)
    steps = []
    for number, (kind, body) in enumerate(table):
        try:
            steps.append(PARSERS[kind](Body(file, number, NAMES[kind], start, min(body, len(file.data) - start))))
        except K210Error:
            if number == count - 1:
                # What is missing was not only padding.
                _complete(data, size)
            raise
        if number == 0 and isinstance(steps[0].inputs[0], Region):
            file.written.setdefault(steps[0].inputs[0].address, steps[0].inputs[0])
        start += body
    outputs = tuple(_output(file, i, *pair) for i, pair in enumerate(PAIR.iter_unpack(data[HEADER.size : headers])))
    return Model(
        VERSION,
        size=len(file.data),
        table_size=table_size,
        largest_layer=max(body for _, body in table),
        eight_bit=file.eight_bit,
        main_memory=main_memory,
        input=_input(steps[0]),
        outputs=outputs,
        layers=tuple(steps),
    )


def _complete(data: bytes, size: int) -> None:
    if len(data) < size:
        raise K210Error(f"truncated: it has {len(data):,} bytes and needs {size:,}; copy it again")


def _input(first: Layer) -> Place:
    """Where the input goes: the first layer's, which must be a convolution's or a fully connected layer's."""
    place = first.inputs[0]
    if isinstance(place, KpuImage):
        # The whole picture is written in the layout of its width, whatever the layer says of it.
        image = KpuImage.of(place.address, place.shape)
        if image.address + image.size > KPU_RAM_SIZE:
            raise K210Error(
                f"the input takes {image.size:,} bytes from {image.address:,} on, past the end of the KPU's RAM"
            )
        return image
    if first.name != NAMES[18]:
        raise K210Error(
            f"layer 0 ({first.name}) cannot take the input; a model starts with a convolution or fully connected"
        )
    return place


def _output(file: File, number: int, address: int, size: int) -> Region:
    """An output of the size that the header says; kind and shape are those of what was written there last."""
    end = address + size
    if end > file.main_memory:
        raise K210Error(
            f"output {number} takes bytes {address:,} to {end:,} of a main memory of {file.main_memory:,}; the file is "
            "damaged, copy it again"
        )
    written = file.written.get(address, Region(address, BYTE, (size,)))
    if written.size == size:
        return written
    kind = BYTE if size % written.kind.itemsize else written.kind
    return Region(address, kind, (size // kind.itemsize,))
