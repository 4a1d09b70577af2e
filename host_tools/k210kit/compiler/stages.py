"""Nodes as what the chip does in one go: KPU layers, and images put side by side for them.

A KPU layer convolves with a 1x1 or 3x3 kernel around every cell, applies a function and pools. Everything else that a
convolution may be is carried to that exactly: strides are a pooling mode; kernels that reach further, or unevenly, look
at copies of the input that are moved by a cell or two and stand side by side as more channels; sums and concatenations
are images side by side, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from k210kit.board.kpu.arithmetic import (
    POOL_MAX_2,
    POOL_MAX_4,
    POOL_MEAN_2,
    POOL_MEAN_4,
    POOL_NONE,
    POOL_TOP_LEFT_2,
    POOL_TOP_LEFT_4,
)
from k210kit.board.kpu.layout import RowLayout
from k210kit.compiler import network as net
from k210kit.compiler.functions import Function
from k210kit.errors import K210Error

POOLS = {
    (False, 2): POOL_MAX_2,
    (False, 4): POOL_MAX_4,
    (True, 2): POOL_MEAN_2,
    (True, 4): POOL_MEAN_4,
}
STRIDE_POOLS = {1: POOL_NONE, 2: POOL_TOP_LEFT_2, 4: POOL_TOP_LEFT_4}
LEAST_SIDE = 4
"""The KPU's smallest image; smaller ones are the processor's."""
FURTHEST = 4
"""Cells that a kernel may look away from its own, so that copies stay few."""


@dataclass(frozen=True)
class KpuStage:
    """A layer of the KPU. `measured` is the value in whose range the function's results are, before pooling.

    `cells` are the rows and columns that it is told of its input, when they are not those of the value: one more, of
    which nothing is used. The output's shape is the network's for that value; more cells than that are made and left.
    """

    name: str
    input: str
    output: str
    measured: str
    weights: net.Floats = field(repr=False)
    bias: net.Floats = field(repr=False)
    depthwise: bool
    function: Function = field(default_factory=Function.identity)
    pool: int = POOL_NONE
    cells: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    """First row of the input and how many, when it is not given all of it."""
    sums: str | None = None
    """The value whose range is that of the sums, ahead of the function; `measured` when None."""

    def portion(self, channels: range) -> KpuStage:
        """What makes only those of the output's channels."""
        if len(channels) == len(self.weights):
            return self
        cut = slice(channels.start, channels.stop)
        name = f"{self.name}, channels {channels.start} to {channels.stop - 1}"
        return replace(self, name=name, weights=self.weights[cut], bias=self.bias[cut])


@dataclass(frozen=True)
class Join:
    """`parts`, images of one size, are one after the other the channels of `output`, or `by_rows` its rows."""

    name: str
    parts: tuple[str, ...]
    output: str
    by_rows: bool = False


Stage = KpuStage | Join | net.Node


def stages_of(network: net.Network) -> tuple[list[Stage], net.Network]:
    """What is to be done, in order, and the network with the shapes of values that appear on the way.

    Raises K210Error with the name of the node that cannot be carried.
    """
    stager = _Stager(network, dict(network.shapes))
    for node in network.nodes:
        if node.output not in stager.taken:
            stager.stage(node)
    return stager.found, replace(network, shapes=stager.shapes)


@dataclass
class _Stager:
    network: net.Network
    shapes: dict[str, net.Shape]
    found: list[Stage] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    joined: set[str] = field(default_factory=set)

    def stage(self, node: net.Node) -> None:
        if isinstance(node, net.Conv):
            self._convolution(node)
        elif isinstance(node, net.Pool) and self._pool_mode(node) is not None:
            self.found.append(self._copy(node.name, node.inputs[0], node.output, self._pool_mode(node) or POOL_NONE))
        elif isinstance(node, net.Activation) and self._is_image(node.inputs[0]):
            copy = self._copy(node.name, node.inputs[0], node.output)
            self.found.append(replace(copy, function=node.function, measured=node.output, sums=node.inputs[0]))
        elif isinstance(node, net.Concat) and self._can_join(node):
            self._join(node.name, node.inputs, node.output)
        elif isinstance(node, net.Add) and self._can_join(node):
            self._addition(node)
        else:
            self.found.append(node)

    # ---- Looking around

    def _is_image(self, value: str) -> bool:
        return is_image(self.shapes[value])

    def _followers(self, value: str) -> tuple[Function, str, net.Pool | None]:
        """The functions behind a value that nothing else looks at, the last of their values, and a pooling behind."""
        function = Function.identity()
        follower = self._only_user(value)
        while isinstance(follower, net.Activation):
            function = function.then(follower.function)
            value = follower.output
            self.taken.add(value)
            follower = self._only_user(value)
        pooling = follower if isinstance(follower, net.Pool) and self._pool_mode(follower) is not None else None
        return function, value, pooling

    def _only_user(self, value: str) -> net.Node | None:
        users = self.network.users(value)
        return users[0] if len(users) == 1 and value not in self.network.outputs else None

    def _pool_mode(self, node: net.Pool) -> int | None:
        """The KPU's mode for it, or None."""
        shape, out = self.shapes[node.inputs[0]], self.shapes[node.output]
        side = node.window[0]
        if node.window[1] != side or node.strides != node.window or any(node.pads) or min(shape[1:]) < LEAST_SIDE:
            return None
        return POOLS.get((node.mean, side)) if out[1:] == tuple(size // side for size in shape[1:]) else None

    # ---- Copies, and images side by side

    def _copy(
        self, name: str, value: str, output: str, pool: int = POOL_NONE, moved: tuple[int, int] = (0, 0)
    ) -> KpuStage:
        """A layer that leaves values as they are: cell y, x of its output is cell y + moved[0], x + moved[1]."""
        return replace(copy_stage(name, value, self.shapes[value][0], moved), output=output, pool=pool)

    def _can_join(self, node: net.Node) -> bool:
        """Whether its inputs are images whose channels fill whole lines of KPU RAM."""
        if not all(self._is_image(value) for value in node.inputs) or len(set(node.inputs)) != len(node.inputs):
            return False
        group = RowLayout.of(self.shapes[node.inputs[0]][2]).group
        return all(self.shapes[value][0] % group == 0 for value in node.inputs[:-1])

    def _join(self, name: str, values: tuple[str, ...], output: str) -> None:
        """Put images side by side; one that cannot be made there in the first place is copied."""
        made_here = {stage.output for stage in self.found if isinstance(stage, KpuStage)}
        parts = []
        for number, value in enumerate(values):
            part = value
            if value not in made_here or value in self.joined or self._is_cropped(value):
                part = f"{output}, part {number}"
                self.shapes[part] = self.shapes[value]
                self.found.append(self._copy(f"{name}, copy {number}", value, part))
            self.joined.add(part)
            parts.append(part)
        self.found.append(Join(name, tuple(parts), output))

    def _is_cropped(self, value: str) -> bool:
        """Whether its layer makes more cells than it has."""
        for stage in self.found:
            if isinstance(stage, KpuStage) and stage.output == value:
                return made_cells(stage, self.shapes) != self.shapes[value][1:]
        return False

    def _addition(self, node: net.Add) -> None:
        channels = self.shapes[node.inputs[0]][0]
        side_by_side = f"{node.output}, operands"
        self.shapes[side_by_side] = (len(node.inputs) * channels, *self.shapes[node.output][1:])
        self._join(node.name, node.inputs, side_by_side)
        weights = np.tile(np.eye(channels, dtype=np.float32), (1, len(node.inputs)))[:, :, None, None]
        function, value, pooling = self._followers(node.output)
        stage = KpuStage(
            node.name, side_by_side, value, value, weights, np.zeros(channels, np.float32), False, function,
            sums=node.output,
        )  # fmt: skip
        self.found.append(self._pooled(stage, pooling))

    def _pooled(self, stage: KpuStage, pooling: net.Pool | None) -> KpuStage:
        if pooling is None:
            return stage
        self.taken.add(pooling.output)
        return replace(stage, output=pooling.output, pool=self._pool_mode(pooling) or POOL_NONE)

    # ---- Convolutions

    def _convolution(self, node: net.Conv) -> None:
        if self.shapes[node.inputs[0]][1:] == (1, 1) and node.weights.shape[2:] == (1, 1) and node.groups == 1:
            weights = np.ascontiguousarray(node.weights[:, :, 0, 0])
            self.found.append(net.Dense(node.name, node.inputs, node.output, weights, node.bias))
            return
        if not self._is_image(node.inputs[0]):
            raise K210Error(
                f"{node.name}: a convolution of an image of {self.shapes[node.inputs[0]]} is not supported, "
                f"of at least {LEAST_SIDE}x{LEAST_SIDE} it is"
            )
        value, weights, depthwise = self._within_reach(node)
        function, after, pooling = self._followers(node.output)
        stage = KpuStage(
            node.name, value, after, after, weights, node.bias, depthwise, function, sums=node.output
        )  # fmt: skip
        self.found.append(self._placed(node, stage, pooling))

    def _placed(self, node: net.Conv, stage: KpuStage, pooling: net.Pool | None) -> KpuStage:
        """With the pooling that takes the cells of the stride."""
        shape, out = self.shapes[node.inputs[0]][1:], self.shapes[node.output][1:]
        stride = node.strides[0]
        if node.strides[1] != stride or stride not in STRIDE_POOLS:
            raise K210Error(f"{node.name}: strides {node.strides} are not supported, 1, 2 and 4 are")
        if any(new > -(-size // stride) for size, new in zip(shape, out, strict=True)):
            raise K210Error(f"{node.name}: padding makes {shape} cells {out}, more than there are to start from")
        if stride == 1:
            if out == shape:
                return self._pooled(stage, pooling)
            if pooling is not None:
                # What is pooled has to be cropped first.
                self.found.append(stage)
                return replace(
                    self._copy(pooling.name, stage.output, pooling.output, self._pool_mode(pooling) or POOL_NONE)
                )
            return stage
        if all(new <= size // stride for size, new in zip(shape, out, strict=True)):
            return replace(stage, pool=STRIDE_POOLS[stride])
        # An odd size has a last cell that pooling would leave out: every cell is made, then one row and column more
        # looked at than there are.
        whole = f"{stage.output}, every cell"
        self.shapes[whole] = (stage.weights.shape[0], *shape)
        self.found.append(replace(stage, output=whole))
        copy = replace(self._copy(f"{node.name}, stride", whole, stage.output), measured=stage.measured)
        cells = tuple(max(size, new * stride) for size, new in zip(shape, out, strict=True))
        if any(cell > size + 1 for cell, size in zip(cells, shape, strict=True)):
            raise K210Error(f"{node.name}: stride {stride} from {shape} to {out} cells is not supported")
        return replace(copy, pool=STRIDE_POOLS[stride], cells=(cells[0], cells[1]), sums=stage.measured)

    def _within_reach(self, node: net.Conv) -> tuple[str, net.Floats, bool]:
        """The value to look at, and weights of 1x1 or 3x3 for it; whether they are depthwise."""
        height, width = node.weights.shape[2:]
        reach = [
            [k * dilation - before for k in range(size)]
            for size, dilation, before in zip((height, width), node.dilations, node.pads[:2], strict=True)
        ]
        if (height, width) == (1, 1) and reach == [[0], [0]]:
            return node.inputs[0], *self._of_groups(node)
        if max(abs(away) for axis in reach for away in axis) > FURTHEST:
            raise K210Error(
                f"{node.name}: its kernel of {height}x{width}, dilation {node.dilations}, looks further than "
                f"{FURTHEST} cells, which is not supported"
            )
        moves = [sorted({_move(away) for away in axis}) for axis in reach]
        if moves == [[0], [0]]:
            weights, depthwise = self._of_groups(node)
            return node.inputs[0], _spread(weights, reach, (0, 0)), depthwise
        return self._of_copies(node, reach, [(y, x) for y in moves[0] for x in moves[1]])

    def _of_groups(self, node: net.Conv) -> tuple[net.Floats, bool]:
        """Weights of one group: with zeros between, unless they are depthwise."""
        outputs, inputs = node.weights.shape[:2]
        if node.groups == 1:
            return node.weights, False
        if node.depthwise:
            if node.weights.shape[2:] == (1, 1):
                return np.pad(node.weights, ((0, 0), (0, 0), (1, 1), (1, 1))), True
            return node.weights, True
        whole = np.zeros((outputs, inputs * node.groups, *node.weights.shape[2:]), np.float32)
        for group in range(node.groups):
            rows = slice(group * outputs // node.groups, (group + 1) * outputs // node.groups)
            whole[rows, group * inputs : (group + 1) * inputs] = node.weights[rows]
        return whole, False

    def _of_copies(
        self, node: net.Conv, reach: list[list[int]], moves: list[tuple[int, int]]
    ) -> tuple[str, net.Floats, bool]:
        """Copies of the input, moved, side by side, and the weights' shares for each."""
        value = node.inputs[0]
        channels, height, width = self.shapes[value]
        group = RowLayout.of(width).group
        filled = -(-channels // group) * group
        weights, _ = self._of_groups(replace(node, groups=1) if node.groups == 1 else node)
        if node.depthwise:
            weights = _dense_of_depthwise(weights)
        parts, shares = [], []
        for number, move in enumerate(moves):
            share = _spread(weights, reach, move)
            parts.append(self._moved(f"{node.name}, copy {number}", value, move, filled))
            shares.append(np.pad(share, ((0, 0), (0, filled - channels), (0, 0), (0, 0))))
        output = f"{value}, moved for {node.name}"
        self.shapes[output] = (filled * len(moves), height, width)
        self.joined.update(parts)
        self.found.append(Join(node.name, tuple(parts), output))
        return output, np.concatenate(shares, 1), False

    def _moved(self, name: str, value: str, move: tuple[int, int], channels: int) -> str:
        """A copy with cell y, x from y + move[0], x + move[1], zero beyond the edge, and so many channels."""
        left = list(move)
        step = 0
        while True:
            tap = [max(-1, min(1, away)) for away in left]
            left = [away - now for away, now in zip(left, tap, strict=True)]
            last = not any(left)
            target = f"{name}, {step}"
            step += 1
            self.shapes[target] = (channels if last else self.shapes[value][0], *self.shapes[value][1:])
            copy = self._copy(target, value, target, moved=(tap[0], tap[1]))
            if last and channels != self.shapes[value][0]:
                copy = _filled_up(copy, self.shapes[value][0], channels)
            self.found.append(copy)
            if last:
                return target
            value = target


def is_image(shape: net.Shape) -> bool:
    """Whether the KPU can hold it."""
    return len(shape) == 3 and min(shape[1:]) >= LEAST_SIDE


def copy_stage(name: str, value: str, channels: int, moved: tuple[int, int] = (0, 0)) -> KpuStage:
    """A layer that leaves values as they are; cell y, x of its output, NAME, is cell y + moved[0], x + moved[1]."""
    weights = np.zeros((channels, 1, 3, 3), np.float32)
    weights[:, 0, 1 + moved[0], 1 + moved[1]] = 1
    return KpuStage(name, value, name, value, weights, np.zeros(channels, np.float32), True)


def pool_side(mode: int) -> int:
    """How many cells a pooling mode makes one of, in each direction."""
    return {POOL_NONE: 1, POOL_MAX_4: 4, POOL_MEAN_4: 4, POOL_TOP_LEFT_4: 4}.get(mode, 2)


def made_cells(stage: KpuStage, shapes: dict[str, net.Shape]) -> tuple[int, ...]:
    """Rows and columns that the KPU makes."""
    height, width = stage.cells or shapes[stage.input][1:]
    if stage.window is not None:
        height = stage.window[1]
    return tuple(size // pool_side(stage.pool) for size in (height, width))


def _move(away: int) -> int:
    """How far a copy is moved for a cell that is `away`; the kernel's own three cells reach the rest."""
    return max(0, abs(away) - 1) * (1 if away > 0 else -1)


def _spread(weights: net.Floats, reach: list[list[int]], move: tuple[int, int]) -> net.Floats:
    """The weights that a copy moved so far serves, as 3x3."""
    out = np.zeros((*weights.shape[:2], 3, 3), np.float32)
    for row, y in enumerate(reach[0]):
        for column, x in enumerate(reach[1]):
            if (_move(y), _move(x)) == move:
                out[:, :, y - move[0] + 1, x - move[1] + 1] = weights[:, :, row, column]
    return out


def _dense_of_depthwise(weights: net.Floats) -> net.Floats:
    out = np.zeros((len(weights), len(weights), *weights.shape[2:]), np.float32)
    for channel in range(len(weights)):
        out[channel, channel] = weights[channel, 0]
    return out


def _filled_up(copy: KpuStage, channels: int, more: int) -> KpuStage:
    """The same as a dense layer with channels of zeros behind."""
    weights = np.zeros((more, channels, 3, 3), np.float32)
    weights[np.arange(channels), np.arange(channels)] = copy.weights[:, 0]
    return replace(copy, weights=weights, bias=np.zeros(more, np.float32), depthwise=False)
