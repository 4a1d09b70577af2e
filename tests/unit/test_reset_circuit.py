"""DTR and RTS to reset and boot pin, judged by the dances that the usual client makes."""

from __future__ import annotations

import pytest

from k210kit.board.parts.reset_circuit import CIRCUITS, ResetCircuit
from k210kit.errors import K210Error

# (dtr, rts) in the order set, None for the client's 0.1 s of sleep; from kflash 1.1.6.
DAN_ISP = [(0, 0), None, (0, 0), (0, 1), None, (0, 0), (1, 0), None]
DAN_RUN = [(0, 0), None, (0, 0), (0, 1), None, (0, 0), (0, 0), None]
KD233_ISP = [(0, 0), None, (1, 0), (1, 0), None, (1, 1), (0, 1), None]
KD233_RUN = [(0, 0), None, (1, 0), (1, 0), None, (1, 0), (0, 0), None]
GOD_ISP = [(1, 1), (1, 1), None, (1, 0), (1, 0), None, (1, 0), (1, 0), None]
GOD_RUN = [(0, 0), (0, 0), None, (0, 0), (1, 0), None, (1, 1), (1, 1), None]


class HostClock:
    """Host time in the hand of the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def dance(variant: str, steps: list, between: float = 0.0) -> list[str]:
    """The ways the chip came out of reset: "isp" with the boot pin low, else "run"."""
    time = HostClock()
    circuit = ResetCircuit(variant, host_clock=time)
    starts: list[str] = []
    circuit.reset.listen(lambda held: None if held else starts.append("isp" if circuit.boot.level else "run"))
    for step in steps:
        if step is not None:
            circuit.set_lines(bool(step[0]), bool(step[1]))
        for _ in range(10):
            time.now += 0.01 if step is None else between / 10
            circuit.poll()
    time.now += 1
    circuit.poll()
    return starts


@pytest.mark.parametrize("between", [0.0, 0.05])
@pytest.mark.parametrize("variant", ["dan", "bit", "trainer"])
def test_dan(variant: str, between: float) -> None:
    assert dance(variant, DAN_ISP, between) == ["isp"]
    assert dance(variant, DAN_RUN, between) == ["run"]


@pytest.mark.parametrize("between", [0.0, 0.05])
@pytest.mark.parametrize("variant", ["kd233", "goE", "maixduino", "bit_mic"])
def test_kd233(variant: str, between: float) -> None:
    assert dance(variant, KD233_ISP, between) == ["isp"]
    assert dance(variant, KD233_RUN, between) == ["run"]


def test_god() -> None:
    assert dance("goD", GOD_ISP)[-1] == "isp"
    assert dance("goD", GOD_RUN)[-1] == "run"


def test_wrong_dance_does_not_reach_download_mode() -> None:
    assert "isp" not in dance("kd233", DAN_ISP)
    assert "isp" not in dance("dan", KD233_ISP)
    assert dance("none", DAN_ISP + KD233_ISP + GOD_ISP) == []


def test_opening_a_port_does_not_reset() -> None:
    for variant in CIRCUITS:
        assert dance(variant, [(1, 1), None, (0, 0), None]) == []


def test_reset_lasts_while_held_and_a_little_longer() -> None:
    time = HostClock()
    circuit = ResetCircuit("dan", host_clock=time)
    circuit.set_lines(False, True)
    time.now += 10
    circuit.poll()
    assert circuit.reset.level and not circuit.boot.level
    circuit.set_lines(False, False)
    time.now += 0.1
    circuit.poll()
    assert circuit.reset.level
    time.now += 0.1
    circuit.poll()
    assert not circuit.reset.level


def test_unknown_variant() -> None:
    with pytest.raises(K210Error, match="bit, trainer"):
        ResetCircuit("esp32")
