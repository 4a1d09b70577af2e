"""The arithmetic in floating point, several times as fast as the definition and the same to the byte.

Every number on the way is a whole number, or one divided by a power of two, that the float holds exactly; where one
would not fit, arithmetic.run() computes the layer instead. Whether that can be is known from the parameters, else the
sums are looked at. Parameters are decoded once.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from k210kit.board.kpu import arithmetic
from k210kit.board.kpu.arithmetic import SAMPLES, SEGMENTS, Activation, Bytes, Convolution, Layer

Floats = npt.NDArray[np.floating[Any]]

EXACT_32, EXACT_64 = 2.0**24, 2.0**53
CENTRE = 128
"""Taken off every input byte, which halves the largest sum."""
MOST_CHUNKS = 64
"""Of so many parts at most is a sum of products made in 32-bit floats; else 64-bit ones are faster."""
BLOCK = 1 << 15
"""Values that are handled at a time, so that they stay in the processor's cache."""


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


class _BeyondError(Exception):
    """A number would not be exact."""


class Piece(NamedTuple):
    """Of the activation: above `start` it is round((v - origin) * slope) + bias."""

    start: float
    origin: float
    slope: float
    bias: float


class Prepared:
    """A layer that is run again and again."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        c = layer.convolution
        matrix = c.weights.reshape(c.weights.shape[0], -1)
        # What is added for each input value is as good as added to each weight, where the shift divides it.
        spread, self._plane = c.arg_x >> c.shr_x, bool(c.arg_x & ((1 << c.shr_x) - 1))
        if self._plane:
            spread = 0
        weights = matrix.astype(np.float64) + spread
        # A depthwise sum is too short to be made in parts.
        self._chunks = _chunks(np.abs(weights), 1 if c.depthwise else MOST_CHUNKS)
        self._weights: Floats = weights.astype(np.float32) if self._chunks else weights
        inputs = 1 if c.depthwise else matrix.shape[1] // c.side**2
        of_w = matrix.sum(1, dtype=np.int64)
        self._constant = (
            CENTRE * weights.sum(1) + (c.arg_w * of_w >> c.shr_w).astype(np.float64) + c.arg_add * float(inputs)
        )
        self._scale = layer.batchnorm.mul * 0.5**layer.batchnorm.shift
        self._add = layer.batchnorm.add.astype(np.float64)
        self._pieces = self._judge(np.abs(weights).sum(1), matrix.shape[1])

    def _judge(self, size: Floats, taps: int) -> list[Piece]:
        """The pieces of the activation that values can reach; none when that depends on the input."""
        c = self.layer.convolution
        plane = abs(c.arg_x) * 255.0 * taps if self._plane else 0.0
        sums = CENTRE * size + np.abs(self._constant) + plane
        try:
            self._check_sums(sums, slice(None))
            return self._reached(float((sums * np.abs(self._scale) + np.abs(self._add)).max()))
        except _BeyondError:
            return []

    def _check_sums(self, most: Floats, rows: slice) -> None:
        if float((most * np.abs(self.layer.batchnorm.mul[rows])).max()) >= EXACT_64:
            raise _BeyondError

    def _reached(self, most: float) -> list[Piece]:
        """The pieces for values from -most to most."""
        a = self.layer.activation
        if float(((most + 1 + np.abs(a.start)) * np.abs(a.mul)).max()) >= EXACT_64:
            raise _BeyondError
        return _pieces(a, most + 1)

    def run(self, x: Bytes) -> Bytes:
        """As arithmetic.run()."""
        layer, c = self.layer, self.layer.convolution
        if layer.pool not in arithmetic.POOL_STRIDE:
            return arithmetic.run(x, layer)
        arithmetic.check_fit(x, c)
        # One cell of each square is all that some pooling modes look at; the others need not be known.
        side, column = SAMPLES.get(layer.pool, (1, 0))
        height, width = x.shape[1] // side, x.shape[2] // side
        out = np.empty((c.weights.shape[0], height, width), np.uint8)
        if out.size:
            flat = out.reshape(len(out), -1)
            try:
                # For matrices of this size a second thread gains nothing, and waits when its processor is busy.
                with _threads().limit(limits=1, user_api="blas"):
                    for rows, sums in self._sums(x, side, column, height, width):
                        flat[rows] = self._finish(sums, rows)
            except _BeyondError:
                return arithmetic.run(x, layer)
        return out if layer.pool in SAMPLES else arithmetic.pool(out, layer.pool)

    # ---- Sums

    def _sums(self, x: Bytes, step: int, column: int, height: int, width: int) -> Iterator[tuple[slice, Floats]]:
        """Output channels and their sums (channels, cells) but for the constant, a block after the other."""
        c = self.layer.convolution
        kind = self._weights.dtype
        padded = _padded(x, c, kind)
        cells = height * width
        rows = max(1, BLOCK // cells)
        if c.depthwise:
            for first in range(0, len(x), rows):
                part = slice(first, first + rows)
                sums = self._depthwise(padded[part], self._weights[part], x.shape)
                sums = sums[:, : height * step : step, column : column + width * step : step]
                yield part, self._with_plane(sums.reshape(len(sums), -1), x[part], step, column, height, width)
            return
        columns = _columns(padded, c.side, step, column, height, width)
        products = self._product(columns)
        products = self._with_plane(products, x, step, column, height, width)
        for first in range(0, len(products), rows):
            part = slice(first, first + rows)
            yield part, products[part]

    def _product(self, columns: Floats) -> Floats:
        if len(self._chunks) <= 1:
            return self._weights @ columns
        total = np.zeros((len(self._weights), columns.shape[1]))
        for chunk in self._chunks:
            total += self._weights[:, chunk] @ columns[chunk]
        return total

    def _depthwise(self, padded: Floats, weights: Floats, shape: tuple[int, ...]) -> Floats:
        """(channels, height, width), each channel with its own taps."""
        side = self.layer.convolution.side
        pitch = padded.shape[2]
        # Rows one after the other, the padding between them as well: long runs are fast.
        flat = padded.reshape(len(padded), -1)
        length = flat.shape[1] - (side - 1) * (pitch + 1)
        total, product = np.empty((2, len(padded), length), padded.dtype)
        for tap in range(side * side):
            at = tap // side * pitch + tap % side
            to = product if tap else total
            np.multiply(flat[:, at : at + length], weights[:, tap, None], out=to)
            if tap:
                total += product
        out = np.empty((len(padded), shape[1] * pitch), padded.dtype)
        out[:, :length] = total
        return out.reshape(len(padded), shape[1], pitch)[:, :, : shape[2]]

    def _with_plane(self, sums: Floats, x: Bytes, step: int, column: int, height: int, width: int) -> Floats:
        """The sums plus what goes with the sum of the inputs, when it does not go with each."""
        if not self._plane:
            return sums
        c = self.layer.convolution
        of_x = arithmetic.input_sums(x, c)
        plane = (c.arg_x * of_x >> c.shr_x)[:, : height * step : step, column : column + width * step : step]
        return sums + plane.reshape(len(plane), -1).astype(np.float64)

    # ---- What follows

    def _finish(self, sums: Floats, rows: slice) -> Floats:
        """Batch normalisation and activation of some channels' sums (channels, cells): whole numbers, 0 to 255."""
        v = np.add(sums, self._constant[rows, None], dtype=np.float64)
        if not self._pieces:
            self._check_sums(np.maximum(v.max(1), -v.min(1)), rows)
        v *= self._scale[rows, None]
        np.floor(v, out=v)
        v += self._add[rows, None]
        first, *others = self._pieces or self._reached(max(float(v.max()), -float(v.min())))
        out = _apply(v, first, None if others else v)
        for piece in others:
            above = v > piece.start
            if piece.slope:
                np.copyto(out, _apply(v, piece, None), where=above)
            else:
                np.copyto(out, piece.bias, where=above)
        return out.clip(0, 255, out=out)


def _apply(v: Floats, piece: Piece, out: Floats | None) -> Floats:
    out = np.subtract(v, piece.origin, out=out)
    out *= piece.slope
    # To nearest, ties to even.
    np.rint(out, out=out)
    if piece.bias:
        out += piece.bias
    return out


def _chunks(size: Floats, most: int) -> list[slice]:
    """Parts of a row of weights (their sizes given) whose sums of products 32-bit floats hold; none if too many."""
    taps = size.shape[1]
    count = 1
    while count <= min(most, taps):
        edges = np.linspace(0, taps, count + 1).astype(int)
        if np.add.reduceat(size, edges[:-1], axis=1).max() * CENTRE <= EXACT_32:
            return [slice(a, b) for a, b in itertools.pairwise(edges)]
        count *= 2
    return []


def _padded(x: Bytes, c: Convolution, kind: np.dtype[Any]) -> Floats:
    """The image less CENTRE, with its padding."""
    edge = c.side // 2
    channels, height, width = x.shape
    out = np.empty((channels, height + 2 * edge, width + 2 * edge), kind)
    if edge:
        out[:, :edge] = out[:, -edge:] = c.pad_value - CENTRE
        out[:, :, :edge] = out[:, :, -edge:] = c.pad_value - CENTRE
    inner = out[:, edge : edge + height, edge : edge + width]
    np.subtract(x, kind.type(CENTRE), out=inner)
    return out


def _columns(padded: Floats, side: int, step: int, column: int, height: int, width: int) -> Floats:
    """(channels * side * side, height * width): the inputs of each output, in the order of a weight's taps."""
    if side == 1 and step == 1:
        return padded.reshape(len(padded), -1)
    out = np.empty((len(padded), side, side, height, width), padded.dtype)
    for dy in range(side):
        for dx in range(side):
            left = dx + column
            out[:, dy, dx] = padded[:, dy : dy + height * step : step, left : left + width * step : step]
    return out.reshape(-1, height * width)


def _pieces(activation: Activation, most: float) -> list[Piece]:
    """What values from -most to most can reach, equal neighbours put together. The first has no start."""
    a = activation
    reached = [i for i in range(SEGMENTS) if a.start[i] < most]
    certain = max((i for i in reached if a.start[i] < -most), default=0)
    pieces = [_piece(a, certain, -np.inf)]
    for i in reached:
        if i <= certain:
            continue
        piece, before = _piece(a, i, float(a.start[i])), pieces[-1]
        if piece[2:] == before[2:] and not piece.slope:
            # The same constant: the one before goes on, from the lower start.
            pieces[-1] = before._replace(start=min(before.start, piece.start))
        elif len(pieces) == 1 and before.slope == before.bias == piece.bias == 0 and piece.slope > 0:
            # Below its start a rising line through 0 gives what is clamped to the same 0.
            pieces = [piece._replace(start=-np.inf)]
        else:
            pieces.append(piece)
    return pieces


def _piece(a: Activation, i: int, start: float) -> Piece:
    return Piece(start, float(a.start[i]), int(a.mul[i]) * 0.5 ** int(a.shift[i]), float(a.bias[i]))
