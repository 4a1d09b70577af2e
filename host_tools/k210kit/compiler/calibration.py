"""Which values a network's numbers take, as onnxruntime computes it on pictures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

Floats = npt.NDArray[np.float32]


class Reference:
    """Runs a model in floats, given factor * byte + offset; any value of it can be looked at."""

    def __init__(self, model: onnx.ModelProto, factor: float = 1.0, offset: float = 0.0) -> None:
        self.factor, self.offset = factor, offset
        self.outputs = [value.name for value in model.graph.output]
        whole = onnx.ModelProto()
        whole.CopyFrom(model)
        known = {value.name for value in whole.graph.output}
        for node in whole.graph.node:
            for name in node.output:
                if name and name not in known:
                    whole.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            whole.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._names = [value.name for value in self._session.get_outputs()]
        self.input = self._session.get_inputs()[0].name

    def _numbers(self, picture: npt.NDArray[np.uint8]) -> Floats:
        return picture[None].astype(np.float32) * np.float32(self.factor) + np.float32(self.offset)

    def run(self, picture: npt.NDArray[np.uint8]) -> dict[str, Floats]:
        """Every value, by its name, for bytes of shape (channels, height, width)."""
        values = self._session.run(self._names, {self.input: self._numbers(picture)})
        return dict(zip(self._names, values, strict=True))


def ranges(reference: Reference, pictures: Iterable[npt.NDArray[np.uint8]]) -> dict[str, tuple[float, float]]:
    """The smallest and the largest number of every value over all pictures."""
    found: dict[str, tuple[float, float]] = {}
    for picture in pictures:
        for name, values in reference.run(picture).items():
            low, high = float(values.min()), float(values.max())
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])
    return found
