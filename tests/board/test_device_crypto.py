"""hashlib and cryptolib in our MicroPython, on the chip's blocks."""

from __future__ import annotations

import pytest
from device_script import run_device_script


@pytest.mark.parametrize("name", ["hashlib", "cryptolib"])
def test_script(name: str) -> None:
    assert run_device_script(name).endswith("done\n")
