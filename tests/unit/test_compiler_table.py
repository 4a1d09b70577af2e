"""Activation tables of compiled layers, against the functions that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from k210kit.board.kpu.arithmetic import Activation, activate
from k210kit.compiler.activation_table import make_table
from k210kit.compiler.functions import Function
from k210kit.compiler.quantization import Scale


@pytest.mark.parametrize("seed", range(6))
def test_a_clip_is_flat_beyond_its_ends(seed: int) -> None:
    """In any unit, and far beyond what calibration has seen."""
    random = np.random.default_rng(seed)
    for _ in range(100):
        reach = float(random.uniform(6.5, 40))
        unit = reach / 2**26
        high = float(random.uniform(0.8, 1.2)) * 6
        scale = Scale.of_range(0, high)
        function = Function.clip(0, 6)
        table = Activation.parse(make_table(function, unit, -reach, reach, scale))
        values = np.linspace(-3 * reach, 3 * reach, 301)
        made = activate(np.rint(values / unit).astype(np.int64), table)
        wanted = np.clip(np.clip(values, 0, 6) / scale.step, 0, 255)
        assert np.abs(made - wanted).max() <= 1, (reach, high)
