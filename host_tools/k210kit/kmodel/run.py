"""Runs a model as the board does: images in the KPU's RAM, all else in the main memory, layer after layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from k210kit.board.kpu.layout import gather, scatter
from k210kit.errors import K210Error
from k210kit.kmodel.model import BYTE, FLOAT, KPU_RAM_SIZE, Array, KpuImage, Layer, Model, Place, Region

Watch = Callable[[Layer, Array], None]


class Runtime:
    """Runs one model as often as asked; parameters are decoded once."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._main = np.zeros(model.main_memory, np.uint8)
        self._kpu = memoryview(bytearray(KPU_RAM_SIZE))

    def run(self, data: Array, watch: Watch | None = None) -> list[Array]:
        """The outputs for an input of the model's shape and kind; `watch` sees each layer's result.

        Raises K210Error when the input does not fit.
        """
        place = self.model.input
        kind = FLOAT if self.model.takes_floats else BYTE
        if data.shape != place.shape or data.dtype != kind:
            raise K210Error(
                f"the model takes {_size(place.shape)} {kind.name} values, not {_size(data.shape)} of {data.dtype.name}"
            )
        self._main[:] = 0
        self._store(place, data)
        # Models may divide by zero and overflow as they like: on the board that gives infinity or NaN.
        with np.errstate(all="ignore"):
            for layer in self.model.layers:
                result = self._step(layer)
                if watch is not None:
                    watch(layer, result)
        return [self._fetch(output).copy() for output in self.model.outputs]

    def _step(self, layer: Layer) -> Array:
        if layer.joined:
            return self._join(layer)
        result = layer.compute(*map(self._fetch, layer.inputs))
        for output in layer.outputs:
            self._store(output, result)
        return result

    def _join(self, layer: Layer) -> Array:
        """Copy input after input: one may run into the output, and then what was copied before is what it holds."""
        (output,) = layer.outputs
        assert isinstance(output, Region)
        at = output.address
        for place in layer.inputs:
            part = self._fetch(place)
            self._main[at : at + part.size] = part
            at += part.size
        return self._fetch(output)

    def _fetch(self, place: Place) -> Array:
        if isinstance(place, KpuImage):
            ram = self._kpu[place.address :]
            return gather(ram, place.shape, place.group, place.row_lines, place.channel_lines)
        return self._main[place.address : place.address + place.size].view(place.kind).reshape(place.shape)

    def _store(self, place: Place, data: Array) -> None:
        if isinstance(place, KpuImage):
            scatter(self._kpu[place.address :], data, place.group, place.row_lines, place.channel_lines)
        else:
            raw = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            self._main[place.address : place.address + place.size] = raw[: place.size]


def _size(shape: tuple[int, ...]) -> str:
    """A shape in words: 3 x 256 x 320."""
    return " x ".join(map(str, shape))
